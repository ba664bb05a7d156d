"""What ``dream`` and ``style`` have in common: pictures made step by step, their frames, a film, an end by Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import click

from convscope.cli.options import RenamedOption
from convscope.cli.result_paths import (
    file_name,
    folder_of,
    free,
    interrupted,
    note,
    place,
    print_json,
    printable,
    progress_bar,
    require_pixels,
    require_png,
    save_picture,
)
from convscope.cli.settings import settings

if TYPE_CHECKING:
    from convscope.jobs import Outcome, PictureJob, ResumableStep
    from convscope.optimization.memory_plan import MemoryPlan
    from convscope.presentation.animation import Frames

    AnyStep = TypeVar("AnyStep", bound=ResumableStep)
else:
    AnyStep = TypeVar("AnyStep")

_FRAMES_A_SECOND = 10.0
_Command = TypeVar("_Command", bound=Callable[..., Any])
_JOB_OPTIONS = (
    click.option(
        "--steps",
        cls=RenamedOption,
        before=["--iterations"],
        type=click.IntRange(1),
        metavar="N",
        help="Steps at each size.",
    ),
    click.option("--rate", type=float, metavar="X", help="How far a step goes, in the preset's values."),
    click.option(
        "--size",
        type=click.IntRange(8),
        metavar="PIXELS",
        help="The longer side; the picture's own by default, at most what the preset takes.",
    ),
    click.option("--keep-colors", is_flag=True, help="Keep the picture's colors: change brightness only."),
    click.option(
        "--tile", type=click.IntRange(32), metavar="PIXELS", help="Compute in windows, with the same result."
    ),
    click.option(
        "--memory",
        metavar="2GB",
        help="Compute in windows that fit, with the same result, where one piece does not.",
    ),
    click.option("--fast", is_flag=True, help="Compute in half precision (bfloat16)."),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Another seed: other noise, another jitter."
    ),
)
_BITS_OPTION = click.option(
    "--bits",
    type=click.Choice(["8", "16"]),
    callback=lambda _context, _option, value: value and int(value),
    help="Bits a channel, 16 in a PNG only; the picture's own by default.",
)
_FILM_OPTIONS = (
    click.option("--frames", metavar="FOLDER", help="Keep a picture of every step in this folder."),
    click.option("--film", metavar="FILE", help="A film of the steps: .gif, .webp, .avif or .mp4."),
    click.option("--resume", is_flag=True, help="Go on where an interrupted run with the same options was."),
)


@dataclass(frozen=True)
class FilmOptions:
    """What becomes of a run's steps: frames, a film of them, and whether to go on from an interrupted run's.

    `folder` is the frames': the one asked for, or one beside the film; None without either.
    """

    frames: str | None
    film: str | None
    resume: bool
    folder: str | None


@dataclass(frozen=True)
class Technique(Generic[AnyStep]):
    """What a command makes of each source: the job, and what is said of its steps.

    `name` stands in file names. `numbers` of a step stand beside the progress bar, and `facts` of all of them in JSON.
    """

    name: str
    begin: Callable[[str | None], PictureJob[AnyStep]]
    numbers: Callable[[AnyStep], Mapping[str, float]]
    facts: Callable[[Sequence[Mapping[str, float]]], Mapping[str, Any]]


class Tileable(Protocol):
    """What can be computed in windows."""

    def within(self: AnyTileable, memory: int | None) -> tuple[AnyTileable, MemoryPlan]:
        """Return the same in windows that fit so many bytes, and the plan."""


AnyTileable = TypeVar("AnyTileable", bound=Tileable)


def job_options(function: _Command) -> _Command:
    """Give a command the fields of `JobOptions` by their names, but for the preset; and ``--memory``."""
    for option in reversed(_JOB_OPTIONS):
        function = option(function)
    return function


def picture_options(function: _Command) -> _Command:
    """Give a command ``--bits``, and ``--frames``, ``--film`` and ``--resume`` as `FilmOptions`, ``filming``."""

    @wraps(function)
    def command(*positional: Any, **keywords: Any) -> Any:
        if keywords["bits"] == 16:
            require_png(keywords["output"])
        frames, film, resume = (keywords.pop(name) for name in ("frames", "film", "resume"))
        filming = FilmOptions(
            frames, film, resume, frames_folder(frames, film)
        )  # an impossible film ends it here
        return function(*positional, filming=filming, **keywords)

    for option in reversed((_BITS_OPTION, *_FILM_OPTIONS)):
        command = option(command)
    return command  # type: ignore[return-value]


def make_pictures(
    sources: Sequence[str | None],
    technique: Technique[AnyStep],
    filming: FilmOptions,
    *,
    network_name: str,
    output: str | None,
    as_json: bool,
) -> None:
    """Make a picture of each source, save it and print where it is.

    What is kept for ``--resume`` is removed when the picture and its film are written.
    """
    require_pixels(output)
    folder = folder_of(output, len(sources))
    rows: list[dict[str, Any]] = []
    for source in sources:
        history: list[Mapping[str, float]] = []
        outcome, frames = _run(technique, source, filming, history)
        name = file_name(network_name, Path(source).stem if source else "noise", technique.name)
        path = place(folder, name)
        outcome.picture.save(path) if as_json else save_picture(outcome.picture, path)
        rows.append({"path": str(path), "caption": outcome.picture.caption, **technique.facts(history)})
        if outcome.interrupted:
            interrupted("this is the picture as it was; --resume goes on")
        if frames is not None:
            write_frames(
                frames,
                filming.film,
                _FRAMES_A_SECOND,
                keep=filming.frames is not None or outcome.interrupted,
                last=outcome.step.index,
                quiet=as_json,
            )
        if outcome.interrupted:
            break
        outcome.checkpoint.forget()
    if as_json:
        print_json(rows)


def _run(
    technique: Technique[AnyStep],
    source: str | None,
    filming: FilmOptions,
    history: list[Mapping[str, float]],
) -> tuple[Outcome[AnyStep], Frames | None]:
    """Make one picture under a progress bar with the time left; `history` gets the numbers of every step."""
    from convscope.jobs import checkpoint_of, run_job, run_of
    from convscope.presentation.animation import Frames

    job = technique.begin(source)
    frames = None if filming.folder is None else Frames(filming.folder)
    if frames is not None:
        frames.begin(run_of(job.recipe), resume=filming.resume)
    settings().unfinished = checkpoint_of(job.recipe, job.network).path
    with progress_bar(unit="step") as bar:

        def watch(step: AnyStep) -> None:
            history.append(technique.numbers(step))
            bar.total = step.of
            words = ", ".join(f"{name} {value:.4g}" for name, value in history[-1].items())
            bar.set_postfix_str(words, refresh=False)
            bar.update(step.index - bar.n)

        return run_job(job, watch, frames=frames, resume=filming.resume), frames


def within_memory(job: AnyTileable, memory: str | None) -> AnyTileable:
    """Return a dream or transfer in windows that fit, and say what it will take, where memory is limited."""
    from convscope.optimization.memory_plan import bytes_of

    if memory is None:
        return job
    job, plan = job.within(bytes_of(memory))
    note(str(plan))
    return job


def frames_folder(frames: str | None, film: str | None) -> str | None:
    """Return the folder of a film's frames: the one asked for, or one beside the film; None without either."""
    from convscope.presentation.animation import require_film

    if film is None:
        return frames
    return frames or f"{require_film(film)}.frames"


def write_frames(
    frames: Frames, film: str | None, rate: float, *, keep: bool, last: int | None = None, quiet: bool = False
) -> Path | None:
    """Make the film of frames up to `last`, say where it is, and remove frames that nobody asked to `keep`."""
    from convscope.presentation.animation import write_film

    path = None
    if film is not None:
        paths = frames.paths(last)
        if settings().interrupted:  # who pressed Ctrl-C waits for a prompt
            count = f"{len(paths)} frame{'s' * (len(paths) != 1)}"
            note(
                f"writing the film of {count}; Ctrl-C again ends at once, the frames stay in {frames.folder}"
            )
        path = write_film(free(Path(film)), paths, rate)
        if not quiet:
            click.echo(printable(path))
    if not keep:
        frames.forget()
    return path
