"""``convscope rerun``: a picture again, from nothing but the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.looking import each_in_turn
from convscope.cli.options import json_option, output_option
from convscope.cli.pictures import files_of, pictures_named
from convscope.cli.result_paths import (
    note,
    picture_place,
    place,
    print_json,
    require_pixels,
    save_picture,
)
from convscope.errors import RecipeError

if TYPE_CHECKING:
    from convscope.pictures.picture import Picture


@click.command()
@click.argument("made", nargs=-1, required=True, metavar="PICTURE...")
@click.option("--network", metavar="NETWORK", help="Where the network is now, if it moved.")
@click.option("--picture", metavar="FILE", help="Where the input picture is now, if it moved.")
@click.option("--trust", is_flag=True, help="Read files outside the picture's folder and this one.")
@json_option
@output_option("Where to write, or a folder for several", "PICTURE's name with .again in it")
def rerun(
    made: Sequence[str],
    network: str | None,
    picture: str | None,
    trust: bool,
    as_json: bool,
    output: str | None,
) -> None:
    """Make each PICTURE again from the recipe it carries, and say whether the bytes are the same.

    The hashes of the network and of every picture that went in are checked first: it says what has changed since. Files
    outside PICTURE's folder and the current one are named, and read only with --trust.
    """
    from convscope.pictures.recipe import read_recipe
    from convscope.rerunning import rerun as rerun_recipe

    pictures = [one for name in made for one in _made_by_convscope(name)]
    folder, rows = picture_place(output, len(pictures)), list[dict[str, Any]]()

    def make_again(name: str) -> None:
        recipe = read_recipe(name)
        if "steps" in recipe.arguments:
            require_pixels(output)
        note(" ".join(str(recipe).split()))
        again = rerun_recipe(name, network=network, picture=picture, trust=trust)
        source = Path(name)
        before = source.read_bytes()
        path = place(folder, f"{source.stem}.again{source.suffix}")
        again.save(path) if as_json else save_picture(again, path)
        difference = {"same_bytes": True} if path.read_bytes() == before else _difference(source, again)
        note(_in_words(name, difference, path))
        rows.append({"picture": name, "path": str(path), **difference, "recipe": asdict(recipe)})

    each_in_turn(pictures, make_again)
    if as_json:
        print_json(rows if len(pictures) > 1 else rows[0])


def _made_by_convscope(name: str) -> list[str]:
    """Return the picture of that name, or those in that folder, or behind that pattern, that carry a recipe."""
    if files_of(name) is None:
        return [name]
    made = [one for one in pictures_named([name]) if _carries_a_recipe(one)]
    if not made:
        raise RecipeError(f"{name} holds no picture that convscope made")
    return made


def _carries_a_recipe(name: str) -> bool:
    from convscope.pictures.recipe import read_recipe

    try:
        read_recipe(name)
    except RecipeError as error:
        note(f"left out: {error}")
        return False
    return True


def _difference(source: Path, again: Picture) -> dict[str, Any]:
    """Return how far a picture is from the one it was made from, as numbers."""
    import numpy as np

    from convscope.pictures.picture import Picture

    difference: dict[str, Any] = {"same_bytes": False}
    if source.suffix.lower() == ".svg":
        return difference
    first = Picture.open(source)
    if first.array.shape != again.array.shape:
        return difference | {"sizes": [[one.width, one.height] for one in (first, again)]}
    deep = first.array.dtype == again.array.dtype
    ours, theirs = (one.array if deep else one.in_8_bits for one in (first, again))
    apart = np.abs(ours.astype(int) - theirs.astype(int))
    numbers = {"differ": int(np.count_nonzero(apart)), "values": apart.size, "by_up_to": int(apart.max())}
    return difference | numbers | {"of": int(np.iinfo(ours.dtype).max)}


def _in_words(name: str, difference: dict[str, Any], path: Path) -> str:
    if difference["same_bytes"]:
        return f"the same bytes as {name}"
    if "sizes" in difference:
        (width, height), (now_width, now_height) = difference["sizes"]
        return f"the sizes differ from {name}: it is {width} x {height} and this {now_width} x {now_height}"
    if not difference.get("differ"):
        same = "pixels" if "differ" in difference else "drawing, perhaps,"
        other = path.suffix.lower() != Path(name).suffix.lower()
        why = "in another format" if other else "under a recipe that differs in paths or versions"
        return f"the same {same} as {name}, {why}"
    return (
        f"{difference['differ']:,} of {difference['values']:,} values differ from {name}, "
        f"by up to {difference['by_up_to']} of {difference['of']}"
    )
