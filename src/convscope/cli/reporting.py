"""``convscope report`` and ``convscope demo``: everything about one network and one picture on one page."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.options import Opening, json_option, network_options, output_option
from convscope.cli.pictures import pictures_named
from convscope.cli.result_paths import (
    explain,
    file_name,
    interrupted,
    page_place,
    place,
    print_json,
    printable,
    progress_bar,
)
from convscope.cli.settings import settings
from convscope.errors import ConvscopeWarning, did_you_mean, warn

if TYPE_CHECKING:
    from convscope.network.network import Network
    from convscope.report import Report, ReportOptions

_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}, about {remaining} left"
_MORE = "One that knows more: convscope report zoo:bvlc_googlenet PICTURE (54 MB), or your own network's file"


def _sections(text: str) -> tuple[str, ...]:
    from convscope.report.context import SECTIONS

    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in SECTIONS:
            hint = did_you_mean(name, SECTIONS)
            raise click.BadParameter(f"there is no section {name!r}.{hint} Possible: {', '.join(SECTIONS)}")
    return names


@click.command()
@click.argument("network")
@click.argument("picture")
@network_options
@click.option("--all", "everything", is_flag=True, help="Show every layer, not a handful of each stage.")
@click.option(
    "--sections",
    type=_sections,
    metavar="A,B,C",
    help="Make only these: predictions, filters, activations, values, evidence, features, dreams. The last two take "
    "most of the time.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Leave out what takes long: features, dreams, and of the evidence all but two methods.",
)
@click.option(
    "--style",
    metavar="PICTURE|ADDRESS",
    help="Also paint PICTURE in the style of another picture, or of what a unit (mixed4a:42) wants to see.",
)
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@json_option
@output_option("The HTML file", "report.html")
def report(
    network: str,
    picture: str,
    opening: Opening,
    sections: tuple[str, ...] | None,
    quick: bool,
    as_json: bool,
    output: str | None,
    **options: Any,
) -> None:
    """Make one self-contained HTML page of what NETWORK does with PICTURE.

    Of a network that reads signals, volumes or vectors, PICTURE is a NumPy file of one (.npy).

    Ctrl-C ends it with what there is: the page says what is missing.
    """
    from convscope.report import QUICK, SECTIONS, ReportOptions

    if quick and sections:
        raise click.UsageError("--quick chooses sections itself: give it or --sections")
    named = pictures_named([picture], signals=True)
    folder, several = page_place(output, len(named)), len(named) > 1
    opened, notes = _opened_with_notes(opening, network)
    section_names = sections or (QUICK if quick else SECTIONS)
    rows = []
    for one in named:
        words = ("report", Path(one).name) if several else ("report",)
        path = place(folder, file_name(*words, suffix=".html"))
        rows.append(_report(opened, one, path, ReportOptions(sections=section_names, **options), notes))
        if not as_json:
            click.echo(printable(path))
            explain(rows[-1]["caption"])
        if settings().interrupted:
            break
    if as_json:
        print_json(rows if several else rows[0])


@click.command()
@json_option
@output_option("The HTML file", "out/report.html")
def demo(as_json: bool, output: str | None) -> None:
    """Make the first report: the built-in network looks at a cup of coffee."""
    from convscope.report import ReportOptions
    from convscope.report.units import informative_units

    output = page_place(output)
    network, _ = _opened_with_notes(Opening(None, None, None, "cpu", {}), "builtin")
    options = ReportOptions(style=informative_units(network, "coffee", layers=2, each=1)[0])
    path = place(output, "out/report.html")
    row = _report(network, "coffee", path, options, ())
    if as_json:
        print_json(row)
    else:
        click.echo(printable(path))
        explain(row["caption"])
    warn(f"this is the small built-in network. {_MORE}")


def _report(
    network: Network, picture: str, path: Path, options: ReportOptions, notes: Sequence[str]
) -> dict[str, Any]:
    """Write one page and return what JSON says of it."""
    from convscope.report.page import begin_report

    unfinished = begin_report(network, picture, options, notes=notes)

    def write_what_there_is() -> str:
        if unfinished.content.empty:
            return ""
        page = unfinished.so_far()
        page.save(path)
        return f"without {', '.join(page.missing)}"

    settings().rescue = write_what_there_is
    try:
        with progress_bar(bar_format=_BAR) as bar:

            def progress(done: int, total: int, section: str) -> None:
                bar.total = total
                bar.set_description_str(section, refresh=False)
                bar.update(done - bar.n)

            page = unfinished.made(progress)
    finally:
        settings().rescue = None
    page.save(path)
    if page.missing:
        interrupted(f"without {', '.join(page.missing)}")
    return {
        "picture": picture,
        "path": str(path),
        "caption": _caption(network, picture, page),
        "sections": list(options.sections),
        "missing": list(page.missing),
    }


def _caption(network: Network, picture: str, page: Report) -> str:
    """Return in a line what a page shows."""
    figures, megabytes = page.count("<figure"), len(page.encode()) / 1e6
    missing = f"; without {', '.join(page.missing)}" if page.missing else ""
    return f"What {network.name} does with {Path(picture).name}: {figures} figures in {megabytes:.1f} MB{missing}"


def _opened_with_notes(opening: Opening, source: str) -> tuple[Network, list[str]]:
    """Open the network; what was warned of is shown as ever, and returned for the page."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvscopeWarning)
        network = opening.open(source)
    notes = [warning for warning in caught if issubclass(warning.category, ConvscopeWarning)]
    for note in notes:
        warnings.warn(note.message, stacklevel=2)
    return network, [str(note.message) for note in notes]
