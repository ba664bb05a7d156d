"""The pictures in a .zip and in an unpacked .tar: listed at once, each unpacked when it is read."""

from __future__ import annotations

import io
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from convscope.errors import PictureError
from convscope.measuring.listed_picture import ListedPicture, is_picture, labels_by_folder, unchanged
from convscope.zips import require_apart

LARGEST_MEMBER = 500_000_000  # bytes of one picture in an archive
_UNPACKED, _EXPANSION = 100_000_000, 4
"""What it may unpack to: so many bytes, and so many times what it takes there."""


def in_zip(path: Path) -> list[ListedPicture]:
    """Return the pictures in a zip, by name; BadZipFile for one that is damaged, or whose members overlap."""
    changed = path.stat().st_mtime_ns
    members = sorted(
        (one for one in _zip(path, changed).infolist() if is_picture(Path(one.filename))),
        key=lambda one: one.filename,
    )
    labels = labels_by_folder([Path(one.filename) for one in members])
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


def in_tar(path: Path) -> list[ListedPicture]:
    """Return the pictures in a tar, in its order; ``NAME.cls`` beside ``NAME.jpg`` is its class (WebDataset)."""
    status = path.stat()
    facts = status.st_size, status.st_mtime_ns
    with tarfile.open(path, "r:") as archive:
        members = [one for one in archive if one.isfile()]
    pictures = [one for one in members if is_picture(Path(one.name))]
    classes = {one.name[:-4]: one for one in members if one.name.endswith(".cls") and one.size < 1000}
    by_folder = labels_by_folder([Path(one.name) for one in pictures])
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
    unchanged(path, *facts)
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
