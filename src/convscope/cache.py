"""Where convscope keeps what it can get or make again: downloaded networks, unfinished sheets, measurements."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from warnings import warn

from platformdirs import user_cache_path

from convscope import __version__
from convscope.errors import ConvscopeWarning


def cache_folder(*parts: str) -> Path:
    """Return a folder of the cache, made when it is not there yet.

    The cache is ``$CONVSCOPE_CACHE``, else the place the operating system has for such things
    (``~/.cache/convscope`` on Linux). Everything in it may be deleted at any time. Where it cannot be written to, a
    warning says so and a folder that ends with the process takes its place.

    >>> cache_folder("zoo").name
    'zoo'
    """
    given = os.environ.get("CONVSCOPE_CACHE")
    root = Path(given).expanduser() if given else user_cache_path("convscope", appauthor=False)
    folder = root.joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
        reason = "it cannot be written to"
    except OSError as error:
        reason = error.strerror or str(error)
    folder = _passing_folder(str(root), reason).joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _passing_folder(root: str, reason: str) -> Path:
    """Return a folder for this process alone, and say once why."""
    warn(
        f"the cache {root} is not used ({reason}): what is made is kept for this run only; set CONVSCOPE_CACHE to a "
        "folder that can be written to",
        ConvscopeWarning,
        stacklevel=4,
    )
    folder = tempfile.TemporaryDirectory(prefix="convscope-")
    _PASSING.append(folder)  # removed when the process ends
    return Path(folder.name)


_PASSING: list[tempfile.TemporaryDirectory[str]] = []


def cache_key(*facts: Any) -> str:
    """Return the name under which something made of these facts (JSON data) is kept, by this very code.

    >>> cache_key("features", network.identity, "mixed4a:42")
    """
    words = json.dumps([*facts, code_version()], sort_keys=True, ensure_ascii=False)
    return sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def code_version() -> str:
    """Return convscope's version and the hash of its source: what other code kept is not taken for this one's."""
    digest, here = sha256(), Path(__file__).parent
    for path in sorted(here.rglob("*.py")):
        digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return f"{__version__} {digest.hexdigest()}"
