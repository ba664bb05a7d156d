"""Arrays that stand between layers in the place of a tensor: ``x * np.arange(6)``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convscope.formats.keras.layers.translation import numbers
from convscope.formats.keras.model import Call, KerasLayer
from convscope.formats.keras.variable import Variable

_ARRAYS = ("__numpy__", "__tensor__")


def is_array(value: Any) -> bool:
    """Whether an argument of a call is an array, as Keras 3 writes one."""
    return isinstance(value, Mapping) and value.get("class_name") in _ARRAYS


def constants_of(call: Call) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a call, with the names of the parameters they become."""
    arrays = [value for value in (*call.arguments, *call.keywords.values()) if is_array(value)]
    yield from ((f"constant{index}", value) for index, value in enumerate(arrays))


_STATED = {"RGBToGrayscale": Variable("weight", value=numbers([[0.2989], [0.587], [0.114]]))}
"""What a function multiplies with, that its call does not say."""


def constant_variables(layer: KerasLayer) -> tuple[Variable, ...]:
    """Return the arrays of a function and of its call as parameters that no file has."""
    if layer.class_name in _STATED:
        return (_STATED[layer.class_name],)
    constants = constants_of(layer.calls[0]) if layer.calls else ()
    return tuple(Variable(name, value=numbers(value)) for name, value in constants)
