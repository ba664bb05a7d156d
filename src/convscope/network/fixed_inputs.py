"""Inputs beside the picture that get a value once and for all: a mask, a flag, a second picture.

They become constants of the graph, so everything works as with one input: predict, gradients, pictures, saving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.errors import InputError, did_you_mean
from convscope.files import require_regular, user_path
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import InputSpec
from convscope.network.parameters import Shape
from convscope.pictures.numpy_file import read_numbers


def read_input(value: Any) -> Tensor | float | str:
    """Return what is given for an input: a tensor, a number for all of it, or the name of a picture.

    Arrays, ``.npy`` files, numbers (as text too), ``"zeros"`` and ``"ones"`` are possible.
    """
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, (Tensor, np.ndarray, list, tuple)):
        return torch.as_tensor(np.asarray(value) if isinstance(value, (list, tuple)) else value).float()
    text = str(value)
    if text in ("zeros", "ones"):
        return float(text == "ones")
    try:
        return float(text)
    except ValueError:
        pass
    if not text.lower().endswith(".npy"):
        return text
    path = user_path(text)
    if path.exists():
        require_regular(path)
    try:
        return torch.from_numpy(read_numbers(path).astype(np.float32))
    except (OSError, ValueError) as error:
        raise InputError(f"{text} is no NumPy file of numbers: {error}") from error


def with_fixed_inputs(graph: Graph, fixed: Mapping[str, Tensor | float | str]) -> Graph:
    """Return the graph with these inputs as constants; InputError for one that there is not, or of another size.

    >>> with_fixed_inputs(graph, {"mask": 1.0}).inputs
    {'image': (1, 3, 224, 224)}
    """
    for name in fixed:
        if name not in graph.inputs:
            possible = ", ".join(f"{key} {shape}" for key, shape in graph.inputs.items())
            hint = did_you_mean(name, graph.inputs)
            raise InputError(f"{graph.name} has no input {name!r}.{hint} Possible: {possible}")
    left = {name: shape for name, shape in graph.inputs.items() if name not in fixed}
    if fixed and not left:
        raise InputError("one input has to be left for the picture: give the others a value, not all")
    values = {f"{name}.value": _filled(value, graph.inputs[name], name) for name, value in fixed.items()}
    constants = tuple(
        Operation("initializer", name, "Input", (), (name,), {"value": f"{name}.value"}) for name in fixed
    )
    return replace(
        graph,
        inputs=left,
        operations=(*constants, *graph.operations),
        parameters=graph.parameters.replaced(values),
        constants=graph.constants | set(fixed),
    )


def _filled(value: Tensor | float | str, shape: Shape, name: str) -> Tensor:
    if isinstance(value, float):
        return torch.full(shape, value)
    if isinstance(value, str):
        return _of_picture(value, shape, name)
    fitted = value.reshape(shape) if value.shape == (prod(shape),) else with_axes(value, shape)
    if fitted.shape != shape:
        raise InputError(f"input {name!r} is of shape {shape}; what is given has {tuple(value.shape)}")
    return fitted


def with_axes(value: Tensor, shape: Shape) -> Tensor:
    """Return numbers with the axes of size 1 that they lack for a shape; of another size, with the batch's alone.

    >>> with_axes(torch.zeros(187), (1, 187, 1)).shape
    torch.Size([1, 187, 1])
    """
    if [size for size in value.shape if size != 1] == [size for size in shape if size != 1]:
        return value.reshape(shape)
    return value[None] if value.dim() == len(shape) - 1 else value


def _of_picture(picture: str, shape: Shape, name: str) -> Tensor:
    """Return a picture as an input of this shape, its colors in 0..1."""
    if len(shape) == 4 and shape[1] in (1, 3):
        spec = InputSpec((shape[2], shape[3]), "GRAY" if shape[1] == 1 else "RGB")
    elif len(shape) == 4 and shape[3] in (1, 3):
        spec = InputSpec((shape[1], shape[2]), "GRAY" if shape[3] == 1 else "RGB", "NHWC")
    else:
        raise InputError(
            f"input {name!r} of shape {shape} is no picture: give a number, zeros or a .npy file"
        )
    return spec.to_tensor(picture).expand(shape)
