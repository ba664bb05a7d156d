"""Saving a network: the format is told from the file's ending, and each source registers the ones it writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from convscope.errors import InputError
from convscope.network.graph import Graph

Saver = Callable[[Graph, Path], None]
SAVERS: dict[str, Saver] = {}


def saver(*suffixes: str) -> Callable[[Saver], Saver]:
    """Register the function that writes a graph to a file with one of these endings."""

    def register(function: Saver) -> Saver:
        SAVERS.update(dict.fromkeys(suffixes, function))
        return function

    return register


def saver_for(path: Path) -> Saver:
    """Return the function that writes this file; InputError, with the endings there are, when none does."""
    fitting = [suffix for suffix in SAVERS if path.name.endswith(suffix)]
    if not fitting:
        raise InputError(f"{path} ends in none of the formats networks are saved in: {', '.join(SAVERS)}")
    return SAVERS[max(fitting, key=len)]


def save_graph(graph: Graph, path: Path) -> Path:
    """Write a graph in the format of the path's ending, and return the path."""
    saver_for(path)(graph, path)
    return path
