"""Which part of a picture, of a given area, is enough for the answer: the mask that keeps it the highest.

Fong et al., *Understanding deep networks via extremal perturbations and smooth masks* (2019): the answer to what is
kept is maximized, the rest blurred, under a growing penalty for another area. Its weight is for scores of about ten, so
the answer is brought to that: it then does not matter in what units a network answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import Baseline, baseline_input, in_words
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.smooth_masks import SmoothMasks
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.attribution.target_check import ANOTHER_BASELINE, require_finite, require_finite_map
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.progress import Watch, watching

CAUTION = "One part of that area that is enough, not all that counts; another area may lie elsewhere"
_RATE, _MOMENTUM = 0.01, 0.9
_PENALTY, _GROWTH = 300.0, 1.0035  # growth is for 800 steps; of fewer, it grows faster
_STEPS_OF_PAPER = 800
_SCORE = 10.0
_LEVELS, _BLUR = 8, 20 / 224  # of the shorter side


@attribution_method
def extremal_perturbation(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    area: float = 0.1,
    steps: int = 200,
    baseline: Baseline = "blur",
    watch: Watch | None = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show which part of the picture is enough for the answer: the best smooth mask of an `area`.

    `area` is a share, 0 to 1, of the picture and a border around it that masks reach over; the caption says how much of
    the picture that is, and what the network answers to it alone. `steps` is how often the mask is bettered; the paper
    takes 800. `baseline` is what the rest shows. `watch` is told how many steps are done. `target` is as in `saliency`.

    >>> convscope.extremal_perturbation(network, "coffee", "espresso", area=0.2).save("espresso.png")
    """
    target = target_of(network, picture, target)
    if not 0 < area < 1 or steps < 1:
        raise InputError(
            f"area is a share of the picture between 0 and 1, steps at least 1; not {area}, {steps}"
        )
    levels = _levels(target, baseline)
    with watching(watch, "step") as tell:
        *_, mask = optimized_masks(target, levels, area, steps, tell)
    best = _faded(levels, mask, target.channels_last)
    number = target.answers(best)
    require_finite(target, number, best, " where the rest is hidden", ANOTHER_BASELINE)
    score = float(number)
    map = mask.double().cpu().numpy()
    how = (
        f"the part, {100 * map.mean():.2g} % of the picture, that keeps it the highest where the rest shows "
        f"{in_words(baseline)}: {score:.4g} of {target.score:.4g}, after {steps} steps"
    )
    values = target.on_each_color(map)
    return Attribution(target, "Extremal perturbation", map, values, how, CAUTION, lit="what is enough")


def optimized_masks(
    target: AttributionTarget, levels: Tensor, area: float, steps: int, watch: Watch | None = None
) -> Iterator[Tensor]:
    """Yield the mask, (height, width) in 0..1, after each step; `levels` are from nothing to the picture."""
    step = max(1, round(min(target.size) / 32))
    masks = SmoothMasks(target.size, step, 3 * step)
    nodes = torch.ones(masks.nodes, dtype=target.input.dtype).to(target.input).requires_grad_()
    optimizer = torch.optim.SGD([nodes], _RATE, _MOMENTUM, dampening=_MOMENTUM)
    unit = _SCORE / max(abs(target.score), 1e-12)
    growth, penalty = _GROWTH ** (_STEPS_OF_PAPER / steps), _PENALTY
    for done in range(steps):
        with torch.enable_grad():
            whole = masks.whole(nodes)
            number = target.scores(_faded(levels, masks.inside(whole), target.channels_last))
            loss = penalty * _other_area(whole, area) - unit * number.sum()
            (nodes.grad,) = torch.autograd.grad(loss, nodes)
        require_finite_map(target, "Extremal perturbation", nodes.grad)
        optimizer.step()
        with torch.no_grad():
            nodes.clamp_(0, 1)
        penalty *= growth
        if watch:
            watch(done + 1, steps)
        yield masks.inside(masks.whole(nodes.detach()))


def _other_area(mask: Tensor, area: float) -> Tensor:
    """Return how far a mask is from being 1 on its area and 0 elsewhere, wherever that is."""
    ordered = mask.flatten().sort().values
    ideal = torch.zeros_like(ordered)
    ideal[int(len(ideal) * (1 - area)) :] = 1
    return (ordered - ideal).square().mean()


def _levels(target: AttributionTarget, baseline: Baseline) -> Tensor:
    """Return what the picture fades to and the picture itself, (levels, ...); ever less blurred ones between."""
    if baseline != "blur":
        return torch.cat([baseline_input(target, baseline), target.input])
    from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

    rows = (1, 2) if target.channels_last else (2, 3)
    values = target.input.cpu().double().numpy()
    levels = []
    for share in np.linspace(1, 0, _LEVELS):
        sigma = [share * _BLUR * min(target.size) if axis in rows else 0.0 for axis in range(4)]
        levels.append(torch.from_numpy(gaussian_filter(values, sigma)).to(target.input))
    return torch.cat(levels)


def _faded(levels: Tensor, mask: Tensor, channels_last: bool) -> Tensor:
    """Return the picture, each pixel as much of it as the mask says: between the two nearest levels."""
    place = mask * (len(levels) - 1)
    lower = place.detach().floor().clamp(max=len(levels) - 2)
    share = place - lower
    shape = (1, *mask.shape, 1) if channels_last else (1, 1, *mask.shape)
    index, share = lower.long().reshape(shape).expand(1, *levels.shape[1:]), share.reshape(shape)
    return (1 - share) * levels.gather(0, index) + share * levels.gather(0, index + 1)
