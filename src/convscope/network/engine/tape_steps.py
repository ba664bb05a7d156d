"""The steps of a tape: an operation there, and its gradient back.

A step's `forward` returns its value and a note; `backward` takes the note, the gradient of the value and what the first
input's gradient is so far (None at first), and returns each input's gradient, with that so far in the first. A gradient
that is no view of another belongs to who gets it, who may write over it; what is handed on is handed on as a view.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, fx

from convscope.network.engine.fusion import TwoWayConvolution
from convscope.network.operations import OPERATIONS
from convscope.network.operations.channel_damping import ChannelDamping, damping_of
from convscope.network.operations.max_pool_indices import Places, max_pool_gradient, max_pool_with_places
from convscope.network.operations.vector_jacobian import vector_jacobian


class TapeStep(Protocol):
    """One operation of a tape."""

    def forward(self, *inputs: Any) -> tuple[Any, Any]:
        """Return the value, and what `backward` needs."""

    def backward(self, note: Any, gradient: Any, accumulated: Any) -> Sequence[Any]:
        """Return the inputs' gradients."""


def steps_of(module: fx.GraphModule) -> dict[fx.Node, TapeStep]:
    """Return the step of each node that computes something, in the order they run.

    A ReLU that only a max pooling reads is left to it on the way back: a maximum that is 0 hands no gradient on. Those
    are a quarter of the numbers, and what the ReLU gave need not be kept.
    """
    steps = {node: _step(node, module) for node in module.graph.nodes if node.op.startswith("call_")}
    for node, step in steps.items():
        if not isinstance(step, _MaxPool):
            continue
        read = steps.get(node.args[0])
        if isinstance(read, _Convolution) and read.masks and len(node.args[0].users) == 1:
            steps[node.args[0]], steps[node] = replace(read, masks=False), replace(step, masks=True)
    return steps


def _step(node: fx.Node, module: fx.GraphModule) -> TapeStep:
    if node.op == "call_module":
        chain = module.get_submodule(str(node.target))
        assert isinstance(chain, TwoWayConvolution)
        return _Convolution(chain, masks=chain.activation == "relu")
    keywords = {
        name: module.get_buffer(str(value.target)) if isinstance(value, fx.Node) else value
        for name, value in node.kwargs.items()
    }
    if node.target is OPERATIONS["relu"] and not keywords.get("negative_slope"):
        return _Relu()
    assert callable(node.target)
    special = _SPECIAL.get(node.target)
    return special(keywords) if special else _Any(node.target, keywords)


@dataclass(frozen=True)
class _Convolution:
    chain: TwoWayConvolution
    masks: bool

    def forward(self, input: Tensor) -> tuple[Tensor, Any]:
        output = self.chain(input)
        return output, (output if self.masks else None, input.shape[2:])

    def backward(self, note: Any, gradient: Tensor, accumulated: Tensor | None) -> Sequence[Tensor]:
        output, size = note
        if output is not None:
            gradient = _where_positive(gradient, output)
        return (self.chain.input_gradient(gradient, size, accumulated),)


@dataclass(frozen=True)
class _Normalization:
    keywords: dict[str, Any]

    @property
    def damping(self) -> ChannelDamping:
        return damping_of(**self.keywords)

    def forward(self, input: Tensor) -> tuple[Tensor, Any]:
        output, root = self.damping.with_root(input)
        return output, (input, root)

    def backward(self, note: Any, gradient: Tensor, accumulated: Tensor | None) -> Sequence[Tensor]:
        input, root = note
        return (_plus(self.damping.gradient(input, root, gradient), accumulated),)


@dataclass(frozen=True)
class _MaxPool:
    keywords: dict[str, Any]
    masks: bool = False

    def forward(self, input: Tensor) -> tuple[Tensor, Any]:
        output, places = max_pool_with_places(input, **self.keywords)
        return output, (output if self.masks else None, places)

    def backward(
        self, note: tuple[Tensor | None, Places], gradient: Tensor, accumulated: Tensor | None
    ) -> Sequence[Tensor]:
        output, places = note
        if output is not None:
            gradient = _where_positive(gradient, output)
        return (_plus(max_pool_gradient(gradient, places), accumulated),)


