"""A cut of a network that takes its own way back: forward it notes what the gradient needs, backward it follows that.

To torch's autograd the whole cut is one operation. Weights have no gradients, values are kept only where a gradient
reads them, and what takes the time, convolutions above all, comes as pairs of a fast way there and a fast way back
(`convscope.network.engine.tape_steps`). Every other operation goes back through autograd.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.autograd.function import once_differentiable

from convscope.network.engine.tape_steps import shared_view, steps_of

Notes = dict[fx.Node, Any]


class Tape:
    """A cut (`execution.cut`) that runs with gradients to its inputs, once for each forward run.

    >>> mixed4a, = Tape(cut(network.graph, ["mixed4a"]))(x)
    """

    def __init__(self, module: fx.GraphModule) -> None:
        nodes = list(module.graph.nodes)
        self._inputs = [node for node in nodes if node.op == "placeholder"]
        self._outputs: Sequence[fx.Node] = nodes[-1].args[0]
        self._steps = steps_of(module)
        self._varying = set(self._inputs)  # what is made of constants alone needs no gradient
        for node in self._steps:
            if not self._varying.isdisjoint(node.all_input_nodes):
                self._varying.add(node)
        last = {read: node for node in self._steps for read in node.all_input_nodes}
        self._done: dict[fx.Node, list[fx.Node]] = {node: [] for node in self._steps}
        for read, node in last.items():
            if read not in self._outputs and (read in self._steps or read in self._inputs):
                self._done[node].append(read)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the cut's targets."""
        outputs: tuple[Tensor, ...] = _Run.apply(self, *inputs)  # type: ignore[no-untyped-call]
        return outputs

    def forward(self, inputs: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Notes]:
        """Return the targets and what the backward pass needs."""
        values: dict[Any, Any] = dict(zip(self._inputs, inputs, strict=True))
        notes: Notes = {}
        for node, step in self._steps.items():
            values[node], notes[node] = step.forward(
                *(values.get(argument, argument) for argument in node.args)
            )
            for done in self._done[node]:
                del values[done]
        # Tensors of their own: autograd hangs its graph, which holds the notes, on what it is given.
        return tuple(values[node].detach() for node in self._outputs), notes

    def backward(self, notes: Notes, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the gradients for the inputs; what `forward` kept is used up."""
        if self._steps and not notes:  # without a step an output is an input, and there is nothing to keep
            raise RuntimeError("these values have given their gradients already: run the network again")
        values: dict[fx.Node, Any] = {}
        for node, gradient in zip(self._outputs, gradients, strict=True):
            if gradient is not None:
                values[node] = values[node] + gradient if node in values else shared_view(gradient)
        for node, step in reversed(self._steps.items()):
            gradient, note = values.pop(node, None), notes.pop(node)
            if gradient is None or node not in self._varying:
                continue
            first, *others = (argument for argument in node.args if isinstance(argument, fx.Node))
            own, *more = step.backward(note, gradient, values.get(first))
            values[first] = own
            for other, its in zip(others, more, strict=True):
                if its is not None:
                    values[other] = values[other] + its if values.get(other) is not None else its
        return [values.get(node) for node in self._inputs]


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tape: Tape, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.tape = tape
        outputs, ctx.notes = tape.forward(inputs)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        return None, *ctx.tape.backward(ctx.notes, gradients)
