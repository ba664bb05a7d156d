"""What an ONNX file says its inputs are; sizes it leaves open get the usual ones."""

from __future__ import annotations

from collections.abc import Collection
from math import prod
from pathlib import Path

from convscope.errors import InputError, NetworkFileError
from convscope.formats.onnx.element_types import COMPLEX64, COMPLEX128, FLOAT, STRING
from convscope.formats.onnx.metadata import stated_size
from convscope.formats.protobuf.message import Message
from convscope.network.cut import CutLayer
from convscope.network.engine.memory import machine_memory
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Shape

USUAL_SIZE = 224


def stated_shape(value: Message) -> tuple[int | str, ...]:
    """Return the shape of a ``ValueInfoProto``: numbers, and names (perhaps empty) for sizes that are left open."""
    dims = value.type.tensor_type.shape.dim
    return tuple(int(dim.dim_value) if (dim.dim_value or 0) > 0 else (dim.dim_param or "") for dim in dims)


def network_inputs(model: Message, constants: Collection[str]) -> list[Message]:
    """Return the inputs that a user gives: files of old list their weights as inputs too."""
    return [value for value in model.graph.input if (value.name or "") not in constants]


def input_types(model: Message) -> dict[str, int]:
    """Return what numbers each input is of, by ONNX's count."""
    return {value.name or "": value.type.tensor_type.elem_type or FLOAT for value in model.graph.input}


def unread_inputs(model: Message, constants: Collection[str]) -> dict[str, CutLayer]:
    """Return the inputs that are no numbers: what needs them is cut off."""
    unread = {}
    for value in network_inputs(model, constants):
        kind = value.type.tensor_type.elem_type or FLOAT
        if not value.type.has("tensor_type"):
            what = "a sequence, a map or something optional"
        elif kind in (STRING, COMPLEX64, COMPLEX128):
            what = "texts" if kind == STRING else "complex numbers"
        else:
            continue
        name = value.name or ""
        reason = f"the input {name!r} is {what}, and convscope computes with tensors of numbers only"
        unread[name] = CutLayer(name, "Input", reason)
    return unread


def input_shapes(
    model: Message, file: Path, constants: Collection[str], given: Shape | None
) -> dict[str, Shape]:
    """Return each input's name and shape; `given` replaces the first one's.

    Raises InputError where `given` contradicts the file.
    """
    shapes: dict[str, Shape] = {}
    for value in network_inputs(model, constants):
        stated = stated_shape(value)
        shapes[value.name or ""] = (
            _agreed(stated, given, str(value.name))
            if not shapes and given
            else _usual(stated, stated_size(model))
        )
    for name, shape in shapes.items():
        if prod(shape) * 4 > machine_memory():
            raise NetworkFileError(
                f"{file}: the input {name!r} is {dimensions(shape)}, more than this machine holds"
            )
    return shapes


def _agreed(stated: tuple[int | str, ...], given: Shape, name: str) -> Shape:
    if len(stated) != len(given) or any(
        isinstance(size, int) and index == 1 and size != given[index] for index, size in enumerate(stated)
    ):
        statement = dimensions([size or "?" for size in stated])  # type: ignore[misc]
        raise InputError(
            f"the input {name!r} is {statement} in the file, which {dimensions(given)} does not fit"
        )
    return tuple(given)


def _usual(stated: tuple[int | str, ...], size: tuple[int, int] | None) -> Shape:
    """Fill in what is left open: one picture, three channels, 224 pixels or the size the network was saved with."""
    usual = {0: 1}
    if len(stated) == 4:
        last = isinstance(stated[3], int) and stated[3] in (1, 3) and stated[1] not in (1, 3)
        usual[3 if last else 1] = 3
        usual |= dict(zip((1, 2) if last else (2, 3), size or (USUAL_SIZE, USUAL_SIZE), strict=True))
    return tuple(
        size if isinstance(size, int) else usual.get(index, USUAL_SIZE) for index, size in enumerate(stated)
    )
