"""Many pictures, listed and not yet read: a folder and all in it, an archive, a CSV list, or what a program has.

Each picture keeps its name and what it was called a picture of, where a folder, a CSV file or an archive says so.
"""

from __future__ import annotations

import csv
import io
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from convscope.errors import PictureError
from convscope.files import matched, reason, sha256_of, user_path
from convscope.pictures.decoding import photograph_endings, picture_endings
from convscope.pictures.photograph import open_photograph, path_of
from convscope.zips import require_apart

PicturesLike: TypeAlias = "str | os.PathLike[str] | Iterable[Any]"
"""A folder, a pattern, a .zip, .tar or .csv file, or pictures: whatever `read_picture` reads, each."""
LARGEST_MEMBER = 500_000_000  # bytes of one picture in an archive
_UNPACKED, _EXPANSION = 100_000_000, 4
"""What it may unpack to: so many bytes, and so many times what it takes there."""
MOST_ROWS = (400_000, 3_000_000)
"""How many pictures any list may have, and a long one: each takes a kilobyte of memory, whatever its row takes."""
_PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "picture")
_PACKED = (".gz", ".tgz")
_LABEL_COLUMNS = ("label", "class", "category", "target")


@dataclass(frozen=True)
class ListedPicture:
    """A picture of a list: ``name`` within its source, ``path`` for people, ``label`` where its class is known.

    ``size`` in bytes and ``changed`` (nanoseconds) are the file's, or its archive's; ``read`` gives what
    `read_picture` reads; ``source`` is the folder or file it was listed from, None for what a program gave.
    """

    name: str
    path: str
    size: int
    changed: int
    label: str | None = None
    source: Path | None = None
    read: Callable[[], Any] = field(default=lambda: None, compare=False, repr=False)

    def touched(self) -> int:
        """Return when its file, or its archive, came to its place or was written last (nanoseconds): no date says it.

        0 for what a program gave, and for what is gone.
        """
        for place in (self.path, self.source):  # a member of an archive is no file
            with suppress(OSError, TypeError, ValueError):
                return Path(place).stat().st_ctime_ns  # type: ignore[arg-type]
        return 0

    def content_sha256(self) -> str:
        """Return the hash of its bytes; an empty text for what a program gave, whose name has one, or what is gone."""
        try:
            content = self.read()
            if isinstance(content, Path):
                return sha256_of(content) if content.is_file() else ""  # a device never ends
        except (PictureError, OSError):
            return ""
        return sha256(content).hexdigest() if isinstance(content, bytes) else ""


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
    return _in(folder, (path for path in folder.rglob("*") if _is_picture(path.relative_to(folder))))


def _behind(several: Sequence[Path]) -> list[ListedPicture]:
    """Return the pictures among some files and in some folders, named from the folder that has them all."""
    if not several:
        return []
    inside = [file for one in several for file in (one.rglob("*") if one.is_dir() else [one])]
    root = Path(os.path.commonpath([one if one.is_dir() else one.parent for one in several]))
    return _in(root, (path for path in inside if _is_picture(path.relative_to(root))))


def _in(folder: Path, pictures: Iterable[Path]) -> list[ListedPicture]:
    files = sorted({*pictures})
    names = [path.relative_to(folder) for path in files]
    labels = _labels(names)
    return [
        _listed(path, name.as_posix(), label, folder)
        for path, name, label in zip(files, names, labels, strict=True)
    ]


