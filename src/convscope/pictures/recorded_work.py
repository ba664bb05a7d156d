"""How much a recipe of a stranger's picture may ask for before anybody is asked: its steps, its sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convscope.errors import RecipeError
from convscope.pictures.options import FORMER_NAMES
from convscope.pictures.recipe import Recipe

_MOST = 100_000  # of any number that is not named here
_LIMITS: Mapping[str, float] = {
    **dict.fromkeys(("size", "coarsest", "tile", "tile_size", "input_shape"), 8_192),
    **dict.fromkeys(("steps", *FORMER_NAMES, "samples"), 10_000),
    **dict.fromkeys(("octaves", "octave_scale", "style_scale"), 32),
}


def refuse_much_work(recipe: Recipe, path: Path) -> None:
    """Raise RecipeError for a number that would take days, or all of the memory."""
    for name, number in _numbers("", [recipe.arguments, recipe.options]):
        limit = _LIMITS.get(name, _MOST)
        if not abs(number) <= limit:  # NaN is neither
            raise RecipeError(
                f"the recipe in {path} asks for {name} {number:,}, and more than {limit:,} is done only if you trust "
                "it (--trust, trust=True)"
            )


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield every number in JSON data, at any depth, with the name it stands under."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(str(key), item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(name, item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, value
