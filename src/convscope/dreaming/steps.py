"""The dream: a picture changed, size after size, towards more of what a layer already sees in it.

Mordvintsev, Olah and Tyka, *Inceptionism: going deeper into neural networks* (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from torch import Tensor

from convscope.dreaming.settings import DreamSettings
from convscope.errors import InputError, warn
from convscope.optimization.octaves import OctaveDetail
from convscope.optimization.optimizers import State
from convscope.pictures.resizing import resized

_NO_SHADES = 0.9  # of the values at the ends of their range
Gradient = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Pictures (N, 3, H, W) to their objectives (N,) and the objectives' gradients, of the pictures' shape."""


@dataclass(frozen=True, eq=False)
class DreamStep:
    """One step of a dream: ``value`` is the objective of the picture it started from, ``seconds`` what it took.

    ``index`` counts from 1 over all octaves, to ``of``; ``octave`` is (which, of how many), from 1. `values` are the
    picture's after the step, in the source's scale; `picture` what is shown of them, (N, 3, H, W) in 0..1. `state`
    is what `dream_steps` goes on from.
    """

    index: int
    of: int
    octave: tuple[int, int]
    value: float
    seconds: float
    values: Tensor
    picture: Callable[[], Tensor]
    state: Callable[[], State]


def dream_steps(
    gradient: Gradient,
    start: Tensor,
    settings: DreamSettings,
    generator: torch.Generator,
    *,
    resume: State | None = None,
) -> Iterator[DreamStep]:
    """Yield the steps of a dream that starts from `start` (N, 3, H, W), in the settings' scale.

    The last step's picture is the dream. `resume` is an earlier step's state: the steps after it are the same as if
    there had been no break. Raises InputError when the objective is not a number or nothing changes it; warns where the
    dream has left all shades for black and white.
    """
    way = OctaveDetail(settings.octaves, start)
    count, each = len(way.sizes), settings.steps
    index, values = _resumed(resume, start, generator) if resume else (0, start)
    while index < count * each:
        number, start_time = index // each + 1, perf_counter()
        if index % each == 0:
            values = way.enter(number, values)
        value, slope = _jittered(gradient, values, settings.jitter, generator)
        _require_sense(value, slope, index, settings.rate)
        values = step(values, slope, settings, index % each + 1)
        stopped = settings.stop_above is not None and value > settings.stop_above
        index = number * each if stopped else index + 1
        if index % each == 0:
            values = way.leave(number, values)
        if index == count * each:
            _warn_without_shades(values, start, settings)
        yield DreamStep(
            index,
            count * each,
            (number, count),
            value,
            perf_counter() - start_time,
            values,
            partial(settings.shown_as, values),
            partial(_state, index, values, generator.get_state()),
        )


def _state(index: int, values: Tensor, generator: Tensor) -> State:
    return {"index": torch.tensor(index), "values": values, "generator": generator}


def _resumed(state: State, start: Tensor, generator: torch.Generator) -> tuple[int, Tensor]:
    generator.set_state(state["generator"])
    return int(state["index"]), state["values"].to(start)


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


def _require_sense(value: float, slope: Tensor, done: int, rate: float) -> None:
    if not abs(value) < float("inf") or not bool(slope.isfinite().all()):
        raise InputError(
            f"after {done} steps the objective or its gradient is not a number: use a smaller rate, a normalized "
            "gradient, or a network whose weights are finite"
        )
    if not bool(slope.any()):
        raise InputError(
            f"after {done} steps nothing in the picture changes the objective (its gradient is 0 everywhere): "
            "these channels do not answer to it; use another layer, other channels or another picture"
            + (f", or a smaller rate (now {rate:g}), for the steps led here" if done else "")
        )


def _warn_without_shades(values: Tensor, start: Tensor, settings: DreamSettings) -> None:
    """Warn where nearly every value is at an end of its range, and was not at the start."""
    if settings.shown == "normalized":
        return
    ends, before = (
        float(((pictures <= 0) | (pictures >= 1)).float().mean())
        for pictures in map(settings.pictures, (values, start))
    )
    if ends > _NO_SHADES and before < _NO_SHADES / 2:
        warn(
            f"{ends:.0%} of the dream's values are at the end of their range: use a smaller rate (now "
            f"{settings.rate:g}) or fewer steps"
        )


def zoomed(values: Tensor, border: int) -> Tensor:
    """Return the pictures without so many pixels on each side, enlarged again: one step of an endless zoom."""
    height, width = values.shape[2:]
    if min(height, width) <= 2 * border:
        raise InputError(f"nothing is left of {height} x {width} without {border} pixels on each side")
    return resized(values[:, :, border : height - border, border : width - border], (height, width), "spline")
