"""``convscope samples``: free pictures and small networks to try things with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from convscope.cli.options import json_option
from convscope.cli.result_paths import end_interrupted, explain, print_json, printable, progress_bar
from convscope.files import user_path

if TYPE_CHECKING:
    from convscope.samples import Sample


class _Command(click.Command):
    """A command whose help ends with what there is."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the samples, a line each."""
        from convscope.samples import SAMPLES, SMALL

        with formatter.section("Samples"):
            formatter.write_dl([(name, _line(one, name in SMALL)) for name, one in SAMPLES.items()])


def _line(sample: Sample, small: bool) -> str:
    large = "" if small else f" {sample.megabytes:.0f} MB: only by its name."
    return f"{sample.about} ({sample.license}).{large}"


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from convscope.samples import SAMPLES

    return [
        CompletionItem(name, help=one.about) for name, one in SAMPLES.items() if name.startswith(incomplete)
    ]


@click.command(cls=_Command)
@click.argument("folder")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=_complete)
@json_option
def samples(folder: str, names: tuple[str, ...], as_json: bool) -> None:
    """Put free pictures and small networks into FOLDER: those that the documentation's examples use.

    All but the large one without a NAME. They come from their publishers and are checked; a file that is there stays.
    """
    from convscope.errors import ConvscopeError
    from convscope.samples import SMALL, fetch_samples, find_sample, sample_named

    if find_sample(folder) and not user_path(folder).is_dir():
        words = " ".join((folder, *names))
        raise click.UsageError(
            f"{folder} is a sample, and the FOLDER comes first: convscope samples . {words} "
            f"(./{folder} is a folder of that name)"
        )
    sample_names = [sample_named(name).name for name in names] or SMALL
    listed = []
    with progress_bar(total=len(sample_names), unit="sample") as bar:
        try:
            for one in fetch_samples(folder, sample_names):
                listed.append(one)
                bar.update()
                if not as_json and one.state != "missing":
                    bar.clear()
                    click.echo(printable(one.path))
                    explain(f"{one.sample.about} ({one.sample.license})")
        except KeyboardInterrupt:
            end_interrupted(f"{len(listed)} of {len(sample_names)} samples are there")
    if as_json:
        rows = [
            {
                "name": one.sample.name,
                "path": str(one.path),
                "about": one.sample.about,
                "license": one.sample.license,
                "state": one.state,
                "reason": one.reason,
            }
            for one in listed
        ]
        print_json(rows)
    missing = [one for one in listed if one.state == "missing"]
    if missing:
        reasons = "; ".join(dict.fromkeys(one.reason for one in missing))
        names_of = ", ".join(one.sample.name for one in missing)
        raise ConvscopeError(f"not fetched: {names_of} ({reasons}). The same command fetches what is missing")
