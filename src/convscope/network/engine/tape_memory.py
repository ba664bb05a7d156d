"""How much memory a gradient takes, known before it is taken: the tape is run on tensors without numbers.

Each tensor is noted where it is made and where it is let go, on the way there and on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

import torch
from torch import Tensor, nn

from convscope.network.axes import shape_channels_first
from convscope.network.engine.allocation_log import AllocationLog
from convscope.network.engine.execution import cut
from convscope.network.engine.fusion import Chain, TwoWayConvolution
from convscope.network.engine.heap import Event
from convscope.network.engine.memory import BYTES_PER_NUMBER
from convscope.network.engine.tape import Tape
from convscope.network.graph import Graph, Operation
from convscope.network.operations.data_gradient import FEW_CHANNELS
from convscope.network.operations.winograd import winograd_pays
from convscope.network.parameters import Parameters, Shape
from convscope.network.shapes import infer_shapes

_TRANSFORMED = 4  # times what the filters of a Winograd convolution are made of
_STRIP, _STRIPS = 2**20, 4  # numbers, tensors: what a Winograd convolution makes on its way


def tape_events(
    graph: Graph,
    values: Sequence[str],
    inputs: Mapping[str, Shape],
    scalar: Callable[[Sequence[Tensor]], Tensor],
    dtype: torch.dtype = torch.float32,
) -> list[Event]:
    """Return which tensors a forward and backward pass to these values allocates and frees, filters apart.

    `scalar` makes one number of the values, and is followed too. The network computes in `dtype`.
    """
    shapes = infer_shapes(graph, inputs, values)
    known = graph.parameters.shapes
    empty = Parameters(known, lambda name: torch.zeros(known[name], device="meta", dtype=dtype))
    lines = Graph(
        graph.name, graph.inputs, graph.operations, graph.outputs, empty, channels_last=graph.channels_last
    )
    with torch.device("meta"), torch.enable_grad():
        tape = Tape(cut(lines, values, lambda chain: _stand_in(chain, known, shapes, dtype)))
        leaves = [_zeros(shape, last=graph.channels_last).requires_grad_() for shape in inputs.values()]
        with AllocationLog() as log:
            answers = [answer.float() for answer in tape(*(input.to(dtype) for input in leaves))]
            total = scalar([_channels_first(answer, graph.channels_last) for answer in answers])
            _ = torch.autograd.grad(total, leaves, allow_unused=True)
            del answers, total, _
    events: list[Event] = log.events
    return events


def filter_bytes(
    graph: Graph, values: Sequence[str], inputs: Mapping[str, Shape], dtype: torch.dtype = torch.float32
) -> int:
    """Return the bytes of the filters up to these values: as saved, and packed for both passes."""
    shapes = infer_shapes(graph, inputs, values)
    count = 0
    for operation in graph.needed_for(values):
        output_shape = shapes[operation.outputs[0]] if operation.outputs else None
        if output_shape is not None and operation.channels_last:
            output_shape = shape_channels_first(output_shape)
        for key in operation.parameters.values():
            filters = graph.parameters.shapes[key]
            pays = output_shape is not None and _is_winograd(operation, filters, output_shape, dtype)
            packed = dtype.itemsize * (_TRANSFORMED if pays else 1)
            count += prod(filters) * (BYTES_PER_NUMBER + 2 * packed)
    return count


def _is_winograd(operation: Operation, filters: Shape, made: Shape, dtype: torch.dtype) -> bool:
    if dtype != torch.float32:
        return False
    window = {name: operation.attributes.get(name, 1) for name in ("stride", "dilation", "groups")}
    return len(filters) == len(made) == 4 and winograd_pays(filters, made[2:], **window)


def _stand_in(
    chain: Chain, parameters: Mapping[str, Shape], shapes: Mapping[str, Shape | None], dtype: torch.dtype
) -> nn.Module | None:
    """Return a stand-in for a packed chain: it allocates the same tensors."""
    io_shapes = None if chain.first.kind == "dense" else chain.io_shapes(shapes)
    if io_shapes is None:
        return None
    read, made = io_shapes
    if chain.window(parameters, read) is None:
        return None
    strips = _is_winograd(chain.first, parameters[chain.first.parameters["weight"]], made, dtype)
    return _Convolution(read[1], made, chain.has_relu, strips)


class _Convolution(TwoWayConvolution):
    def __init__(self, channels: int, made: Shape, relu: bool, strips: bool) -> None:
        nn.Module.__init__(self)
        self.made, self.activation, self.strips = made, "relu" if relu else "none", strips
        self.input_gradient = _InputGradient(channels, strips)

    def forward(self, input: Tensor) -> Tensor:
        return _convolution_output((input.shape[0], *self.made[1:]), input, self.strips)


class _InputGradient:
    def __init__(self, channels: int, strips: bool) -> None:
        self.channels, self.strips = channels, strips

    def __call__(self, gradient: Tensor, size: Sequence[int], addend: Tensor | None = None) -> Tensor:
        if self.channels <= FEW_CHANNELS:
            gradient = nn.functional.pad(gradient, [0, 1, 0, 1])
        return _convolution_output((gradient.shape[0], self.channels, *size), gradient, self.strips)


def _convolution_output(shape: Sequence[int], read: Tensor, strips: bool) -> Tensor:
    """Return a convolution's output, and allocate what it allocates in between."""
    _ = read.contiguous(memory_format=torch.channels_last)
    tensor = _zeros(shape, dtype=read.dtype)
    strip = min(_STRIP, prod(shape) * 9 // 4)
    _ = [torch.zeros(strip, device="meta") for _ in range(_STRIPS if strips else 0)]
    return tensor


def _zeros(shape: Sequence[int], *, last: bool = False, dtype: torch.dtype = torch.float32) -> Tensor:
    if last or len(shape) != 4:
        return torch.zeros(tuple(shape), device="meta", dtype=dtype)
    count, channels, *size = shape
    return torch.zeros(count, *size, channels, device="meta", dtype=dtype).permute(0, 3, 1, 2)


def _channels_first(value: Tensor, last: bool) -> Tensor:
    return value.movedim(-1, 1) if last and value.dim() == 4 else value
