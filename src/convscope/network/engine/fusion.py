"""Chains of operations that run as one when no gradient is asked for and nothing between them is looked at.

A convolution with the batch normalization, scale and ReLU behind it is one packed oneDNN convolution; a
fully-connected layer takes its ReLU along. The values agree with the plain operations to about 1e-6 of the largest one,
those of large 3x3 convolutions to 5e-6 (`winograd`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convscope.network.axes import shape_channels_first
from convscope.network.graph import Graph, Operation
from convscope.network.operations import kind_of
from convscope.network.operations.checks import margins
from convscope.network.operations.data_gradient import DataGradient, prepare_data_gradient
from convscope.network.operations.fused import (
    Activation,
    FastConvolution,
    fused_convolution,
    fused_dense,
    prepare_convolution,
    prepare_fastest,
)
from convscope.network.operations.processor import products_are_fast
from convscope.network.parameters import Parameters, Shape


@dataclass(frozen=True)
class Chain:
    """Operations that run as one: what the first reads goes in, what the last writes comes out."""

    operations: tuple[Operation, ...]

    @property
    def first(self) -> Operation:
        """The convolution or the fully-connected layer."""
        return self.operations[0]

    @property
    def output(self) -> str:
        """The only value that is made."""
        return self.operations[-1].outputs[0]

    def module(self, parameters: Parameters, input_shape: Shape) -> nn.Module | None:
        """Return the chain as a module of its one input, or None where the plain operations have to do.

        The module takes and gives its values channels first; `input_shape` is of that order too.
        """
        filters = self.filters(parameters)
        if filters is None:
            return None
        weight, bias = filters
        if self.first.kind == "dense":
            if input_shape[0] > 1 or products_are_fast():
                return FusedDense(weight, bias, self.has_relu)
            # One row is bound by reading the weights: a packed 1x1 convolution reads them twice as fast as MKL on AMD.
            packed = prepare_convolution(weight[:, :, None, None], bias, (1, weight.shape[1], 1, 1))
            return None if packed is None else FusedConvolution(packed, self.has_relu, flat=True)
        if (window := self.window(parameters.shapes, input_shape)) is None:
            return None
        fastest = prepare_fastest(weight, bias, input_shape, **window)
        return None if fastest is None else FusedConvolution(fastest, self.has_relu)

    def two_way(
        self, parameters: Parameters, input_shape: Shape, output_shape: Shape, dtype: torch.dtype
    ) -> TwoWayConvolution | None:
        """Return the chain as `module` does, in some precision, with a backward pass."""
        filters = self.filters(parameters) if self.first.kind == "convolution" else None
        if filters is None or (window := self.window(parameters.shapes, input_shape)) is None:
            return None
        weight, bias = filters[0].to(dtype), None if filters[1] is None else filters[1].to(dtype)
        packed = prepare_fastest(weight, bias, input_shape, **window)
        input_gradient = prepare_data_gradient(weight, output_shape, **window)
        return TwoWayConvolution(packed, input_gradient, self.has_relu) if packed and input_gradient else None

    def filters(self, parameters: Parameters) -> tuple[Tensor, Tensor | None] | None:
        """Return the weights and biases with what follows worked into them; None where they cannot be packed.

        Those are other precisions than float32, and NaN or infinity.
        """
        weight, bias = (_tensor(self.first, role, parameters) for role in ("weight", "bias"))
        if weight is None or weight.dtype != torch.float32:
            return None
        for operation in self.operations[1:]:
            if operation.kind != "relu":
                weight, bias = _folded(weight, bias, operation, parameters)
        # oneDNN's ReLU makes 0 of NaN: a network that is broken would answer in numbers.
        return (weight, bias) if _is_finite(weight) and (bias is None or _is_finite(bias)) else None

    @property
    def has_relu(self) -> bool:
        """Whether a ReLU ends it."""
        return self.operations[-1].kind == "relu"

    def io_shapes(self, shapes: Mapping[str, Shape | None]) -> tuple[Shape, Shape] | None:
        """Return the shapes of what goes in and of what comes out, channels first; None where they are no maps."""
        input_shape, output_shape = shapes[self.first.inputs[0]], shapes[self.output]
        if input_shape is None or output_shape is None or len(input_shape) != 4:
            return None
        return (
            (shape_channels_first(input_shape), shape_channels_first(output_shape))
            if self.first.channels_last
            else (input_shape, output_shape)
        )

    def window(self, shapes: Mapping[str, Shape], input_shape: Shape) -> dict[str, Any] | None:
        """Return how the convolution moves over an input of this shape; None where oneDNN cannot, as torch calls it.

        `shapes` are the parameters'.
        """
        window = {key: value for key, value in self.first.keywords.items() if key != "axis"}
        stride, dilation = window.get("stride", 1), window.get("dilation", 1)
        kernel = shapes[self.first.parameters["weight"]][2:]
        borders = margins(window.pop("padding", 0), input_shape[2:], kernel, stride, dilation)
        if any(before != behind for before, behind in borders):
            return None  # both sides have to be padded alike
        return {**window, "padding": tuple(before for before, _ in borders)}


class FusedConvolution(nn.Module):
    """A packed convolution with its ReLU; `flat`: of a row of numbers. It cannot be copied or saved."""

    def __init__(self, packed: FastConvolution, relu: bool, flat: bool = False) -> None:
        super().__init__()
        self.packed, self.flat = packed, flat
        self.activation: Activation = "relu" if relu else "none"

    def forward(self, input: Tensor) -> Tensor:
        """Return relu(convolution(input))."""
        if self.flat:
            rows = input.flatten(1)[:, :, None, None]
            return fused_convolution(rows, self.packed, activation=self.activation).flatten(1)
        return fused_convolution(input, self.packed, activation=self.activation)


class TwoWayConvolution(FusedConvolution):
    """A packed convolution with its ReLU, and `input_gradient`, which computes the gradient of its input."""

    def __init__(self, packed: FastConvolution, input_gradient: DataGradient, relu: bool) -> None:
        super().__init__(packed, relu)
        self.input_gradient = input_gradient


class FusedDense(nn.Module):
    """A fully-connected layer with its ReLU."""

    def __init__(self, weight: Tensor, bias: Tensor | None, relu: bool) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias
        self.activation: Activation = "relu" if relu else "none"

    def forward(self, input: Tensor) -> Tensor:
        """Return relu(dense(input))."""
        rows = input.flatten(1)
        return fused_dense(rows, weight=self.weight, bias=self.bias, activation=self.activation)


def find_chains(graph: Graph, operations: Sequence[Operation], targets: Iterable[str]) -> dict[str, Chain]:
    """Return the chains among the operations that run, by the name of their first value.

    A value that is a target, or that anything else reads, ends its chain.
    """
    running, ends = {id(operation) for operation in operations}, set(targets)

    def only_reader(value: str) -> Operation | None:
        readers = [operation for operation in graph.consumers[value] if id(operation) in running]
        return readers[0] if len(readers) == 1 and value not in ends else None

    chains = {}
    for operation in operations:
        if not _begins(operation):
            continue
        chain, kinds = [operation], list(kind_of(operation.kind).absorbs or ())
        while (
            (reader := only_reader(chain[-1].outputs[0]))
            and reader.channels_last == operation.channels_last
            and _continues(reader, kinds, graph.parameters)
        ):
            del kinds[: kinds.index(reader.kind) + 1]
            chain.append(reader)
        chains[operation.outputs[0]] = Chain(tuple(chain))
    return chains


def _begins(operation: Operation) -> bool:
    attributes = operation.attributes
    return (
        kind_of(operation.kind).absorbs is not None
        and len(operation.inputs) == len(operation.outputs) == 1
        and attributes.get("axis", 1) == 1
        and not attributes.get("transpose")
    )


def _continues(operation: Operation, kinds: list[str], parameters: Parameters) -> bool:
    """Whether the operation may follow: in the order of `kinds`, with parameters of its own, one a channel."""
    if operation.kind not in kinds or len(operation.inputs) != 1:
        return False
    if operation.kind == "batch_norm":
        unlike = any(operation.attributes.get(word) for word in ("of_batch", "behind_root"))
        return "mean" in operation.parameters and not unlike and operation.attributes.get("sums", True)
    one_a_channel = all(len(parameters.shapes[key]) == 1 for key in operation.parameters.values())
    axis, slope = operation.attributes.get("axis", 1), operation.attributes.get("negative_slope")
    return one_a_channel and axis == 1 and not slope


def _tensor(operation: Operation, role: str, parameters: Parameters) -> Tensor | None:
    return parameters.fresh(operation.parameters[role]) if role in operation.parameters else None


def _is_finite(numbers: Tensor) -> bool:
    """Whether no number is NaN or infinite: their extremes tell in a tenth of `isfinite`'s time and no memory."""
    return not numbers.numel() or all(extreme.isfinite() for extreme in numbers.aminmax())


def _folded(
    weight: Tensor, bias: Tensor | None, operation: Operation, parameters: Parameters
) -> tuple[Tensor, Tensor]:
    """Return the filters and biases with a batch normalization, a scale or a bias worked into them."""
    bias = weight.new_zeros(weight.shape[0]) if bias is None else bias
    factor, offset = (_tensor(operation, role, parameters) for role in ("weight", "bias"))
    factor = torch.ones_like(bias) if factor is None else factor
    if operation.kind == "batch_norm":
        mean, variance = (
            parameters[operation.parameters["mean"]],
            parameters[operation.parameters["variance"]],
        )
        scale_factor = _tensor(operation, "scale_factor", parameters)
        share = (
            1.0 if scale_factor is None else torch.where(scale_factor == 0, 0.0, scale_factor.reciprocal())
        )
        factor = factor * (variance * share + operation.attributes.get("epsilon", 1e-5)).rsqrt()
        shift = -mean * share * factor
        offset = shift if offset is None else offset + shift
    folded = bias * factor if offset is None else bias * factor + offset
    return weight * factor.view(-1, *(1 for _ in weight.shape[1:])), folded
