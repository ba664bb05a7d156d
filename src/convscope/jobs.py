"""Long work, a step at a time: its state on disk, how it goes on after a kill, the frames of its film.

A job yields steps and makes a picture of any of them, so that a progress bar, a film, a page and Ctrl-C share one loop.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from torch import Tensor

from convscope.cache import cache_folder, cache_key, keep_tensors, kept_tensors, remove
from convscope.errors import warn
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import Recipe, library_versions
from convscope.presentation.animation import Frame, Frames
from convscope.progress import progress_bar

if TYPE_CHECKING:
    from convscope.network.network import Network

State: TypeAlias = dict[str, Tensor]
"""All that is needed to go on from a step, as tensors by name."""
BETWEEN_SAVES = 5.0  # seconds at most, and less where saving is quick:
_WORTH, _AT_LEAST = 20.0, 0.5  # times what it takes, and seconds
_NO_OTHER_PIXELS = ("tile", "stop_after", "bits")  # arguments that do not change what the steps are


class JobStep(Protocol):
    """One step of many; ``index`` counts from 1 to ``of``."""

    @property
    def index(self) -> int:
        """Its number."""

    @property
    def of(self) -> int:
        """How many there are."""


class ResumableStep(JobStep, Protocol):
    """A step that a later run can go on from."""

    def state(self) -> State | None:
        """Return what the next step starts from; None where that step has begun and changed it."""


AnyStep = TypeVar("AnyStep", bound=JobStep)
AnyResumable = TypeVar("AnyResumable", bound=ResumableStep)


class PictureJob(Protocol[AnyResumable]):
    """A picture that is made step by step: a dream, a style transfer."""

    @property
    def network(self) -> Network:
        """Whose picture it is."""

    @property
    def recipe(self) -> Recipe:
        """What makes the picture again."""

    def steps(self, resume: State | None = None) -> Iterator[AnyResumable]:
        """Yield the steps, or those after an earlier step's state."""

    def picture(self, step: AnyResumable) -> Picture:
        """Return the picture as it is after a step, with caption and recipe."""

    def frame(self, step: AnyResumable) -> Frame:
        """Return a step as a frame of a film: all are of one size."""


@dataclass(frozen=True)
class JobCheckpoint:
    """The file of an unfinished job's state. What is not whole counts as not there."""

    path: Path

    def load(self) -> State | None:
        """Return the state that was saved last."""
        state = kept_tensors(self.path)
        return None if state is None else state[0]

    def save(self, state: State) -> None:
        """Write a state, whole or not at all."""
        keep_tensors(self.path, state)

    def forget(self) -> None:
        """Remove the file: the job is done, and all that was asked for is written."""
        remove(self.path)


def checkpoint_of(recipe: Recipe, network: Network) -> JobCheckpoint:
    """Return where the state of the job with this recipe is kept; other versions' are others.

    A recipe does not know a network that is in memory only, nor on which kind of device it runs: it rounds otherwise.
    """
    key = cache_key(run_of(recipe), network.identity, network.device.type, library_versions())
    return JobCheckpoint(cache_folder("unfinished") / f"{key}.safetensors")


def run_of(recipe: Recipe) -> dict[str, Any]:
    """Return as JSON data what makes a run the same as another: the recipe, but for what changes no step."""
    facts = asdict(recipe)
    arguments = {
        name: value for name, value in facts.pop("arguments").items() if name not in _NO_OTHER_PIXELS
    }
    plain_data: dict[str, Any] = json.loads(json.dumps(arguments | facts, sort_keys=True, default=str))
    return plain_data


def saved_steps(
    steps: Iterator[AnyResumable], checkpoint: JobCheckpoint
) -> Generator[AnyResumable, None, None]:
    """Yield steps and save their state, every few seconds or less, and when interrupted.

    A process that is ended in the middle of a step loses little so. The file stays after the last step, until
    `JobCheckpoint.forget`: a film may still have to be written.
    """
    last, saved, between = None, monotonic(), _AT_LEAST
    try:
        for last in steps:
            yield last
            # Only now, for a step is done with what is made of it.
            if (now := monotonic()) - saved >= min(between, BETWEEN_SAVES):
                _save(last, checkpoint)
                saved = monotonic()
                between = max(_AT_LEAST, _WORTH * (saved - now))
    except (KeyboardInterrupt, GeneratorExit):
        if last is not None:
            _save(last, checkpoint)
        raise


def _save(step: ResumableStep, checkpoint: JobCheckpoint) -> None:
    if step.index < step.of and (state := step.state()) is not None:
        checkpoint.save(state)


@dataclass(frozen=True)
class Outcome(Generic[AnyStep]):
    """What a job came to: its picture, its last step, and whether Ctrl-C ended it. `checkpoint` is to be forgotten."""

    picture: Picture
    step: AnyStep
    interrupted: bool
    checkpoint: JobCheckpoint


def run_job(
    job: PictureJob[AnyResumable],
    watch: Callable[[AnyResumable], None],
    *,
    frames: Frames | None = None,
    resume: bool = False,
) -> Outcome[AnyResumable]:
    """Run a job to its end, or to Ctrl-C, and return what there is; `watch` is told every step.

    `frames` keeps a picture of every step. With `resume` it goes on from what an earlier run with the same recipe has
    saved, and takes the steps of an undisturbed run; a warning says so where nothing is. KeyboardInterrupt before the
    first step.
    """
    checkpoint = checkpoint_of(job.recipe, job.network)
    state = checkpoint.load() if resume else None
    if resume and state is None:
        warn(
            f"no interrupted run of {job.recipe.picture or 'this picture'} with these settings is kept: this one "
            "starts from the beginning"
        )
    last: AnyResumable | None = None
    interrupted = False
    try:
        for last in saved_steps(job.steps(state), checkpoint):
            watch(last)
            _film(job, last, frames)
    except KeyboardInterrupt:
        if last is None:
            raise
        _film(job, last, frames)  # a resumed run goes on after it
        interrupted = True
    assert last is not None
    return Outcome(job.picture(last), last, interrupted, checkpoint)


def _film(job: PictureJob[AnyResumable], step: AnyResumable, frames: Frames | None) -> None:
    if frames is not None:
        frames.keep(step.index, job.frame(step))


def steps_until(steps: Iterator[AnyStep], stop_after: int | None) -> Iterator[AnyStep]:
    """Yield the steps up to the one that is the last wanted."""
    for step in steps:
        yield step
        if stop_after is not None and step.index >= stop_after:
            return


def steps_on_bar(steps: Iterator[AnyStep]) -> Iterator[AnyStep]:
    """Yield the steps and show on a bar how far they are."""
    with progress_bar(unit="step") as bar:
        for step in steps:
            bar.total = step.of
            bar.update(step.index - bar.n)
            yield step


def last_step(steps: Iterator[AnyStep]) -> AnyStep:
    """Take all steps and return the last one."""
    (last,) = deque(steps, maxlen=1)
    return last
