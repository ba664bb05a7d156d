"""Many pictures: in batches that fit the memory, kept on disk as they are finished, gone on with after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import groupby
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from convscope.cache import cache_folder, keep_tensors, kept_tensors
from convscope.errors import InputError, warn
from convscope.jobs import JobCheckpoint, saved_steps
from convscope.measuring.strongest import Strongest
from convscope.network.engine.memory import BYTES_PER_NUMBER, machine_memory
from convscope.network.network import Network
from convscope.optimization.ascent import AscentStep, CannotAscend, ascend
from convscope.optimization.objective import Objective
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.settings import Settings, Size
from convscope.optimization.size_limits import network_bytes, picture_bytes, require_size_fits
from convscope.optimization.verdict import Verdict, judge

MOST_AT_ONCE = 16  # larger batches are no faster, and show and save their first picture later
_SHARE = 0.25  # of the machine's memory, for one batch
_KEPT_A_VALUE = 3  # numbers in memory for each number of a value, gradients and copies included


@dataclass(frozen=True, eq=False)
class RenderJob:
    """A picture to make: its name, what is wanted, the seed; under its ``key`` it is kept on disk, where it has one."""

    name: str
    objective: Objective
    seed: int
    key: str | None = None


@dataclass(frozen=True, eq=False)
class RenderedPicture:
    """A picture that is made: uint8 (channels, height, width), after how many steps, and the verdict on it.

    ``values`` are what the network was given for the verdict: whole gray levels (uint8), or numbers in 0..1.
    """

    name: str
    picture: Tensor
    steps: int
    verdict: Verdict
    values: Tensor


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a rendering is: ``done`` of ``of`` steps, all pictures' together, and the pictures finished since the last.

    `preview` gives the unfinished ones as they are now, name to uint8 (channels, height, width), and `unfinished` the
    same with the verdicts on them. With ``interrupted`` that is what ``made`` holds.
    """

    done: int
    of: int
    made: tuple[RenderedPicture, ...] = ()
    preview: Callable[[], Mapping[str, Tensor]] = dict
    unfinished: Callable[[], tuple[RenderedPicture, ...]] = tuple
    interrupted: bool = False


def watch_rendering(steps: Iterator[Progress], watch: Callable[[Progress], None]) -> bool:
    """Tell `watch` every step, and at Ctrl-C the pictures as they are; return whether there was one.

    KeyboardInterrupt where there is nothing yet.
    """
    last: Progress | None = None
    try:
        for last in steps:
            watch(last)
    except KeyboardInterrupt:
        if last is None or not (unfinished := last.unfinished()):
            raise
        watch(Progress(last.done, last.of, unfinished, interrupted=True))
        return True
    return False


def render(
    network: Network,
    jobs: Sequence[RenderJob],
    settings: Settings,
    *,
    batch: int | None = None,
    strongest: Strongest | None = None,
) -> Iterator[Progress]:
    """Make pictures, and yield how far it is after every step.

    Pictures that are on disk are not made again, but judged again where other activations were measured since, and a
    batch that was killed goes on from where it last saved; the pictures are those of an undisturbed run. At Ctrl-C
    `watch_rendering` gets the pictures as they are.
    Where a unit answers in no numbers a warning names it, and the others are made; InputError where none can be.
    """
    if batch is not None and batch < 1:
        raise InputError(f"batch is how many pictures are made at a time, at least 1, not {batch}")
    of, done, failed = settings.steps * len(jobs), 0, 0
    kept = {job: entry for job in jobs if (entry := _kept_picture(job)) is not None}
    at_once = batch or pictures_at_once(network, jobs, settings)
    batches = partial(_batches, network, size=settings.size, at_once=at_once)
    for earlier in _kept_pictures(network, kept, strongest, batches):
        done += settings.steps
        yield Progress(done, of, (earlier,))
    waiting = [job for job in jobs if job not in kept]
    _require_one_fits(network, waiting, settings)
    for chosen in batches(waiting):
        climb = _Climb(network, chosen, settings)
        unfinished = partial(climb.unfinished, strongest)
        try:
            for step in climb.steps():
                yield Progress(done + step.index * len(chosen), of, (), climb.preview, unfinished)
        except CannotAscend as error:
            failed += len(chosen)
            if failed == len(jobs):
                raise
            warn(str(error))
        done += settings.steps * len(chosen)
        rendered = climb.made(strongest)
        for job, one in rendered.items():
            _keep(job, one, strongest)
        climb.forget()
        yield Progress(done, of, tuple(rendered.values()))


