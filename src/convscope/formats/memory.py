"""A ceiling on the process's memory, for libraries that know none of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

try:
    import resource
except ImportError:  # Windows, which has no such ceiling
    resource = None  # type: ignore[assignment]

_ONE_AT_A_TIME = Lock()


@contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """Let the process take that many more bytes than it has now; what asks for more fails instead.

    One flipped byte (a free block of a heap that is its own next one) sends the HDF5 library into a loop that takes
    memory until the system kills the process. Where the system has no ceiling nothing happens.
    """
    usage = Path("/proc/self/statm")
    if resource is None or not usage.exists():
        yield
        return
    with _ONE_AT_A_TIME:
        before = soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        ceiling = int(usage.read_text().split()[0]) * resource.getpagesize() + more
        limits = [limit for limit in (soft, hard, ceiling) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
