"""How much a recipe of a stranger's picture may ask for before anybody is asked: its steps, its sizes, and all of it.

The limit of all is some hours of a GoogLeNet's on one processor: 10^10 pixels through the network. A picture of 1,024 x
1,024 in the style of another, of 1,000 steps, is a tenth of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from convscope.errors import RecipeError
from convscope.pictures.options import FORMER_NAMES
from convscope.pictures.recipe import Recipe

_MOST_PIXELS = 10**10
_USUAL_SIZE = 512  # pixels: where a recipe does not say it, it is the picture's own, or the network's
_SIDES = ("size", "coarsest", "input_shape")
_TIMES = ("steps", *FORMER_NAMES, "samples", "octaves", "maps")
_LISTS = ("channels", "methods", "addresses", "targets", "styles")
_MAPS = ("methods", "targets")
_USUAL_PASSES = 100  # of a method whose recipe does not say its samples
_FEATURES, _USUAL_STEPS, _USUAL_FEATURE = "feature_", 512, 128
_MOST = 100_000  # of any number that is not named here
_LIMITS: Mapping[str, float] = {
    **dict.fromkeys(("size", "coarsest", "tile", "tile_size", "input_shape"), 4_096),
    **dict.fromkeys(("steps", *FORMER_NAMES, "samples"), 10_000),
    **dict.fromkeys(("octaves", "octave_scale", "style_scale"), 32),
}


def refuse_much_work(recipe: Recipe, path: Path, units: int = 1) -> None:
    """Raise RecipeError for a number that would take days, or all of the memory, and for numbers that do together.

    `units` is how many are made where only the network tells: all of a layer's, on a sheet.
    """
    said = defaultdict[str, list[float]](list)
    for name, number in _numbers("", [recipe.arguments, recipe.options]):
        said[name].append(abs(number))
        limit = _LIMITS.get(name, _MOST)
        if not abs(number) <= limit:  # NaN is neither
            raise RecipeError(
                f"the recipe in {path} asks for {name} {number:,}, and more than {limit:,} is done only if you trust "
                "it (--trust, trust=True)"
            )
    features = recipe.function.startswith(_FEATURES)
    usual = _USUAL_FEATURE if features else _USUAL_SIZE
    side = max((number for name in _SIDES for number in said[name]), default=usual)
    times = prod(max(1, *said[name]) for name in _TIMES if said[name])
    if times == 1 and (features or any(recipe.arguments.get(name) for name in _MAPS)):
        times = _USUAL_STEPS if features else _USUAL_PASSES
    length = max(units, prod(_longest(name, recipe.arguments) for name in _LISTS))
    if (pixels := side**2 * times * length) > _MOST_PIXELS:
        raise RecipeError(
            f"the recipe in {path} asks for about {pixels:,.0f} pixels to go through the network (its size, steps and "
            f"how many are made, together), and more than {_MOST_PIXELS:,} is done only if you trust it (--trust, "
            "trust=True)"
        )


def _longest(name: str, arguments: Mapping[str, Any]) -> int:
    """Return how many things an argument asks for: a list's length, at least 1."""
    value = arguments.get(name)
    return max(1, len(value)) if isinstance(value, (list, tuple)) else 1


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
