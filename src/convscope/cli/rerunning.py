"""``convscope rerun``: a picture again, from nothing but the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from convscope.cli.options import output_option
from convscope.cli.output import place, printable, save_picture

if TYPE_CHECKING:
    from convscope.pictures.picture import Picture


@click.command()
@click.argument("made", metavar="PICTURE")
@click.option("--network", metavar="NETWORK", help="Where the network is now, if it moved.")
@click.option("--picture", metavar="FILE", help="Where the input picture is now, if it moved.")
@click.option("--trust", is_flag=True, help="Read files outside the picture's folder and this one.")
@output_option("Where to write; PICTURE's name with .again in it by default.")
def rerun(made: str, network: str | None, picture: str | None, trust: bool, output: str | None) -> None:
    """Make PICTURE again from the recipe it carries, and say whether the bytes are the same.

    The hashes of the network and of every picture that went in are checked first: it says what has changed since. Files
    outside PICTURE's folder and the current one are named, and read only with --trust.
    """
    from convscope.pictures.picture import Picture
    from convscope.pictures.recipe import read_recipe
    from convscope.rerunning import rerun as rerun_recipe

    recipe = read_recipe(made)
    click.echo(printable(f"note: {recipe}").replace("\n", " "), err=True)
    again = rerun_recipe(made, network=network, picture=picture, trust=trust)
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
    deep = first.array.dtype == again.array.dtype
    ours, theirs = (one.array if deep else one.in_8_bits for one in (first, again))
    apart = np.abs(ours.astype(int) - theirs.astype(int))
    if not apart.any():
        return f"the same pixels as {made}, under a recipe that differs in paths or versions"
    most = np.iinfo(ours.dtype).max
    return f"{np.count_nonzero(apart):,} of {apart.size:,} values differ from {made}, by up to {apart.max()} of {most}"
