"""The version, which also says whether what is kept was made by this code."""

__version__ = "0.2.0"
