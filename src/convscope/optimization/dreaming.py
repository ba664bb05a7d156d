"""The dream: a picture changed, size after size, towards more of what a layer already sees in it.

Mordvintsev, Olah and Tyka, *Inceptionism: going deeper into neural networks* (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.dream_objectives import Term, objective_of
from convscope.optimization.gradient_edits import GradientEdit, Normalized
from convscope.optimization.octaves import Octaves, Size
from convscope.optimization.settings import Edit
from convscope.optimization.subject import subject_of
from convscope.optimization.tiling import Tile, Tiling, tiling

Gradient = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Pictures (N, 3, H, W) to their objectives (N,) and the objectives' gradients, of the pictures' shape."""


@dataclass(frozen=True)
class DreamSettings:
    """Everything about a dream but the network, its layers and the picture: what a preset fixes.

    Pixels have the values that the preset's source gave them, ``black`` to ``white``, and ``rate`` is in them.
    ``jitter`` rolls the picture by up to so many pixels either way before each step, and back after it.
    ``gradient_edits`` come before the step, ``edits`` of the picture after it; then ``zoom`` cuts so many pixels off
    each border and enlarges the rest. ``clip`` keeps the values between black and white. A dream ends early, octave
    by octave, where the objective is larger than ``stop_above``.
    """

    octaves: Octaves = field(default_factory=Octaves)
    iterations: int = 10
    rate: float = 1.5
    gradient_edits: tuple[GradientEdit, ...] = (Normalized("mean"),)
    edits: tuple[Edit, ...] = ()
    jitter: int = 0
    zoom: int = 0
    black: float = 0.0
    white: float = 255.0
    clip: bool = False
    stop_above: float | None = None
    shown: Literal["clipped", "normalized"] = "clipped"

    def values(self, pictures: Tensor) -> Tensor:
        """Return pictures in 0..1 in the source's values."""
        return pictures * (self.white - self.black) + self.black

    def pictures(self, values: Tensor) -> Tensor:
        """Return the source's values as pictures in 0..1, not clipped."""
        return (values - self.black) / (self.white - self.black)

    def shown_as(self, values: Tensor) -> Tensor:
        """Return what a person is shown of the values: pictures in 0..1."""
        if self.shown == "normalized":
            return normalized(values)
        return self.pictures(values).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class DreamStep:
    """One step of a dream: ``value`` is the objective of the picture it started from, ``seconds`` what it took.

    ``index`` counts from 1 over all octaves, to ``of``; ``octave`` is (which, of how many), from 1. `values` are the
    picture's after the step, in the source's scale; `picture` what is shown of them, (N, 3, H, W) in 0..1.
    """

    index: int
    of: int
    octave: tuple[int, int]
    size: Size
    value: float
    seconds: float
    values: Tensor
    picture: Callable[[], Tensor]


def dream_steps(
    gradient: Gradient, values: Tensor, settings: DreamSettings, generator: torch.Generator
) -> Iterator[DreamStep]:
    """Yield the steps of a dream that starts from `values` (N, 3, H, W), in the settings' scale.

    The last step's picture is the dream. Raises InputError when the objective is not a number or nothing changes it.
    """
    sizes = settings.octaves.sizes((int(values.shape[2]), int(values.shape[3])))
    count, octave = 0, _Octave(settings.octaves, values)
    for number, size in enumerate(sizes, 1):
        values = octave.enter(size, values if number > 1 else None)
        for iteration in range(1, settings.iterations + 1):
            begun = perf_counter()
            value, slope = _jittered(gradient, values, settings.jitter, generator)
            _require_sense(value, slope, count)
            if settings.stop_above is not None and value > settings.stop_above:
                count += settings.iterations - iteration + 1
                break
            values = step(values, slope, settings, iteration)
            count += 1
            yield DreamStep(
                count,
                len(sizes) * settings.iterations,
                (number, len(sizes)),
                size,
                value,
                perf_counter() - begun,
                values,
                lambda values=values: settings.shown_as(values),  # type: ignore[misc]
            )


def step(values: Tensor, gradient: Tensor, settings: DreamSettings, iteration: int) -> Tensor:
    """Return the values after one step along their gradient; `iteration` counts from 1."""
    for edit in settings.gradient_edits:
        gradient = edit(gradient, iteration)
    values = values + settings.rate * gradient
    for change in settings.edits:
        values = change(values, gradient, iteration)
    if settings.zoom:
        values = zoomed(values, settings.zoom)
    return values.clamp(settings.black, settings.white) if settings.clip else values


class _Octave:
    """The picture's own detail on its way from size to size."""

    def __init__(self, octaves: Octaves, picture: Tensor) -> None:
        self.octaves, self.picture = octaves, picture
        self.base = picture  # the picture itself at the present size

    def enter(self, size: Size, dreamed: Tensor | None) -> Tensor:
        """Return the values to dream from at this size, after what was dreamed at the one before."""
        before, self.base = self.base, self._base(size)
        if dreamed is None:
            return self.base
        larger = self.octaves.resized(dreamed, size)
        match self.octaves.detail:
            case "none":
                return larger
            case "carry":
                return self.base + self.octaves.resized(dreamed - before, size)
            case _:  # what the picture loses between the two sizes is given back
                return larger + self.base - self.octaves.resized(before, size)

    def _base(self, size: Size) -> Tensor:
        """Return the picture at a size, by one resize or by as many as there are octaves above."""
        if not self.octaves.stepwise:
            return self.octaves.resized(self.picture, size)
        picture = self.picture
        for larger in reversed(self.octaves.sizes((int(picture.shape[2]), int(picture.shape[3])))[:-1]):
            if picture.shape[2] > size[0] or picture.shape[3] > size[1]:
                picture = self.octaves.resized(picture, larger)
        return self.octaves.resized(picture, size)


