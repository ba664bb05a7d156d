"""``convscope rerun``: a picture again, from nothing but the picture."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.options import output_option
from convscope.cli.output import place, save_picture


@click.command()
@click.argument("made", metavar="PICTURE")
@click.option("--network", metavar="NETWORK", help="Where the network is now, if it moved.")
@click.option("--picture", metavar="FILE", help="Where the input picture is now, if it moved.")
@output_option("Where to write; PICTURE's name with .again in it by default.")
def rerun(made: str, network: str | None, picture: str | None, output: str | None) -> None:
    """Make PICTURE again from the recipe it carries, and say whether the bytes are the same.

    The network's and the input picture's hashes are checked first: it says what has changed since.
    """
    from convscope import techniques
    from convscope.recipe import read_recipe
    from convscope.recipe import rerun as rerun_recipe

    techniques.load()
    recipe = read_recipe(made)
    click.echo(f"note: {recipe}", err=True)
    opened = None
    if network is not None:
        from convscope.sources.opening import open_network

        opened = open_network(network)
    again = rerun_recipe(recipe, network=opened, picture=picture)
    source = Path(made)
    path = save_picture(again, output, str(place(None, f"{source.stem}.again{source.suffix}")))
    same = path.read_bytes() == source.read_bytes()
    click.echo(f"note: {'the same bytes as' if same else 'the bytes differ from'} {made}", err=True)
