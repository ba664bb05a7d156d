"""The ascent: pictures are changed step by step towards what makes their objectives largest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from torch import Tensor

from convscope.errors import InputError, warn
from convscope.network.network import Network
from convscope.optimization.diagnosis import diagnose_nonfinite
from convscope.optimization.objective import Objective
from convscope.optimization.objective_batch import ObjectiveBatch, objective_batch
from convscope.optimization.optimizers import State
from convscope.optimization.rescue import PATIENCE, Rescue
from convscope.optimization.settings import Parameters, Settings

_ONE_A_PICTURE = ("best_values", "best_index", "asleep", "stopped")


class CannotAscend(InputError):
    """Not one of the pictures asked for has an objective and a gradient in numbers."""


@dataclass(frozen=True, eq=False)
class AscentStep:
    """One step of an ascent of N pictures.

    ``values`` (N,) are the objectives of the pictures the step started from, as transformed; ``gradient_norms`` (N,)
    the L2 norms of their gradients for the canvas; ``seconds`` what it took. `pictures` paints the pictures after the
    step, `best` the best ones so far, both (N, channels, height, width) in 0..1, and `state` is everything that is
    needed to go on from here (None once the next step has begun); call them before it. ``failed`` (N,) marks those that
    never had a number to climb by: their pictures are nothing.
    """

    index: int
    of: int
    values: Tensor
    gradient_norms: Tensor
    seconds: float
    pictures: Callable[[], Tensor]
    best: Callable[[], Tensor]
    state: Callable[[], State | None]
    failed: Tensor


def ascend(
    network: Network,
    objectives: Sequence[Objective],
    settings: Settings,
    *,
    seeds: Sequence[int],
    start: Tensor | None = None,
    resume: State | None = None,
) -> Iterator[AscentStep]:
    """Make one picture an objective, and yield an `AscentStep` after each change.

    ``seeds`` has one number a picture: the same seed gives the same picture, alone or in a batch. ``start`` are the
    pictures (N, C, H, W) in 0..1 to start from, ``resume`` the `state` of a step to go on from. The last step's
    `best` is the result, also when the loop is left early.

    >>> for step in ascend(network, [channel("mixed4a", 42)], settings, seeds=[0]):
    ...     print(step.index, step.values)
    >>> step.best().shape
    torch.Size([1, 3, 128, 128])
    """
    ascent = Ascent(objective_batch(network, objectives, settings.precision), settings, seeds, start)
    if resume is not None:
        ascent.restore(resume)
    while ascent.index < settings.steps and not ascent.stopped.all():
        began = perf_counter()
        values, norms = ascent.climb()
        yield AscentStep(
            ascent.index,
            settings.steps,
            values,
            norms,
            perf_counter() - began,
            ascent.pictures,
            ascent.result,
            partial(ascent.state_at, ascent.index),
            ascent.failed(),
        )


class Ascent:
    """The numbers of an ascent: what is painted, what the optimizer and chance remember, the best so far."""

    def __init__(
        self, batch: ObjectiveBatch, settings: Settings, seeds: Sequence[int], start: Tensor | None = None
    ) -> None:
        self.batch, self.settings = batch, settings
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        spec = batch.network.input_spec
        assert spec is not None
        self.size = (start.shape[2], start.shape[3]) if start is not None else settings.size or spec.size
        if start is None:
            numbers = settings.canvas.start(len(seeds), spec.channels, self.size, self.generators)
        else:
            numbers = settings.canvas.inverse(start)
        device = batch.network.device
        self.parameters: Parameters = tuple(part.to(device) for part in numbers)
        self.optimizer = settings.optimizer.start(self.parameters)
        self.rescue = Rescue(batch)
        self.index, self.climbing = 0, False
        self.best = tuple(parameter.clone() for parameter in self.parameters)
        self.best_values = torch.full((len(seeds),), -torch.inf, device=device)
        self.best_index = torch.zeros(len(seeds), device=device)
        self.asleep = torch.zeros(len(seeds), device=device)
        self.stopped = torch.zeros(len(seeds), dtype=torch.bool, device=device)

    def climb(self) -> tuple[Tensor, Tensor]:
        """Take one step; return the objectives and gradient norms of the pictures it started from."""
        self.climbing = True
        values, totals, gradients = self._gradients()
        norms = _norms(gradients)
        self._note_best(totals)
        self._guard(values.isfinite() & norms.isfinite())
        before = self.parameters
        self.index += 1
        self.parameters = tuple(parameter.clone() for parameter in before)
        self.settings.optimizer.ascend(
            self.parameters, gradients, self.optimizer, rate=self.settings.rate_at(self.index)
        )
        for edit in self.settings.edits:
            edited = edit(self.parameters[0], gradients[0], self.index)
            self.parameters = (edited, *self.parameters[1:])
        self.parameters = _chosen(self.stopped, before, self.parameters)
        self._wake()
        self.climbing = False
        return values, norms

    def _gradients(self) -> tuple[Tensor, Tensor, Parameters]:
        """Return the objectives, what is ascended (without the penalties) and its gradients for the canvas."""
        parameters = tuple(parameter.detach().requires_grad_() for parameter in self.parameters)
        with torch.enable_grad():
            pictures = self.settings.canvas.paint(parameters, self.size)
            values, climbed, asleep = self._mean_of_views(pictures)
            costs = sum((penalty(pictures) for penalty in self.settings.penalties), torch.zeros_like(values))
            # One backward pass for both: what the network asks of what it was shown, and the penalties.
            climbed = climbed - costs
            gradients = torch.autograd.grad(climbed.sum(), parameters)
        self._note_sleep(asleep)
        return values, values - costs.detach(), gradients

    def _mean_of_views(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the objectives, a number that rises with them as the pictures change, and which pictures sleep.

        The means of all views: each shows the pictures anew, differently transformed.
        """
        values = climbed = pictures.new_zeros(len(pictures))
        asleep = torch.ones_like(values, dtype=torch.bool)
        for _ in range(self.settings.views):
            views = pictures
            for transform in self.settings.transforms_at(self.index + 1):
                views = transform(views, self.generators)
            seen, uphill, sleeping = self.rescue.gradient(views)
            values = values + seen / self.settings.views
            climbed = climbed + (views * uphill).flatten(1).sum(1) / self.settings.views
            asleep = asleep & sleeping
        return values, climbed, asleep

    def _note_sleep(self, asleep: Tensor) -> None:
        """Count the steps without an ordinary gradient; give up, or go on from a photograph, where they are many."""
        self.asleep = torch.where(asleep, self.asleep + 1, 0)
        self.stopped |= self.asleep >= 2 * PATIENCE

    def _wake(self) -> None:
        """Start pictures that have slept for long from a photograph."""
        roused = self.asleep == PATIENCE
        if not roused.any():
            return
        shape = self.pictures().shape[1:]
        photographs = self.settings.canvas.inverse(self.rescue.photographs(roused, shape))
        for parameter, start in zip(self.parameters, photographs, strict=True):
            parameter[roused] = start

    def _guard(self, sound: Tensor) -> None:
        """Stop the pictures that have come to NaN or infinity, at their best, and say why.

        CannotAscend when no picture ever had a number to climb by.
        """
        warnings = []
        if self.index == 0:  # an objective without a gradient is none
            self.best_values[~sound] = -torch.inf
        for index in (~sound & ~self.stopped).nonzero().flatten().tolist():
            warnings.append(self._why(index))
            self.stopped[index] = True
            for parameter, best in zip(self.parameters, self.best, strict=True):
                parameter[index] = best[index]
        if warnings and self.failed().all():
            raise CannotAscend(warnings[0])
        for words in warnings:
            warn(words)

    def _why(self, index: int) -> str:
        """Say what stopped a picture: where on the way to its objective the numbers end."""
        objective = self.batch.objectives[index]
        group = self.batch.groups_with(torch.arange(len(self.stopped)) == index)
        cause = diagnose_nonfinite(self.batch.only(group), self.pictures()[group])
        if self.best_values[index] == -torch.inf:
            return f"{objective.description} cannot be ascended: {cause}"
        steps = f"{self.index} of {self.settings.steps} steps"
        return f"{objective.description} stopped after {steps}, with the best so far: {cause}"

    def failed(self) -> Tensor:
        """Return which pictures were stopped before there was a number to climb by, (N,)."""
        return self.stopped & (self.best_values == -torch.inf)

    def _note_best(self, totals: Tensor) -> None:
        better = (totals > self.best_values) & totals.isfinite() & ~self.stopped
        self.best = _chosen(better, self.parameters, self.best)
        self.best_values = torch.where(better, totals, self.best_values)
        self.best_index = torch.where(better, float(self.index), self.best_index)
        if self.settings.patience is not None:
            self.stopped |= self.index - self.best_index >= self.settings.patience

    @torch.no_grad()
    def pictures(self) -> Tensor:
        """Return the pictures as they are now."""
        return self.settings.canvas.paint(self.parameters, self.size)

    @torch.no_grad()
    def result(self) -> Tensor:
        """Return the pictures to keep: the last, or the best so far, whichever does more as it is, untransformed."""
        last = self.pictures()
        if self.settings.keep == "last":
            return last
        best = self.settings.canvas.paint(self.best, self.size)
        batch = self.batch.in_full()
        better = batch.scores(best) > batch.scores(last)
        return torch.where(better[:, None, None, None], best, last)

    def state_at(self, index: int) -> State | None:
        """Return what is needed to go on from a step; None where the next one has begun and changed it."""
        return None if self.climbing or self.index != index else self.state()

    def state(self) -> State:
        """Return everything that is needed to go on, as tensors."""
        saved = {f"optimizer.{name}": value.clone() for name, value in self.optimizer.items()}
        saved |= {f"parameter.{i}": value.clone() for i, value in enumerate(self.parameters)}
        saved |= {f"best.{i}": value.clone() for i, value in enumerate(self.best)}
        saved |= {name: getattr(self, name).clone() for name in _ONE_A_PICTURE}
        chance = torch.stack([generator.get_state() for generator in self.generators])
        return saved | {"generators": chance, "index": torch.tensor(self.index)}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned, wherever it was kept."""
        here = {name: value.to(self.stopped.device, copy=True) for name, value in state.items()}
        self.optimizer = {name: here[f"optimizer.{name}"] for name in self.optimizer}
        count = range(len(self.parameters))
        self.parameters = tuple(here[f"parameter.{i}"] for i in count)
        self.best = tuple(here[f"best.{i}"] for i in count)
        for name in _ONE_A_PICTURE:
            setattr(self, name, here[name])
        self.index = int(state["index"])
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved.clone())  # a row of a table crashes it


def _norms(gradients: Parameters) -> Tensor:
    squares = torch.stack([part.flatten(1).square().sum(1) for part in gradients]).sum(0)
    return squares.sqrt()


def _chosen(mask: Tensor, first: Parameters, second: Parameters) -> Parameters:
    """Return the first's tensors for the pictures of the mask, the second's for the others."""
    return tuple(
        torch.where(mask.view(-1, *(1 for _ in a.shape[1:])), a, b)
        for a, b in zip(first, second, strict=True)
    )
