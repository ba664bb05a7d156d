"""The pictures that a command is given: files, samples, folders of pictures, patterns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from convscope.cli.result_paths import note
from convscope.errors import PictureError
from convscope.files import is_numpy_file, matched, user_path


def pictures_named(names: Iterable[str], *, signals: bool = False) -> list[str]:
    """Return the pictures that were named, those in folders (and in theirs), and those behind patterns.

    What is named itself has to be a picture; with `signals` a NumPy file may hold what is none. In a folder, a file
    that cannot be read is left out with a note. PictureError for a folder or a pattern that has none.
    """
    from convscope.pictures.photograph import check_pictures

    paths: list[str] = []
    for name in names:
        if not name.strip():
            raise PictureError("a PICTURE is empty: give a file, a folder, or one of the samples")
        if (several := files_of(name)) is None:
            if not (signals and is_numpy_file(name)):
                check_pictures([name])
            paths.append(name)
        elif readable := list(_readable(several)):
            paths += readable
        else:
            raise PictureError(
                f"{name} holds no picture that can be read; give a picture, or a folder of some"
            )
    return paths


def files_of(name: str) -> list[Path] | None:
    """Return the pictures in a folder or behind a pattern; None for anything else."""
    path = user_path(name)
    if path.is_dir():
        return _inside(path)
    if (files := matched(name)) is None:
        return None
    return [file for one in files for file in (_inside(one) if one.is_dir() else [one])]


def _inside(folder: Path) -> list[Path]:
    from convscope.pictures.decoding import photograph_endings

    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in photograph_endings() and path.is_file() and not path.name.startswith(".")
    )


def _readable(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        reason = _why_not(path)
        if reason is None:
            yield str(path)
        else:
            note(f"left out: {reason}")


def _why_not(path: Path) -> str | None:
    from convscope.pictures.photograph import check_pictures

    try:
        check_pictures([str(path)])
    except PictureError as error:
        return str(error)
    return None
