"""What ``dream`` and ``style`` have in common: pictures made step by step, their frames, a film, an end by Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from convscope.cli.output import file_name, folder_of, free, place, printable, save_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convscope.optimization.memory_plan import MemoryPlan
    from convscope.pictures.picture import Picture
    from convscope.presentation.animation import Frames

_STEPS_A_SECOND = 10.0
_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--frames", metavar="FOLDER", help="Keep a picture of every step."),
    click.option("--film", metavar="FILE", help="A film of the steps: .gif, .webp, .avif or .mp4."),
    click.option("--resume", is_flag=True, help="Go on where an interrupted run was."),
)


@dataclass(frozen=True)
class Reel:
    """What is kept of a run's steps: frames, a film of them, and whether to go on from an interrupted one's.

    `folder` is the frames': the one asked for, or one beside the film; None without either.
    """

    frames: str | None
    film: str | None
    resume: bool
    folder: str | None


class Run(Protocol):
    """The making of one picture. A run knows its steps so far, and whether Ctrl-C ended it."""

    steps: int
    interrupted: bool

    @property
    def told(self) -> dict[str, Any]:
        """What JSON says of it beside path and caption."""

    @property
    def key(self) -> dict[str, Any]:
        """What makes a run the same as another, as JSON: frames of another are refused."""

    def picture(self, frames: Frames | None, resume: bool) -> Picture:
        """Run it, and return what there is at the end or at Ctrl-C."""


class Step(Protocol):
    """One of many: they count from 1."""

    @property
    def index(self) -> int:
        """Its number."""

    @property
    def of(self) -> int:
        """How many there are."""


AnyStep = TypeVar("AnyStep", bound=Step)


class Made(Protocol):
    """What can be computed in tiles."""

    def within(self: AnyMade, memory: int | None) -> tuple[AnyMade, MemoryPlan]:
        """Return the same in tiles that fit so many bytes, and the plan."""


AnyMade = TypeVar("AnyMade", bound=Made)


def reel_options(function: _Command) -> _Command:
    """Give a command ``--frames``, ``--film`` and ``--resume``; it gets them as a `Reel`, ``reel``."""

    @wraps(function)
    def command(*positional: Any, **keywords: Any) -> Any:
        frames, film, resume = (keywords.pop(name) for name in ("frames", "film", "resume"))
        reel = Reel(frames, film, resume, reel_of(frames, film))  # a film that cannot be made ends it here
        return function(*positional, reel=reel, **keywords)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command  # type: ignore[return-value]


def show(
    sources: Sequence[str | None],
    begin: Callable[[str | None], Run],
    reel: Reel,
    named: tuple[str, str],
    *,
    output: str | None,
    as_json: bool,
) -> None:
    """Make a picture of each source, save it and say where it is; `named` are the network and what is done."""
    from convscope.presentation.animation import Frames

    folder = folder_of(output, len(sources))
    rows = list[dict[str, Any]]()
    for source in sources:
        run = begin(source)
        frames = None if reel.folder is None else Frames(reel.folder)
        if frames is not None:
            frames.begin(run.key, resume=reel.resume)
        picture = run.picture(frames, reel.resume)
        words = Path(source).stem if source else "noise"
        path = place(folder, file_name(named[0], words, named[1]))
        picture.save(path) if as_json else save_picture(picture, path)
        rows.append({"path": str(path), "caption": picture.caption, **run.told})
        if run.interrupted:
            click.echo("interrupted: this is the picture as it was; --resume goes on", err=True)
        if frames is not None:
            stay = reel.frames is not None or run.interrupted
            finish(frames, reel.film, _STEPS_A_SECOND, kept=stay, last=run.steps, told=not as_json)
        if run.interrupted:
            break
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))


def watched(steps: Iterator[AnyStep], words: Callable[[AnyStep], str]) -> Iterator[AnyStep]:
    """Yield the steps with a progress bar, the time left, and words on each."""
    from tqdm import tqdm

    with tqdm(unit="step", disable=None, leave=False) as bar:
        for step in steps:
            bar.total = step.of
            bar.set_postfix_str(words(step), refresh=False)
            bar.update(step.index - bar.n)
            yield step


def fitted(made: AnyMade, memory: str | None) -> AnyMade:
    """Return a dream or transfer in tiles that fit, and say what it will take, where memory is limited."""
    from convscope.optimization.memory_plan import bytes_of

    if memory is None:
        return made
    made, plan = made.within(bytes_of(memory))
    click.echo(str(plan), err=True)
    return made


def reel_of(frames: str | None, film: str | None) -> str | None:
    """Return the folder of a film's frames: the one asked for, or one beside the film; None without either."""
    from convscope.presentation.animation import require_film

    if film is None:
        return frames
    return frames or f"{require_film(film)}.frames"


def finish(
    reel: Frames, film: str | None, rate: float, *, kept: bool, last: int | None = None, told: bool = True
) -> None:
    """Make the film of its frames up to `last`, say where it is, and remove frames nobody asked for."""
    from convscope.presentation.animation import write_film

    if film is not None:
        path = write_film(free(Path(film)), reel.paths(last), rate)
        if told:
            click.echo(printable(path))
    if not kept:
        reel.forget()
