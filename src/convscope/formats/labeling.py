"""Whose names the classes of an opened network get: those given, those in a file beside it, or those of its format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from convscope.errors import InputError, NetworkFileError, warn
from convscope.formats.network_parts import NetworkParts
from convscope.formats.open_options import Labels
from convscope.network.class_head import count_classes
from convscope.network.labels import labels_by_number, read_labels
from convscope.network.origin import shown_name
from convscope.network.outputs import find_outputs
from convscope.network.shapes import infer_shapes


def with_labels(parts: NetworkParts, labels: Labels | None) -> NetworkParts:
    """Return the parts with the labels given, else those in a file beside the network, else those of its format.

    InputError where labels that are given are not as many as the classes; a file's are left aside with a warning.
    """
    graph, source = parts.graph, parts.origin.source
    shapes = infer_shapes(graph, graph.inputs)
    if not shapes:
        raise NetworkFileError(f"{source} holds no network: nothing in it is computed")

    def count(names: Sequence[str] | None) -> int | None:
        return count_classes(graph, find_outputs(graph, shapes, names))

    if labels is not None:
        return _labeled(parts, labels, count)
    if (file := _labels_beside(Path(source))) is not None:
        try:
            return _labeled(parts, file, count)
        except InputError as error:  # another network's, in the same folder
            warn(f"{error}: they are left aside")
    if parts.labels is not None:
        return parts
    classes = count(None)
    return replace(parts, labels=next((names for names in parts.label_lists if len(names) == classes), None))


def _labels_beside(path: Path) -> Path | None:
    """Return the file of labels beside a network: its own name's first, then the usual ones."""
    if not path.is_file():
        return None
    names = (f"{path.name.partition('.')[0]}.labels.txt", "labels.txt", "synset_words.txt")
    return next((file for name in names if (file := path.with_name(name)).is_file()), None)


def _labeled(
    parts: NetworkParts,
    labels: Labels,
    count: Callable[[Sequence[str]], int | None],
) -> NetworkParts:
    """Return the parts with names for the classes; InputError when they are not as many as the classes.

    `count` says how many classes a network with such labels tells apart.
    """
    place, origin = "given", parts.origin
    if isinstance(labels, str | Path):
        place, origin = f"in {labels}", origin.with_file(Path(labels))
        labels = read_labels(labels)
    if isinstance(labels, Mapping):
        labels = labels_by_number(labels, "the table of labels")
    classes = count(labels)
    if classes not in (None, len(labels)):
        network = shown_name(parts.graph.name, origin.source)
        raise InputError(
            f"there are {len(labels)} labels {place}, but {network} tells {classes} classes apart"
        )
    return replace(parts, labels=tuple(labels), origin=origin)
