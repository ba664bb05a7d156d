"""What can be shown of a network: one technique a file, each a function that returns Pictures."""

from __future__ import annotations

from importlib import import_module

_WITH_RECIPES = ("classify", "filters", "activations", "values")


def load() -> None:
    """Import every technique whose pictures carry recipes, so that `rerun` knows them all."""
    for name in _WITH_RECIPES:
        import_module(f"{__name__}.{name}")
