"""Many pictures, listed and not yet read: a folder and all in it, an archive, a CSV list, or what a program has.

Each picture keeps its name and what it was called a picture of, where a folder, a CSV file or an archive says so.
"""

from __future__ import annotations

import csv
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from convscope.errors import PictureError
from convscope.files import matched, reason, user_path
from convscope.measuring.archives import in_tar, in_zip
from convscope.measuring.listed_picture import ListedPicture, is_picture, labels_by_folder, unchanged
from convscope.pictures.decoding import picture_endings
from convscope.pictures.photograph import open_photograph, path_of

PicturesLike: TypeAlias = "str | os.PathLike[str] | Iterable[Any]"
"""A folder, a pattern, a .zip, .tar or .csv file, or pictures: whatever `read_picture` reads, each."""
MOST_ROWS = (400_000, 3_000_000)
"""How many pictures any list may have, and a long one: each takes a kilobyte of memory, whatever its row takes."""
_PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "picture")
_PACKED = (".gz", ".tgz")
_LABEL_COLUMNS = ("label", "class", "category", "target")


def list_pictures(pictures: PicturesLike) -> tuple[ListedPicture, ...]:
    """Return the pictures of a folder (nested), of a .zip, .tar or .csv file, or of an iterable, in a fixed order.

    A pattern (``photos/*.jpg``) stands for the pictures behind it. The first folder names the class where pictures lie
    in at least two; so does a column ``label`` or ``class`` of a CSV list (header line first, paths relative to the
    file), and a member ``NAME.cls`` beside ``NAME.jpg`` in a .tar (WebDataset). PictureError where there is no picture.

    >>> [picture.label for picture in list_pictures("photos/")][:2]
    ['cat', 'cat']
    """
    if not isinstance(pictures, (str, os.PathLike)):
        entries: Sequence[ListedPicture] = [_as_listed(index, one) for index, one in enumerate(pictures)]
        if not entries:
            raise PictureError("there are no pictures to measure")
        return tuple(entries)
    name = os.fspath(pictures)
    path, several = user_path(name), matched(name)
    if several is not None:
        entries = _behind(several)
    elif not path.exists():
        raise PictureError(f"there is no folder or list of pictures {name!r}")
    else:
        entries = _in_folder(path) if path.is_dir() else _in_file(path)
    if not entries:
        raise PictureError(
            f"there is no picture {'behind' if several is not None else 'in'} {path} ({', '.join(picture_endings())})"
        )
    return tuple(entries)


def is_list(pictures: Any) -> bool:
    """Tell a folder, a pattern, an archive, a CSV list or a sequence of pictures from a single picture.

    A packed archive is one too, which `list_pictures` then asks to unpack.

    >>> is_list("photos/"), is_list("photos/*.jpg"), is_list("photos.zip"), is_list("cat.jpg")
    (True, True, True, False)
    """
    if not isinstance(pictures, (str, os.PathLike)):
        return isinstance(pictures, (list, tuple))
    name = os.fspath(pictures)
    path = user_path(name)
    return path.is_dir() or path.suffix.lower() in (*_READERS, *_PACKED) or matched(name) is not None


def pictures_hash(pictures: Sequence[ListedPicture]) -> str:
    """Return the hash of the pictures' names, sizes and labels: enough to see that they were measured before."""
    return sha256(repr([(one.name, one.size, one.label) for one in pictures]).encode()).hexdigest()


def _as_listed(index: int, picture: Any) -> ListedPicture:
    if isinstance(picture, ListedPicture):
        return picture
    if isinstance(picture, (str, os.PathLike)):
        name = os.fspath(picture)
        return _listed(path_of(name), name, None, None)
    photograph = open_photograph(picture)
    return ListedPicture(
        f"{index}-{photograph.sha256[:16]}", f"picture {index}", 0, 0, read=partial(_same, picture)
    )


def _same(picture: Any) -> Any:
    return picture


def _in_folder(folder: Path) -> list[ListedPicture]:
    return _in(folder, (path for path in folder.rglob("*") if is_picture(path.relative_to(folder))))


def _behind(several: Sequence[Path]) -> list[ListedPicture]:
    """Return the pictures among some files and in some folders, named from the folder that has them all."""
    if not several:
        return []
    inside = [file for one in several for file in (one.rglob("*") if one.is_dir() else [one])]
    root = Path(os.path.commonpath([one if one.is_dir() else one.parent for one in several]))
    return _in(root, (path for path in inside if is_picture(path.relative_to(root))))


def _in(folder: Path, pictures: Iterable[Path]) -> list[ListedPicture]:
    files = sorted({*pictures})
    names = [path.relative_to(folder) for path in files]
    labels = labels_by_folder(names)
    return [
        _listed(path, name.as_posix(), label, folder)
        for path, name, label in zip(files, names, labels, strict=True)
    ]


def _listed(path: Path, name: str, label: str | None, source: Path | None) -> ListedPicture:
    try:
        facts = path.stat()
        size, changed = facts.st_size, facts.st_mtime_ns
    except OSError:  # said when it is read
        size, changed = 0, 0
    return ListedPicture(
        name, str(path), size, changed, label, source, partial(unchanged, path, size, changed)
    )


def _in_file(path: Path) -> list[ListedPicture]:
    if is_picture(Path(path.name)):
        return _in(path.parent, [path])
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise PictureError(
            f"{path} is no list of pictures: give a folder, a .zip, an unpacked .tar or a .csv file"
        )
    try:
        return reader(path)
    except (
        OSError,
        ValueError,
        csv.Error,
        zipfile.BadZipFile,
        tarfile.TarError,
        NotImplementedError,
        IndexError,  # what tarfile says of some damage, like the next
        OverflowError,
        MemoryError,
    ) as error:
        raise PictureError(f"{path} cannot be read as {path.suffix.lower()}: {reason(error)}") from error


def _in_csv(path: Path) -> list[ListedPicture]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = {str(name).strip().lower(): name for name in rows.fieldnames or ()}
        paths = next((columns[name] for name in _PATH_COLUMNS if name in columns), None)
        labels = next(
            (name for word in _LABEL_COLUMNS for low, name in columns.items() if word in low.split("_")), None
        )
        if paths is None:
            raise ValueError(
                f"its first line names no column of paths; possible: {', '.join(_PATH_COLUMNS)}; "
                f"found: {', '.join(columns) or 'nothing'}"
            )
        most = min(MOST_ROWS[1], max(MOST_ROWS[0], path.stat().st_size // 16))
        named = ((row[paths], row[labels] if labels else None) for row in rows if row[paths])
        listed = list(islice(named, most + 1))
    if len(listed) > most:
        raise ValueError(f"it lists more than {most:,} pictures: give the parts of it, one by one")
    return [_listed(path.parent / name, name, label or None, path) for name, label in listed]


_READERS: Mapping[str, Callable[[Path], list[ListedPicture]]] = {
    ".zip": in_zip,
    ".tar": in_tar,
    ".csv": _in_csv,
}
