"""`zoo:NAME`: the classics by name, fetched from their publishers, checked and kept."""
