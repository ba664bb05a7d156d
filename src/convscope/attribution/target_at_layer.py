"""A target seen from a layer before it: the layer's answers, the score's gradient for them, and what lies behind it.

Gradients go to the layer, never to the pixels: only the tail of the network behind it runs twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from convscope.attribution.target import AttributionTarget
from convscope.attribution.target_check import require_finite
from convscope.network.engine.memory import shortage_in_words
from convscope.network.operations import kind_of
from convscope.network.outputs import token_grid
from convscope.network.tail import Tail
from convscope.network.tokens import token_grids


@dataclass(frozen=True, eq=False)
class TargetAtLayer:
    """A target seen from a layer before it: what the layer answers and the tail behind it.

    ``beside`` is another target of the same layers, that is looked at next: one tail computes the channels of both.
    """

    target: AttributionTarget
    layer: str
    beside: AttributionTarget | None = None
    shared_tail: Tail | None = None

    def seen_beside(self) -> TargetAtLayer:
        """Return the target beside, seen from the same layer, through the same tail."""
        assert self.beside is not None
        return TargetAtLayer(self.beside, self.layer, self.target, self.tail)

    @cached_property
    def tail(self) -> Tail:
        """The network from the layer to the target's layers, of which only the channels that count are computed."""
        if self.shared_tail is not None:
            return self.shared_tail
        target = self.target
        channels = {
            layer: channels_of_layer
            for layer in target.layers
            if (channels_of_layer := self._channels_of(layer))
        }
        return Tail(
            target.network, target.input, self.layer, target.layers, channels=channels, known=target.known
        )

    def _channels_of(self, layer: str) -> list[int]:
        """Return the channels of a layer that the target is made of; none where it is of all."""
        terms = (*self.target.terms, *(self.beside.terms if self.beside else ()))
        channels = [term.address.channel for term in terms if term.address.layer == layer]
        return [] if None in channels else sorted({int(channel or 0) for channel in channels})

    @cached_property
    def _narrow(self) -> AttributionTarget:
        """The same target, of the channels that the tail computes."""
        terms = []
        for term in self.target.terms:
            address = term.address
            if address.channel is not None:
                channels = self._channels_of(address.layer)
                address = (
                    replace(address, channel=channels.index(int(address.channel))) if channels else address
                )
            terms.append(replace(term, address=address))
        return replace(self.target, terms=tuple(terms))

    def number(self, answers: Tensor) -> Tensor:
        """Return the target's number for each of a batch of the layer's answers, (N,); gradients flow to them."""
        return self._narrow.number(self.tail.run(answers))

    def number_from(self, value: str, answers: Tensor) -> Tensor:
        """Return the number for each of a batch of answers of a value that every way behind the layer goes through."""
        return self._narrow.number(self.tail.run_from(value, answers))

    @cached_property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the places that the layer's tokens are, where it answers with tokens."""
        if self.layer not in token_grids(self.target.network):
            return None
        return token_grid(self.target.size, self.tail.answer.shape[3 - self.channel_axis])

    @cached_property
    def channel_axis(self) -> int:
        """The axis of `tail.answer` that its channels are on, or the numbers of its tokens."""
        tokens_first = self.layer in token_grids(self.target.network)
        return 2 if tokens_first and not self.target.network.graph.channels_last else 1

    @property
    def places(self) -> tuple[int, ...]:
        """Rows and columns of the layer's places; of a signal's layer its positions, of a volume's all three sizes."""
        return self.grid or tuple(self.tail.answer.shape[2:])

    def _at_places(self, values: Tensor) -> Tensor:
        """Return the layer's numbers as (channels, height, width): of tokens, those that have a place.

        A signal's layer is a single row; of a volume's, the rows and columns of each slice stand in one row.
        """
        if self.grid is None:
            whole = values[0]
            return whole[:, None] if whole.dim() == 2 else whole.flatten(2) if whole.dim() == 4 else whole
        rows, columns = self.grid
        return values.movedim(self.channel_axis, 1)[0, :, -rows * columns :].reshape(-1, rows, columns)

    def by_channel(self, values: Tensor) -> Tensor:
        """Return the layer's numbers as (channels, positions), tokens without a place among them."""
        channels = values.movedim(self.channel_axis, 1)[0]
        return channels.reshape(len(channels), -1)  # a layer without places has one number each

    @cached_property
    def answers(self) -> Tensor:
        """What the layer answers to the picture: (channels, height, width)."""
        return self._at_places(self.tail.answer.detach())

    @cached_property
    def _score_and_gradients(self) -> tuple[float, Tensor]:
        answers = self.tail.answer.detach().requires_grad_()
        with shortage_in_words(), torch.enable_grad():
            numbers = self.number(answers)
            require_finite(self.target, numbers, self.target.input)
            number = numbers.sum()
            gradient = None
            if number.requires_grad:  # else the layer is of another branch than the box
                (gradient,) = torch.autograd.grad(number, answers, allow_unused=True)
        return float(number.detach()), torch.zeros_like(answers) if gradient is None else gradient

    @property
    def whole_gradients(self) -> Tensor:
        """The number's gradient for what the layer answers, in the shape of `tail.answer`."""
        return self._score_and_gradients[1]

    @property
    def gradients(self) -> Tensor:
        """The number's gradient for what the layer answers: (channels, height, width)."""
        return self._at_places(self.whole_gradients)

    @property
    def reads_tokens(self) -> Tensor:
        """Which of the layer's tokens the number depends on: (tokens,)."""
        return self.by_channel(self.whole_gradients).any(0)

    @property
    def score(self) -> float:
        """The target's number for the picture."""
        return self._score_and_gradients[0]

    @cached_property
    def is_affine(self) -> bool:
        """Whether what lies behind only adds and weighs: the number is then a sum over positions and a constant."""
        return all(
            kind_of(operation.kind).affine and not operation.attributes.get("of_batch")
            for operation in self.tail.operations
        ) and all(term.address.channel is not None for term in self.target.terms)

    @cached_property
    def constant(self) -> float:
        """The number where the layer answers nothing: for an affine tail, the bias."""
        with torch.enable_grad():  # runs what the gradient's run was prepared for
            nothing = torch.zeros_like(self.tail.answer).requires_grad_()
            return float(self.number(nothing).detach())
