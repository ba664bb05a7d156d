"""Saving a network: the format is told from the file's ending, and each source registers the ones it writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.errors import InputError
from convscope.network.graph import Graph

if TYPE_CHECKING:
    from convscope.network.network import Network

Writer = Callable[["Network", Path], None]


@dataclass(frozen=True)
class Format:
    """How a file is written, and what raises InputError for a graph that cannot be written so."""

    write: Writer
    check: Callable[[Graph], object]


FORMATS: dict[str, Format] = {}


def saver(
    *suffixes: str, check: Callable[[Graph], object] = lambda graph: None
) -> Callable[[Writer], Writer]:
    """Register the function that writes a network to a file with one of these endings."""

    def register(function: Writer) -> Writer:
        FORMATS.update(dict.fromkeys(suffixes, Format(function, check)))
        return function

    return register


def require_savable(network: Network, path: Path) -> Format:
    """Return the format of a path's ending; InputError when none writes it, or not this network."""
    fitting = [suffix for suffix in FORMATS if path.name.endswith(suffix)]
    if not fitting:
        raise InputError(f"{path} ends in none of the formats networks are saved in: {', '.join(FORMATS)}")
    chosen = FORMATS[max(fitting, key=len)]
    chosen.check(network.graph)
    return chosen
