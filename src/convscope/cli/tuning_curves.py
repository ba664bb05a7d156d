"""``convscope tuning-curves``: what stripes, colors, disks and arcs make units answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.looking import each_in_turn, theme_option
from convscope.cli.options import Opening, json_option, network_options, output_option
from convscope.cli.result_paths import file_name, folder_of, place, print_json, save_picture

if TYPE_CHECKING:
    from convscope.presentation.curves import CurvePanel


@click.command("tuning-curves")
@click.argument("network")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@network_options
@theme_option
@json_option
@output_option("A picture (.png, .jpg, .webp, .svg, .pdf), or a folder for several")
def tuning_curves(
    network: str, addresses: Sequence[str], opening: Opening, as_json: bool, output: str | None, **look: Any
) -> None:
    """Show how the answers of units of NETWORK change with what is drawn: stripes, colors, disks, bent lines.

    No photographs are needed. Best for the first half of a network: deeper units see more than lines and colors.
    """
    from convscope.looking.tuning_curves import curves, tuning_curves, tuning_of, unit_with_tuning

    folder, opened = folder_of(output, len(addresses)), opening.open(network)
    for address in addresses:  # each is known before the first is measured
        unit_with_tuning(opened, address)
    rows: list[dict[str, Any]] = []

    def measure(address: str) -> None:
        picture = tuning_curves(opened, address, **look)
        path = place(folder, file_name(opened.name, address, "tuning"))
        picture.save(path) if as_json else save_picture(picture, path)
        panels = curves(*tuning_of(opened, address))
        answers = [_facts(one) for one in panels]
        rows.append({"address": address, "path": str(path), "caption": picture.caption, "curves": answers})

    each_in_turn(addresses, measure)
    if as_json:
        print_json(rows)


def _facts(panel: CurvePanel) -> dict[str, Any]:
    answers = {name or "answer": [float(value) for value in curve] for name, curve in panel.curves.items()}
    return {"title": panel.title, "axis": panel.axis, "places": list(panel.places), "answers": answers}
