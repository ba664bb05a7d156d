"""How much each pixel contributes on average: gradients at random places on the ways from pictures of nothing.

Lundberg and Lee, *A unified approach to interpreting model predictions* (2017), as expected gradients (Erion et al.,
*Improving performance of deep learning models with axiomatic attribution priors and expected gradients*, 2021): Shapley
values, approximately, where the network is nearly linear on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, inf

import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import Baseline, baseline_input, picture_in_words
from convscope.attribution.completeness import Contributions
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.smoothgrad import gaussian
from convscope.attribution.target import AT_ONCE, AttributionTarget, TargetLike, target_of
from convscope.attribution.target_check import require_finite_baseline
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.progress import progress_bar

CAUTION = (
    "It is a mean over random draws: more samples make it less grainy; it depends on the baselines, so compare with a "
    "single one"
)
PICTURES: tuple[Baseline, ...] = ("black", "gray", "white", "blur")
INPUTS: tuple[Baseline, ...] = ("zero", "blur")  # where no picture fits the network


@attribution_method
def gradient_shap(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    samples: int = 32,
    noise: float = 0.0,
    baseline: Baseline | None = None,
    seed: int = 0,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show what speaks for an answer (red) and against it (blue), on average over several pictures of nothing.

    Each of the `samples` draws a baseline (black, gray, white and blur in turn, or the `baseline` that is given)
    and a place on the way from there to the picture; `noise`, as a share of the input's range, is added to the
    picture. The caption says how nearly the contributions add up. `target` is as in `saliency`.

    >>> convscope.gradient_shap(network, "coffee", "espresso", samples=64).save("espresso.png")
    """
    target = target_of(network, picture, target)
    names = (baseline,) if baseline else INPUTS if network.input_spec is None else PICTURES
    if samples < 1 or not 0 <= noise < inf:
        raise InputError(f"samples is at least 1, noise at least 0; not {samples}, {noise}")
    shares = expected(target, names, samples, noise, seed)
    starts = ", ".join(map(picture_in_words, names))
    how = (
        f"the gradients at {samples} random places on the way from {starts} ({shares.before:.4g} on average) to this "
        f"one ({shares.after:.4g}), times the way, summed over the channels. {shares.words}"
    )
    return shares.attribution(target, "GradientSHAP", how, CAUTION)


def expected(
    target: AttributionTarget, names: Sequence[Baseline], samples: int, noise: float, seed: int
) -> Contributions:
    """Return the mean of gradient times way over the draws, and the mean answers at both ends of the ways."""
    starts = torch.cat([baseline_input(target, name) for name in names])
    befores = target.answers(starts)
    require_finite_baseline(target, befores, starts)
    total, before, after = torch.zeros_like(target.input, dtype=torch.float64), 0.0, 0.0
    batches = draws(target.input, len(starts), samples, noise, seed, target.channels_last)
    for which, end, place in progress_bar(iterable=batches, total=ceil(samples / AT_ONCE), unit="batch"):
        way = end - starts[which]
        _, gradients = target.gradients(starts[which] + place * way)
        total += (gradients * way).sum(0, keepdim=True)
        before += float(befores[which].sum())
        after += float(target.answers(end).sum()) if noise else target.score * len(which)
    return Contributions(total / samples, before / samples, after / samples)


def draws(
    input: Tensor, starts: int, samples: int, noise: float, seed: int, channels_last: bool = False
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield batches of which baseline, of pictures with noise, and of places on the way, 0 to 1.

    The places from one baseline are drawn one from each of as many equal parts of the way: less chance, same mean.
    """
    generator = torch.Generator().manual_seed(seed)
    deviation = noise * float(input.max() - input.min())
    shape = (-1, *(1 for _ in input.shape[1:]))
    for numbers in torch.split(torch.arange(samples), AT_ONCE):
        which, part = numbers % starts, numbers // starts
        parts = (samples - which + starts - 1) // starts  # as many as the baseline has draws
        noises = gaussian(input, len(numbers), generator, channels_last)
        places = (part + torch.rand(len(numbers), generator=generator)) / parts
        yield which, input + deviation * noises, places.to(input).reshape(shape)
