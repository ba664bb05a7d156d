"""``convscope report`` and ``convscope demo``: everything about one network and one picture on one page."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.options import Opening, network_options, output_option
from convscope.cli.output import file_name, place, save_text
from convscope.errors import ConvscopeWarning

if TYPE_CHECKING:
    from convscope.network.network import Network

_BAR = "{percentage:3.0f}%|{bar}| {elapsed}, about {remaining} left"
_MORE = "One that knows more: convscope report zoo:bvlc_googlenet PICTURE (54 MB), or your own network's file"


@click.command()
@click.argument("network")
@click.argument("picture")
@network_options
@click.option("--all", "everything", is_flag=True, help="Show every layer, not a handful of each stage.")
@click.option(
    "--features/--no-features",
    default=True,
    help="What units want to see, which takes longest.  [default: shown]",
)
@click.option("--dreams/--no-dreams", default=True, help="PICTURE after a few dreams.  [default: shown]")
@click.option("--style", metavar="PICTURE|ADDRESS", help="Paint PICTURE in a picture's, or a unit's, style.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@output_option("The HTML file; report.html by default.")
def report(
    network: str,
    picture: str,
    opening: Opening,
    output: str | None,
    **wishes: Any,
) -> None:
    """Make one self-contained HTML page of what NETWORK does with PICTURE."""
    path = place(output, file_name("report", suffix=".html"))
    opened, notes = _opened_with_notes(opening, network)
    _report(opened, picture, path, notes=notes, **wishes)


@click.command()
@output_option("The HTML file; out/report.html by default.")
def demo(output: str | None) -> None:
    """Make the first report: the built-in network looks at a cup of coffee."""
    from convscope.report.wanted_and_found import informative_units

    network, _ = _opened_with_notes(Opening(None, None, None, "cpu", {}), "builtin")
    style = informative_units(network, "coffee", layers=2, each=1)[0]
    _report(network, "coffee", place(output, "out/report.html"), style=style)
    click.echo(f"note: this is the small built-in network. {_MORE}", err=True)


def _report(network: Network, picture: str, path: Path, **wishes: Any) -> None:
    from tqdm import tqdm

    from convscope.report import make_report

    with tqdm(bar_format=_BAR, disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        page = make_report(network, picture, progress=progress, **wishes)
    save_text(page, path)


def _opened_with_notes(opening: Opening, source: str) -> tuple[Network, list[str]]:
    """Open the network; what was warned of is shown as ever, and returned for the page."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvscopeWarning)
        network = opening.open(source)
    notes = [found for found in caught if issubclass(found.category, ConvscopeWarning)]
    for note in notes:
        warnings.warn(note.message, stacklevel=2)
    return network, [str(note.message) for note in notes]
