"""One number of a convolution, worked out on paper: what it reads, times its kernel, summed, and what follows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.address import Address
from convscope.errors import InputError
from convscope.looking.answers import answer
from convscope.network.axes import require_position
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations.checks import margins, per_axis
from convscope.pictures.photograph import Photograph

MOST_CHANNELS = 4  # that are shown in full; the others are a sum


def arithmetic(network: Network, address: Address, photograph: Photograph) -> dict[str, Any]:
    """Return as JSON data how a convolution's unit comes to its number at a position of the picture.

    `terms` are the input channels that count most, each with its `patch`, its `kernel` (both height x width) and their
    product's `sum`; `others` is the rest's sum, and `sum` all of it with the `bias`. `steps` are what is done to that
    afterwards, to the number that the layer `answers`. InputError for a unit that no convolution makes by itself.
    """
    if address.channel is None or address.position is None:
        raise InputError(f"{address}: name a channel and a position, as conv1:42@3,5")
    writers = network.graph.written_by(address.layer)
    if not writers or writers[0].kind != "convolution" or "weight" not in writers[0].parameters:
        raise InputError(
            f"{address.layer} is made by {network.layers[address.layer].kind}: no convolution to show"
        )
    operation, *after = writers
    channel, (row, column) = int(address.channel), address.position
    answers = answer(network, photograph, address.layer)
    require_position(address, *answers.shape[1:])
    kernel, first = _kernel(network, operation, channel)
    read = answer(network, photograph, operation.inputs[0]).astype(np.float64)[first : first + len(kernel)]
    patch = _patch(read, operation, (row, column), kernel.shape[1:])
    sums = (patch * kernel).sum((1, 2))
    bias = operation.parameters.get("bias")
    shift = 0.0 if bias is None else float(network.parameters[bias][channel])
    order = np.argsort(-np.abs(sums), kind="stable")
    strongest, rest = order[:MOST_CHANNELS], order[MOST_CHANNELS:]
    return {
        "reads": operation.inputs[0],
        "terms": [
            {
                "channel": first + int(index),
                "patch": patch[index].tolist(),
                "kernel": kernel[index].tolist(),
                "sum": float(sums[index]),
            }
            for index in strongest
        ],
        "others": {"count": len(rest), "sum": float(sums[rest].sum())},
        "bias": shift,
        "sum": float(sums.sum() + shift),
        "steps": [step.type_name for step in after],
        "answers": float(answers[channel, row, column]),
    }


def read_by(network: Network, layer: str) -> list[str]:
    """Return the layer that a convolution reads, for whoever asks for both answers at once."""
    writers = network.graph.written_by(layer)
    inputs = writers[0].inputs[:1] if writers and writers[0].kind == "convolution" else []
    return [name for name in inputs if name in network.layers]


def _kernel(network: Network, operation: Operation, channel: int) -> tuple[NDArray[np.float64], int]:
    """Return a unit's kernels (channels, height, width) and the first channel that they read."""
    weight = network.parameters[operation.parameters["weight"]]
    if weight.dim() != 4:
        raise InputError("only convolutions over rows and columns can be shown")
    groups = int(operation.attributes.get("groups", 1))
    first = channel // (len(weight) // groups) * weight.shape[1]
    return weight[channel].detach().cpu().double().numpy(), first


def _patch(
    read: NDArray[np.float64], operation: Operation, position: tuple[int, int], size: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return what a position reads (channels, height, width), zeros beyond the edge."""
    attributes = operation.attributes
    strides, dilations = (per_axis(attributes.get(name, 1), 2, name) for name in ("stride", "dilation"))
    borders = margins(attributes.get("padding", 0), read.shape[1:], size, strides, dilations)
    padded = np.pad(read, ((0, 0), *borders))
    axes = [
        at * stride + dilation * np.arange(extent)
        for at, stride, dilation, extent in zip(position, strides, dilations, size, strict=True)
    ]
    patch: NDArray[np.float64] = padded[:, axes[0][:, None], axes[1][None, :]]
    return patch