def _batches(
    network: Network, jobs: Sequence[RenderJob], *, size: Size | None, at_once: int
) -> Iterator[Sequence[RenderJob]]:
    """Yield the jobs so many at once, those that need the network's own size apart: each is made as it is alone.

    The same objective in a row stays together, however many: its pictures may be about each other.
    """
    groups, fits = dict[bool, list[RenderJob]](), dict[tuple[str, ...], bool]()
    for job in jobs:
        batch = objective_batch(network, [job.objective])
        if batch.layers not in fits:
            fits[batch.layers] = size is None or batch.accepts(size)
        groups.setdefault(fits[batch.layers], []).append(job)
    for group in groups.values():
        chosen = list[RenderJob]()
        for _, same in groupby(group, key=lambda job: id(job.objective)):
            run = list(same)
            if chosen and len(chosen) + len(run) > at_once:
                yield chosen
                chosen = []
            chosen += run
        yield chosen


class _Climb:
    """One batch: its ascent, and where that is saved."""

    def __init__(self, network: Network, jobs: Sequence[RenderJob], settings: Settings) -> None:
        self.network, self.jobs, self.settings = network, jobs, settings
        self.step: AscentStep | None = None
        keys = [job.key for job in jobs if job.key]
        name = sha256(" ".join(keys).encode()).hexdigest()
        path = _folder() / f"{name}.unfinished.safetensors"
        self.checkpoint = JobCheckpoint(path) if len(keys) == len(jobs) else None

    def steps(self) -> Iterator[AscentStep]:
        """Climb, from where an earlier run saved last, and save now and then and when interrupted."""
        resume = None if self.checkpoint is None else self.checkpoint.load()
        objectives, seeds = [job.objective for job in self.jobs], [job.seed for job in self.jobs]
        steps = ascend(self.network, objectives, self.settings, seeds=seeds, resume=resume)
        for step in steps if self.checkpoint is None else saved_steps(steps, self.checkpoint):
            self.step = step
            yield step

    def unfinished(self, strongest: Strongest | None) -> tuple[RenderedPicture, ...]:
        """Return the pictures as they are now, with the verdicts on them: one pass, for who pressed Ctrl-C waits."""
        if self.step is None:
            return ()
        return tuple(self._with_verdicts(self.step, self.step.pictures(), strongest, hold=False).values())

    def made(self, strongest: Strongest | None) -> dict[RenderJob, RenderedPicture]:
        """Return the pictures as they are kept, and the verdicts on them."""
        return (
            {}
            if self.step is None
            else self._with_verdicts(self.step, self.step.best(), strongest, hold=True)
        )

    def _with_verdicts(
        self, step: AscentStep, painted: Tensor, strongest: Strongest | None, *, hold: bool
    ) -> dict[RenderJob, RenderedPicture]:
        """Return the pictures, and the verdicts on them as painted, in whole gray levels.

        Those that failed are left out.
        """
        display = self.settings.display
        pictures = to_bytes(painted if display is None else display(painted))
        batch = objective_batch(self.network, [job.objective for job in self.jobs])
        exact = pictures if display is None else painted
        verdicts = judge(batch, _unit_range(exact), strongest, hold=hold)
        together = zip(self.jobs, pictures, verdicts, exact.cpu(), step.failed.tolist(), strict=True)
        return {
            job: RenderedPicture(job.name, _visible(self.network, picture).cpu(), step.index, verdict, values)
            for job, picture, verdict, values, failed in together
            if not failed
        }

    def preview(self) -> Mapping[str, Tensor]:
        """Return the pictures as they are now."""
        assert self.step is not None
        painted = self.step.pictures()
        shown = painted if self.settings.display is None else self.settings.display(painted)
        pictures = (_visible(self.network, picture).cpu() for picture in to_bytes(shown))
        return dict(zip((job.name for job in self.jobs), pictures, strict=True))

    def forget(self) -> None:
        """Remove what was saved on the way."""
        if self.checkpoint is not None:
            self.checkpoint.forget()


def _visible(network: Network, picture: Tensor) -> Tensor:
    """Return a picture (channels, height, width) as people see it: bands that are no colors side by side, in gray."""
    bands = network.input_spec is not None and network.input_spec.channel_order == "BANDS"
    return torch.cat(list(picture), dim=1)[None] if bands else picture


