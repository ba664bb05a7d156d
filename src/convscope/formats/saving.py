"""Saving a network: the file's ending says in which format; a further one that is written is a line in `WRITERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from convscope.errors import InputError
from convscope.formats.caffe.writing import describe, save_caffe, save_description
from convscope.formats.native import save_native
from convscope.formats.onnx.saving import require_exportable, save_onnx
from convscope.network.graph import Graph
from convscope.network.network import Network


@dataclass(frozen=True)
class Writer:
    """How a file is written, and what raises InputError for a graph that cannot be written so."""

    write: Callable[[Network, Path], None]
    check: Callable[[Graph], object] = lambda graph: None


WRITERS: Mapping[str, Writer] = {
    ".convscope": Writer(save_native),
    ".onnx": Writer(save_onnx, require_exportable),
    **dict.fromkeys((".caffemodel", ".caffemodel.h5"), Writer(save_caffe, describe)),
    ".prototxt": Writer(save_description, describe),
}


def writer_for(network: Network, path: Path) -> Writer:
    """Return what writes files of a path's ending; InputError when nothing does, or not this network."""
    fitting = [suffix for suffix in WRITERS if path.name.endswith(suffix)]
    if not fitting:
        raise InputError(f"{path} ends in none of the formats networks are saved in: {', '.join(WRITERS)}")
    writer = WRITERS[max(fitting, key=len)]
    writer.check(network.graph)
    return writer
