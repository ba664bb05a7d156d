"""The ``.keras`` file: a zip of the configuration as JSON and the weights as HDF5; nothing is unpacked to disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from convscope.errors import NetworkFileError
from convscope.files import parsed_json
from convscope.formats.hdf5 import MAXIMUM_EXPANSION, SPARE_BYTES

CONFIGURATION = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
MOST_JSON = 12 * 2**20
"""Python takes up to thirty times as much for it; the largest of Keras's own models have 2 MB."""


@dataclass(frozen=True)
class Member:
    """An HDF5 file inside a zip: read where it lies when it is stored as it is, else unpacked into memory once."""

    path: str
    name: str

    @property
    def size(self) -> int:
        """How many bytes it takes in the zip, which may say more than the file has."""
        with opened_zip(self.path) as archive:
            stated = _info(archive, self.path, self.name).compress_size
        return min(stated, Path(self.path).stat().st_size)

    def open(self) -> IO[bytes]:
        """Return it as a stream."""
        start = self._start
        return (
            io.BytesIO(self._unpacked)
            if start is None
            else io.BufferedReader(_Window(self.path, start, self.size))
        )

    def place(self) -> tuple[str, int, int]:
        """Return the zip, and where its bytes are there; size -1 where they are packed."""
        return (self.path, 0, -1) if self._start is None else (self.path, self._start, self.size)

    @cached_property
    def _start(self) -> int | None:
        """Where in the file its bytes begin; None where they are compressed."""
        with opened_zip(self.path) as archive:
            info = _info(archive, self.path, self.name)
            if info.compress_type != zipfile.ZIP_STORED:
                return None
            with Path(self.path).open("rb") as file:
                file.seek(info.header_offset)
                header = file.read(30)
            # The local header, whose last two fields are the lengths of what lies before the bytes.
            lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            return info.header_offset + len(header) + lengths

    @cached_property
    def _unpacked(self) -> bytes:
        return _read(self.path, self.name, MAXIMUM_EXPANSION * self.size + SPARE_BYTES)

    def __str__(self) -> str:
        return f"{self.path}, {self.name}"


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, path: str, start: int, size: int) -> None:
        self._file = Path(path).open("rb")  # noqa: SIM115
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(0, self._size - self._at)]
        self._file.seek(self._start + self._at)
        read = self._file.readinto(view)
        self._at += read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


def read_json(path: Path, name: str) -> Any:
    """Return a JSON file of the zip; None where there is none."""
    with opened_zip(str(path)) as archive:
        if name not in archive.namelist():
            return None
    try:
        return parsed_json(_read(str(path), name, MOST_JSON))
    except ValueError as error:
        raise NetworkFileError(f"{path}, {name} is not JSON: {error}") from error


@contextmanager
def opened_zip(path: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip; NetworkFileError where it is none, or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except NetworkFileError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError) as error:
        raise NetworkFileError(f"{path} is not a .keras file, which is a zip: {error}") from error
    except Exception as error:  # zlib's, lzma's and bz2's own
        raise NetworkFileError(f"{path} is a damaged zip: {error}") from error


def _info(archive: zipfile.ZipFile, path: str, name: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(name)
    except KeyError:
        members = ", ".join(archive.namelist()[:5]) or "nothing"
        raise NetworkFileError(f"{path} has no {name}; it holds {members}") from None


def _read(path: str, name: str, most: int) -> bytes:
    """Return a member's bytes; one that would be larger than `most` is refused before it is unpacked."""
    with opened_zip(path) as archive:
        info = _info(archive, path, name)
        if info.file_size > most:
            raise NetworkFileError(
                f"{path}, {name} would take far more memory than the file is large; it is refused."
            )
        with archive.open(info) as member:
            return member.read(info.file_size)
