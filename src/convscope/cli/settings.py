"""What one run of any command was told beside its own options: ``--quiet``, ``--verbose``, ``--force``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from convscope.files import user_path

_KEY = "convscope.settings"
_NO_INPUTS = frozenset({"output", "frames", "film"})  # options that say where to write
_FILMS = (".gif", ".avif", ".mp4", ".webp")


@dataclass
class Settings:
    """How much is said on stderr, whether files may be replaced, what was noted, written and read.

    `interrupted` says that Ctrl-C was pressed, whoever dealt with it: the command ends with status 130.
    """

    quiet: bool = False
    verbose: bool = False
    force: bool = False
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)
    written: set[Path] = field(default_factory=set)
    read: set[Path] = field(default_factory=set)


def settings() -> Settings:
    """Return the settings of the command that runs; those of no command outside one."""
    context = click.get_current_context(silent=True)
    if context is None:
        return Settings()
    current: Settings = context.find_root().meta.setdefault(_KEY, Settings())
    return current


def read_by_this_command(path: Path) -> bool:
    """Tell whether a file is an input: named among the arguments, lying in a folder of pictures, or read on the way."""
    real = path.resolve()
    return any(
        real == one or (one.is_dir() and real.parent == one and not _is_ours(real)) for one in _inputs()
    )


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
            yield from (path for text in _texts(value) if (path := _existing(text)) is not None)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts among an option's values that may name a file, as ``FILE``, ``FILE=WEIGHT`` or ``NAME=FILE``."""
    for text in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(text, str):
            yield from (text, text.rpartition("=")[0], text.partition("=")[2])


def _existing(text: str) -> Path | None:
    try:
        path = user_path(text)
        return path.resolve() if text and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # no name of a file
        return None


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
