"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a file beside `path` to write to: it takes its place when the block ends well, and vanishes when not.

    >>> with written_whole("page.html") as partial:
    ...     partial.write_text("<!doctype html>")
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)  # mkstemp's files are private; a saved one is an ordinary file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
