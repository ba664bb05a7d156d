"""Where results go: names for files that were not named, nothing written over, whole files or none, paths on stdout."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from convscope.cli.settings import goes_on_with, read_by_this_command, settings
from convscope.errors import PictureError
from convscope.files import (
    FileState,
    destination,
    reason,
    require_writable,
    user_path,
    with_escapes,
    write_text,
    writing,
)

if TYPE_CHECKING:
    from convscope.pictures.picture import Picture

INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended
_LONGEST = 80  # bytes of a word, as UTF-8
_LONGEST_NAME = 200  # a file system takes 255
_PIXELS = (".png", ".jpg", ".jpeg", ".webp")
_PAGES = (".html", ".htm")
_FILES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".gif",
    ".avif",
    ".mp4",
    ".tif",
    ".tiff",
    ".bmp",
    ".svg",
    ".pdf",
    ".npy",
    ".npz",
    *_PAGES,
)


def file_name(*words: str, suffix: str = ".png") -> str:
    """Return a name any file system takes, made of addresses and plain words.

    >>> file_name("GoogLeNet", "conv1/7x7_s2:42", "filters")
    'GoogLeNet-conv1_7x7_s2_42-filters.png'
    """
    safe = (re.sub(r"[^\w.@+-]+", "_", word).strip("._") for word in words)
    stem = "-".join(_cut(word, _LONGEST) for word in safe if word)
    return _cut(stem, _LONGEST_NAME) + suffix


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text that is so many bytes long as UTF-8, in whole letters."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def place(output: str | None, default: str, *, beside: Iterable[str] = ()) -> Path:
    """Return where to write: `output`, or the default name in that folder; missing folders are made.

    A file that is there stays, and the new one gets a number, unless --force is given; one that the command reads stays
    in any case. `beside` are endings of further files that are written next to it under the same stem.
    """
    path = user_path(output) if output else Path(default)
    if output and _is_folder(output):
        path = path / default
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"cannot make the folder {path.parent}: {reason(error)}") from error
    with writing(path):
        require_writable(destination(path))
    return free(path, tuple(beside))


def folder_of(output: str | None, number: int, ending: str = ".png") -> str | None:
    """Return `output`, as a folder where several files go there; before the work, refuse a name that is none for them.

    `ending` is the one to offer where a single file's name has none that is known.
    """
    if output is None or _is_folder(output):
        _require_possible(str(Path(output or "") / "x.png"))
        return output
    is_file = Path(output).suffix.lower() in _FILES
    if is_file and number > 1:
        raise click.UsageError(f"-o {output} is one file, and {number:,} are made: give a folder, as -o out/")
    if not is_file and number == 1:
        _require_possible(output)
        raise click.UsageError(
            f"-o {output}: its ending says no format; give one, as {output}{ending}, or a folder, {output}/"
        )
    return output if is_file else f"{output}/"


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or user_path(output).is_dir()


def require_pixels(output: str | None) -> None:
    """Refuse, before the work, a file that no picture made of pixels can be written to."""
    _require_ending(output, _PIXELS, "a picture of pixels")


def require_png(output: str | None) -> None:
    """Refuse, before the work, a file that has no 16 bits a channel."""
    _require_ending(output, (".png",), "16 bits a channel")


def page_place(output: str | None, number: int = 1) -> str | None:
    """Return `folder_of` so many pages; refuse, before the work, a name with which no program would open one."""
    _require_ending(output, _PAGES, "a page")
    return folder_of(output, number, _PAGES[0])


def picture_place(output: str | None, number: int = 1) -> str | None:
    """Return `folder_of` so many pictures; refuse, before the work, a file that holds neither pixels nor lines."""
    _require_ending(output, (*_PIXELS, ".svg", ".pdf"), "a picture")
    return folder_of(output, number)


def _require_ending(output: str | None, possible: tuple[str, ...], what: str) -> None:
    if output:
        _require_possible(output)
    ending = Path(output or "").suffix.lower()
    if ending in _FILES and ending not in possible and not user_path(output or "").is_dir():
        raise click.UsageError(f"-o {output}: {what} cannot be saved so; possible: {', '.join(possible)}")


def _require_possible(output: str) -> None:
    """Refuse, before the work, a device, a pipe, a name that no file can have, and where none can be made."""
    with writing(path := user_path(output)):
        require_writable(destination(path))


def free(path: Path, beside: tuple[str, ...] = ()) -> Path:
    """Return the path, or where it may not be written to, the first with a number that may."""
    chosen = path
    for number in count(2):
        stem = chosen.name.partition(".")[0]
        if all(map(_may_be_written, (chosen, *(chosen.with_name(stem + ending) for ending in beside)))):
            break
        chosen = path.with_stem(f"{path.stem}-{number}")
    options = settings()
    if chosen != path and path not in options.written:
        why = "is read here" if read_by_this_command(path) else "is there already; --force would replace it"
        note(f"{path} {why}")
    options.written[chosen] = FileState.found(chosen)
    return chosen


def _may_be_written(path: Path) -> bool:
    options = settings()
    if path in options.written:
        return False
    if not os.path.lexists(path) or path.is_dir():  # a folder of that name is an error for who writes
        return True
    return (options.force or goes_on_with(path)) and not read_by_this_command(path)


def printable(text: object) -> str:
    """Return a line that a terminal shows and never obeys: names in a stranger's file may hold control characters."""
    return "".join(
        letter if letter.isprintable() else "\\n" if letter == "\n" else "�" for letter in str(text)
    )