@dataclass(frozen=True)
class _Relu:
    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        output = input.relu()
        return output, output

    def backward(self, note: Tensor, gradient: Tensor, accumulated: Tensor | None) -> Sequence[Tensor]:
        return (_plus(_where_positive(gradient, note), accumulated),)


@dataclass(frozen=True)
class _Concat:
    keywords: dict[str, Any]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, list[int]]:
        axis = self.keywords.get("axis", 1)
        return OPERATIONS["concat"](*inputs, axis=axis), [input.shape[axis] for input in inputs]  # type: ignore[return-value]

    def backward(self, note: list[int], gradient: Tensor, accumulated: Tensor | None) -> Sequence[Tensor]:
        first, *others = torch.split(gradient, note, self.keywords.get("axis", 1))
        return _plus(first, accumulated), *others


@dataclass(frozen=True)
class _Sum:
    keywords: dict[str, Any]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, int]:
        return OPERATIONS["eltwise_sum"](*inputs, **self.keywords), len(inputs)  # type: ignore[return-value]

    def backward(self, note: int, gradient: Tensor, accumulated: Tensor | None) -> Sequence[Tensor]:
        coefficients = self.keywords.get("coefficients") or [1] * note
        first, *others = (shared_view(gradient) if c == 1 else c * gradient for c in coefficients)
        return _plus(first, accumulated), *others


class _Part:
    """One of an operation's several values. Their gradients are gathered by number."""

    def forward(self, values: tuple[Tensor, ...], index: int) -> tuple[Tensor, int]:
        return values[index], index

    def backward(self, note: int, gradient: Tensor, accumulated: dict[int, Tensor] | None) -> Sequence[Any]:
        return ({**(accumulated or {}), note: shared_view(gradient)},)


@dataclass(frozen=True)
class _Any:
    """Any operation, its gradient by torch's autograd."""

    function: Callable[..., Any]
    keywords: dict[str, Any]

    def forward(self, *inputs: Tensor) -> tuple[Any, Any]:
        leaves = [input.detach().requires_grad_(input.is_floating_point()) for input in inputs]
        with torch.enable_grad():
            output = self.function(*leaves, **self.keywords)
        several = isinstance(output, tuple)
        return tuple(part.detach() for part in output) if several else output.detach(), (leaves, output)

    def backward(self, note: Any, gradient: Any, accumulated: Tensor | None) -> Sequence[Tensor | None]:
        leaves, output = note
        needs = (
            [(output[part], its) for part, its in gradient.items()]
            if isinstance(output, tuple)
            else [(output, gradient)]
        )
        needs = [(part, its) for part, its in needs if part.requires_grad]
        inputs = [leaf for leaf in leaves if leaf.requires_grad]
        if not needs or not inputs:
            return accumulated, *(None for _ in leaves[1:])
        parts, gradients = zip(*needs, strict=True)
        slopes = iter(vector_jacobian(parts, inputs, gradients))
        first, *others = (_some(next(slopes)) if leaf.requires_grad else None for leaf in leaves)
        return accumulated if first is None else _plus(first, accumulated), *others


_SPECIAL: dict[Any, Callable[[dict[str, Any]], TapeStep]] = {
    OPERATIONS["max_pool"]: _MaxPool,
    OPERATIONS["lrn_across_channels"]: _Normalization,
    OPERATIONS["concat"]: _Concat,
    OPERATIONS["eltwise_sum"]: _Sum,
    operator.getitem: lambda keywords: _Part(),
}


def _where_positive(gradient: Tensor, output: Tensor) -> Tensor:
    mask = torch.ops.aten.threshold_backward
    if gradient._is_view():
        masked: Tensor = mask(gradient, output, 0)
    else:  # a fourth of the time: no new memory goes through the caches
        masked = mask.grad_input(gradient, output, 0, grad_input=gradient)
    return masked


def shared_view(gradient: Tensor) -> Tensor:
    """Return a gradient that somebody else holds too, as a view."""
    return gradient.view_as(gradient)


def _some(gradient: Tensor | None) -> Tensor | None:
    """Autograd may hand on what it was given."""
    return None if gradient is None else shared_view(gradient)


def _plus(gradient: Tensor, accumulated: Tensor | None) -> Tensor:
    return gradient if accumulated is None else gradient + accumulated
