"""A file over the network: shown while it comes, taken up where it broke off, checked before it counts.

It comes by https alone, and by one process at a time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from convscope.cache import cache_folder
from convscope.errors import NetworkFileError, warn
from convscope.files import FileState, sha256_of, to_disk, write_text
from convscope.formats.zoo.catalog import Download
from convscope.progress import progress_bar

if TYPE_CHECKING:
    from requests import Response

SCHEMES = ("https://",)
ATTEMPTS = 4
TIMEOUT = 20.0  # seconds without a byte
CHUNK = 1 << 16
ROOM = 1.2  # a file may be this much larger than the catalog says, so that a wrong one does not fill the disk


class UnreachableError(NetworkFileError):
    """A publisher did not send a file; `reason` is that in a few words."""

    def __init__(self, words: str, reason: str) -> None:
        super().__init__(words)
        self.reason = reason


def downloaded(file: Download, folder: Path) -> Path:
    """Return the file in the folder, downloaded if it is not there; it appears whole and checked, or not at all.

    What came before a broken connection, or Ctrl-C, stays as ``NAME.part`` and is gone on from. Raises
    NetworkFileError when the address cannot be reached (it says what to put where instead) or sends something else.
    """
    path = folder / file.name
    with _alone(path):
        if not path.exists():
            _download(file, path, folder)
    return path


def _download(file: Download, path: Path, folder: Path) -> None:
    partial = path.with_name(f"{file.name}.part")
    for attempt in range(ATTEMPTS):
        trouble = _append(file, partial)
        if trouble is None:
            break
        if attempt == ATTEMPTS - 1 or not partial.exists():
            raise UnreachableError(f"{file.address}: {trouble}. {by_hand(file, folder)}", trouble)
    _check(file, partial, folder)
    to_disk(partial)
    partial.replace(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from the file meanwhile; wait, and say so, where one is at it."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    lock = FileLock(cache_folder("locks") / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        warn(f"another process is downloading {path.name}: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def require_published(file: Download, path: Path) -> None:
    """Raise NetworkFileError for a file in the cache that is not the published one; it is left where it is.

    That takes a second or two for the large ones, and is done once: ``NAME.checked`` keeps the file's size and time.
    """
    note, state = path.with_name(f"{path.name}.checked"), FileState.of(path)
    known = f"{state.size} {state.changed} {file.sha256}"
    if note.is_file() and note.read_text(encoding="utf-8", errors="replace") == known:
        return
    if wrong := _difference(file, path):
        raise NetworkFileError(
            f"{path} is not the published {file.name}: {wrong}. Delete it, and it is downloaded anew; to open this one "
            "as it is, give its path"
        )
    write_text(known, note)


def by_hand(file: Download, folder: Path) -> str:
    """Return what to do without a connection."""
    return f"Without a connection: bring the file ({file.megabytes:g} MB) from elsewhere, as {folder / file.name}"


def _append(file: Download, partial: Path) -> str | None:
    """Add what is missing to the partial file; None when it is complete, else what went wrong."""
    import requests

    _require_secure(file.address)
    offset = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={offset}-", "Accept-Encoding": "identity"} if offset else {}
    try:
        with requests.get(file.address, headers=headers, stream=True, timeout=TIMEOUT) as response:
            for one in (*response.history, response):
                _require_secure(one.url)
            if response.status_code == 416:  # nothing is missing
                return None
            response.raise_for_status()
            offset = offset if response.status_code == 206 else 0  # a server may send all of it again
            return _save(file, partial, offset, response)
    except requests.RequestException as error:
        return _in_words(error)


def _save(file: Download, partial: Path, offset: int, response: Response) -> str | None:
    """Write a response behind what is there; None when all that was announced has come."""
    if "text/html" in response.headers.get("Content-Type", ""):
        raise NetworkFileError(f"{file.address} answers with a web page instead of {file.name}")
    missing = int(response.headers.get("Content-Length", 0))
    if offset + missing > file.megabytes * 1e6 * ROOM + CHUNK:
        raise NetworkFileError(
            f"{file.address} offers {(offset + missing) / 1e6:.0f} MB; {file.name} has {file.megabytes:g} MB"
        )
    came = 0
    with partial.open("ab" if offset else "wb") as target, _bar(file, offset, missing) as bar:
        for chunk in _chunks(response):
            target.write(chunk)
            came += len(chunk)
            bar.update(len(chunk))
            if offset + came > file.megabytes * 1e6 * ROOM + CHUNK:
                raise NetworkFileError(
                    f"{file.address} sends more than the {file.megabytes:g} MB of {file.name}"
                )
    return None if came >= missing else f"the connection broke after {(offset + came) / 1e6:.1f} MB"


def _chunks(response: Response) -> Iterator[bytes]:
    """Give the response's bytes; a connection that breaks only ends them, so that what came is kept."""
    import requests

    try:
        yield from response.iter_content(CHUNK)
    except requests.RequestException:
        return


def _bar(file: Download, offset: int, missing: int) -> Any:
    total = offset + missing if missing else None
    return progress_bar(desc=file.name, initial=offset, total=total, unit="B", unit_scale=True, delay=0)


def _require_secure(address: str) -> None:
    if not address.startswith(SCHEMES):
        raise NetworkFileError(f"{address} is not https, and nothing is downloaded otherwise")


def _check(file: Download, partial: Path, folder: Path) -> None:
    """Remove a file that is not the published one, and say so."""
    if wrong := _difference(file, partial):
        size = partial.stat().st_size / 1e6
        partial.unlink()
        raise NetworkFileError(
            f"{file.address} sent {size:.1f} MB that are not the published {file.name}: {wrong}. Try again, or: "
            f"{by_hand(file, folder)}"
        )


def _difference(file: Download, path: Path) -> str | None:
    """Return how a file's checksum differs from the published one; None where it is that."""
    digest = sha256_of(path)
    return None if digest == file.sha256 else f"SHA-256 {digest}, published is {file.sha256}"


def _in_words(error: Exception) -> str:
    """Return a short reason for a failed request."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT:.0f} seconds"
    return "the server cannot be reached"
