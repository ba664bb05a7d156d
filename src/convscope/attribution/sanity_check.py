"""Whether a map depends on what a network has learned: the same map, after more and more weights are shuffled.

The cascading randomization of Adebayo et al., *Sanity checks for saliency maps* (2018), from the classes down to the
picture. A map that stays as it was shows the picture, not the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.attribution.panels import PERCENTILE
from convscope.attribution.registry import method_named
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.panels import Panel, panels
from convscope.presentation.scaling import Scaling, scale
from convscope.presentation.style import ThemeName
from convscope.presentation.title import with_title
from convscope.progress import bars, progress_bar

ALIKE = 0.65  # on GoogLeNet and a cat the mean is 0.46 for saliency, 0.84 for guided backpropagation


@dataclass(frozen=True, eq=False)
class Shuffled:
    """A map made with the weights of ``layers`` layers shuffled, the last ones, down to the layer ``down_to``.

    ``rank_correlation`` (Spearman's, without signs) and ``ssim`` say how much it is like the map with all weights.
    """

    layers: int
    down_to: str
    map: NDArray[np.float64]
    rank_correlation: float
    ssim: float


@recipe_function("sanity_check")
def sanity_check(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    method: str = "saliency",
    maps: int = 6,
    seed: int = 0,
    percentile: float = PERCENTILE,
    theme: ThemeName = "light",
    bare: bool = False,
    progress: bool = True,
) -> Picture:
    """Show a technique's map of an answer again and again, while the network loses what it has learned.

    First the weights of the last layers are shuffled, then those of more, until none is as it was; `maps` says at
    how many points the map is made again. A map that hardly changes shows the picture, not what the network knows
    of it. `method` is a name in `METHODS`, `target` as in `saliency`; `bare` leaves out the title; with
    ``progress=False`` no bar is shown.

    InputError for fewer `maps` than 1, and for a network that has learned nothing.

    >>> convscope.sanity_check(network, "coffee", method="guided_backprop").save("sane.png")
    """
    target = target_of(network, picture, target)
    first = method_named(method).function(network, target.input, target)
    bar = progress_bar(iterable=randomized(target, method, maps, seed), total=maps, unit="map")
    with bars(False):
        stages = list(bar)
    maps_made = [first.map, *(one.map for one in stages)]
    palette = "RdBu_r" if first.signed else "magma"
    scaled = scale(
        np.stack(maps_made), Scaling(symmetric=first.signed, percentile=percentile, palette=palette)
    )
    words = [
        f"{first.method}, as learned",
        *(f"down to {one.down_to}: {one.rank_correlation:.2f}" for one in stages),
    ]
    tiles = [Panel(colors, text) for colors, text in zip(scaled.colors, words, strict=True)]
    title = "" if bare else f"{first.method} of {target.title}"
    figure = with_title(panels(tiles, columns=4, theme=theme), title, theme)
    return replace(figure, caption=_caption(target, first.method, stages))


def randomized(target: AttributionTarget, method: str, maps: int, seed: int = 0) -> Iterator[Shuffled]:
    """Yield the map with ever more layers' weights shuffled, `maps` times, the last time with all.

    The address stays the same one, also where another class would be the most probable by then.
    """
    layers = _learned(target)
    if maps < 1 or not layers:
        raise InputError(f"maps is at least 1, of a network that has learned something; not {maps}")
    function, network = method_named(method).function, target.network
    original = function(network, target.input, target).map
    counts = dict.fromkeys(round(number) for number in np.linspace(0, len(layers), maps + 1)[1:])
    for count in counts:
        shuffled = function(_shuffled(network, layers[:count], seed), target.input, target).map
        down_to = network.graph.producers[layers[count - 1][0]].name
        yield Shuffled(count, down_to, shuffled, *similarity(original, shuffled))


def shuffled_network(network: Network, seed: int = 0) -> Network:
    """Return the network with the numbers of every parameter in another order: as large as before, and senseless."""
    layers = [
        (step.outputs[0], tuple(step.parameters.values()))
        for step in network.graph.operations
        if step.parameters
    ]
    return _shuffled(network, layers, seed)


def similarity(first: NDArray[Any], second: NDArray[Any]) -> tuple[float, float]:
    """Return Spearman's rank correlation and the structural similarity of two maps, both without their signs.

    0 where one of them is the same everywhere: it is then like no other.
    """
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    one, other = np.abs(first), np.abs(second)
    if one.max() == one.min() or other.max() == other.min():
        return 0.0, 0.0
    correlation = float(spearmanr(one.ravel(), other.ravel()).statistic)
    scaled = [_to_unit(each) for each in (one, other)]
    window = _window(one.shape)
    return correlation, structural_similarity(*scaled, window=window)


def structural_similarity(first: NDArray[Any], second: NDArray[Any], *, window: int) -> float:
    """Return how alike two maps of numbers 0 to 1 are, over windows of so many pixels: 1 for the same.

    Wang et al., *Image quality assessment: from error visibility to structural similarity* (2004), with the sample
    covariance and uniform windows, as scikit-image has it.
    """
    one, other = first.astype(np.float64), second.astype(np.float64)
    from scipy.ndimage import uniform_filter  # type: ignore[import-untyped]

    mean_one, mean_other = uniform_filter(one, window), uniform_filter(other, window)
    sample = window**2 / (window**2 - 1)
    variance_one = sample * (uniform_filter(one * one, window) - mean_one**2)
    variance_other = sample * (uniform_filter(other * other, window) - mean_other**2)
    covariance = sample * (uniform_filter(one * other, window) - mean_one * mean_other)
    small, smaller = 0.01**2, 0.03**2
    alike = (2 * mean_one * mean_other + small) * (2 * covariance + smaller)
    alike /= (mean_one**2 + mean_other**2 + small) * (variance_one + variance_other + smaller)
    inside = slice(window // 2, -(window // 2) or None)
    return float(alike[inside, inside].mean())


def _to_unit(values: NDArray[Any]) -> NDArray[Any]:
    """Return a map of numbers from 0 as it is shown: 1 is the percentile above which values are clipped."""
    brightest = float(np.percentile(values, PERCENTILE)) or float(values.max())
    return (values / brightest).clip(0, 1)


def _window(shape: tuple[int, ...]) -> int:
    """Return scikit-image's usual window, or the largest odd one that fits."""
    return min(7, min(shape) - 1 + min(shape) % 2)


def _learned(target: AttributionTarget) -> list[tuple[str, tuple[str, ...]]]:
    """Return (value, names of its parameters) of each step with weights before the target, the last first."""
    steps = target.network.graph.needed_for(target.layers)
    return [(step.outputs[0], tuple(step.parameters.values())) for step in reversed(steps) if step.parameters]


def _shuffled(network: Network, layers: list[tuple[str, tuple[str, ...]]], seed: int) -> Network:
    """Return the network with each of these parameters' numbers in another order: as large as before, and senseless."""
    generator = torch.Generator().manual_seed(seed)
    changes: dict[str, Tensor] = {}
    for _, names in layers:
        for name in names:
            if name not in changes:
                values = network.parameters[name]
                order = torch.randperm(values.numel(), generator=generator)
                changes[name] = values.flatten()[order].reshape(values.shape)
    return network.with_parameters(changes)


def _caption(target: AttributionTarget, name: str, stages: list[Shuffled]) -> str:
    last = stages[-1]
    mean = sum(one.rank_correlation for one in stages) / len(stages)
    verdict = (
        "so this map shows the picture more than what the network has learned: do not trust it"
        if mean > ALIKE
        else "so this map depends on what the network has learned"
    )
    return (
        f"{name} of {target.words}, while the network's weights are shuffled from the last layer down (the "
        "cascading randomization of Adebayo et al., 2018), each map on a scale of its own. Below each, Spearman's rank "
        f"correlation with the first, signs left out: {mean:.2f} on average, {last.rank_correlation:.2f} with all "
        f"{last.layers} layers shuffled (structural similarity {last.ssim:.2f}); {verdict}."
    )
