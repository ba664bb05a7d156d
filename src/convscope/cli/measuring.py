"""``convscope examples`` and ``survey``, and the pass over photographs as every command that needs it makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.looking import each_in_turn, theme_option
from convscope.cli.options import Opening, json_option, network_options, output_option
from convscope.cli.result_paths import (
    end_interrupted,
    file_name,
    folder_of,
    note,
    page_place,
    place,
    print_json,
    progress_bar,
    require_pixels,
    save_picture,
    save_text,
    say,
)

if TYPE_CHECKING:
    from convscope.measuring.measure import Shard
    from convscope.measuring.measurements import Measurements
    from convscope.measuring.picture_list import PicturesLike
    from convscope.network.network import Network

pictures_option = click.option(
    "--photographs",
    metavar="FOLDER",
    required=True,
    help="A folder and all in it, a pattern ('photos/*.jpg'), a .zip or .tar, or a .csv list with a column path; "
    "folders and a column label name classes.",
)


@click.command()
@click.argument("network")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@network_options
@pictures_option
@click.option(
    "--top", type=click.IntRange(1, 99), default=9, show_default=True, help="How many of the strongest."
)
@click.option(
    "--by",
    type=click.Choice(["max", "mean"]),
    default="max",
    show_default=True,
    help="What a unit answers to a picture: its maximum over the positions, or its mean.",
)
@click.option("--overlay", is_flag=True, help="Lay the unit's map over the whole pictures.")
@theme_option
@json_option
@output_option()
def examples(
    network: str,
    addresses: Sequence[str],
    opening: Opening,
    photographs: str,
    as_json: bool,
    output: str | None,
    **look: Any,
) -> None:
    """Show the photographs that units of NETWORK answer most to, cropped to what they see, and weaker ones below.

    All are measured in one pass, which is kept: another unit of the same layers is at once.
    """
    from convscope.measuring.example_sheet import BANDS, ExampleOptions, example_sheet
    from convscope.measuring.measurements import require_channel
    from convscope.measuring.picture_list import list_pictures

    require_pixels(output)
    folder, options = folder_of(output, len(addresses)), ExampleOptions(**look)
    listed, opened = list_pictures(photographs), opening.open(network)
    units = [require_channel(opened.resolve(address)) for address in addresses]
    measurements = measured(opened, listed, [unit.layer for unit in units])
    rows = list[dict[str, Any]]()

    def show(address: str) -> None:
        picture = example_sheet(opened, listed, measurements, address, options)
        path = place(folder, file_name(opened.name, address, "examples"))
        picture.save(path) if as_json else save_picture(picture, path)
        unit = opened.resolve(address)
        bands = {str(share): measurements.band(unit, share, options.by) for share, _ in BANDS}
        rows.append(
            {
                "address": address,
                "path": str(path),
                "caption": picture.caption,
                "strongest": [asdict(one) for one in measurements.strongest(unit, options.by, options.top)],
                "bands": {share: [asdict(one) for one in band] for share, band in bands.items()},
            }
        )

    each_in_turn(addresses, show)
    if as_json:
        print_json(rows)


@click.command()
@click.argument("network")
@network_options
@pictures_option
@click.option("--layers", metavar="A,B", help="Only these layers; all by default.")
@json_option
@output_option("The page (.html), or a folder for it")
def survey(
    network: str,
    opening: Opening,
    photographs: str,
    layers: str | None,
    as_json: bool,
    output: str | None,
) -> None:
    """Look for units of NETWORK that are dead, rare, saturated or doubled, and for classes that are confused.

    One page of what photographs make the units answer: the first thing to run where a network disappoints.
    """
    from convscope.measuring.picture_list import list_pictures
    from convscope.measuring.survey import in_words
    from convscope.measuring.survey import survey as survey_of
    from convscope.measuring.survey_page import survey_page

    output = page_place(output)
    listed, opened = list_pictures(photographs), opening.open(network)
    result = survey_of(measured(opened, listed, layers.split(",") if layers else ()), opened)
    findings = in_words(result)
    if as_json:
        print_json(result.to_dict() | {"findings": findings})
    if output or not as_json:
        path = place(output, file_name(opened.name, "survey", suffix=".html"))
        save_text(survey_page(result, listed), path, err=as_json)
        for line in findings:
            say(line)


def measured(
    network: Network,
    pictures: PicturesLike,
    layers: Sequence[str] = (),
    *,
    folder: Path | None = None,
    shard: Shard | None = None,
) -> Measurements:
    """Measure under a bar with the time left; what it takes is said first. Ctrl-C ends the command and keeps it."""
    from convscope.measuring.measure import measure
    from convscope.measuring.plan import plan_measurement

    plan, through = plan_measurement(network, layers), (0, 0)
    with progress_bar(unit="photograph") as bar:

        def watch(done: int, of: int) -> None:
            nonlocal through
            if through == (0, 0):
                bar.total, bar.initial, bar.n = of, done, done
                if done < of:
                    note(plan.words(of))
            through = (done, of)
            bar.update(done - bar.n)

        try:
            return measure(network, pictures, layers, folder=folder, shard=shard, watch=watch)
        except KeyboardInterrupt:
            if through == (0, 0):
                raise
            done, of = through
            end_interrupted(f"{done:,} of {of:,} photographs were through, their full blocks of 64 are kept")
