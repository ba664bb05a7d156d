"""Where convscope keeps what it can get or make again: downloaded networks, unfinished sheets, measurements."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder(*parts: str) -> Path:
    """Return a folder of the cache, made when it is not there yet.

    The cache is ``$CONVSCOPE_CACHE``, else the place the operating system has for such things
    (``~/.cache/convscope`` on Linux). Everything in it may be deleted at any time.

    >>> cache_folder("zoo").name
    'zoo'
    """
    given = os.environ.get("CONVSCOPE_CACHE")
    root = Path(given).expanduser() if given else user_cache_path("convscope", appauthor=False)
    folder = root.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
