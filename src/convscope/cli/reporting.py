"""``convscope report`` and ``convscope demo``: everything about one network and one picture on one page."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from convscope.cli.options import Opening, network_options, output_option
from convscope.cli.output import file_name, place, save_text
from convscope.errors import ConvscopeWarning

if TYPE_CHECKING:
    from convscope.network.network import Network

_REPOSITORY = Path(__file__).resolve().parents[3]
_SHARED = (_REPOSITORY.parent / "shared" / "data", Path("../shared/data"))
_GOOGLENET = (
    "GoogLeNet, which knows more, is in Caffe's model zoo: deploy.prototxt and bvlc_googlenet.caffemodel"
)


@click.command()
@click.argument("network")
@click.argument("picture")
@network_options
@click.option("--all", "everything", is_flag=True, help="Show every layer, not a handful of each stage.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@output_option("The HTML file; report.html by default.")
def report(
    network: str, picture: str, opening: Opening, everything: bool, top: int, output: str | None
) -> None:
    """Make one self-contained HTML page of what NETWORK does with PICTURE."""
    _report(
        network, picture, opening, output, file_name("report", suffix=".html"), everything=everything, top=top
    )


@click.command()
@output_option("The HTML file; out/report.html by default.")
def demo(output: str | None) -> None:
    """Make the first report: GoogLeNet looks at a cat, or where it is not at hand, the built-in network at coffee."""
    found = [folder for folder in _SHARED if (folder / "caffe" / "bvlc_googlenet").is_dir()]
    network, picture = (str(found[0] / "caffe/bvlc_googlenet"), "chelsea") if found else ("builtin", "coffee")
    if found and (cat := found[0] / "pictures" / "cat.jpg").is_file():
        picture = str(cat)
    if not found:
        click.echo(f"note: this is the small built-in network. {_GOOGLENET}", err=True)
    _report(network, picture, Opening(None, None, None, "cpu", {}), output, "out/report.html")


def _report(
    network: str,
    picture: str,
    opening: Opening,
    output: str | None,
    default: str,
    *,
    everything: bool = False,
    top: int = 5,
) -> None:
    from tqdm import tqdm

    from convscope.report import make_report

    path = place(output, default)
    with tqdm(unit="picture", disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        opened, notes = _opened_with_notes(opening, network)
        page = make_report(opened, picture, top=top, everything=everything, notes=notes, progress=progress)
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
