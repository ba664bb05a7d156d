"""What an ONNX network eats, told from its file: input shape, what it divides by, metadata; the rest is guessed.

PyTorch's networks eat RGB of 0..1 minus ImageNet's mean, by its deviation; those from Caffe what Caffe's eat.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.errors import NetworkFileError
from convscope.formats.onnx.metadata import metadata, stated_input
from convscope.formats.protobuf.message import Message
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import GUESS, InputSpec
from convscope.network.known_inputs import guess_caffe_input
from convscope.network.parameters import Shape

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_LONGEST_NAMES = 2**20

# The keys that ONNX's own metadata for pictures has (docs/MetadataProps.md in its repository).
_ORDERS = {"Rgb8": "RGB", "Bgr8": "BGR", "Gray8": "GRAY"}
_RANGES: dict[str, dict[str, Any]] = {
    "NominalRange_0_255": {"raw_scale": 255.0, "mean": (), "input_scale": 1.0},
    "Normalized_0_1": {"raw_scale": 1.0, "mean": (), "input_scale": 1.0},
    "Normalized_1_1": {"raw_scale": 1.0, "mean": (0.5,), "input_scale": 2.0},
}


def find_input_spec(model: Message, graph: Graph, path: Path) -> InputSpec | None:
    """Return what the network eats, each field with where it was found; None where it eats no picture."""
    (name, shape), *_ = graph.inputs.items() or [("", ())]
    layout = _layout(shape)
    if layout is None:
        return None
    channels, height, width = shape[1:] if layout == "NCHW" else (shape[3], *shape[1:3])
    if model.producer_name == "onnx-caffe2" and layout == "NCHW":
        spec = guess_caffe_input(shape, graph.name)
    else:
        spec = _guess((height, width), layout, channels, graph, name)
    if stated := stated_input(model) or _stated(model, spec.channels):
        try:
            spec = spec.replace(because="the file", **{**stated, "size": spec.size})
        except (TypeError, ValueError) as error:
            raise NetworkFileError(f"{path} says wrongly what it eats: {error}") from error
    return spec


def _layout(shape: Shape) -> str | None:
    if len(shape) != 4:
        return None
    if shape[1] in (1, 3):
        return "NCHW"
    return "NHWC" if shape[3] in (1, 3) else None


def _guess(size: tuple[int, int], layout: Any, channels: int, graph: Graph, name: str) -> InputSpec:
    order = "GRAY" if channels == 1 else "RGB"
    fields: dict[str, Any] = {"channel_order": order, "raw_scale": 1.0}
    found = {"size": "input shape", "layout": "input shape"}
    because = GUESS
    if scaled := _scaled_inside(graph, name):
        fields["raw_scale"], because = 255.0, scaled
    elif channels == 3 and _tells_classes(graph):
        fields |= {"mean": IMAGENET_MEAN, "input_scale": tuple(1 / each for each in IMAGENET_DEVIATION)}
        fields |= {"resize": "shorter_side", "resize_size": round(max(size) * 256 / 224)}
    return InputSpec(size, layout=layout, provenance=found | {"raw_scale": because}, **fields)


def _scaled_inside(graph: Graph, name: str) -> str | None:
    """Say where the network itself divides by 255, or subtracts a mean of that size, at its start."""
    for _ in range(4):
        readers = graph.consumers.get(name, ())
        if len(readers) != 1:
            return None
        number = _number(readers[0])
        if number is not None and (number > 64 or 0 < number < 1 / 64):
            return f"{readers[0].type_name} by {number:g} inside"
        if readers[0].kind not in ("subtract", "multiply", "divide", "add", "identity", "permute"):
            return None
        name = readers[0].outputs[0]
    return None


def _number(operation: Operation) -> float | None:
    if operation.kind not in ("subtract", "multiply", "divide"):
        return None
    return operation.attributes.get("number")


def _tells_classes(graph: Graph) -> bool:
    """Whether the network ends in a fully-connected layer or a softmax, as those for ImageNet do."""
    kinds = {operation.kind for operation in graph.operations[-8:]}
    return bool(kinds & {"dense", "softmax", "log_softmax"}) or "global_average_pool" in kinds


def _stated(model: Message, channels: int) -> Mapping[str, Any]:
    """Return the fields that the file's metadata gives."""
    found = metadata(model)
    fields: dict[str, Any] = {}
    order = _ORDERS.get(found.get("Image.BitmapPixelFormat", ""))
    if order is not None and (order == "GRAY") == (channels == 1):
        fields["channel_order"] = order
    if stated := _RANGES.get(found.get("Image.NominalPixelRange", "")):
        fields |= {**stated, "mean": tuple(stated["mean"]) * channels}
    return fields


def named_classes(model: Message) -> tuple[str, ...]:
    """Return the labels in the file's metadata, ``{0: 'person', 1: 'bicycle'}`` by YOLO's exporter; none is run."""
    text = metadata(model).get("names", "")
    if not text or len(text) > _LONGEST_NAMES:
        return ()
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    values = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return tuple(map(str, values))
