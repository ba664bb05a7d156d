"""Where convscope keeps what it can get or make again: downloaded networks, unfinished sheets, measurements.

Nothing in it is trusted: an entry carries a hash of its content and its name, and one that does not fit it (damaged,
foreign, a folder in its place) is as good as none. What cannot be kept is a note, and the work goes on.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from convscope._version import __version__
from convscope.errors import warn
from convscope.files import written_whole

if TYPE_CHECKING:
    from torch import Tensor

_FACTS = "kept"


def cache_folder(*parts: str) -> Path:
    """Return a folder of the cache, made when it is not there yet.

    The cache is ``$CONVSCOPE_CACHE``, else the place the operating system has for such things
    (``~/.cache/convscope`` on Linux). Everything in it may be deleted at any time. Where it cannot be written to, a
    warning says so and a folder that ends with the process takes its place.

    >>> cache_folder("zoo").name
    'zoo'
    """
    folder = _root().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
        reason = "it cannot be written to"
    except OSError as error:
        reason = error.strerror or str(error)
    folder = passing_folder(reason).joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def passing_folder(reason: str) -> Path:
    """Return a folder that ends with the process, in place of a cache that takes no more; a warning says so once."""
    return _passing_folder(str(_root()), reason)


def _root() -> Path:
    variable = os.environ.get("CONVSCOPE_CACHE")
    return Path(variable).expanduser() if variable else user_cache_path("convscope", appauthor=False)


@cache
def _passing_folder(root: str, reason: str) -> Path:
    """Return a folder for this process alone, and say once why."""
    warn(
        f"the cache {root} is not used ({reason}): what is made is kept for this run only; set CONVSCOPE_CACHE to a "
        "folder that can be written to"
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


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Put an entry into the cache, whole or not at all; a warning where that is impossible."""
    try:
        if path.is_dir():
            remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial:
            write(partial)
    except Exception as error:  # a full disk says so in the words of whatever library writes
        reason = getattr(error, "strerror", None) or str(error)
        warn(f"{path} cannot be kept ({reason}): it will have to be made again")


def remove(path: Path) -> None:
    """Remove an entry that is of no use, whatever it is."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def keep_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Any = None) -> None:
    """Keep tensors in the cache, and facts (JSON data) with them."""
    from safetensors.torch import save_file

    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = json.dumps({"facts": facts, "sha256": _digest(path, whole, facts)})
    keep(path, lambda partial: save_file(whole, partial, {_FACTS: metadata}))


def kept_tensors(path: Path) -> tuple[dict[str, Tensor], Any] | None:
    """Return tensors and facts as they were kept; None, and the entry is removed, where they are not whole."""
    from safetensors import SafetensorError, safe_open

    if not os.path.lexists(path):
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {})[_FACTS])
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        if metadata["sha256"] == _digest(path, tensors, metadata["facts"]):
            return tensors, metadata["facts"]
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, RuntimeError):
        pass
    remove(path)
    return None


def _digest(path: Path, tensors: Mapping[str, Tensor], facts: Any) -> str:
    import torch

    shapes = [(name, str(value.dtype), list(value.shape)) for name, value in sorted(tensors.items())]
    digest = sha256(json.dumps([path.name, facts, shapes]).encode())
    for _, value in sorted(tensors.items()):
        if value.numel():
            digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def keep_facts(path: Path, facts: Any) -> None:
    """Keep JSON data in the cache."""
    words = json.dumps({"facts": facts, "sha256": _digest(path, {}, facts)})
    keep(path, lambda partial: partial.write_text(words, encoding="utf-8"))


def kept_facts(path: Path) -> Any:
    """Return facts as they were kept; None, and the entry is removed, where they are not whole."""
    if not os.path.lexists(path):
        return None
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["sha256"] == _digest(path, {}, facts["facts"]):
            return facts["facts"]
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        pass
    remove(path)
    return None
