"""Where results go: names for files that were not named, whole files or none, paths on stdout."""

from __future__ import annotations

import os
import re
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from convscope.errors import PictureError
from convscope.files import written_whole

if TYPE_CHECKING:
    from convscope.pictures.picture import Picture

_LONGEST = 80


def file_name(*words: str, suffix: str = ".png") -> str:
    """Return a name any file system takes, made of addresses and plain words.

    >>> file_name("GoogLeNet", "conv1/7x7_s2:42", "filters")
    'GoogLeNet-conv1_7x7_s2_42-filters.png'
    """
    safe = (re.sub(r"[^\w.@+-]+", "_", word).strip("._") for word in words)
    return "-".join(word[:_LONGEST] for word in safe if word) + suffix


def place(output: str | None, default: str) -> Path:
    """Return where to write: `output`, or the default name in that folder; missing folders are made."""
    path = Path(output).expanduser() if output else Path(default)
    if output and (path.is_dir() or output.endswith(("/", os.sep))):
        path = path / default
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error
    return path


def unused(path: Path, taken: set[Path]) -> Path:
    """Return a path, numbered where this run has written it already, and remember it as taken."""
    free = path
    for number in count(2):
        if free not in taken:
            break
        free = path.with_stem(f"{path.stem}-{number}")
    taken.add(free)
    return free


def printable(text: object) -> str:
    """Return text that a terminal shows and never obeys: names in a stranger's file may hold control characters."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in str(text))


def save_picture(picture: Picture, path: Path) -> Path:
    """Write a picture and print its path."""
    picture.save(path)
    click.echo(printable(path))
    return path


def save_text(text: str, path: Path) -> Path:
    """Write a text file, whole or not at all, and print its path."""
    try:
        with written_whole(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise PictureError(f"cannot write {path}: {error.strerror or error}") from error
    click.echo(printable(path))
    return path
