"""How much memory a gradient takes, known before it is taken: the tape is run on tensors without numbers.

Each tensor is counted from where it is made to where it is let go, on the way there and on the way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from convscope.network.axes import shape_channels_first
from convscope.network.execution import cut
from convscope.network.fusion import Chain, FusedNormalization, TwoWayConvolution
from convscope.network.graph import Graph
from convscope.network.memory import BYTES_PER_NUMBER
from convscope.network.operations.fused import PackedConvolution
from convscope.network.parameters import Parameters, Shape
from convscope.network.shapes import infer_shapes
from convscope.network.tape import Tape

_FEW = 4  # channels: a picture, whose gradient is computed by phases


def tape_bytes(graph: Graph, values: Sequence[str], inputs: Mapping[str, Shape]) -> int:
    """Return the most bytes that a tape from these inputs to these values and back holds at a time, filters apart."""
    shapes = infer_shapes(graph, inputs, values)
    known = graph.parameters.shapes
    empty = Parameters(known, lambda name: torch.zeros(known[name], device="meta"))
    lines = Graph(
        graph.name, graph.inputs, graph.operations, graph.outputs, empty, channels_last=graph.channels_last
    )
    with torch.device("meta"), torch.enable_grad(), _Counted() as counted:
        tape = Tape(cut(lines, values, lambda chain: _stand_in(chain, known, shapes)))
        counted.begin()
        given = [_zeros(shape, last=graph.channels_last).requires_grad_() for shape in inputs.values()]
        found = [value for value in tape(*given) if value.requires_grad]
        torch.autograd.grad(found, given, [torch.zeros_like(value) for value in found], allow_unused=True)
    most: int = counted.most
    return most


def filter_bytes(graph: Graph, values: Sequence[str]) -> int:
    """Return the bytes of the filters up to these values: as they are saved, packed for the way there, and back."""
    keys = {key for operation in graph.needed_for(values) for key in operation.parameters.values()}
    return 3 * BYTES_PER_NUMBER * sum(prod(graph.parameters.shapes[key]) for key in keys)


class _Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that operations make, and keeps the most there were at a time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._held: dict[int, tuple[StorageWeakRef, int]] = {}

    def begin(self) -> None:
        """Count from here on."""
        self.most = 0
        self._held = {key: (reference, 0) for key, (reference, _) in self._held.items()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._held = {key: held for key, held in self._held.items() if not _gone(held[0])}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                # What is made empty stands for a shape (`max_pool_gradient`), and is never touched.
                size = 0 if func is torch.ops.aten.empty.memory_format else storage.nbytes()
                reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self._held.setdefault(storage._cdata, (reference, size))
        self.most = max(self.most, sum(size for _, size in self._held.values()))
        return result


def _gone(reference: StorageWeakRef) -> bool:
    return bool(reference.expired())  # type: ignore[no-untyped-call]


def _stand_in(
    chain: Chain, parameters: Mapping[str, Shape], shapes: Mapping[str, Shape | None]
) -> nn.Module | None:
    """Return what takes a packed chain's place: it makes the same tensors."""
    read, made = shapes[chain.first.inputs[0]], shapes[chain.output]
    if read is None or made is None or len(read) != 4 or chain.first.kind == "dense":
        return None
    if chain.first.channels_last:
        read, made = shape_channels_first(read), shape_channels_first(made)
    if chain.first.kind == "lrn_across_channels":
        channels = read[1]
        band = torch.zeros(channels, channels, 1, 1)
        packed = PackedConvolution(band, torch.zeros(channels), (1, 1), (0, 0), (1, 1), 1)
        return FusedNormalization(packed, 0.75)
    window = chain.window(Parameters(parameters, lambda name: torch.zeros(0)), read)
    return None if window is None else _Convolution(read[1], made, chain.has_relu)


class _Convolution(TwoWayConvolution):
    def __init__(self, channels: int, made: Shape, relu: bool) -> None:
        nn.Module.__init__(self)
        self.made, self.activation, self.spread = made, "relu" if relu else "none", _Spread(channels)

    def forward(self, input: Tensor) -> Tensor:
        input = input.contiguous(memory_format=torch.channels_last)
        return _zeros((input.shape[0], *self.made[1:]))


class _Spread:
    def __init__(self, channels: int) -> None:
        self.channels = channels

    def __call__(self, gradient: Tensor, size: Sequence[int], addend: Tensor | None = None) -> Tensor:
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        if self.channels <= _FEW:
            gradient = nn.functional.pad(gradient, [0, 1, 0, 1])
        return _zeros((gradient.shape[0], self.channels, *size))


def _zeros(shape: Sequence[int], *, last: bool = False) -> Tensor:
    found = torch.zeros(tuple(shape), device="meta")
    return found if last or len(shape) != 4 else found.to(memory_format=torch.channels_last)
