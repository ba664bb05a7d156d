"""What an ONNX file says its inputs are; sizes it leaves open get the usual ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from pathlib import Path

from convscope.errors import InputError, NetworkFileError
from convscope.formats.given_shapes import GivenShape, given_shapes
from convscope.formats.onnx.constants import Constant
from convscope.formats.onnx.element_types import COMPLEX64, COMPLEX128, FLOAT, STRING
from convscope.formats.onnx.metadata import stated_size
from convscope.formats.onnx.needed_sizes import needed_sizes
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


def unread_values(model: Message, constants: Collection[str]) -> dict[str, CutLayer]:
    """Return the inputs and stored tensors that are no numbers: what needs them is cut off."""
    unread = {
        name: CutLayer(
            name, "Constant", f"the tensor {name!r} holds texts, and convscope computes with numbers only"
        )
        for name in (tensor.name or "" for tensor in model.graph.initializer if tensor.data_type == STRING)
    }
    for value in network_inputs(model, {*constants, *unread}):
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
    model: Message,
    file: Path,
    constants: Mapping[str, Constant],
    cut: Collection[str],
    given: GivenShape | None,
) -> dict[str, Shape]:
    """Return each input's name and shape; `given` replaces the first one's, or those that it names.

    What a file leaves open is what the weights that read it need, then what is usual; two sizes of one name are one.
    Raises InputError where `given` contradicts the file.
    """
    shapes: dict[str, Shape] = {}
    values = network_inputs(model, {*constants, *cut})
    needed = needed_sizes(model.graph, [value.name or "" for value in values], constants)
    named: dict[str, int] = {}
    for value in values:
        names = _names(stated_shape(value))
        named |= {
            text: needed[value.name, axis] for axis, text in names.items() if (value.name, axis) in needed
        }
    replaced = given_shapes(given, [value.name or "" for value in values])
    for value in values:
        name, stated = value.name or "", stated_shape(value)
        names = _names(stated)
        if name in replaced:
            shape = _agreed(stated, replaced[name], name)
        else:
            known = {axis: named[text] for axis, text in names.items() if text in named}
            if _may_be_a_state(stated) and shapes:
                known[1] = next(iter(shapes.values()), (1,))[0]
            known |= {axis: size for (of, axis), size in needed.items() if of == name}
            shape = _usual(
                [known.get(at, size) if isinstance(size, str) else size for at, size in enumerate(stated)],
                stated_size(model),
            )
        named = {text: shape[axis] for axis, text in names.items()} | named
        shapes[name] = tuple(named.get(names.get(axis, ""), size) for axis, size in enumerate(shape))
    for name, shape in shapes.items():
        if prod(shape) * 4 > machine_memory():
            raise NetworkFileError(
                f"{file}: the input {name!r} is {dimensions(shape)}, more than this machine holds"
            )
    return shapes


def guesses(
    model: Message, shapes: Mapping[str, Shape], constants: Mapping[str, Constant], given: GivenShape | None
) -> list[str]:
    """Return what to say of inputs whose length nothing says; a picture's size is told with its other guesses."""
    values = [value for value in network_inputs(model, constants) if value.name in shapes]
    stated = {value.name or "": stated_shape(value) for value in values}
    if all(len(sizes) == 4 for sizes in stated.values()):
        return []  # pictures, whose nodes need not be gone through again
    names = list(stated)
    needed, replaced = needed_sizes(model.graph, names, constants), given_shapes(given, names)
    known = {stated[name][axis] for name, axis in needed if axis < len(stated[name])}
    known |= {size for name in replaced for size in stated[name]}
    return [
        f"nothing says how long the input {name!r} is, {dimensions([size or '?' for size in sizes])} in the file: "  # type: ignore[misc]
        f"{dimensions(shapes[name])} is a guess (--input-shape says another, input_shape= in Python)"
        for name, sizes in stated.items()
        if len(sizes) != 4
        and name not in replaced
        and any(
            isinstance(size, str) and not (size and size in known) and (name, axis) not in needed
            for axis, size in enumerate(sizes)
            if axis
        )
    ]


def guessed_size(
    model: Message, shapes: Mapping[str, Shape], constants: Collection[str], given: GivenShape | None
) -> str:
    """Return what to say where a network does not take the size of picture that was guessed; "" where none was."""
    for value in network_inputs(model, constants):
        stated, name = stated_shape(value), value.name or ""
        if (
            given is None
            and name in shapes
            and len(stated) == 4
            and any(isinstance(size, str) for size in stated[1:])
        ):
            sizes = dimensions([size or "?" for size in stated])  # type: ignore[misc]
            return (
                f"the input {name!r} is {sizes} in the file, and {dimensions(shapes[name])} is a guess: give the size "
                "that it was made for (--input-shape 1,3,48,320, say; input_shape=(1, 3, 48, 320) in Python)"
            )
    return ""


def _may_be_a_state(stated: tuple[int | str, ...]) -> bool:
    """Whether a further input is as a recurrent network's state: (layers, batch, numbers) with only the batch open."""
    return (
        len(stated) == 3
        and stated[0] != 1
        and [isinstance(size, str) for size in stated] == [False, True, False]
    )


def _names(stated: tuple[int | str, ...]) -> dict[int, str]:
    """Return the names of an input's open axes: what is called alike is as long; one for the batch and more is none."""
    names = {axis: size for axis, size in enumerate(stated) if isinstance(size, str) and size}
    batch = names.get(0) if len(stated) > 2 and list(names.values()).count(names.get(0, "")) > 1 else None
    return {axis: name for axis, name in names.items() if name not in (batch, "None", "?")}


def _agreed(stated: tuple[int | str, ...], given: Shape, name: str) -> Shape:
    if len(stated) != len(given) or any(
        isinstance(size, int) and index == 1 and size != given[index] for index, size in enumerate(stated)
    ):
        statement = dimensions([size or "?" for size in stated])  # type: ignore[misc]
        raise InputError(
            f"the input {name!r} is {statement} in the file, which {dimensions(given)} does not fit"
        )
    return tuple(given)


def _usual(stated: Sequence[int | str], size: tuple[int, int] | None) -> Shape:
    """Fill in what is left open: one picture, three channels, 224 pixels or the size the network was saved with.

    A film or a volume is 16 times 112x112; more axes than that are no pictures, and short.
    """
    usual = {0: 1}
    if len(stated) == 5:
        usual |= {1: 3, 2: 16, 3: 112, 4: 112}
    elif len(stated) > 5:
        usual |= dict.fromkeys(range(1, len(stated)), 4)
    elif len(stated) == 4:
        last = isinstance(stated[3], int) and (
            (stated[3] in (1, 3) and stated[1] not in (1, 3))
            or (isinstance(stated[1], str) and isinstance(stated[2], str))
        )
        usual[3 if last else 1] = 3
        usual |= dict(zip((1, 2) if last else (2, 3), size or (USUAL_SIZE, USUAL_SIZE), strict=True))
    return tuple(
        size if isinstance(size, int) else usual.get(index, USUAL_SIZE) for index, size in enumerate(stated)
    )
