"""Where results go: names for files that were not named, whole files or none, paths on stdout."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from convscope.errors import PictureError

if TYPE_CHECKING:
    from convscope.picture import Picture

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


def printable(text: object) -> str:
    """Return text that a terminal shows and never obeys: names in a stranger's file may hold control characters."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in str(text))


def save_picture(picture: Picture, output: str | None, default: str) -> Path:
    """Write a picture and print its path."""
    path = picture.save(place(output, default))
    click.echo(printable(path))
    return path


def save_text(text: str, path: Path) -> Path:
    """Write a text file, whole or not at all, and print its path."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PictureError(f"cannot write {path}: {error.strerror or error}") from error
    click.echo(printable(path))
    return path
