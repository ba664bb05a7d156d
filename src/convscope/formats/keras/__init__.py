"""Keras networks of all three generations, read without Keras: ``.keras``, ``.h5``, and live models."""
