"""``convscope importance``: what is lost without each unit of a layer."""

from __future__ import annotations

import click

from convscope.cli.looking import bare_option, theme_option
from convscope.cli.options import Opening, json_option, network_options, output_option
from convscope.cli.pictures import pictures_named
from convscope.cli.result_paths import (
    file_name,
    interrupted,
    place,
    print_json,
    printable_lines,
    save_picture,
)


@click.command()
@click.argument("network")
@click.argument("layer")
@click.argument("pictures", metavar="PICTURE|FOLDER")
@click.argument("target", required=False)
@network_options
@click.option(
    "--top", type=click.IntRange(1), default=16, show_default=True, help="How many units are named."
)
@theme_option
@bare_option
@json_option
@output_option("Also draw a chart there (.png, .jpg, .webp, .svg, .pdf), or into that folder", None)
def importance(
    network: str,
    layer: str,
    pictures: str,
    target: str | None,
    opening: Opening,
    as_json: bool,
    output: str | None,
    **look: object,
) -> None:
    """Show how much each unit of LAYER matters: what is lost where it alone answers 0.

    Of a PICTURE, what TARGET loses, a class by its label or number, or a unit; the most probable class by default. Of a
    FOLDER, a .zip, .tar or .csv list, the mean of that; without TARGET the share of pictures that are named rightly,
    where folders name their classes, else of those that are named as before.
    """
    from convscope.attribution.importance import importance as importance_of
    from convscope.measuring.picture_list import is_list

    source = pictures if is_list(pictures) else pictures_named([pictures])[0]
    opened = opening.open(network)
    result = importance_of(opened, layer, source, target, **look)  # type: ignore[arg-type]
    facts = result.to_dict()
    if not as_json:
        click.echo(printable_lines(str(result)))
    if output:
        path, chart = place(output, file_name(opened.name, layer, "importance")), result._picture
        chart.save(path) if as_json else save_picture(chart, path)
        facts |= {"path": str(path), "caption": chart.caption}
    if as_json:
        print_json(facts)
    if not result.complete:
        interrupted(f"after {result.count:,} pictures")
