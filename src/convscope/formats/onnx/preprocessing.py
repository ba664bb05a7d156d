"""What an ONNX network expects, told from its file: input shape, what it divides by, metadata; the rest is guessed.

PyTorch's networks expect RGB of 0..1 minus ImageNet's mean, by its deviation; those from Caffe what Caffe's expect.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.errors import NetworkFileError
from convscope.formats.given_shapes import GivenShape, gives
from convscope.formats.onnx.element_types import UINT8
from convscope.formats.onnx.inputs import input_types, stated_shape
from convscope.formats.onnx.metadata import metadata, stated_input, stated_size
from convscope.formats.protobuf.message import Message
from convscope.network.graph import Graph
from convscope.network.input_spec import InputSpec
from convscope.network.known_inputs import KNOWN, guess_caffe_input, of_bytes
from convscope.network.outputs import find_outputs
from convscope.network.own_normalization import with_own_normalization
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_shapes

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


def find_input_spec(
    model: Message, graph: Graph, path: Path, given: GivenShape | None = None
) -> InputSpec | None:
    """Return what the network expects, each field with where it was found; None where it expects no picture."""
    name, shape = next(iter(graph.inputs.items()), ("", ()))
    layout = _layout(shape)
    if layout is None:
        return None
    channels, height, width = shape[1:] if layout == "NCHW" else (shape[3], *shape[1:3])
    spec = _guess((height, width), layout, channels, graph)
    if model.producer_name == "onnx-caffe2" and layout == "NCHW":
        published = guess_caffe_input(shape, graph.name)
        spec = published if published.provenance["mean"] == KNOWN else spec
    if input_types(model).get(name) == UINT8:
        spec = of_bytes(spec)
    if stated := stated_input(model) or _metadata_fields(model, spec.channels):
        try:
            spec = spec.replace(because="the file", **{**stated, "size": spec.size})
        except (TypeError, ValueError) as error:
            raise NetworkFileError(f"{path} says wrongly what it expects: {error}") from error
    open_sizes = any(
        isinstance(size, str)
        for value in model.graph.input
        if value.name == name
        for size in stated_shape(value)[1:]
    )
    unsaid = open_sizes and not gives(given, name) and stated_size(model) is None
    return spec.with_guessed_size() if unsaid else spec


def _layout(shape: Shape) -> str | None:
    if len(shape) != 4:
        return None
    if shape[1] in (1, 3):
        return "NCHW"
    return "NHWC" if shape[3] in (1, 3) else None


def _guess(size: tuple[int, int], layout: Any, channels: int, graph: Graph) -> InputSpec:
    order = "GRAY" if channels == 1 else "RGB"
    fields: dict[str, Any] = {"channel_order": order, "raw_scale": 1.0}
    provenance = {"size": "input shape", "layout": "input shape"}
    if channels == 3 and _tells_classes(graph):
        fields |= {"mean": IMAGENET_MEAN, "input_scale": tuple(1 / each for each in IMAGENET_DEVIATION)}
        fields |= {"resize": "shorter_side", "resize_size": round(max(size) * 256 / 224)}
    return with_own_normalization(InputSpec(size, layout=layout, provenance=provenance, **fields), graph)


def _tells_classes(graph: Graph) -> bool:
    """Whether the network tells classes apart, in the whole picture or at each place, as those for ImageNet do."""
    outputs = find_outputs(graph, infer_shapes(graph, graph.inputs))
    return any(output.role in ("classes", "class map") for output in outputs)


def _metadata_fields(model: Message, channels: int) -> Mapping[str, Any]:
    """Return the fields that the file's metadata gives."""
    facts = metadata(model)
    fields: dict[str, Any] = {}
    order = _ORDERS.get(facts.get("Image.BitmapPixelFormat", ""))
    if order is not None and (order == "GRAY") == (channels == 1):
        fields["channel_order"] = order
    if stated := _RANGES.get(facts.get("Image.NominalPixelRange", "")):
        fields |= {**stated, "mean": tuple(stated["mean"]) * channels}
    return fields


def named_classes(model: Message) -> tuple[str, ...]:
    """Return the labels in the file's metadata, ``{0: 'person', 1: 'bicycle'}`` by YOLO's exporter; none is run."""
    text = metadata(model).get("names", "")
    if not text or len(text) > _LONGEST_NAMES:
        return ()
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    values = names.values() if isinstance(names, dict) else names if isinstance(names, list) else ()
    return tuple(map(str, values))
