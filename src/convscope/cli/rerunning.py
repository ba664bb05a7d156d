"""``convscope rerun``: a picture again, from nothing but the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from convscope.cli.options import output_option
from convscope.cli.output import place, printable, save_picture

if TYPE_CHECKING:
    from convscope.picture import Picture


@click.command()
@click.argument("made", metavar="PICTURE")
@click.option("--network", metavar="NETWORK", help="Where the network is now, if it moved.")
@click.option("--picture", metavar="FILE", help="Where the input picture is now, if it moved.")
@output_option("Where to write; PICTURE's name with .again in it by default.")
def rerun(made: str, network: str | None, picture: str | None, output: str | None) -> None:
    """Make PICTURE again from the recipe it carries, and say whether the bytes are the same.

    The network's and the input picture's hashes are checked first: it says what has changed since.
    """
    from convscope.picture import Picture
    from convscope.recipe import read_recipe
    from convscope.techniques.rerunning import rerun as rerun_recipe

    recipe = read_recipe(made)
    click.echo(printable(f"note: {recipe}").replace("\n", " "), err=True)
    again = rerun_recipe(recipe, network=network, picture=picture)
    source = Path(made)
    before, first = source.read_bytes(), Picture.open(source)
    path = save_picture(again, place(output, f"{source.stem}.again{source.suffix}"))
    same = path.read_bytes() == before
    click.echo(f"note: {f'the same bytes as {made}' if same else _difference(first, again, made)}", err=True)


def _difference(first: Picture, again: Picture, made: str) -> str:
    """Say how far a picture is from the one it was made from."""
    import numpy as np

    if first.array.shape != again.array.shape:
        sizes = (f"{one.width} x {one.height}" for one in (first, again))
        return f"the sizes differ from {made}: it is {' and this '.join(sizes)}"
    apart = np.abs(first.array.astype(int) - again.array.astype(int))
    if not apart.any():
        return f"the same pixels as {made}, under a recipe that differs in paths or versions"
    return f"{np.count_nonzero(apart):,} of {apart.size:,} values differ from {made}, by up to {apart.max()} of 255"
