"""``convscope lessons``: the course, as notebooks in a folder of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.result_paths import explain, place, printable


@click.command()
@click.argument("folder", default="convscope-lessons")
def lessons(folder: str) -> None:
    """Put the course into FOLDER: five lessons, each a notebook, on the built-in network and without a download.

    Each takes a classic document's steps in their order: filters and answers with Caffe, twice, and in Chinese;
    what filters dream of, with Keras; gradients, dreams and styles, with TensorFlow.
    """
    from convscope.files import write_text
    from convscope.lessons import lessons as texts
    from convscope.lessons import notebook, title

    for text in texts():
        path = place(f"{folder}/", text.with_suffix(".ipynb").name)
        write_text(notebook(text), path)
        click.echo(printable(path))
        explain(title(text))
    click.echo(f"Start with:  jupyter lab {printable(Path(folder))}   (pip install jupyterlab)", err=True)
