"""Keras networks of all three generations, read without Keras: ``.keras``, ``.h5``, and live models."""

KERAS = "keras:"  # what the name of a network of its applications begins with
