"""A hidden folder beside a file that is being written: all that a library writes on the way lies in it, too.

Who writes holds a lock on it, which the system takes from a process that is killed: so the next one that writes beside
it can tell what nobody will finish, and removes it.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

try:
    import fcntl
except ImportError:  # Windows, where no folder can be locked
    fcntl = None  # type: ignore[assignment]

_ENDING = ".convscope-partial"
_LEFT_BEHIND = 24 * 3600.0  # seconds: nobody is writing to it any more, whatever can be told of locks
_HERE = sha256(platform.node().encode()).hexdigest()[:6]  # a lock may not be seen from another machine
_NO_LOCKS = -1
_SWEPT: set[Path] = set()


@contextmanager
def unfinished_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside `path`, which is gone in the end, with what is still in it."""
    _sweep(path.parent)
    lock = None
    while lock is None:
        folder = path.parent / f".{path.name[:40]}.{_HERE}{token_hex(8)}{_ENDING}"
        try:
            folder.mkdir()
            lock = _locked(folder)
            if lock is not None:
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _unlock(lock)


def _locked(folder: Path) -> int | None:
    """Lock a folder and return the lock: `_NO_LOCKS` where the system has none, None where another was first."""
    if fcntl is None:
        return _NO_LOCKS
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        return None if error.errno == errno.ENOENT else _NO_LOCKS
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.exists():  # else it was swept away between the two
            return lock
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            _unlock(lock)
            return _NO_LOCKS
    _unlock(lock)
    return None


def _unlock(lock: int | None) -> None:
    if lock is not None and lock != _NO_LOCKS:
        os.close(lock)


def _sweep(place: Path) -> None:
    """Remove what killed processes left in a folder, once a process."""
    if place in _SWEPT:
        return
    _SWEPT.add(place)
    with suppress(OSError):
        for left in place.glob(f".*{_ENDING}"):
            lock = _locked(left) if f".{_HERE}" in left.name else _NO_LOCKS
            old = time.time() - left.lstat().st_mtime > _LEFT_BEHIND
            if lock is not None and (lock != _NO_LOCKS or old):
                _remove(left)
            _unlock(lock)


def _remove(left: Path) -> None:
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:  # an earlier version's
        left.unlink(missing_ok=True)
