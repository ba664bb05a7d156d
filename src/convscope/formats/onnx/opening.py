"""From an ONNX file to a Network."""

from __future__ import annotations

from pathlib import Path

import torch

from convscope.formats.onnx.building import build_graph
from convscope.formats.onnx.model import read_model
from convscope.formats.onnx.preprocessing import find_input_spec, find_labels
from convscope.formats.onnx.saving import save_onnx
from convscope.network.network import Network
from convscope.network.origin import Origin
from convscope.network.parameters import Shape

__all__ = ["ONNX_SUFFIXES", "open_onnx", "save_onnx"]

ONNX_SUFFIXES = (".onnx",)


def open_onnx(path: Path, *, input_shape: Shape | None = None, device: str | torch.device = "cpu") -> Network:
    """Open an ONNX network; its weights stay in the file, and the files beside it, until they are used.

    `input_shape` is for files that leave their input's size open; without it that is 1 x 3 x 224 x 224.
    """
    model = read_model(path)
    graph = build_graph(model, path, input_shape)
    network = Network(
        graph,
        input_spec=find_input_spec(model, graph, path),
        origin=Origin(str(path), files=(path,)),
        device=device,
    )
    network.labels = find_labels(model, network.class_count)
    return network