def gradient_of(network: Network, terms: tuple[Term, ...], settings: DreamSettings) -> Gradient:
    """Return the gradient of a dream's terms for pictures in the settings' scale."""
    subject = subject_of(network, [objective_of(terms)])

    def gradient(values: Tensor) -> tuple[Tensor, Tensor]:
        leaf = values.detach().requires_grad_()
        with torch.enable_grad():
            scores = subject.scores(settings.pictures(leaf))
            (slope,) = torch.autograd.grad(scores.sum(), leaf)
        return scores.detach(), slope

    return gradient


def tiled_gradient_of(
    network: Network, terms: tuple[Term, ...], settings: DreamSettings, tile: int
) -> Gradient:
    """Return the same gradient, computed in windows whose own parts are about `tile` pixels a side."""
    subject = subject_of(network, [objective_of(terms)])
    layers = {term.address: subject.targets[term.address].layer for term in terms}
    tilings: dict[Size, Tiling] = {}

    def gradient(values: Tensor) -> tuple[Tensor, Tensor]:
        size = (int(values.shape[2]), int(values.shape[3]))
        if size not in tilings:
            tilings[size] = tiling(network, (*dict.fromkeys(layers.values()),), size, tile)
        cut = tilings[size]
        scores, slope = values.new_zeros(len(values)), torch.zeros_like(values)
        for window in cut.tiles:
            (top, bottom), (left, right) = window.rows.window, window.columns.window
            leaf = values[:, :, top:bottom, left:right].detach().requires_grad_()
            with torch.enable_grad():
                answers = subject.values(settings.pictures(leaf))
                worth = torch.stack(
                    [
                        _own_worth(term, answers[term.address], cut, window, layers[term.address])
                        for term in terms
                    ]
                ).sum(0)
                (part,) = torch.autograd.grad(worth.sum(), leaf)
            scores += worth.detach()
            slope[:, :, top:bottom, left:right] += part
        return scores, slope

    return gradient


def _own_worth(term: Term, answer: Tensor, cut: Tiling, window: Tile, layer: str) -> Tensor:
    """Return what a window's own positions add to a term, (N,)."""
    rows, columns = cut.grids[layer]
    inner = []
    for grid, strip in ((rows, window.rows), (columns, window.columns)):
        first, last = strip.local(layer, grid.stride)
        begun = strip.own[layer][0] - first
        inner.append((max(first, term.border - begun), min(last, grid.count - term.border - begun)))
    (top, bottom), (left, right) = inner
    density = term.density(answer)[:, top : max(top, bottom), left : max(left, right)]
    return term.weight * density.flatten(1).sum(1) / (rows.count * columns.count)


def _jittered(
    gradient: Gradient, values: Tensor, jitter: int, generator: torch.Generator
) -> tuple[float, Tensor]:
    """Return objective and gradient of the rolled picture, rolled back."""
    if not jitter:
        scores, slope = gradient(values)
        return float(scores.sum()), slope
    down, right = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
    scores, slope = gradient(values.roll((down, right), (2, 3)))
    return float(scores.sum()), slope.roll((-down, -right), (2, 3))


def _require_sense(value: float, slope: Tensor, done: int) -> None:
    if value != value or not bool(slope.isfinite().all()):
        raise InputError(
            f"after {done} steps the objective or its gradient is not a number: use a smaller rate, a normalized "
            "gradient, or a network whose weights are finite"
        )
    if not bool(slope.any()):
        raise InputError(
            f"after {done} steps nothing in the picture changes the objective (its gradient is 0 everywhere): "
            "these channels do not answer to it; use another layer, other channels or another picture"
        )


def zoomed(values: Tensor, border: int) -> Tensor:
    """Return the pictures without so many pixels on each side, enlarged again: one step of an endless zoom."""
    height, width = values.shape[2:]
    if min(height, width) <= 2 * border:
        raise InputError(f"nothing is left of {height} x {width} without {border} pixels on each side")
    inner = values[:, :, border : height - border, border : width - border]
    return F.interpolate(inner, (height, width), mode="bicubic", align_corners=True)


def normalized(values: Tensor, spread: float = 0.1) -> Tensor:
    """Return values around mid-gray, `spread` for each standard deviation: how the lecture shows what has no range."""
    flat = values.flatten(1)
    mean, deviation = flat.mean(1), flat.std(1, correction=0).clamp_min(1e-4)
    return ((values - mean.view(-1, 1, 1, 1)) / deviation.view(-1, 1, 1, 1) * spread + 0.5).clamp(0, 1)
