"""Layers that people teach convscope, by type, for every format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from torch import Tensor

from convscope.errors import UnsupportedLayer
from convscope.formats.function_hash import function_sha256
from convscope.network.operations import OPERATIONS

_TAUGHT = " taught "  # between a type and the hash of its function; no operation of convscope's has a space

TensorFunction = Callable[..., Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True)
class CustomLayer:
    """What was taught about a type: its function of tensors, and the keywords under which it gets its parameters.

    `kind` is the operation that it is: the type and the function's hash, so that what was opened with another function
    stays what it is, and an operation of that name too.
    """

    function: TensorFunction
    kind: str
    roles: tuple[str, ...] = ()

    def accepted(self, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the keywords that the function takes."""
        parameters = signature(self.function).parameters
        if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()):
            return dict(keywords)
        return {name: value for name, value in keywords.items() if name in parameters}


CUSTOM_LAYERS: dict[str, CustomLayer] = {}


def teach(type_name: str, function: TensorFunction, roles: Sequence[str] = ()) -> CustomLayer:
    """Let layers of a type, in any format, be computed by a function."""
    kind = f"{type_name}{_TAUGHT}{function_sha256(function)[:16]}"
    OPERATIONS[kind] = _named(function, type_name)
    CUSTOM_LAYERS[type_name] = CustomLayer(function, kind, tuple(roles))
    return CUSTOM_LAYERS[type_name]


def saved_kind(kind: str) -> str:
    """Return how a file calls an operation: a taught one by its type, for it is taught anew where it is opened."""
    type_name, taught, _ = kind.partition(_TAUGHT)
    return f"{type_name}{taught}"


def opened_kind(kind: str) -> str:
    """Return the operation that a file calls so: one of convscope's, or what is taught of that type now.

    UnsupportedLayer where nothing is.
    """
    type_name = kind.removesuffix(_TAUGHT)
    if type_name in CUSTOM_LAYERS and (kind != type_name or kind not in OPERATIONS):
        return CUSTOM_LAYERS[type_name].kind
    if kind != type_name:
        raise UnsupportedLayer(
            f"a layer of the type {type_name!r} was taught where this was saved: teach it here, too, with "
            f"register_layer({type_name!r}, function), a function of tensors"
        )
    return kind


def _named(function: TensorFunction, type_name: str) -> TensorFunction:
    """Wrap a function so that torch.fx can write it down: it may be a lambda or an object."""

    def call(*inputs: Tensor, **keywords: Any) -> Tensor | tuple[Tensor, ...]:
        return function(*inputs, **keywords)

    call.__name__ = call.__qualname__ = "custom_" + "".join(c if c.isalnum() else "_" for c in type_name)
    call.__doc__ = function.__doc__
    return call