def printable_lines(text: object) -> str:
    """Return text of several lines, each of them `printable`."""
    return "\n".join(map(printable, str(text).split("\n")))


def save_picture(picture: Picture, path: Path, brief: str = "") -> Path:
    """Write a picture and print its path, and under it what it says in `brief`, or with --verbose its caption."""
    picture.save(path)
    click.echo(printable(path))
    say(picture.caption if settings().verbose else brief)
    return path


def explain(words: str) -> None:
    """Say something more about what was just made, with --verbose."""
    if settings().verbose:
        say(words)


def note(words: str) -> None:
    """Say on stderr what one has to know of a result, once; JSON has it too."""
    options = settings()
    if words in options.notes:
        return
    options.notes.append(words)
    if not options.quiet:
        click.echo(f"{click.style('note:', fg='yellow')} {printable(words)}", err=True)


def print_json(result: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Print a result for other programs; each object in it has the ``notes`` that were said."""
    notes = settings().notes
    rows = result if isinstance(result, list) else [result]
    rows_with_notes = [row | {"notes": notes} for row in rows]
    shown = rows_with_notes if isinstance(result, list) else rows_with_notes[0]
    click.echo(with_escapes(json.dumps(shown, ensure_ascii=False, indent=2)))


def say(words: str) -> None:
    """Say something about what was just made, indented under its path, on stderr."""
    if words and not settings().quiet:
        click.echo(printable(f"  {' '.join(words.split())}"), err=True)


def hint(words: str) -> None:
    """Say on stderr what to do next."""
    if not settings().quiet:
        click.echo(printable_lines(words), err=True)


def end_interrupted(kept: str) -> NoReturn:
    """Say what an interrupted command has kept, and end with Ctrl-C's exit status."""
    interrupted(f"{kept}\nthe same command goes on from there")
    sys.exit(INTERRUPTED)


def interrupted(words: str) -> None:
    """Say what Ctrl-C left, and see to it that the command ends with status 130."""
    settings().interrupted = settings().told = True
    click.echo(printable_lines(f"interrupted: {words}"), err=True)


def progress_bar(**options: Any) -> Any:
    """Return a bar that is there at once: on a terminal only, and not with --quiet; it leaves nothing behind."""
    from convscope.progress import progress_bar as bar

    return bar(**({"delay": 0} | options))


def save_text(text: str, path: Path, *, err: bool = False) -> Path:
    """Write a text file, whole or not at all, and print its path (on stderr, beside JSON)."""
    write_text(text, path)
    click.echo(printable(path), err=err)
    return path
