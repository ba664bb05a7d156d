"""A picture in the style of another, step by step."""
