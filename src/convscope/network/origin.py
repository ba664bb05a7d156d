"""Where a network came from, so that it can be opened again and its pictures be trusted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

# What exporters (convscope is one) and Keras call every network that they write.
_EXPORTERS = re.compile(
    r"torch[-_]jit(-export)?|main(_graph)?|tf2onnx|paddle-onnx|PaddlePaddle Graph|Model from PaddlePaddle\.?"
    r"|mxnet_converted_model|onnx[-_]graphsurgeon([-_]graph)?|spox_graph|CNTKGraph|CoreML_Model|graph|network"
    r"|saved_model|(keras|onnx)_model|GraphModule|Extracted from \{.*\}|(model|sequential|functional)(_\d+)?"
)
_COMMON_STEMS = (
    "deploy",
    "train_val",
    "train_test",
    "model",
    "weights",
    "saved_model",
    "frozen_graph",
    "pytorch_model",
)


def own_name(path: Path) -> str:
    """Return what a network is called that has no name itself: its file's, or its folder's where all files are so.

    >>> own_name(Path("squeezenet_v1.1/deploy.prototxt"))
    'squeezenet_v1.1'
    """
    folder = path.parent if path.parent.name not in ("", "..") else path.parent.resolve()
    return (folder.name if path.stem in _COMMON_STEMS else "") or path.stem


def shown_name(name: str, source: str) -> str:
    """Return what a network is called: its own name, or its file's where it has none but its exporter's.

    >>> shown_name("torch-jit-export", "super_resolution.onnx"), shown_name("GoogLeNet", "deploy.prototxt")
    ('super_resolution', 'GoogLeNet')
    """
    return name if name and not _EXPORTERS.fullmatch(name) else own_name(Path(source)) or name


@dataclass(frozen=True)
class Origin:
    """Where a network came from: what to call `open_network` with again, and the files it was read from.

    `options` are the further keywords of that call that change what the network expects or what its classes are called.
    """

    source: str
    weights: str | None = None
    files: tuple[Path, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def files_sha256(self) -> str | None:
        """The hash of the files' bytes as they are now, in order; None where one is gone.

        It says less than `Network.sha256`; recipes of earlier versions hold it.
        """
        if not all(path.is_file() for path in self.files):
            return None
        digest = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

    def with_file(self, file: Path) -> Origin:
        """Return the same origin with one more file that it was read from."""
        return replace(self, files=(*self.files, file))
