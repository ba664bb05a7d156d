"""``convscope trust``: what the maps of each method are worth, measured on one's own pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from convscope.attribution.registry import METHODS
from convscope.cli.options import Opening, json_option, names, network_options
from convscope.cli.pictures import pictures_named
from convscope.cli.result_paths import explain, interrupted, print_json, printable_lines


@click.command()
@click.argument("network")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@network_options
@click.option(
    "--methods",
    metavar="A,B,C",
    default="grad-cam,layer-cam,relevance,saliency,deep-lift",
    show_default=True,
    help=f"Of {', '.join(name.replace('_', '-') for name in METHODS)}.",
)
@click.option(
    "--measures",
    metavar="A,B,C",
    default="single-deletion,entropy-rise,completeness",
    show_default=True,
    help="Of single-deletion, entropy-rise, completeness, deletion, insertion, road, average-drop, increase, difull.",
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

    named, opened = pictures_named(pictures), opening.open(network)
    table = trust_of(opened, named, methods=names(methods), measures=names(measures), grids=grids, seed=seed)
    if as_json:
        print_json(json.loads(table.to_json()))
    else:
        click.echo(printable_lines(str(table)))
        explain(
            f"What the maps of {methods.replace(',', ', ')} are worth on {opened.name}, for {len(named):,} pictures, "
            f"by {measures.replace(',', ', ')} and {grids} grids at most, seed {seed}"
        )
    if not table.complete:
        interrupted(
            f"after {table.pictures:,} pictures and {table.grids:,} grids\nthe same command goes on from there"
        )
