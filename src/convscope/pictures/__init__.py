"""A person's picture read, a picture made, and the recipe each carries."""
