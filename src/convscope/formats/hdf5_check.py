"""Looks through an HDF5 file in a process of its own: ``python hdf5_check.py PATH START SIZE``; prints what is wrong.

The HDF5 library can be led into loops that take memory or never end (a free block that is its own next one), and it
follows a link to another file, or to a pipe that never answers, as soon as somebody asks what is behind it. So nothing
is opened before its link is looked at, and who started this sets the time. It imports h5py and nothing of convscope.
"""

from __future__ import annotations

import io
import signal
import sys
import zlib
from math import prod
from pathlib import Path
from typing import Any

import h5py

MEMORY = 2**28  # bytes more than it has when it begins
SECONDS = 2  # of work for one object; the HDF5 library takes thousandths for a sound one
OBJECTS = 200_000
DEPTH = 32
MOST_UNPACKED = 2**28  # bytes that a packed chunk may come to unseen: deflate makes up to 1032 of one
MOST_SEEN = 2**26  # bytes of packed chunks that are unpacked to see what they come to, under a second
_DEFLATE, _SHUFFLE, _CHECKSUM, _LZF = 1, 2, 3, 32000
_FILTERS = frozenset({_DEFLATE, _SHUFFLE, _CHECKSUM, _LZF})


def limit_memory() -> None:
    """Let this process take only so much more; where the system has no such limit, nothing."""
    try:
        import resource
    except ImportError:  # Windows
        return
    usage = Path("/proc/self/statm")
    if usage.exists():
        now = int(usage.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, hard))


def limit_next_object() -> None:
    """Let the library work so long on what comes next: a loop in it ends this process (SIGPROF)."""
    if hasattr(signal, "setitimer"):  # Windows has none
        signal.setitimer(signal.ITIMER_PROF, SECONDS)


def problem_in(opened: Any) -> str:
    """Return what is wrong with a file, by every link, attribute and dataset in it; nothing where all is well."""
    waiting, visited, count = ["/"], set[int](), 0
    while waiting:
        path = waiting.pop()
        limit_next_object()
        if path != "/" and not isinstance(opened.get(path, getlink=True), h5py.HardLink):
            return f"has a link at {path!r}; convscope reads weights from this file alone"
        item = opened[path]
        for name in item.attrs:
            item.attrs[name]
        count += 1
        if count > OBJECTS:
            return f"holds more than {OBJECTS:,} groups and datasets"
        if isinstance(item, h5py.Dataset) and (problem := packed_wrongly(item)):
            return f"holds {path!r}, {problem}"
        if not isinstance(item, h5py.Group):
            continue
        address = h5py.h5o.get_info(item.id).addr
        if address in visited or path.count("/") > DEPTH:
            return f"has groups that contain themselves, at {path!r}"
        visited.add(address)
        waiting += [f"{path.rstrip('/')}/{name}" for name in item]
    return ""


def packed_wrongly(dataset: Any) -> str:
    """Return what is wrong with how a dataset is packed: its chunks may come to any number of bytes, whatever it says.

    The HDF5 library unpacks a chunk to its end, and only then looks how large it was to be.
    """
    if dataset.chunks is None:
        return ""
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(at)[0] for at in range(properties.get_nfilters())]
    if strange := set(filters) - _FILTERS:
        return f"which is packed by filter {min(strange)} of HDF5's; gzip and lzf are read"
    if filters.count(_DEFLATE) + filters.count(_LZF) > 1:
        return "which is packed several times over"
    if _DEFLATE not in filters:
        return ""
    large: list[Any] = []
    dataset.id.chunk_iter(lambda chunk: large.append(chunk) if chunk.size * 1032 > MOST_UNPACKED else None)
    whole, left = prod(dataset.chunks) * dataset.dtype.itemsize + 64, MOST_SEEN
    for chunk in large:
        limit_next_object()
        left -= chunk.size
        if left < 0:
            break
        unpacking = zlib.decompressobj()
        unpacking.decompress(dataset.id.read_direct_chunk(chunk.chunk_offset)[1], whole)
        if unpacking.unconsumed_tail:
            return (
                f"whose chunk at {chunk.chunk_offset} comes to more than the {whole:,} bytes it has room for"
            )
    return ""


def main(path: str, start: int, size: int) -> str:
    """Look through a file, or the part of one; SIZE -1 stands for what comes on standard input."""
    limit_memory()
    if size < 0:
        source: Any = io.BytesIO(sys.stdin.buffer.read())
    elif start == 0 and size == Path(path).stat().st_size:
        source = path
    else:
        with Path(path).open("rb") as file:
            file.seek(start)
            source = io.BytesIO(file.read(size))
    limit_next_object()
    try:
        with h5py.File(source, "r") as opened:
            return problem_in(opened)
    except MemoryError:
        return "takes far more memory than it is large"
    except Exception as error:  # the HDF5 library raises nearly every kind there is
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f"is a damaged HDF5 file: {message}"


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