def to_bytes(pictures: Tensor) -> Tensor:
    """Return pictures of 0..1 as uint8."""
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8)


def pictures_at_once(network: Network, jobs: Sequence[RenderJob], settings: Settings) -> int:
    """Return how many pictures fit a share of the memory: what grows is what is computed up to the targets."""
    spec = network.input_spec
    if spec is None or not jobs:
        return 1
    batch = objective_batch(network, [job.objective for job in jobs])
    size = settings.size or spec.size
    numbers = _numbers(network, batch.layers, size if batch.accepts(size) else spec.size)
    fitting = machine_memory() * _SHARE / max(1, numbers * BYTES_PER_NUMBER * _KEPT_A_VALUE)
    return max(1, min(MOST_AT_ONCE, int(fitting), len(jobs)))


def _require_one_fits(network: Network, jobs: Sequence[RenderJob], settings: Settings) -> None:
    """InputError where the memory does not hold a single picture of this size."""
    if settings.size is None or not jobs:
        return
    layers = objective_batch(network, [job.objective for job in jobs]).layers

    def needed(size: Size) -> int:
        return picture_bytes(size) + network_bytes(network, layers, size)

    require_size_fits("a picture", settings.size, needed)


def _numbers(network: Network, layers: Sequence[str], size: Size) -> int:
    """How many numbers the network's values are for one picture, up to some layers."""
    shapes = network.shapes_at(size, layers)
    return sum(prod(shape) for shape in shapes.values() if shape is not None)


def _folder() -> Path:
    return cache_folder("features")


def _unit_range(values: Tensor) -> Tensor:
    """Return what a verdict is on as numbers in 0..1: whole gray levels are bytes."""
    return values.float() / 255 if values.dtype == torch.uint8 else values


def kept(jobs: Iterable[RenderJob], strongest: Strongest | None) -> Iterator[RenderedPicture]:
    """Yield the pictures that earlier runs kept, judged beside these activations: none is made, and nothing runs."""
    beside = _beside(strongest)
    for job in jobs:
        if (entry := _kept_picture(job)) is not None and entry.beside == beside:
            yield entry.rendered


@dataclass(frozen=True, eq=False)
class _Entry:
    """A picture that an earlier run kept, and beside which measured activations it was judged."""

    rendered: RenderedPicture
    beside: str | None


def _kept_pictures(
    network: Network,
    kept: Mapping[RenderJob, _Entry],
    strongest: Strongest | None,
    batches: Callable[[Sequence[RenderJob]], Iterator[Sequence[RenderJob]]],
) -> Iterator[RenderedPicture]:
    """Yield the pictures that were kept: what real pictures reach may have been measured since, or others measured."""
    beside = _beside(strongest)
    yield from (entry.rendered for entry in kept.values() if entry.beside == beside)
    outdated = [job for job, entry in kept.items() if entry.beside != beside]
    for chosen in batches(outdated):
        values = torch.stack([_unit_range(kept[job].rendered.values) for job in chosen]).to(network.device)
        batch = objective_batch(network, [job.objective for job in chosen])
        for job, verdict in zip(chosen, judge(batch, values, strongest), strict=True):
            rendered = replace(kept[job].rendered, verdict=verdict)
            _keep(job, rendered, strongest)
            yield rendered


def _kept_picture(job: RenderJob) -> _Entry | None:
    """Return a picture that an earlier run kept."""
    if job.key is None or (entry := kept_tensors(_entry(job.key))) is None:
        return None
    (tensors, facts) = entry
    told = facts["verdict"]
    verdict = Verdict(**told | {"switches": tuple(told.get("switches", ()))})
    rendered = RenderedPicture(job.name, tensors["picture"], facts["steps"], verdict, tensors["values"])
    return _Entry(rendered, facts["beside"])


def _keep(job: RenderJob, rendered: RenderedPicture, strongest: Strongest | None) -> None:
    if job.key is not None:
        beside = _beside(strongest)
        facts = {"steps": rendered.steps, "verdict": asdict(rendered.verdict), "beside": beside}
        tensors = {"picture": rendered.picture, "values": rendered.values.clone()}  # they may be one
        keep_tensors(_entry(job.key), tensors, facts)


def _beside(strongest: Strongest | None) -> str | None:
    """Return what a verdict rests on: these activations, and what is looked for in them."""
    return None if strongest is None else f"{strongest.sha256} switches"


def _entry(key: str) -> Path:
    return _folder() / f"{key}.safetensors"
