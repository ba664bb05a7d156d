"""A network up to the values somebody wants to climb: picture tensor in, named values out, gradients to the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from convscope.errors import by_name, warn
from convscope.network.axes import to_channels_first
from convscope.network.engine.execution import cut
from convscope.network.engine.fusion import Chain
from convscope.network.engine.narrowing import narrowed
from convscope.network.engine.runner import Inputs, OnePictureOnly, Runner, each_alone
from convscope.network.engine.tape import Tape
from convscope.network.graph import Graph
from convscope.network.operations.processor import bfloat16_is_fast
from convscope.network.operations.winograd import is_large
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_shapes, live_values

Precision: TypeAlias = Literal["float32", "bfloat16"]
Forward: TypeAlias = Callable[[Inputs], dict[str, Tensor]]
TAPES_KEPT = 32  # one for each size of the input; their packed filters are shared


def forward_to(
    runner: Runner, targets: Mapping[str, str], channels: Mapping[str, Sequence[int]], precision: Precision
) -> Forward:
    """Return the function from an input to the targets' values, channels first, keyed as in `targets` (name to value).

    Of a target in `channels` only those are returned, in that order. "bfloat16" computes in half the bits, where the
    processor is faster at that.
    """
    values = tuple(dict.fromkeys(targets.values()))
    narrow = {value: channels[name] for name, value in targets.items() if name in channels}
    if len(values) < len(targets):
        narrow = {}  # one layer by two names: their channels may differ
    graph, narrow_names = narrowed(runner.graph, narrow, values)
    run: Callable[..., tuple[Tensor, ...]] = cut(graph, narrow_names.values())
    if runner.device.type == "cpu" and runner.precision == torch.float32:
        run = Tapes(graph, tuple(narrow_names.values()), type_of(precision)).run

    def forward(input: Inputs) -> dict[str, Tensor]:
        try:
            inputs = runner.inputs(input, values)
        except OnePictureOnly as error:
            return each_alone(forward, input, error)
        answers = dict(zip(values, run(*inputs), strict=True))
        if graph.channels_last:
            answers = {value: to_channels_first(tensor) for value, tensor in answers.items()}
        return {
            name: answers[value][:, list(channels[name])]
            if name in channels and not narrow
            else answers[value]
            for name, value in targets.items()
        }

    return forward


def half_precision() -> Precision:
    """Return the precision of who asks for speed; a note says where half of the bits are not faster."""
    if not bfloat16_is_fast():
        warn("half precision is not faster on this processor: everything is computed in full")
    return "bfloat16"


def type_of(precision: Precision) -> torch.dtype:
    """Return the type that a precision is computed in here: float32 where bfloat16 is not faster."""
    fast = torch.bfloat16 if bfloat16_is_fast() else torch.float32
    return by_name({"float32": torch.float32, "bfloat16": fast}, precision, "precision")


class Tapes:
    """A graph's forward and backward pass to some values: one tape for each size, the filters packed once."""

    def __init__(self, graph: Graph, values: Sequence[str], dtype: torch.dtype) -> None:
        self.graph, self.values, self.dtype = graph, values, dtype
        self._converted = replace(graph, parameters=graph.parameters.mapped(self._convert))
        self._tapes: dict[tuple[Shape, ...], Tape] = {}
        self._packed: dict[object, nn.Module | None] = {}

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the values, in the inputs' own precision."""
        shapes = tuple(tuple(input.shape) for input in inputs)
        if shapes not in self._tapes:
            if len(self._tapes) >= TAPES_KEPT:
                del self._tapes[next(iter(self._tapes))]
            shapes_of_values = infer_shapes(
                self.graph, dict(zip(self.graph.inputs, shapes, strict=True)), self.values
            )
            self._tapes[shapes] = Tape(
                cut(
                    self._converted,
                    self.values,
                    partial(self._packed_chain, shapes_of_values),
                    live_values(shapes_of_values),
                )
            )
        answers = self._tapes[shapes](*map(self._convert, inputs))
        return tuple(value.to(inputs[0].dtype) for value in answers)

    def _convert(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def _packed_chain(self, shapes: Mapping[str, Shape | None], chain: Chain) -> nn.Module | None:
        if (io_shapes := chain.io_shapes(shapes)) is None:
            return None
        input_shape, output_shape = io_shapes
        convolves = chain.first.kind == "convolution"
        window = chain.window(self.graph.parameters.shapes, input_shape) if convolves else None
        key = (chain.first.outputs[0], chain.output, repr(window), convolves and is_large(output_shape[2:]))
        if key not in self._packed:
            self._packed[key] = chain.two_way(self.graph.parameters, input_shape, output_shape, self.dtype)
        return self._packed[key]
