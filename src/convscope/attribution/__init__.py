"""Where the evidence for an answer lies: one method a file."""
