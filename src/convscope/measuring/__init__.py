"""What units answer to many pictures: one pass over them, and what can be read from it."""
