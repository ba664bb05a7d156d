"""HDF5 files of strangers: numbers alone are read, from this file alone, and none that would grow beyond reason."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from convscope.errors import NetworkFileError
from convscope.files import FileState, require_regular
from convscope.formats.hdf5_check import SECONDS as OBJECT_SECONDS

MAXIMUM_DEPTH = 32
MAXIMUM_EXPANSION = 8
SPARE_BYTES = 64 * 2**20
SECONDS = 15  # of work; a busy machine may take several times as long for them
LONGEST = 8 * SECONDS
_BFLOAT16 = np.dtype("V2")
"""HDF5 has no such floats: Keras writes their two bytes, the upper half of a single float's."""
CHECK = Path(__file__).with_name("hdf5_check.py")


class Container(Protocol):
    """Where an HDF5 file is: a file of its own, or a part of another; ``str`` names it in messages."""

    @property
    def size(self) -> int:
        """How many bytes it takes where it is stored."""

    def open(self) -> Any:
        """Return what h5py opens: a path, or a binary stream that can be sought in."""

    def place(self) -> tuple[str, int, int]:
        """Return the file it is in, and where there: its first byte, and its size, -1 where it is packed."""


@dataclass(frozen=True)
class OwnFile:
    """An HDF5 file that is a file of its own."""

    path: str

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return Path(self.path).stat().st_size

    def open(self) -> str:
        """Return the path."""
        return self.path

    def place(self) -> tuple[str, int, int]:
        """Return the whole file."""
        return self.path, 0, self.size

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Dataset:
    """One dataset: its shape, its place for messages, and how to read it."""

    shape: tuple[int, ...]
    place: str
    file: Container
    name: str
    state: FileState | None = None
    is_whole: bool = False

    def load(self) -> NDArray[np.float32]:
        """Read the dataset as single-precision numbers."""
        numbers = np.empty(self.shape, np.float32)
        if self.state is not None:
            self.state.require_unchanged()
        with opened_hdf5(self.file) as opened:
            dataset = _dataset(opened, self.name, self.place)
            if dataset.dtype == _BFLOAT16 and numbers.size:
                wide = np.asarray(dataset[()]).view(np.uint16).astype(np.uint32) << 16
                return wide.view(np.float32)
            if numbers.size:
                dataset.read_direct(numbers)
        return numbers


def require_sound(file: Container) -> None:
    """Raise NetworkFileError for a file that the HDF5 library would hang in, or that leads out of itself.

    A process of its own looks through it first, once for each state of the file: it takes the memory and the time.
    """
    try:
        path, start, size = file.place()
        state = FileState.of(path)
    except FileNotFoundError:
        raise NetworkFileError(f"{file} is no longer there.") from None
    require_regular(path)
    if problem := _problem_in(file, (path, start, size, state)):
        raise NetworkFileError(f"{file} {problem}.")


_CHECKED: dict[tuple[Any, ...], str] = {}
_ENDLESS = "is a damaged HDF5 file: after {seconds} seconds it is not clear what is in it"
_LIMIT_WORK = """
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds} + 1))
except ImportError:  # Windows
    pass
"""


def _problem_in(file: Container, key: tuple[Any, ...]) -> str:
    if key not in _CHECKED and sys.executable:
        path, start, size = key[:3]
        # It finds h5py where this process found it, and looks nowhere else.
        run = (
            f"{_LIMIT_WORK.format(seconds=SECONDS)}import runpy, sys; sys.path[:] = {sys.path!r}; "
            f"runpy.run_path({str(CHECK)!r}, run_name='__main__')"
        )
        command = [sys.executable, "-I", "-c", run, path, str(start), str(size)]
        content = file.open().read() if size < 0 else b""
        try:
            result = subprocess.run(command, input=content, capture_output=True, timeout=LONGEST)
        except subprocess.TimeoutExpired:
            _CHECKED[key] = _ENDLESS.format(seconds=LONGEST)
        except OSError:  # no process can be started here
            return ""
        else:
            message = result.stdout.decode("utf-8", "replace").strip()
            died = f"is a damaged HDF5 file: the HDF5 library died of it (code {result.returncode})"
            endless = {
                -getattr(signal, "SIGXCPU", 0): SECONDS,
                -getattr(signal, "SIGPROF", 0): OBJECT_SECONDS,
            }
            _CHECKED[key] = (
                message
                if not result.returncode
                else _ENDLESS.format(seconds=endless[result.returncode])
                if result.returncode in endless
                else died
            )
    return _CHECKED.get(key, "")


@contextmanager
def opened_hdf5(file: Container) -> Iterator[h5py.File]:
    """Open an HDF5 file that was looked through; what the HDF5 library trips over becomes a `NetworkFileError`."""
    require_sound(file)
    try:
        with h5py.File(file.open(), "r") as opened:
            yield opened
    except NetworkFileError:
        raise
    except FileNotFoundError:
        raise NetworkFileError(f"{file} is no longer there.") from None
    except Exception as error:  # the HDF5 library raises nearly every kind there is
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkFileError(f"{file} is a damaged HDF5 file: {problem}.") from None


def stored_under(
    opened: h5py.File, root: str, file: Container, place: Callable[[str], str]
) -> Iterator[Dataset]:
    """Yield every dataset below the group `root`, in the file's order; `place` says where one is, for messages.

    Links out of the file, virtual datasets and datasets that would grow far beyond the file are refused
    (`NetworkFileError`).
    """
    state = FileState.of(file.place()[0])
    allowance = MAXIMUM_EXPANSION * file.size + SPARE_BYTES
    for path in _paths(opened, root, file):
        where = place(path)
        dataset = _dataset(opened, path, where)
        allowance -= dataset.size * 4
        if allowance < 0:
            raise NetworkFileError(
                f"{where} would take far more memory than the file is large; it is refused."
            )
        yield Dataset(dataset.shape, where, file, path, state, dataset.dtype.kind in "iu")


def _paths(opened: h5py.File, root: str, file: Container) -> Iterator[str]:
    """Yield the path of every dataset under the root; names may hold slashes, so groups nest."""
    waiting, visited = [root], set[int]()
    while waiting:
        path = waiting.pop()
        if path != "/" and not isinstance(opened.get(path, getlink=True), h5py.HardLink):
            raise NetworkFileError(
                f"{file} has a link at {path!r}; convscope reads weights from this file alone."
            )
        item = opened[path]
        if isinstance(item, h5py.Dataset):
            yield path
            continue
        address = h5py.h5o.get_info(item.id).addr
        if address in visited or path.count("/") > MAXIMUM_DEPTH:
            raise NetworkFileError(f"{file} has groups that contain themselves, at {path!r}.")
        visited.add(address)
        waiting += [f"{path.rstrip('/')}/{name}" for name in reversed(item)]


def _dataset(opened: h5py.File, path: str, place: str) -> h5py.Dataset:
    dataset = opened[path]
    if dataset.is_virtual or dataset.external:
        raise NetworkFileError(
            f"{place} is stored in another file; convscope reads weights from this file alone."
        )
    if dataset.shape is None or (dataset.dtype.kind not in "fiu" and dataset.dtype != _BFLOAT16):
        raise NetworkFileError(f"{place} holds {dataset.dtype}, not numbers.")
    return dataset
