"""``convscope style``: pictures in the style of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
from convscope.cli.runs import (
    FilmOptions,
    Technique,
    job_options,
    make_pictures,
    picture_options,
    within_memory,
)
from convscope.preset_guide import STYLE_GUIDE

if TYPE_CHECKING:
    from convscope.styling.style_transfer import StyleTransfer

_EVERYWHERE = "everywhere"


@click.command(epilog=preset_lines(STYLE_GUIDE))
@click.argument("network")
@click.argument("contents", nargs=-1, required=True, metavar="PICTURE...")
@network_options
@click.option(
    "--style",
    "styles",
    multiple=True,
    required=True,
    metavar="PICTURE[=WEIGHT]",
    help="Whose style: a picture's, or that of what a unit (mixed4a:42) wants to see. May be given several times.",
)
@preset_option(STYLE_GUIDE)
@click.option(
    "--content-layer",
    "content_layers",
    multiple=True,
    metavar="ADDRESS[=WEIGHT]",
    help="The layer whose answers are kept: what is where.",
)
@click.option(
    "--style-layer",
    "style_layers",
    multiple=True,
    metavar="ADDRESS[=WEIGHT]",
    help="A layer whose textures are taken: what it is painted with.",
)
@click.option("--content-weight", type=FiniteRange(0), metavar="X", help="Larger: closer to the content.")
@click.option("--style-weight", type=FiniteRange(0), metavar="X", help="Larger: closer to the style.")
@click.option("--smoothness-weight", type=FiniteRange(0), metavar="X", help="Larger: less grain.")
@click.option("--optimizer", type=click.Choice(["adam", "lbfgs"]), help="How a step is taken.")
@click.option(
    "--style-scale",
    type=FiniteRange(0, min_open=True),
    metavar="X",
    help="The brush strokes' size: 2 is twice as large.",
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
    "--start", metavar="KIND|PICTURE", help="What it begins with: content, noise, style, gray, or a picture."
)
@click.option("--match-colors", is_flag=True, help="Give the styles the content's colors beforehand.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar=f"PICTURE|{_EVERYWHERE}",
    help="Where in the content a style counts: where this is white. One for each --style, in order.",
)
@job_options
@picture_options
@json_option
@output_option()
def style(
    network: str,
    contents: Sequence[str],
    opening: Opening,
    styles: Sequence[str],
    memory: str | None,
    filming: FilmOptions,
    as_json: bool,
    output: str | None,
    **given: Any,
) -> None:
    """Show each PICTURE in the style of others, as NETWORK sees content and style.

    Ctrl-C keeps what there is, and --resume goes on from there.
    """
    from convscope.pictures.photograph import check_pictures
    from convscope.styling.options import StyleOptions
    from convscope.styling.style_transfer import transfer_of

    named = pictures_named(contents)
    if len(named) > 1 and filming.folder:
        raise click.UsageError("--frames and --film are of one picture: give one")
    options, painted = StyleOptions(**_options(given)), weights_of(styles, "--style")
    check_pictures(map(str, filter(None, options.regions)))
    opened = opening.open(network)

    def begin(source: str | None) -> StyleTransfer:
        return within_memory(transfer_of(opened, source or "", painted, options), memory)

    make_pictures(
        named,
        Technique("style", begin, lambda step: step.losses, _losses),
        filming,
        network_name=opened.name,
        output=output,
        as_json=as_json,
    )


def _options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `StyleOptions` that command-line options stand for, where they were given."""
    for name in ("content_layers", "style_layers"):
        arguments[name] = weights_of(arguments[name]) or None
    arguments["regions"] = tuple(None if region == _EVERYWHERE else region for region in arguments["regions"])
    return {name: value for name, value in arguments.items() if value is not None}


def _losses(history: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the last losses."""
    return {"losses": dict(history[-1]) if history else {}}
