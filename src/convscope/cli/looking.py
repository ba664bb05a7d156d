"""``convscope layers``, ``classify``, ``filters``, ``activations``, ``values``: one look at one thing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convscope.cli.options import (
    Opening,
    RenamedOption,
    how_many_or_which,
    json_option,
    network_options,
    numbers,
    output_option,
)
from convscope.cli.output_roles import draw_output, say_outputs
from convscope.cli.pictures import pictures_named
from convscope.cli.result_paths import (
    file_name,
    folder_of,
    interrupted,
    place,
    print_json,
    printable,
    printable_lines,
    progress_bar,
    save_picture,
)

if TYPE_CHECKING:
    from convscope.looking.classify import Prediction
    from convscope.network.network import Network
    from convscope.pictures.picture import Picture
    from convscope.presentation.style import ThemeName

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Thing = TypeVar("_Thing")
_NO_BAR = {"disable": True}
palette_option = click.option(
    "--palette",
    metavar="NAME",
    help="A colormap of matplotlib, as viridis, RdBu_r; gray by default, blue to red for numbers of both signs.",
)
theme_option = click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="The color of the page around the picture.",
)
bare_option = click.option(
    "--bare", is_flag=True, help="Leave out the title, which names the network and the photograph."
)
tile_size_option = click.option(
    "--tile-size",
    type=int,
    metavar="PIXELS",
    help="The longer side of a tile; by default as large as a page holds.",
)
percentile_option = click.option(
    "--percentile", type=float, default=99.5, show_default=True, help="Clip values beyond it; 100 clips none."
)


def scale_option(default: str) -> Callable[[_Command], _Command]:
    """Give a command ``--scale``."""
    help = "Each tile in its own range, or one range for the whole sheet."
    return click.option(
        "--scale", type=click.Choice(["tile", "sheet"]), default=default, show_default=True, help=help
    )


@click.command()
@click.argument("network")
@network_options
@json_option
def layers(network: str, opening: Opening, as_json: bool) -> None:
    """List the layers of NETWORK: kind, shape, parameters, receptive field, operations."""
    from convscope.looking.layer_table import layer_table

    opened = opening.open(network)
    table = layer_table(opened)
    if as_json:
        rows = [asdict(row) for row in table.rows]
        totals = {"parameters": table.parameters, "operations": table.operations}
        print_json({"network": opened.name, "layers": rows, **totals})
        return
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    heading, *lines = printable_lines(table.to_text(width)).splitlines()
    click.echo("\n".join([click.style(heading, bold=True), *lines]))


@click.command()
@click.argument("network")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@network_options
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@click.option(
    "--every-class", is_flag=True, help="Draw the probability of every class, not bars of the best."
)
@json_option
@theme_option
@bare_option
@output_option("Also draw a chart there (.png, .jpg, .webp, .svg, .pdf), or into that folder", None)
def classify(
    network: str,
    pictures: Sequence[str],
    opening: Opening,
    top: int,
    every_class: bool,
    as_json: bool,
    theme: ThemeName,
    bare: bool,
    output: str | None,
) -> None:
    """Say what is on each PICTURE: the most probable classes.

    A network that is no classifier says what it does answer: the classes' shares of the picture, boxes, or what its
    outputs are; with -o a segmentation, boxes or a made picture are drawn.
    """
    from convscope.looking.classify import classify as classes_of
    from convscope.looking.classify import predictions, probabilities

    named = pictures_named(pictures, signals=True)
    folder = folder_of(output, len(named)) if output else None  # without -o nothing is written
    opened = opening.open(network)
    answers: list[dict[str, Any]] = []
    draw = probabilities if every_class else predictions

    def look_at(name: str) -> None:
        photograph = opened.opened_input(name)
        if not opened.class_values:
            if len(named) > 1 and not as_json:
                click.echo(printable(f"{name}:"))
            facts = {"picture": name, **say_outputs(opened, photograph, top=top, quiet=as_json)}
            if output:
                chart = draw_output(opened, photograph, theme=theme)
                facts |= _saved(
                    chart, place(folder, file_name(opened.name, Path(name).name, "output")), as_json
                )
            answers.append(facts)
            return
        best = classes_of(opened, photograph, top=top)
        answer = {"picture": name, "predictions": [vars(prediction) for prediction in best]}
        if not as_json:
            _print_classes(name if len(named) > 1 else "", best)
        if output:
            chart = draw(opened, photograph, top=top, theme=theme, bare=bare)
            path = place(folder, file_name(opened.name, Path(name).name, draw.__name__))
            answer |= _saved(chart, path, as_json)
        answers.append(answer)

    each_in_turn(named, look_at)
    if as_json:
        print_json(answers)


def _saved(picture: Picture, path: Path, as_json: bool) -> dict[str, str]:
    """Save a picture, print its path where results are no JSON, and return what JSON says of it."""
    picture.save(path) if as_json else save_picture(picture, path)
    return {"path": str(path), "caption": picture.caption}


def _print_classes(name: str, best: Sequence[Prediction]) -> None:
    if name:
        click.echo(printable(f"{name}:"))
    for prediction in best:
        share = click.style(f"{100 * prediction.probability:6.2f} %", bold=True)
        address = click.style(printable(f"({prediction.address})"), dim=True)
        click.echo(f"{share}  {printable(prediction.label)}  {address}")


@click.command()
@click.argument("network")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@network_options
@click.option(
    "--channels",
    cls=RenamedOption,
    before=["--first"],
    type=numbers(int),
    metavar="N or I,J,K",
    help="How many filters, or which ones; a readable number by default.",
)
@scale_option("sheet")
@percentile_option
@palette_option
@tile_size_option
@theme_option
@json_option
@output_option()
def filters(
    network: str,
    addresses: Sequence[str],
    opening: Opening,
    channels: tuple[int, ...] | None,
    as_json: bool,
    output: str | None,
    **look: Any,
) -> None:
    """Show the filters of a layer (conv1) or one of them (conv1:42) of NETWORK; of the first layer by default."""
    from convscope.looking.filters import filters as filters_of
    from convscope.looking.filters import first_layer_with_filters
    from convscope.looking.several import require_addresses

    opened = opening.open(network)
    layers = list(addresses) or [first_layer_with_filters(opened)]
    require_addresses(opened, layers)
    look["channels"] = how_many_or_which(channels)
    looks = [
        PendingPicture(
            file_name(opened.name, address, "filters"),
            partial(filters_of, opened, address, **look),
            {"address": address},
        )
        for address in layers
    ]
    save_all(looks, output, as_json)


@click.command()
@click.argument("network")
@click.argument("picture")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@network_options
@click.option(
    "--channels",
    type=numbers(int),
    metavar="N or I,J,K",
    help="How many channels, or which ones; as many as a page holds by default.",
)
@click.option(
    "--columns",
    type=click.IntRange(1),
    metavar="N",
    help="Tiles side by side; about a square of them by default.",
)
@click.option(
    "--order",
    type=click.Choice(["index", "strongest"]),
    default="index",
    show_default=True,
    help="Channels by their numbers, or those first that answer most over the whole picture.",
)
@scale_option("tile")
@percentile_option
@palette_option
@tile_size_option
@theme_option
@json_option
@output_option()
def activations(
    network: str,
    picture: str,
    addresses: Sequence[str],
    opening: Opening,
    channels: tuple[int, ...] | None,
    as_json: bool,
    output: str | None,
    theme: ThemeName,
    **look: Any,
) -> None:
    """Show what layers (conv1), channels (conv1:42) or neurons (conv1:42@3,5) of NETWORK answer to PICTURE.

    Without an address, one sheet for each stage of the network. Fully-connected layers are plotted, tokens are maps, an
    output is shown as what it is: a segmentation, a picture. With --channels it is tiles, whatever it is.
    """
    from convscope.looking.several import require_addresses
    from convscope.looking.showing import show
    from convscope.looking.stages import shown_layers

    named, opened = pictures_named([picture], signals=True), opening.open(network)
    layers = list(addresses) or shown_layers(opened)
    require_addresses(opened, layers)
    look["channels"] = how_many_or_which(channels)
    save_all(
        looks_at(opened, "activations", named, layers, partial(show, opened, theme=theme, **look)),
        output,
        as_json,
    )


@click.command()
@click.argument("network")
@click.argument("picture")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@network_options
@click.option(
    "--order",
    type=click.Choice(["index", "strongest"]),
    default="index",
    show_default=True,
    help="Units by their numbers, or the highest values first.",
)
@click.option("--bins", type=int, default=100, show_default=True, help="Bars of the histogram.")
@theme_option
@bare_option
@json_option
@output_option("A picture (.png, .jpg, .webp, .svg, .pdf), or a folder for several")
def values(
    network: str,
    picture: str,
    addresses: Sequence[str],
    opening: Opening,
    as_json: bool,
    output: str | None,
    **look: Any,
) -> None:
    """Plot the values that layers (fc6) of NETWORK answer to PICTURE, and the histogram of the positive ones."""
    from convscope.looking.several import require_addresses
    from convscope.looking.values import value_facts
    from convscope.looking.values import values as values_of

    named, opened = pictures_named([picture], signals=True), opening.open(network)
    require_addresses(opened, addresses)
    looks = looks_at(opened, "values", named, addresses, partial(values_of, opened, **look))
    save_all(
        looks,
        output,
        as_json,
        more=lambda one: value_facts(opened, opened.opened_input(one["picture"]), one["address"]),
    )


@dataclass(frozen=True)
class PendingPicture:
    """A picture that is to be made: the name of its file, who makes it, and what JSON says of it."""

    name: str
    make: Callable[[], Picture]
    facts: Mapping[str, str]


def looks_at(
    network: Network,
    what: str,
    pictures: Sequence[str],
    addresses: Sequence[str],
    look_at: Callable[..., Picture],
) -> list[PendingPicture]:
    """Return a look at each address for each picture; ``look_at`` takes the photograph and the address."""
    opened = cache(network.opened_input)
    return [
        PendingPicture(
            file_name(network.name, address, f"{Path(picture).name}-{what}"),
            lambda picture=picture, address=address: look_at(opened(picture), address),  # type: ignore[misc]
            {"picture": picture, "address": address},
        )
        for picture in pictures
        for address in addresses
    ]


def save_all(
    looks: Sequence[PendingPicture],
    output: str | None,
    as_json: bool,
    *,
    more: Callable[[Mapping[str, str]], Mapping[str, Any]] = lambda facts: {},
) -> None:
    """Save pictures as they are made; one goes to `output` itself, several into it as a folder.

    `more` gives what JSON says of a look beside its facts.
    """
    saved: list[dict[str, Any]] = []
    folder = folder_of(output, len(looks))

    def save(look: PendingPicture) -> None:
        picture = look.make()
        path = place(folder, look.name)
        saved.append(
            {**look.facts, **_saved(picture, path, as_json), **(more(look.facts) if as_json else {})}
        )

    each_in_turn(looks, save)
    if as_json:
        print_json(saved)


def each_in_turn(things: Sequence[_Thing], do: Callable[[_Thing], None], unit: str = "picture") -> None:
    """Do something with each, under a bar where they are several; Ctrl-C ends it with what there is, and says so."""
    count = 0
    with progress_bar(total=len(things), unit=unit, **({} if len(things) > 1 else _NO_BAR)) as bar:
        try:
            for thing in things:
                do(thing)
                count += 1
                bar.update()
        except KeyboardInterrupt:
            if not count:
                raise
            interrupted(f"{count} of {len(things)} {unit}s are kept")
