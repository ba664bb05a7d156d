"""``convscope style``: pictures in the style of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.options import (
    Opening,
    json_option,
    memory_option,
    network_options,
    output_option,
    weights_of,
)
from convscope.cli.runs import Reel, fitted, reel_options, show, watched

if TYPE_CHECKING:
    from convscope.network.network import Network
    from convscope.pictures.picture import Picture
    from convscope.presentation.animation import Frames
    from convscope.styling.steps import StyleStep

_CHANGES = (
    *("content_weight", "style_weight", "smoothness_weight", "iterations", "rate", "optimizer"),
    *("style_scale", "coarsest", "pooling", "edges", "precision"),
)
_EVERYWHERE = "everywhere"


@click.command()
@click.argument("network")
@click.argument("contents", nargs=-1, required=True, metavar="CONTENT...")
@network_options
@click.option(
    "--style",
    "styles",
    multiple=True,
    required=True,
    metavar="PICTURE[=WEIGHT]",
    help="Whose style: a picture's, or that of what a unit (mixed4a:42) wants to see. May be given several times.",
)
@click.option("--preset", metavar="NAME", default="default", show_default=True, help="How it is made.")
@click.option(
    "--content-layer", "content_layers", multiple=True, metavar="ADDRESS[=WEIGHT]", help="What is kept."
)
@click.option(
    "--style-layer", "style_layers", multiple=True, metavar="ADDRESS[=WEIGHT]", help="What is taken."
)
@click.option(
    "--content-weight", type=click.FloatRange(0), metavar="X", help="Larger: closer to the content."
)
@click.option("--style-weight", type=click.FloatRange(0), metavar="X", help="Larger: closer to the style.")
@click.option("--smoothness-weight", type=click.FloatRange(0), metavar="X", help="Larger: less grain.")
@click.option("--iterations", type=click.IntRange(1), metavar="N", help="Steps at each size.")
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="How far a step goes, in the preset's values.",
)
@click.option("--optimizer", type=click.Choice(["adam", "lbfgs"]), help="How a step is taken.")
@click.option(
    "--style-scale", type=click.FloatRange(0, min_open=True), metavar="X", help="The brush strokes' size."
)
@click.option(
    "--coarsest",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="The longer side of the first size, or the next larger.",
)
@click.option(
    "--pooling", type=click.Choice(["average"]), help="Means where the network pools maxima: for VGG."
)
@click.option(
    "--edges", type=click.Choice(["reflect", "replicate"]), help="What filters see beyond the edge."
)
@click.option(
    "--tile", type=click.IntRange(32), metavar="PIXELS", help="Compute in windows, with the same result."
)
@click.option("--fast", "precision", flag_value="bfloat16", help="Compute in half precision (bfloat16).")
@memory_option
@click.option("--size", "pixels", type=click.IntRange(16), metavar="PIXELS", help="The longer side.")
@click.option(
    "--start", metavar="KIND|PICTURE", default="", help="content, noise, style, gray, or a picture."
)
@click.option("--keep-colors", "colors", flag_value="kept", help="Keep the content's colors.")
@click.option(
    "--match-colors", "colors", flag_value="matched", help="Give the styles the content's colors beforehand."
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar=f"PICTURE|{_EVERYWHERE}",
    help="Where in the content a style counts: where this is white. One for each --style, in order.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Another seed, other noise to start from."
)
@reel_options
@json_option
@output_option("A picture (.png, .webp, .jpg), or a folder for several.")
def style(
    network: str,
    contents: Sequence[str],
    opening: Opening,
    reel: Reel,
    as_json: bool,
    output: str | None,
    **wishes: Any,
) -> None:
    """Show each CONTENT picture in the style of others, as NETWORK sees content and style.

    Ctrl-C keeps what there is, and --resume goes on from there.
    """
    from convscope.pictures.photograph import check_pictures

    if len(contents) > 1 and reel.folder:
        raise click.UsageError("--frames and --film are of one picture: give one")
    check_pictures([*contents, *(region for region in wishes["regions"] if region != _EVERYWHERE)])
    opened = opening.open(network)

    def begin(source: str | None) -> _Run:
        return _Run(opened, source or "", wishes)

    show(contents, begin, reel, (opened.name, "style"), output=output, as_json=as_json)


def _arguments(wishes: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `style_transfer` that options stand for, the seed apart."""
    changes = {name: wishes[name] for name in _CHANGES if wishes[name] is not None}
    layers = {name: weights_of(wishes[name]) for name in ("content_layers", "style_layers") if wishes[name]}
    regions = [None if region == _EVERYWHERE else region for region in wishes["regions"]]
    return {
        "styles": weights_of(wishes["styles"], "--style"),
        "preset": wishes["preset"],
        "size": wishes["pixels"],
        "start": wishes["start"],
        "colors": wishes["colors"] or "style",
        "regions": regions,
        "changes": changes | layers,
    }


class _Run:
    """The style transfer of one picture, with its progress and what is kept on the way."""

    def __init__(self, network: Network, source: str, wishes: dict[str, Any]) -> None:
        from dataclasses import replace

        from convscope.pictures.photograph import open_photograph
        from convscope.pictures.recording import recipe_of
        from convscope.styling.style_transfer import transfer_of

        photograph, arguments, seed = open_photograph(source), _arguments(wishes), wishes["seed"]
        made = transfer_of(network, photograph, seed=seed, tile=wishes["tile"], **arguments)
        recipe = recipe_of("style_transfer", arguments, network=network, picture=photograph, seed=seed)
        del photograph  # a large one would take its room until the end
        self.made = fitted(made, wishes["memory"])
        self.recipe = replace(recipe, arguments={**arguments, "tile": self.made.restyling.tile})
        self.losses: dict[str, float] = {}
        self.steps = 0
        self.interrupted = False

    @property
    def told(self) -> dict[str, Any]:
        """The last losses."""
        return {"losses": self.losses}

    @property
    def key(self) -> dict[str, Any]:
        """The recipe, but for the tiles."""
        from convscope.styling.keeping import run_of

        return run_of(self.recipe)

    def picture(self, frames: Frames | None, resume: bool) -> Picture:
        """Run it, and return what there is at the end or at Ctrl-C."""
        from dataclasses import replace

        from convscope.styling.keeping import kept_steps

        last: StyleStep | None = None
        try:
            for last in watched(kept_steps(self.made, self.recipe, resume=resume), _words):
                self.losses, self.steps = dict(last.losses), last.index
                self._keep(last, frames)
        except KeyboardInterrupt:
            if last is None:
                raise
            self._keep(last, frames)  # --resume goes on after it
            self.interrupted = True
        assert last is not None
        ended = {"stop_after": last.index} if self.interrupted else {}
        recipe = replace(self.recipe, arguments={**self.recipe.arguments, **ended})
        return replace(self.made.shown(last), recipe=recipe)

    def _keep(self, step: StyleStep, frames: Frames | None) -> None:
        if frames is not None:
            frames.keep(step.index, self.made.shown(step, self.made.restyling.sizes[-1]).in_8_bits)


def _words(step: StyleStep) -> str:
    losses = ", ".join(f"{name} {loss:.3g}" for name, loss in step.losses.items())
    return f"{step.size[1]} x {step.size[0]}, {losses}"
