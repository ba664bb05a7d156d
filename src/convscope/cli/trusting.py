"""``convscope trust``: what the maps of each method are worth, measured on one's own pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from convscope.attribution.registry import METHODS
from convscope.cli.options import Opening, json_option, network_options
from convscope.cli.output import printable


@click.command()
@click.argument("network")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@network_options
@click.option(
    "--methods",
    metavar="A,B,C",
    default="grad-cam,layer-cam,relevance,saliency,integrated-gradients",
    show_default=True,
    help=f"Of {', '.join(name.replace('_', '-') for name in METHODS)}.",
)
@click.option(
    "--measures",
    metavar="A,B,C",
    default="single-deletion,entropy-rise,completeness",
    show_default=True,
    help="Of single-deletion, entropy-rise, completeness, deletion, insertion, road, average-drop, increase.",
)
@click.option(
    "--grids", type=click.IntRange(0), default=16, show_default=True, help="How many 2 x 2 grids, at most."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another number lays out other grids.")
@json_option
def trust(
    network: str,
    pictures: Sequence[str],
    opening: Opening,
    methods: str,
    measures: str,
    grids: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure how far the maps of each method can be trusted on PICTUREs, or folders of them.

    Each cell of a grid is grayed alone: does the map say what is lost? And of four pictures in one, does it point at
    the right one? Two controls stand below, a blob in the middle and the map of a network with shuffled weights. Ctrl-C
    shows what there is; the same command goes on from there.
    """
    from convscope.attribution.trust import trust as trust_of
    from convscope.pictures.photograph import check_pictures, picture_endings

    found: list[str] = []
    for name in pictures:
        inside = sorted(path for path in Path(name).rglob("*") if path.suffix.lower() in picture_endings())
        found += [str(path) for path in inside] if Path(name).is_dir() else [name]
    check_pictures(found)
    opened = opening.open(network)
    table = trust_of(
        opened, found, methods=methods.split(","), measures=measures.split(","), grids=grids, seed=seed
    )
    click.echo(table.to_json() if as_json else printable(str(table)))
