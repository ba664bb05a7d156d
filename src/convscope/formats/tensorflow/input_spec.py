"""What a TensorFlow graph expects: the file says its size, its first arithmetic the range; the rest is a guess.

The numbers are the networks' published preprocessing: TensorFlow's own DeepDream tutorial for the Inception of 2014
(0 to 255 minus 117), TF-Slim's ``inception_preprocessing`` (-1 to 1, the middle 7/8 of the picture) and
``vgg_preprocessing`` (0 to 255 minus the mean color, the shorter side to 256).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convscope.formats.tensorflow.axes import looks_channels_last, picture_channels_second
from convscope.formats.tensorflow.node import Node
from convscope.network.graph import Graph
from convscope.network.input_spec import ChannelOrder, InputSpec
from convscope.network.known_inputs import KNOWN, of_bytes, plain_spec
from convscope.network.labels import Label, imagenet_labels, inception_labels
from convscope.network.parameters import Shape

PICTURE = 224  # pixels: the side of a picture where nothing says it
_INCEPTION_2014 = ("conv2d0_w", "mixed3a")
_VGG_MEAN_RGB = (123.68, 116.779, 103.939)
# A scope that the network's own code names its nodes by, to how many pixels it expects and how they are prepared.
_SLIM: dict[str, tuple[int, str]] = {
    "InceptionV1": (224, "inception"),
    "InceptionV2": (224, "inception"),
    "InceptionV3": (299, "inception"),
    "InceptionV4": (299, "inception"),
    "InceptionResnetV2": (299, "inception"),
    "MobilenetV1": (224, "inception"),
    "MobilenetV2": (224, "inception"),
    "MobilenetV3": (224, "inception"),
    "NasnetA": (224, "inception"),
    "resnet_v2_50": (224, "inception"),
    "resnet_v2_101": (224, "inception"),
    "resnet_v2_152": (224, "inception"),
    "resnet_v1_50": (224, "vgg"),
    "resnet_v1_101": (224, "vgg"),
    "resnet_v1_152": (224, "vgg"),
    "vgg_16": (224, "vgg"),
    "vgg_19": (224, "vgg"),
}
_AFFINE = {"add": 0.0, "subtract": 0.0, "multiply": 1.0, "divide": 1.0}


def usual_size(nodes: Sequence[Node]) -> int:
    """Return how many pixels a known network's pictures have, by the names of its nodes; else the usual number."""
    return next((size for scope, (size, _) in _SLIM.items() if _has_scope(nodes, scope)), PICTURE)


def _has_scope(nodes: Sequence[Node], scope: str) -> bool:
    return any(node.name.startswith(f"{scope}/") for node in nodes)


def find_input_spec(
    graph: Graph, stated: Mapping[str, Shape | None], nodes: Sequence[Node]
) -> InputSpec | None:
    """Return what the graph's first input expects; None when no picture fits. `stated` are the sizes the file gives."""
    name, shape = next(iter(graph.inputs.items()))
    if len(shape) != 4:
        return None
    last = looks_channels_last(shape, picture_channels_second(name, nodes))
    channels, first = (shape[3], 1) if last else (shape[1], 2)
    if channels not in (1, 3):
        return plain_spec(shape, last)
    size = (shape[first], shape[first + 1])
    statement = stated.get(name)
    has_size = statement is not None and len(statement) == 4 and min(statement[first : first + 2]) > 0
    provenance = {"layout": "format"} | ({"size": "input shape"} if has_size else {})
    order: ChannelOrder = "GRAY" if channels == 1 else "RGB"
    spec = InputSpec(
        size,
        order,
        "NHWC" if last else "NCHW",
        raw_scale=255.0,
        mean=(127.5,) * channels,
        input_scale=1 / 127.5,
        provenance=provenance,
    )
    published = {} if order == "GRAY" else _published(size, nodes)
    ranged = _ranged(graph, name)
    if published:
        spec = spec.replace(because=KNOWN, **published)
    if ranged is not None and (graph.producers or published):
        spec = spec.replace(because=ranged[1], **ranged[0])
    if any(node.name == name and node.text("dtype") == "DT_UINT8" for node in nodes):
        spec = of_bytes(spec)
    return spec


def _published(size: tuple[int, int], nodes: Sequence[Node]) -> dict[str, Any]:
    names = {node.name for node in nodes}
    if all(name in names for name in _INCEPTION_2014):
        return {"raw_scale": 255.0, "mean": (117.0,) * 3, "input_scale": 1.0}
    kind = next((kind for scope, (_, kind) in _SLIM.items() if _has_scope(nodes, scope)), None)
    square = size[0] == size[1]
    if kind == "inception":
        cut = {"resize": "squash", "resize_size": round(size[0] * 8 / 7)} if square else {}
        return {"raw_scale": 255.0, "mean": (127.5,) * 3, "input_scale": 1 / 127.5, **cut}
    if kind == "vgg":
        cut = {"resize": "shorter_side", "resize_size": round(size[0] * 8 / 7)} if square else {}
        return {"raw_scale": 255.0, "mean": _VGG_MEAN_RGB, "input_scale": 1.0, **cut}
    return {}


def _ranged(graph: Graph, value: str) -> tuple[dict[str, Any], str] | None:
    """Tell from the arithmetic a picture goes through first which numbers it has: 0 to 1, or 0 to 255.

    None where there is none: then the range is for whoever made the network to know.
    """
    scale, shift, seen = 1.0, 0.0, False
    while len(readers := graph.consumers[value]) == 1:
        (reader,) = readers
        if reader.kind in _AFFINE and "number" in reader.attributes and len(reader.inputs) == 1:
            scale, shift = _after(reader.kind, reader.attributes, scale, shift)
            seen = True
        elif reader.kind not in ("identity", "resize", "unsqueeze", "pad", "permute"):
            break
        value = reader.outputs[0]
    if not seen or not scale:
        return None
    largest = 255.0 if abs(scale) < 0.1 or abs(shift) > 10 else 1.0
    low, high = sorted((shift, scale * largest + shift))
    words = f"the graph makes 0..{largest:g} into {low:g}..{high:g} itself"
    return {"raw_scale": largest, "mean": (), "input_scale": 1.0}, words


def _after(kind: str, attributes: Mapping[str, Any], scale: float, shift: float) -> tuple[float, float]:
    number = float(attributes["number"])
    match kind:
        case "add":
            return scale, shift + number
        case "subtract":
            return (-scale, number - shift) if attributes.get("swapped") else (scale, shift - number)
        case "multiply":
            return scale * number, shift * number
    return (0.0, 0.0) if attributes.get("swapped") or not number else (scale / number, shift / number)


def label_lists() -> tuple[tuple[Label, ...], ...]:
    """Return ImageNet's labels in the three orders that TensorFlow's networks have them in; their count tells which.

    1,001 classes are TF-Slim's, a background and ImageNet in its usual order; 1,008 those of the Inceptions of 2014 and
    2015, a dummy, ImageNet in their own order, and seven that nothing was ever taught to.
    """
    usual, inception = imagenet_labels(), inception_labels()
    unused = (Label(f"unused {number}") for number in range(len(inception), 1008))
    return usual, (Label("background"), *usual), (*inception, *unused)
