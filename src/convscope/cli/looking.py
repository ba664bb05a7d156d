"""``convscope layers``, ``classify``, ``filters``, ``activations``, ``values``: one look at one thing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convscope.cli.options import Opening, json_option, network_options, numbers, output_option
from convscope.cli.output import file_name, folder_of, place, printable, save_picture
from convscope.cli.outputs import draw_output, say_outputs

if TYPE_CHECKING:
    from convscope.network.network import Network
    from convscope.pictures.picture import Picture
    from convscope.presentation.style import ThemeName

_Command = TypeVar("_Command", bound=Callable[..., Any])
palette_option = click.option(
    "--palette", metavar="NAME", help="A colormap of matplotlib, as gray, viridis, RdBu_r."
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
tile_size_option = click.option("--tile-size", type=int, metavar="PIXELS", help="The longer side of a tile.")
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

    table = layer_table(opening.open(network))
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    click.echo(table.to_json() if as_json else printable(table.to_text(width)))


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
@output_option("Also draw a chart there (.png, .jpg, .webp), or into that folder.")
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
    from convscope.pictures.photograph import check_pictures, open_photograph

    folder = folder_of(output, len(pictures))
    check_pictures(pictures)
    opened = opening.open(network)
    answers = []
    for name in pictures:
        photograph = open_photograph(name)
        if not opened.class_values:
            if len(pictures) > 1 and not as_json:
                click.echo(f"{name}:")
            answers.append({"picture": name, **say_outputs(opened, photograph, top=top, quiet=as_json)})
            if output:
                click.echo(printable(draw_output(opened, photograph, folder, theme=theme)), err=as_json)
            continue
        best = classes_of(opened, photograph, top=top)
        answers.append({"picture": name, "predictions": [vars(found) for found in best]})
        if not as_json:
            if len(pictures) > 1:
                click.echo(f"{name}:")
            for found in best:
                click.echo(printable(f"{100 * found.probability:6.2f} %  {found.label}  ({found.address})"))
        if output:
            draw = probabilities if every_class else predictions
            chart = draw(opened, photograph, top=top, theme=theme, bare=bare)
            default = file_name(opened.name, photograph.name, draw.__name__)
            path = chart.save(place(folder, default))
            click.echo(printable(path), err=as_json)
    if as_json:
        click.echo(json.dumps(answers, ensure_ascii=False, indent=2))


@click.command()
@click.argument("network")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@network_options
@click.option(
    "--first", type=click.IntRange(1), metavar="N", help="How many filters; a readable number by default."
)
@scale_option("sheet")
@percentile_option
@palette_option
@tile_size_option
@theme_option
@json_option
@output_option("A picture (.png, .jpg, .webp), or a folder for several.")
def filters(
    network: str,
    addresses: Sequence[str],
    opening: Opening,
    as_json: bool,
    output: str | None,
    **look: Any,
) -> None:
    """Show the filters of a layer (conv1) or one of them (conv1:42) of NETWORK; of the first layer by default."""
    from convscope.looking.filters import filters as filters_of
    from convscope.looking.filters import layers_with_filters

    opened = opening.open(network)
    wanted = list(addresses) or layers_with_filters(opened)[:1]
    if not wanted:
        raise click.ClickException(
            f"{opened.name} has no layer with filters. See: convscope layers {network}"
        )
    made = ((address, filters_of(opened, address, **look)) for address in wanted)
    save_all(opened, "filters", made, output, len(wanted), as_json)


@click.command()
@click.argument("network")
@click.argument("picture")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@network_options
@click.option("--channels", type=numbers(int), metavar="N or I,J,K", help="How many channels, or which ones.")
@click.option("--columns", type=click.IntRange(1), metavar="N", help="Tiles side by side.")
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
@output_option("A picture (.png, .jpg, .webp), or a folder for several.")
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
    from convscope.looking.main_line import stages
    from convscope.looking.showing import show
    from convscope.pictures.photograph import open_photograph

    opened, photograph = opening.open(network), open_photograph(picture)
    wanted = list(addresses) or [layer for stage in stages(opened) for layer in stage.shown]
    counted = channels[0] if channels is not None and len(channels) == 1 else channels

    def look_at(address: str) -> Picture:
        return show(opened, photograph, address, channels=counted, theme=theme, **look)

    made = ((address, look_at(address)) for address in wanted)
    save_all(opened, f"{photograph.name}-activations", made, output, len(wanted), as_json)


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
@output_option("A picture (.png, .jpg, .webp), or a folder for several.")
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
    from convscope.looking.values import values as values_of
    from convscope.pictures.photograph import open_photograph

    opened, photograph = opening.open(network), open_photograph(picture)
    made = ((address, values_of(opened, photograph, address, **look)) for address in addresses)
    save_all(opened, f"{photograph.name}-values", made, output, len(addresses), as_json)


def save_all(network: Network, what: str, made: Any, output: str | None, count: int, as_json: bool) -> None:
    """Save pictures as they are made; one goes to `output` itself, several into it as a folder."""
    from tqdm import tqdm

    saved = []
    folder = folder_of(output, count)
    for address, picture in tqdm(made, total=count, disable=None if count > 1 else True, unit="picture"):
        path = place(folder, file_name(network.name, address, what))
        if as_json:
            picture.save(path)
            saved.append({"address": address, "path": str(path), "caption": picture.caption})
        else:
            save_picture(picture, path)
    if as_json:
        click.echo(json.dumps(saved, ensure_ascii=False, indent=2))
