"""A network as plain data, its shapes and layers, and how it runs."""
