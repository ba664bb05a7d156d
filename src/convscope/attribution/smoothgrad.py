"""Which pixels an answer depends on, with less noise: the gradient, averaged over noisy copies of the picture.

Smilkov et al., *SmoothGrad: removing noise by adding noise* (2017); its square and its variance (VarGrad) after
Adebayo et al., *Local explanation methods for deep neural networks lack sensitivity to parameter values* (2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.saliency import CAUTION, strongest
from convscope.attribution.target import AT_ONCE, AttributionTarget, TargetLike, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.progress import progress_bar

Of = Literal["mean", "square", "variance"]
_HOW = {
    "mean": "the mean gradient over {}, without its sign, in the channel where it is largest",
    "square": "the mean square of the gradient over {}, in the channel where it is largest",
    "variance": "the variance of the gradient over {} (VarGrad), in the channel where it is largest",
}


@attribution_method
def smoothgrad(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    samples: int = 32,
    noise: float = 0.15,
    of: Of = "mean",
    seed: int = 0,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show which pixels an answer depends on, as `saliency` does, averaged over `samples` noisy copies of the picture.

    `noise` is its standard deviation as a share of the range of the network's input. `of` "square" averages the
    squares instead, "variance" is VarGrad. `target` is as in `saliency`.

    >>> convscope.smoothgrad(network, "coffee", samples=64).save("smooth.png")
    """
    target = target_of(network, picture, target)
    values = target.pixels(smoothed(target, samples, noise, of, seed))
    how = _HOW[of].format(f"{samples} copies of the picture with noise of {100 * noise:g} % of its range")
    return Attribution(target, "SmoothGrad", strongest(values), values, how, CAUTION)


def smoothed(target: AttributionTarget, samples: int, noise: float, of: Of, seed: int) -> Tensor:
    """Return the mean (mean square, variance) of the gradient over noisy inputs, in the input's own shape."""
    if samples < 1 or not 0 <= noise < inf or of not in _HOW:
        raise InputError(
            f"samples is at least 1, noise at least 0, of one of {', '.join(_HOW)}; not {samples}, {noise}, {of!r}"
        )
    total, squares = torch.zeros_like(target.input), torch.zeros_like(target.input)
    batches = noisy(target.input, samples, noise, seed, target.channels_last)
    for inputs in progress_bar(iterable=batches, total=ceil(samples / AT_ONCE), unit="batch"):
        _, gradients = target.gradients(inputs)
        total += gradients.sum(0, keepdim=True)
        squares += gradients.square().sum(0, keepdim=True)
    if of == "mean":
        return total / samples
    square = squares / samples
    return square if of == "square" else square - (total / samples).square()


def noisy(
    input: Tensor, samples: int, noise: float, seed: int, channels_last: bool = False
) -> Iterator[Tensor]:
    """Yield batches of copies of an input with Gaussian noise, `noise` times its range strong."""
    generator = torch.Generator().manual_seed(seed)
    deviation = noise * float(input.max() - input.min())
    for start in range(0, samples, AT_ONCE):
        count = min(AT_ONCE, samples - start)
        yield input + deviation * gaussian(input, count, generator, channels_last)


def gaussian(input: Tensor, count: int, generator: torch.Generator, channels_last: bool) -> Tensor:
    """Return noise for so many copies of an input, the same whichever axis its channels are on."""
    shape = input[0].movedim(-1, 0).shape if channels_last else input.shape[1:]
    noise = torch.randn(count, *shape, generator=generator, dtype=torch.float32).to(input)
    return noise.movedim(1, -1) if channels_last else noise
