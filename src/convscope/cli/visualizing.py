"""``convscope see`` and ``convscope sheet``: what units want to see."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convscope.cli.looking import theme_option
from convscope.cli.measuring import measured
from convscope.cli.options import (
    Opening,
    how_many_or_which,
    json_option,
    network_options,
    numbers,
    output_option,
    preset_lines,
    preset_option,
)
from convscope.cli.result_paths import (
    end_interrupted,
    file_name,
    folder_of,
    note,
    place,
    print_json,
    progress_bar,
    require_pixels,
    save_picture,
)
from convscope.preset_guide import FEATURE_GUIDE

if TYPE_CHECKING:
    from convscope.network.network import Network
    from convscope.optimization.rendering import Progress, RenderedPicture
    from convscope.presentation.style import ThemeName

_Command = TypeVar("_Command", bound=Callable[..., Any])
_BETWEEN_PREVIEWS = 15.0  # seconds
_RENDER_OPTIONS = (
    preset_option(FEATURE_GUIDE),
    click.option(
        "--size",
        type=click.IntRange(8),
        metavar="PIXELS",
        help="Height and width of each picture; the preset says by default.",
    ),
    click.option(
        "--steps",
        type=click.IntRange(1),
        metavar="N",
        help="By how many steps each is improved; the preset says by default.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another picture."),
    click.option("--fast", is_flag=True, help="Compute in half precision (bfloat16); judged in full."),
)
photographs_option = click.option(
    "--photographs",
    metavar="FOLDER",
    help="First measure what real pictures make the units answer; kept for later runs.",
)
batch_option = click.option(
    "--batch",
    type=click.IntRange(1),
    metavar="N",
    help="Pictures at a time; what fits the memory by default.",
)


def render_options(function: _Command) -> _Command:
    """Give a command the options of how pictures are made; it gets them as one dict, ``settings``."""

    @functools.wraps(function)
    def command(*positional: Any, **keywords: Any) -> Any:
        settings = {name: keywords.pop(name) for name in ("preset", "size", "steps", "seed", "fast")}
        return function(*positional, settings=settings, **keywords)

    for option in reversed(_RENDER_OPTIONS):
        command = option(command)
    return command  # type: ignore[return-value]


@click.command(epilog=preset_lines(FEATURE_GUIDE))
@click.argument("network")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@network_options
@render_options
@batch_option
@photographs_option
@json_option
@output_option()
def see(
    network: str,
    addresses: Sequence[str],
    opening: Opening,
    settings: Mapping[str, Any],
    batch: int | None,
    photographs: str | None,
    as_json: bool,
    output: str | None,
) -> None:
    """Show what units of NETWORK want to see: a channel (mixed4a:42), a neuron (mixed4a:42@3,5), a class (prob:tabby).

    A killed run goes on where it was; Ctrl-C keeps what there is.
    """
    from convscope.network.tokens import token_in_words
    from convscope.optimization.feature_visualization import RenderOptions, as_picture, visualize
    from convscope.optimization.rendering import watch_rendering

    require_pixels(output)
    folder = folder_of(output, len(addresses))
    opened = opening.open(network)
    for address in map(opened.resolve, addresses):
        if words := token_in_words(opened, address):
            note(f"{address} is no channel: {words}")
    _measure(opened, photographs)
    options = RenderOptions(**settings)
    saved: list[dict[str, Any]] = []

    def save(rendered: RenderedPicture) -> None:
        picture = as_picture(opened, rendered, options)
        path = place(folder, file_name(opened.name, rendered.name, "feature"))
        if as_json:
            picture.save(path)
        else:
            save_picture(picture, path, brief=str(rendered.verdict))
        saved.append(
            {
                "address": rendered.name,
                "path": str(path),
                **vars(rendered.verdict),
                "caption": picture.caption,
            }
        )

    def watch(progress: Progress) -> None:
        bar(progress)
        for rendered in progress.made:
            save(rendered)

    with _Bar() as bar:
        interrupted = watch_rendering(visualize(opened, addresses, options, batch=batch), watch)
    if as_json:
        print_json(saved)
    if interrupted:
        end_interrupted(
            f"{len(saved)} of {len(set(addresses))} pictures are kept, unfinished ones as they are"
        )


@click.command(epilog=preset_lines(FEATURE_GUIDE))
@click.argument("network")
@click.argument("layer")
@network_options
@click.option(
    "--channels",
    type=numbers(int),
    metavar="N or I,J,K",
    help="How many channels, or which ones; all by default.",
)
@render_options
@batch_option
@photographs_option
@click.option(
    "--columns",
    type=click.IntRange(1),
    metavar="N",
    help="Pictures side by side; about a square of them by default.",
)
@theme_option
@json_option
@output_option("A picture (.png, .jpg, .webp), or a folder for it")
def sheet(
    network: str,
    layer: str,
    opening: Opening,
    channels: tuple[int, ...] | None,
    settings: Mapping[str, Any],
    batch: int | None,
    photographs: str | None,
    columns: int | None,
    theme: ThemeName,
    as_json: bool,
    output: str | None,
) -> None:
    """Show what every channel of LAYER of NETWORK wants to see, on one sheet.

    A preview beside it grows on the way. A killed run goes on where it was; Ctrl-C keeps what there is.
    """
    from convscope.optimization.feature_sheet import as_sheet, feature_sheet

    require_pixels(output)
    opened = opening.open(network)
    _measure(opened, photographs)
    path = place(output, file_name(opened.name, layer, "sheet"))
    preview = place(None, str(path.with_stem(f"{path.stem}.preview")))
    rendered: list[RenderedPicture] = []
    shown, interrupted = monotonic(), False

    def watch(progress: Progress) -> None:
        nonlocal shown, interrupted
        rendered.extend(progress.made)
        interrupted = progress.interrupted
        if rendered and progress.made and monotonic() - shown > _BETWEEN_PREVIEWS:
            as_sheet(layer, rendered, columns=columns, theme=theme).save(preview)
            shown = monotonic()
        bar(progress)

    with _Bar() as bar:
        picture = feature_sheet(
            opened,
            layer,
            channels=how_many_or_which(channels),
            **settings,
            columns=columns,
            theme=theme,
            batch=batch,
            watch=watch,
        )
    preview.unlink(missing_ok=True)
    if as_json:
        picture.save(path)
        rows = [{"address": one.name, **vars(one.verdict)} for one in rendered]
        print_json({"path": str(path), "caption": picture.caption, "channels": rows})
    else:
        save_picture(picture, path)
    if interrupted:
        end_interrupted(f"the sheet has the {len(rendered)} channels there are, unfinished ones as they are")


class _Bar:
    """A progress bar with the time left, in pictures."""

    def __enter__(self) -> _Bar:
        self.bar = progress_bar(unit="step")
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, progress: Progress) -> None:
        self.bar.total = progress.of
        self.bar.update(progress.done - self.bar.n)


def _measure(network: Network, folder: str | None) -> None:
    """Measure what photographs make the channels answer, once, and keep it; say what is not checked without."""
    from convscope.measuring.picture_list import list_pictures, pictures_hash
    from convscope.measuring.strongest import find_strongest, keep_strongest, strongest_of
    from convscope.optimization.measured_units import FEWEST

    strongest = find_strongest(network)
    if folder is not None:
        listed = list_pictures(folder)
        if strongest is None or strongest.pictures_sha256 != pictures_hash(listed):
            strongest = strongest_of(measured(network, listed))
            keep_strongest(network, strongest)
            note(f"measured on {strongest.pictures:,} photographs of {folder}")
    if strongest is None or strongest.pictures < FEWEST:
        note(
            "not checked whether the network is built so that these pictures mislead: give --photographs FOLDER, with "
            f"{FEWEST} or more of what it was made for"
        )
