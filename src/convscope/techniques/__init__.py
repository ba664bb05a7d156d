"""What can be shown of a network: one technique a file, each a function that returns Pictures."""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING

from convscope import recipe as recipes

if TYPE_CHECKING:
    from convscope.network.network import Network
    from convscope.picture import Picture

_WITH_RECIPES = ("classify", "filters", "activations", "values")


def load() -> None:
    """Import every technique whose pictures carry recipes, so that a recipe may name them all."""
    for name in _WITH_RECIPES:
        import_module(f"{__name__}.{name}")


def rerun(
    recipe: recipes.Recipe | str | PathLike[str],
    *,
    network: Network | None = None,
    picture: object = None,
) -> Picture:
    """Make a picture again from its recipe, or from the file that carries it: the same bytes when saved.

    `network` and `picture` stand in for the recorded ones where those were in memory or have moved. Raises
    RecipeError when the network's weights or the input picture have changed since.

    >>> convscope.rerun("filters.png").save("again.png")
    """
    load()
    return recipes.rerun(recipe, network=network, picture=picture)
