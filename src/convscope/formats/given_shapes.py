"""The shapes of inputs that a person gave: the first one's, or each by its name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from numbers import Integral
from typing import Any

from convscope.errors import InputError, did_you_mean
from convscope.network.parameters import Shape

GivenShape = Shape | Mapping[str, Shape]


def require_shapes(given: Any) -> None:
    """InputError for what is no input_shape at all, of one input or of each by its name; None may stand for any size.

    >>> require_shapes({"image": (1, 3, 32, 32)})
    """
    for shape in given.values() if isinstance(given, Mapping) else [given] * (given is not None):
        several = isinstance(shape, Collection) and not isinstance(shape, (str, bytes)) and len(shape) > 0
        if not several or not all(size is None or _is_size(size) for size in shape):
            raise InputError(
                f"an input_shape is whole numbers from 1 on, as (batch, channels, height, width), not {shape!r}"
            )


def _is_size(size: object) -> bool:
    return isinstance(size, Integral) and not isinstance(size, bool) and int(size) > 0


def gives(given: GivenShape | None, picture: str) -> bool:
    """Whether a shape was given for the first input, which has this name."""
    return picture in given if isinstance(given, Mapping) else given is not None


def given_shapes(given: GivenShape | None, inputs: Collection[str]) -> dict[str, Shape]:
    """Return input name to the shape that was given for it; InputError for an input that there is not.

    >>> given_shapes((1, 3, 32, 32), ["image", "mask"])
    {'image': (1, 3, 32, 32)}
    >>> given_shapes({"mask": (1, 1, 32, 32)}, ["image", "mask"])
    {'mask': (1, 1, 32, 32)}
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return {next(iter(inputs)): tuple(given)} if inputs else {}
    for name in given:
        if name not in inputs:
            hint = did_you_mean(name, inputs)
            raise InputError(
                f"there is no input {name!r} to give a shape to.{hint} Possible: {', '.join(inputs)}"
            )
    return {name: tuple(shape) for name, shape in given.items()}