def _is_picture(name: Path) -> bool:
    """Whether a name is a picture's: by its ending, and not hidden (``.thumbs``, macOS' ``._name.jpg``)."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in photograph_endings() and not hidden


def _labels(names: Sequence[Path]) -> list[str | None]:
    first = [name.parts[0] if len(name.parts) > 1 else None for name in names]
    return first if len({*first} - {None}) > 1 else [None] * len(first)


def _listed(path: Path, name: str, label: str | None, source: Path | None) -> ListedPicture:
    try:
        facts = path.stat()
        size, changed = facts.st_size, facts.st_mtime_ns
    except OSError:  # said when it is read
        size, changed = 0, 0
    return ListedPicture(name, str(path), size, changed, label, source, partial(_file, path, size, changed))


def _file(path: Path, size: int, changed: int) -> Path:
    try:
        now = path.stat()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
    if (now.st_size, now.st_mtime_ns) != (size, changed):
        raise PictureError(f"{path} has changed since the measurement began")
    return path


def _in_file(path: Path) -> list[ListedPicture]:
    if _is_picture(Path(path.name)):
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


def _in_zip(path: Path) -> list[ListedPicture]:
    changed = path.stat().st_mtime_ns
    members = sorted(
        (one for one in _zip(path, changed).infolist() if _is_picture(Path(one.filename))),
        key=lambda one: one.filename,
    )
    labels = _labels([Path(one.filename) for one in members])
    return [
        _member(
            path,
            one.filename,
            (one.file_size, one.compress_size),
            label,
            partial(_from_zip, path, changed, one),
        )
        for one, label in zip(members, labels, strict=True)
    ]


@lru_cache(maxsize=8)
def _zip(path: Path, changed: int) -> zipfile.ZipFile:
    """Return an archive, open: its list of members is read once, and threads may read them together."""
    archive = zipfile.ZipFile(path)
    require_apart(archive)
    return archive


def _from_zip(path: Path, changed: int, member: zipfile.ZipInfo) -> bytes:
    try:
        unpacked = io.BytesIO()  # zipfile's own read() holds it twice
        with _zip(path, changed).open(member) as packed:
            shutil.copyfileobj(packed, unpacked)
        return unpacked.getvalue()
    except (
        OSError,
        ValueError,
        EOFError,
        RuntimeError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
    ) as error:
        raise PictureError(f"{member.filename} of {path} cannot be read: {error}") from error


def _in_tar(path: Path) -> list[ListedPicture]:
    status = path.stat()
    facts = status.st_size, status.st_mtime_ns
    with tarfile.open(path, "r:") as archive:
        members = [one for one in archive if one.isfile()]
    pictures = [one for one in members if _is_picture(Path(one.name))]
    classes = {one.name[:-4]: one for one in members if one.name.endswith(".cls") and one.size < 1000}
    by_folder = _labels([Path(one.name) for one in pictures])
    entries = []
    for one, label in zip(pictures, by_folder, strict=True):
        beside = classes.get(one.name.rpartition(".")[0])
        if beside is not None:
            label = _from_tar(path, facts, beside).decode("utf-8", "replace").strip()
        entries.append(
            _member(path, one.name, (one.size, one.size), label, partial(_from_tar, path, facts, one))
        )
    return entries


def _from_tar(path: Path, facts: tuple[int, int], member: tarfile.TarInfo) -> bytes:
    """Return a member's bytes; PictureError where the archive is another one now: others lie in their place."""
    _file(path, *facts)
    try:
        with path.open("rb") as file:
            file.seek(member.offset_data)
            return file.read(member.size)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error


def _member(
    path: Path, name: str, sizes: tuple[int, int], label: str | None, read: Callable[[], bytes]
) -> ListedPicture:
    """Return an archive's picture of (unpacked, packed) bytes; one that unfolds beyond measure is refused when read."""
    unpacked, packed = sizes
    most = min(LARGEST_MEMBER, _UNPACKED + _EXPANSION * packed)
    if unpacked > most:
        read = partial(_too_large, f"{path}/{name}", sizes, most)
    return ListedPicture(name, f"{path}/{name}", unpacked, path.stat().st_mtime_ns, label, path, read)


def _too_large(name: str, sizes: tuple[int, int], most: int) -> bytes:
    raise PictureError(
        f"{name} takes {sizes[1]:,} bytes and unpacks to {sizes[0]:,}; {most:,} is the most for such a picture"
    )


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
    ".zip": _in_zip,
    ".tar": _in_tar,
    ".csv": _in_csv,
}
