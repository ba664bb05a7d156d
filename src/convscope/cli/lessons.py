"""``convscope lessons``: the course, as notebooks in a folder of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from convscope.cli.looking import each_in_turn
from convscope.cli.options import json_option
from convscope.cli.result_paths import explain, hint, place, print_json, printable
from convscope.cli.settings import settings


@click.command()
@click.argument("output", metavar="[FOLDER]", default="convscope-lessons")
@json_option
def lessons(output: str, as_json: bool) -> None:
    """Put the course into FOLDER: five lessons, each a notebook, on the built-in network and without a download.

    Without a FOLDER it is convscope-lessons, in this one.

    Each takes a classic document's steps in their order: filters and answers with Caffe, twice, and in Chinese;
    what filters dream of, with Keras; gradients, dreams and styles, with TensorFlow.
    """
    from convscope.files import user_path, write_text
    from convscope.lessons import lessons as texts
    from convscope.lessons import notebook, title

    rows = []

    def write(text: Path) -> None:
        path = place(f"{output}/", text.with_suffix(".ipynb").name)
        write_text(notebook(text), path)
        rows.append({"path": str(path), "title": title(text)})
        if not as_json:
            click.echo(printable(path))
            explain(title(text))

    each_in_turn(texts(), write, "lesson")
    if as_json:
        print_json(rows)
    if not settings().interrupted:
        hint(f"Start with:  jupyter lab {shlex.quote(str(user_path(output)))}   (pip install jupyterlab)")
