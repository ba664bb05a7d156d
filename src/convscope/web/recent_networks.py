"""The networks that were explored lately, and what to type to open each again: the page itself opens no files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from convscope.cache import cache_folder, keep_facts, kept_facts

MOST_KEPT = 8


def remember(name: str, source: str, options: Mapping[str, str | None]) -> None:
    """Keep the command that opens a network as it was opened now: `source`, and options such as ``weights``."""
    given = [f"--{option}={_from_anywhere(value)}" for option, value in options.items() if value]
    command = shlex.join(["convscope", "explore", _from_anywhere(source), *given])
    others = [one for one in recent_networks() if one["command"] != command]
    keep_facts(_place(), [{"name": name, "command": command}, *others][:MOST_KEPT])


def recent_networks() -> list[dict[str, str]]:
    """Return ``name`` and ``command`` of the networks that were explored lately, the last one first."""
    return list(kept_facts(_place()) or [])


def _from_anywhere(text: str) -> str:
    """Return a file's path as it is understood in any folder; an id (``builtin``, ``timm:...``) as it is."""
    return str(Path(text).resolve()) if Path(text).exists() else text


def _place() -> Path:
    return cache_folder("explore") / "recent.json"
