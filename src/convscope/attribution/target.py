"""What a gradient is asked: which number of a network, for which picture, and how it changes with every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.address import Address
from convscope.errors import InputError, UnknownLayer
from convscope.looking.answers import CENTER_OF_TEN
from convscope.network.axes import require_position
from convscope.network.engine.differentiable import Forward
from convscope.network.engine.memory import shortage_in_words
from convscope.network.labels import find_label
from convscope.network.network import Network

AT_ONCE = 8  # pictures that go through the network together


@dataclass(frozen=True, eq=False)
class Question:
    """How one number of a network's answer depends on a picture.

    ``input`` is the picture as the network eats it, a batch of one; ``target`` the number's address: a neuron or a
    class is that number, a channel its mean over all positions, a layer the sum over all positions of the strongest
    channel there.
    """

    network: Network
    input: Tensor
    target: Address

    @cached_property
    def _forward(self) -> Forward:
        return self.network.forward_to([self.target.layer])

    def scores(self, inputs: Tensor) -> Tensor:
        """Return the number for each input of a batch, shape (N,); gradients flow to the inputs."""
        value = self._forward(inputs)[self.target.layer]
        if self.target.channel is None:
            return value.amax(1).flatten(1).sum(1) if value.dim() > 2 else value.amax(1)
        value = value[:, int(self.target.channel)]
        if self.target.position is not None:
            require_position(self.target, *value.shape[1:])
            row, column = self.target.position
            return value[:, row, column]
        return value.flatten(1).mean(1) if value.dim() > 1 else value

    def gradients(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return each input's number, (N,), and its gradient for that input, in the input's own shape.

        A few go through the network together, so memory does not grow with how many there are.
        """
        found = [self._gradients(some) for some in torch.split(inputs, AT_ONCE)]
        scores, gradients = zip(*found, strict=True)
        return torch.cat(scores), torch.cat(gradients)

    def _gradients(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        inputs = inputs.detach().requires_grad_()
        with shortage_in_words(), torch.enable_grad():
            scores = self.scores(inputs)
            if not scores.requires_grad:  # the target comes before anything that depends on the picture
                return scores, torch.zeros_like(inputs)
            (gradient,) = torch.autograd.grad(scores.sum(), inputs, allow_unused=True)
        return scores.detach(), torch.zeros_like(inputs) if gradient is None else gradient

    def gradient(self) -> Tensor:
        """Return the number's gradient for the picture, in the input's own shape."""
        return self.gradients(self.input)[1]

    def pixels(self, values: Tensor) -> NDArray[np.float64]:
        """Return values in the input's shape as (height, width, channels), colors in the order red, green, blue."""
        spec = self.network.input_spec
        # An ONNX network may eat NHWC and turn it over itself, so the graph's own order does not tell.
        last = self.network.graph.channels_last if spec is None else spec.layout == "NHWC"
        colors = values[0].detach().cpu().double()
        colors = colors if last else colors.movedim(0, -1)
        return (colors.flip(-1) if spec is not None and spec.channel_order == "BGR" else colors).numpy()

    @cached_property
    def seen(self) -> NDArray[np.float32] | None:
        """What is left of the picture when the network gets it, (height, width, 3) in 0..1; None of a bare tensor."""
        return None if self.network.input_spec is None else self.network.deprocess(self.input)

    @property
    def words(self) -> str:
        """The number's name in a caption: "score" is a class's before the softmax, which makes it a probability."""
        network, target = self.network, self.target
        if target.channel is None:
            return f"the strongest channel of {target.layer} at each position"
        labels = network.labels or ()
        if target.layer in (network.class_output, network.class_scores) and int(target.channel) < len(labels):
            what = "probability" if target.layer != network.class_scores else "score"
            return f"the {what} of “{labels[int(target.channel)]}” ({target})"
        return f"{target}" if target.position is not None else f"{target}, averaged over its positions"


def ask(network: Network, picture: Any, address: str | Address | None = None) -> Question:
    """Return the question for a picture (anything `read_picture` reads, or an input tensor) and an address.

    Without an address it is the score of the most probable class; a class's label alone is that class's score, before
    the softmax. Of ten crops, the center one is looked at. UnknownLayer, with the closest names, for anything else.
    """
    given = picture if isinstance(picture, Tensor) else network.preprocess(picture)
    if len(given) == 10 and network.input_spec is not None and network.input_spec.crops == 10:
        given = given[CENTER_OF_TEN : CENTER_OF_TEN + 1]
    if given.dim() != 4 or len(given) != 1:
        raise InputError(f"gradients are shown for one picture, not for an input of {tuple(given.shape)}")
    return Question(network, given, _target(network, given, address))


def in_rgb(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (height, width, channels) with three channels: what is not in color is averaged."""
    return values if values.shape[2] == 3 else np.repeat(values.mean(2, keepdims=True), 3, 2)


def _target(network: Network, input: Tensor, address: str | Address | None) -> Address:
    if address is None:
        return Address(network.class_scores, _best_class(network, input))
    try:
        return network.resolve(address)
    except UnknownLayer as unknown:
        if isinstance(address, Address) or not network.labels:
            raise
        try:
            return Address(network.class_scores, find_label(network.labels, address))
        except UnknownLayer as neither:
            raise UnknownLayer(f"{unknown}; and {neither}") from neither


def _best_class(network: Network, input: Tensor) -> int:
    output = network.class_output
    answer = network.channels_first(output, network.activations(input, Address(output))[output])
    if answer.dim() < 2:
        raise InputError(f"{output!r} is not an answer over classes: give the address of what to explain")
    return int((answer.flatten(2).mean(2) if answer.dim() > 2 else answer)[0].argmax())
