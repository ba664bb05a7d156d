"""What one run of any command was told beside its own options: ``--quiet``, ``--verbose``, ``--force``."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from convscope.files import FileState, matched, user_path

_KEY = "convscope.settings"
_NO_INPUTS = frozenset({"output", "frames", "film"})  # options that say where to write
_FILMS = (".gif", ".avif", ".mp4", ".webp")


@dataclass
class Settings:
    """How much is said on stderr, whether files may be replaced, what was noted, written and read.

    `interrupted` says that Ctrl-C was pressed, whoever dealt with it: the command ends with status 130. `told` says
    that stderr has said what was kept.
    `unfinished` is where the state of a run lies that --resume goes on from, if there is any.
    `rescue` writes what there is of a page where the process has to be ended in the middle of a step, and says what is
    missing.
    `written` has for each result what lay there before: no clock tells whether it is new, a file server's may go wrong.
    """

    quiet: bool = False
    verbose: bool = False
    force: bool = False
    interrupted: bool = False
    told: bool = False
    notes: list[str] = field(default_factory=list)
    written: dict[Path, FileState | None] = field(default_factory=dict)
    unfinished: Path | None = None
    rescue: Callable[[], str] | None = None
    read: set[Path] = field(default_factory=set)


def settings() -> Settings:
    """Return the settings of the command that runs; those of no command outside one."""
    context = click.get_current_context(silent=True)
    if context is None:
        return Settings()
    current: Settings = context.find_root().meta.setdefault(_KEY, Settings())
    return current


def read_by_this_command(path: Path) -> bool:
    """Tell whether a file is an input: named among the arguments, lying in a folder of pictures, or read on the way.

    An input by another name (a link of either kind) is one, and so is a copy of a person's own: a picture is never
    saved over what it was made from, which is told by its bytes. A copy that convscope made, as a rerun does, is none.
    """
    real = Path(os.path.realpath(path))  # of a link to itself, too
    return any(_lies_in(one, real) if one.is_dir() else _is_same(one, real) for one in _inputs())


def _lies_in(folder: Path, file: Path) -> bool:
    """Tell whether a file is among those that a command reads of a folder: of those inside it, pictures alone."""
    from convscope.pictures.decoding import photograph_endings

    inside = folder in file.parents and file.suffix.lower() in photograph_endings()
    return (file.parent == folder or inside) and not _is_ours(file)


def _is_same(one: Path, other: Path) -> bool:
    if one == other:
        return True
    try:
        return one.samefile(other) or (filecmp.cmp(one, other, shallow=False) and not _is_ours(other))
    except OSError:  # not there yet, or nobody may read it
        return False


def goes_on_with(path: Path) -> bool:
    """Tell whether a run with --resume left this file when it was interrupted: a film, or a picture of convscope's."""
    context = click.get_current_context(silent=True)
    if context is None or not context.params.get("resume"):
        return False
    return path.suffix.lower() in _FILMS or _is_ours(path)


def _inputs() -> Iterator[Path]:
    yield from settings().read
    context = click.get_current_context(silent=True)
    for name, value in (context.params if context else {}).items():
        if name not in _NO_INPUTS:
            yield from (path for text in _texts(value) for path in _existing(text))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts among an option's values that may name a file, as ``FILE``, ``FILE=WEIGHT`` or ``NAME=FILE``."""
    for text in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(text, str):
            yield from (text, text.rpartition("=")[0], text.partition("=")[2])


def _existing(text: str) -> list[Path]:
    """Return the file or folder of that name, or the files behind the pattern."""
    try:
        path = user_path(text)
        there = [path] if text and path.exists() else matched(text) or []
        return [one.resolve() for one in there]
    except (OSError, ValueError, RuntimeError):  # no name of a file
        return []


def _is_ours(path: Path) -> bool:
    """Tell a picture or page that convscope made earlier from a person's own file."""
    from convscope.errors import ConvscopeError
    from convscope.pictures.picture import Picture

    if path.suffix.lower() == ".html":
        return True
    try:
        picture = Picture.open(path)
    except ConvscopeError:
        return False
    return bool(picture.caption or picture.recipe)
