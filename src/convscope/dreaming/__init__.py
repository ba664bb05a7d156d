"""What a network dreams into pictures, step by step."""
