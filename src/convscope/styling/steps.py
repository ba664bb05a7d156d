"""A style transfer at one size: a picture changed until its content is one picture's and its style another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.optimization.optimizers import LBFGS, State
from convscope.pictures.resizing import Size
from convscope.styling.settings import StyleSettings
from convscope.styling.targets import Targets

_HELD = "optimizer."  # what the optimizer remembers, in a step's state
EXPLODED = 1e4  # times the loss of the first step: no transfer that works stays there
PATIENCE = 10  # steps in a row of L-BFGS: without a line search it leaps there now and then, and comes back at the next
_REMEDY = "use a smaller rate or smaller weights, or Adam instead of L-BFGS"


@dataclass(frozen=True, eq=False)
class StyleStep:
    """One step of a style transfer: the losses of the picture it started from, weighted, by name, and their total.

    ``scale`` is (which size, of how many), from 1; ``index`` counts from 1 over all of them, to ``of``. ``values`` and
    ``optimizer_state`` are what the next step starts from (which changes the state), ``result`` the values of the
    picture. ``is_newest`` tells whether no later step has begun.
    """

    index: int
    of: int
    scale: tuple[int, int]
    size: Size
    losses: Mapping[str, float]
    seconds: float
    values: Tensor
    optimizer_state: State
    result: Tensor
    settings: StyleSettings
    is_newest: Callable[[], bool] = lambda: True

    @property
    def total(self) -> float:
        """What is made small."""
        return sum(self.losses.values())

    def state(self) -> State | None:
        """Return what a later run goes on from; None where the next step has changed it."""
        if not self.is_newest():
            return None
        optimizer_numbers = {f"{_HELD}{name}": value for name, value in self.optimizer_state.items()}
        return {"index": torch.tensor(self.index), "values": self.values, **optimizer_numbers}

    def picture(self) -> Tensor:
        """Return the picture (1, 3, H, W), 0..1."""
        return self.settings.pictures(self.result).clamp(0, 1)


def optimizer_state_of(state: State) -> State:
    """Return the part of a step's `state` that the optimizer remembers."""
    return {name.removeprefix(_HELD): value for name, value in state.items() if name.startswith(_HELD)}


def style_steps(
    targets: Targets, start: Tensor, steps: int, state: State | None = None, *, after: int = 0
) -> Iterator[StyleStep]:
    """Yield the steps of a style transfer at one size, from values (1, 3, H, W) and an optimizer's state.

    `after` is how many of the steps led to them already.

    InputError when the losses grow without end or are no numbers, with what to change.
    """
    settings, values = targets.settings, start
    state = settings.optimizer.start((values,)) if state is None else state
    if settings.average and "average" not in state:
        state |= {
            "average": values * (1 - settings.average),
            "average_share": values.new_tensor(settings.average),
        }
    first: float | None = None
    exploded = 0
    scales_begun: list[int] = []
    for index in range(after + 1, steps + 1):
        started = perf_counter()
        losses, slope = targets.gradient(values)
        numbers = {name: float(loss) for name, loss in losses.items()}
        first = _require_sense(numbers, slope, index, first)
        exploded = exploded + 1 if sum(numbers.values()) > EXPLODED * first else 0
        if exploded >= (PATIENCE if isinstance(settings.optimizer, LBFGS) else 1):
            raise InputError(
                f"at step {index} the loss is {sum(numbers.values()):.3g}, from {first:.3g} at the start: {_REMEDY}"
            )
        values = values.clone()
        scales_begun.append(index)
        settings.optimizer.ascend((values,), (-slope,), state, rate=settings.rate_at(index))
        if settings.clamp:
            values = values.clamp(settings.black, settings.white)
        yield StyleStep(
            index,
            steps,
            (1, 1),
            (int(values.shape[2]), int(values.shape[3])),
            numbers,
            perf_counter() - started,
            values,
            state,
            _averaged(values, state, settings.average),
            settings,
            partial(_is_last, scales_begun, index),
        )


def _is_last(scales_begun: list[int], index: int) -> bool:
    return scales_begun[-1] == index


def _averaged(values: Tensor, state: State, share: float) -> Tensor:
    """Return the mean of all values so far, older ones counting less: bias-corrected, as Adam's."""
    if not share:
        return values
    state["average"].mul_(share).add_(values, alpha=1 - share)
    state["average_share"].mul_(share)
    return result_of(values, state)


def result_of(values: Tensor, state: State) -> Tensor:
    """Return the values of the picture after a step: their mean where one is kept, else what the next starts from."""
    return state["average"] / (1 - state["average_share"]) if "average" in state else values


def _require_sense(losses: Mapping[str, float], slope: Tensor, index: int, first: float | None) -> float:
    """Return the first step's total; InputError for losses that no picture comes out of."""
    for name, loss in losses.items():
        if not abs(loss) < float("inf"):
            raise InputError(f"at step {index} the {name} loss is {loss}: {_REMEDY}")
    if not bool(slope.isfinite().all()):
        raise InputError(f"at step {index} the gradient is not a number, though the losses are: {_REMEDY}")
    total = sum(losses.values())
    if first is None and not bool(slope.any()):
        raise InputError(
            f"at step {index} nothing changes the losses ({total:.3g} in all): the style is the content's, or the "
            "layers answer nothing to these pictures. Use other layers, another start, or another style"
        )
    return max(total, 1e-12) if first is None else first
