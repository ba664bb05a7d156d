"""``convscope dream``: what a network dreams into pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convscope.cli.options import (
    Opening,
    json_option,
    memory_option,
    network_options,
    output_option,
    weights_of,
)
from convscope.cli.runs import Reel, finish, fitted, reel_of, reel_options, show, watched

if TYPE_CHECKING:
    from convscope.dreaming.steps import DreamStep
    from convscope.network.network import Network
    from convscope.pictures.picture import Picture
    from convscope.presentation.animation import Frames

_Command = TypeVar("_Command", bound=Callable[..., Any])
_CHANGES = ("octaves", "octave_scale", "iterations", "rate", "jitter", "precision")
_WISHES = ("layers", "preset", "guide", "channels", "mask", "keep_colors", "size", "tile", "seed")
_OPTIONS = (
    click.option(
        "--layer",
        "layers",
        multiple=True,
        metavar="ADDRESS[=WEIGHT]",
        help="What is dreamed of: a layer, a channel, a class. May be given several times.",
    ),
    click.option("--preset", metavar="NAME", default="default", show_default=True, help="How it is dreamed."),
    click.option("--octaves", type=click.IntRange(1), metavar="N", help="In how many sizes."),
    click.option(
        "--octave-scale", type=click.FloatRange(1, min_open=True), metavar="X", help="From size to size."
    ),
    click.option("--iterations", type=click.IntRange(1), metavar="N", help="Steps at each size."),
    click.option("--rate", type=float, metavar="X", help="How far a step goes, in the preset's values."),
    click.option("--jitter", type=click.IntRange(0), metavar="PIXELS", help="How far each step is shifted."),
    click.option("--guide", metavar="PICTURE", help="Dream of what is in this picture."),
    click.option("--mask", metavar="PICTURE", help="Dream where this picture is white."),
    click.option("--keep-colors", is_flag=True, help="Change brightness only."),
    click.option("--channels", metavar="CHOICE", help="3,17 or strongest:8 or weakest:8 of each layer."),
    click.option(
        "--size",
        "pixels",
        type=click.IntRange(8),
        metavar="PIXELS",
        help="The longer side; at most 1024 by default.",
    ),
    click.option(
        "--tile", type=click.IntRange(32), metavar="PIXELS", help="Compute in windows, with the same result."
    ),
    memory_option,
    click.option("--fast", "precision", flag_value="bfloat16", help="Compute in half precision (bfloat16)."),
    click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another dream."),
)


def dream_options(function: _Command) -> _Command:
    """Give a command the options of a dream; it gets them as one dict, ``wishes``, the arguments of `deep_dream`."""

    @functools.wraps(function)
    def command(*positional: Any, **keywords: Any) -> Any:
        keywords["size"] = keywords.pop("pixels")
        wishes = {name: keywords.pop(name) for name in _WISHES}  # in the order of a recipe
        wishes["layers"] = weights_of(wishes["layers"]) or None
        changes = {name: keywords.pop(name) for name in _CHANGES}
        wishes["changes"] = {name: value for name, value in changes.items() if value is not None}
        return function(*positional, wishes=wishes, **keywords)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command  # type: ignore[return-value]


@click.command()
@click.argument("network")
@click.argument("pictures", nargs=-1, metavar="[PICTURE]...")
@network_options
@dream_options
@reel_options
@json_option
@output_option("A picture (.png, .jpg, .webp), or a folder for several.")
def dream(
    network: str,
    pictures: Sequence[str],
    opening: Opening,
    wishes: dict[str, Any],
    memory: str | None,
    reel: Reel,
    as_json: bool,
    output: str | None,
) -> None:
    """Show what NETWORK dreams into each PICTURE, or into noise where none is given.

    Ctrl-C keeps what there is, and --resume goes on from there.
    """
    from convscope.pictures.photograph import check_pictures

    if len(pictures) > 1 and reel.folder:
        raise click.UsageError("--frames and --film are of one picture: give one")
    check_pictures(pictures)
    opened = opening.open(network)

    def begin(source: str | None) -> _Run:
        return _Run(opened, source, wishes, memory)

    show(pictures or (None,), begin, reel, (opened.name, "dream"), output=output, as_json=as_json)


@click.command("dream-film")
@click.argument("network")
@click.argument("picture", required=False)
@network_options
@dream_options
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="How long."
)
@click.option("--fps", type=click.FloatRange(1, 60), default=25.0, show_default=True, help="Frames a second.")
@click.option(
    "--zoom", metavar="CURVE", default="1.5", show_default=True, help="How much larger every second."
)
@click.option("--rotation", metavar="CURVE", default="0", help="Degrees to the left every second.")
@click.option("--right", metavar="CURVE", default="0", help="Share of the width every second.")
@click.option("--down", metavar="CURVE", default="0", help="Share of the height every second.")
@click.option("--frames", metavar="FOLDER", help="Keep the frames here.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run was.")
@click.option("-o", "--output", metavar="FILE", default="dream.webp", help="A .gif, .webp, .avif or .mp4.")
def dream_film(
    network: str,
    picture: str | None,
    opening: Opening,
    wishes: dict[str, Any],
    memory: str | None,
    seconds: float,
    fps: float,
    zoom: str,
    rotation: str,
    right: str,
    down: str,
    frames: str | None,
    resume: bool,
    output: str,
) -> None:
    """Make a film of what NETWORK dreams: each frame is the one before, moved a little and dreamed on.

    A CURVE is a number, or values at seconds: 0:1, 4:1.5. A film that was killed goes on with --resume; Ctrl-C makes a
    film of the frames there are.
    """
    from tqdm import tqdm

    from convscope.dreaming.deep_dream import dream_of
    from convscope.dreaming.film import Curve, Motion, film_frames, frame_count
    from convscope.dreaming.keeping import run_of
    from convscope.presentation.animation import Frames

    folder = reel_of(frames, output) or ""
    curves = {"zoom": zoom, "rotation": rotation, "right": right, "down": down}
    motion = Motion(*map(Curve.read, curves.values()))
    dream = fitted(dream_of(opening.open(network), picture, **wishes), memory)
    reel = Frames(folder)
    reel.begin(run_of(dream, wishes) | curves | {"fps": fps}, resume=resume)
    with tqdm(unit="frame", disable=None, leave=False, initial=reel.count()) as bar:
        try:
            for index, count in film_frames(dream, motion, reel, seconds=seconds, rate=fps):
                bar.total = count
                bar.update(index - bar.n)
        except KeyboardInterrupt:
            if not reel.count():
                raise
            click.echo("interrupted: the film of the frames there are", err=True)
            frames = frames or str(reel.folder)  # so that --resume can go on
    finish(reel, output, fps, kept=frames is not None, last=frame_count(seconds, fps))


class _Run:
    """The dream of one picture, with its progress and what is kept on the way."""

    def __init__(
        self, network: Network, source: str | None, wishes: dict[str, Any], memory: str | None
    ) -> None:
        from convscope.dreaming.deep_dream import dream_of
        from convscope.pictures.photograph import open_photograph
        from convscope.pictures.recording import recipe_of

        self.wishes, seed = wishes, wishes["seed"]
        photograph = None if source is None else open_photograph(source)
        dream = dream_of(network, photograph, **wishes)
        arguments = {name: value for name, value in wishes.items() if name != "seed"}
        self.recipe = recipe_of("deep_dream", arguments, network=network, picture=photograph, seed=seed)
        del photograph  # a large one would take its room until the end
        self.dream = fitted(dream, memory)
        self.values: list[float] = []
        self.steps = 0
        self.interrupted = False

    @property
    def told(self) -> dict[str, Any]:
        """The objective at every step."""
        return {"objectives": self.values}

    @property
    def key(self) -> dict[str, Any]:
        """The dream, and all that was wished."""
        from convscope.dreaming.keeping import run_of

        return run_of(self.dream, self.wishes)

    def picture(self, frames: Frames | None, resume: bool) -> Picture:
        """Dream, and return what there is at the end or at Ctrl-C."""
        from dataclasses import replace

        made = self.dream.picture(self._last(frames, resume))
        arguments = {**self.recipe.arguments, "tile": self.dream.tile}
        return replace(made, recipe=None if self.interrupted else replace(self.recipe, arguments=arguments))

    def _last(self, frames: Frames | None, resume: bool) -> DreamStep:
        from convscope.dreaming.keeping import kept_steps

        last: DreamStep | None = None
        try:
            for last in watched(kept_steps(self.dream, self.wishes, resume=resume), _words):
                self.values.append(last.value)
                if frames is not None:
                    frames.keep(last.index, self.dream.frame(last))
        except KeyboardInterrupt:
            if last is None:
                raise
            self.interrupted = True
        assert last is not None
        self.steps = last.index
        return last


def _words(step: DreamStep) -> str:
    return f"objective {step.value:.4g}"
