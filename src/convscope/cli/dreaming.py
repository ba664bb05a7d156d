"""``convscope dream``: what a network dreams into pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convscope.cli.finite import FiniteRange
from convscope.cli.options import (
    Opening,
    json_option,
    network_options,
    output_option,
    preset_lines,
    preset_option,
    weights_of,
)
from convscope.cli.pictures import pictures_named
from convscope.cli.result_paths import explain, interrupted, note, print_json, progress_bar
from convscope.cli.runs import (
    FilmOptions,
    Technique,
    frames_folder,
    job_options,
    make_pictures,
    picture_options,
    within_memory,
    write_frames,
)
from convscope.preset_guide import DREAM_GUIDE

if TYPE_CHECKING:
    from convscope.dreaming.deep_dream import Dream
    from convscope.dreaming.steps import DreamStep

_FILM_SIZE = 320  # pixels of a film's longer side, where no size is asked for
_Command = TypeVar("_Command", bound=Callable[..., Any])
_NAMES = (
    *("preset", "size", "guide", "channels", "mask", "keep_colors", "octaves", "octave_scale"),
    *("steps", "rate", "jitter", "fast", "tile", "seed"),
)
_OPTIONS = (
    click.option(
        "--layer",
        "layers",
        multiple=True,
        metavar="ADDRESS[=WEIGHT]",
        help="What is dreamed of: a layer, a channel, a class; a layer in the middle by default. May be given several "
        "times.",
    ),
    preset_option(DREAM_GUIDE),
    click.option("--octaves", type=click.IntRange(1), metavar="N", help="In how many sizes, small to large."),
    click.option(
        "--octave-scale",
        type=FiniteRange(1, min_open=True),
        metavar="X",
        help="How much larger each size is than the one before.",
    ),
    click.option("--jitter", type=click.IntRange(0), metavar="PIXELS", help="How far each step is shifted."),
    click.option("--guide", metavar="PICTURE", help="Dream of what is in this picture."),
    click.option(
        "--mask", metavar="PICTURE", help="Dream where this picture is white; everywhere by default."
    ),
    click.option(
        "--channels", metavar="CHOICE", help="3,17 or strongest:8 or weakest:8 of each; all by default."
    ),
    job_options,
)


def dream_options(function: _Command) -> _Command:
    """Give a command the options of a dream.

    It gets what is dreamed of as ``layers``, the fields of `DreamOptions` that were given as one dict, ``options``.
    """

    @functools.wraps(function)
    def command(*positional: Any, **keywords: Any) -> Any:
        layers = weights_of(keywords.pop("layers")) or None
        given = {name: keywords.pop(name) for name in _NAMES}
        options = {name: value for name, value in given.items() if value is not None}
        return function(*positional, layers=layers, options=options, **keywords)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command  # type: ignore[return-value]


@click.command(epilog=preset_lines(DREAM_GUIDE))
@click.argument("network")
@click.argument("pictures", nargs=-1, metavar="[PICTURE]...")
@network_options
@dream_options
@picture_options
@json_option
@output_option()
def dream(
    network: str,
    pictures: Sequence[str],
    opening: Opening,
    layers: dict[str, float] | None,
    options: dict[str, Any],
    memory: str | None,
    bits: int | None,
    filming: FilmOptions,
    as_json: bool,
    output: str | None,
) -> None:
    """Show what NETWORK dreams into each PICTURE, or into noise where none is given.

    Ctrl-C keeps what there is, and --resume goes on from there.
    """
    from convscope.dreaming.deep_dream import dream_of
    from convscope.dreaming.options import DreamOptions

    named = pictures_named(pictures)
    if len(named) > 1 and filming.folder:
        raise click.UsageError("--frames and --film are of one picture: give one")
    opened = opening.open(network)

    def begin(source: str | None) -> Dream:
        return within_memory(dream_of(opened, source, layers, DreamOptions(**options, bits=bits)), memory)

    make_pictures(
        named or (None,),
        Technique("dream", begin, _objective, _objectives),
        filming,
        network_name=opened.name,
        output=output,
        as_json=as_json,
    )


@click.command("dream-film", epilog=preset_lines(DREAM_GUIDE))
@click.argument("network")
@click.argument("picture", required=False)
@network_options
@dream_options
@click.option(
    "--seconds",
    type=FiniteRange(0, min_open=True),
    help="How long; what is made in five minutes by default, 1 to 10.",
)
@click.option("--fps", type=FiniteRange(1, 60), default=25.0, show_default=True, help="Frames a second.")
@click.option(
    "--zoom", metavar="CURVE", default="1.5", show_default=True, help="How much larger every second."
)
@click.option(
    "--rotation", metavar="CURVE", default="0", show_default=True, help="Degrees to the left every second."
)
@click.option(
    "--right",
    metavar="CURVE",
    default="0",
    show_default=True,
    help="How far it moves to the right every second: a share of the width.",
)
@click.option(
    "--down",
    metavar="CURVE",
    default="0",
    show_default=True,
    help="How far it moves down every second: a share of the height.",
)
@click.option("--frames", metavar="FOLDER", help="Keep the frames here.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run was.")
@json_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="dream.webp",
    show_default=True,
    help="A .gif, .webp, .avif or .mp4.",
)
def dream_film(
    network: str,
    picture: str | None,
    opening: Opening,
    layers: dict[str, float] | None,
    options: dict[str, Any],
    memory: str | None,
    seconds: float | None,
    fps: float,
    zoom: str,
    rotation: str,
    right: str,
    down: str,
    frames: str | None,
    resume: bool,
    as_json: bool,
    output: str,
) -> None:
    """Make a film of what NETWORK dreams: each frame is the one before, moved a little and dreamed on.

    A CURVE is a number, or values at seconds: 0:1, 4:1.5. A film that was killed goes on with --resume; Ctrl-C makes a
    film of the frames there are.
    """
    from convscope.dreaming.deep_dream import dream_of
    from convscope.dreaming.film import (
        Curve,
        Motion,
        default_seconds,
        film_frames,
        frame_count,
        frame_seconds,
    )
    from convscope.dreaming.options import DreamOptions
    from convscope.jobs import run_of
    from convscope.pictures.photograph import open_photograph
    from convscope.presentation.animation import Frames

    folder = frames_folder(frames, output) or ""
    photograph = None if picture is None else open_photograph(picture)
    if photograph is not None:
        options = {"size": min(_FILM_SIZE, max(photograph.pixels.shape[:2]))} | options
    curves = {"zoom": zoom, "rotation": rotation, "right": right, "down": down}
    motion = Motion(*map(Curve.read, curves.values()))
    dream = within_memory(
        dream_of(opening.open(network), photograph, layers, DreamOptions(**options)), memory
    )
    frame_files = Frames(folder)
    frame_files.begin(run_of(dream.recipe) | curves | {"fps": fps}, resume=resume)
    each = frame_seconds(dream)
    seconds = seconds or default_seconds(each, fps)
    say_work(frame_count(seconds, fps) - frame_files.count(), seconds, each)
    with progress_bar(unit="frame", initial=frame_files.count()) as bar:
        try:
            for index, count in film_frames(dream, motion, frame_files, seconds=seconds, rate=fps):
                bar.total = count
                bar.update(index - bar.n)
        except KeyboardInterrupt:
            if not frame_files.count():
                raise
            interrupted("the film of the frames there are; --resume goes on")
            frames = frames or str(frame_files.folder)  # so that --resume can go on
    last = min(frame_count(seconds, fps), frame_files.count())
    path = write_frames(frame_files, output, fps, keep=frames is not None, last=last, quiet=as_json)
    facts = {"frames": last, "seconds": last / fps, "fps": fps}
    if as_json:
        print_json({"path": str(path), **facts})
    explain(f"{last} frame{'s' * (last != 1)}, {last / fps:.3g} s, of {dream.recipe}")


def say_work(frames: int, seconds: float, each: float) -> None:
    """Say before the start how many frames there are to make, and how long that takes."""
    length = f"{frames * each / 60:.0f} min" if frames * each > 100 else f"{frames * each:.0f} s"
    note(
        f"{seconds:.3g} s of film, {frames} frame{'s' * (frames != 1)} of about {each:.2g} s each: {length} in all "
        "(--seconds, --size and --steps change that)"
    )


def _objective(step: DreamStep) -> dict[str, float]:
    return {"objective": step.value}


def _objectives(history: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the objective at every step."""
    return {"objectives": [numbers["objective"] for numbers in history]}
