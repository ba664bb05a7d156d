"""What a Keras network expects: told by layers inside it that prepare the picture, else guessed from its name.

The three manners are those of ``keras.applications``: "caffe" (BGR, minus ImageNet's mean), "tf" (-1 to 1) and "torch"
(0 to 1, minus ImageNet's mean, by its deviation). A file does not say which of them its network was trained with.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import GUESS, InputSpec
from convscope.network.parameters import Shape

_PREPARING = frozenset({"Rescaling", "Normalization"})
_RESIZING = frozenset({"Resizing", "CenterCrop", "ZeroPadding2D"})
_CAFFE = {"channel_order": "BGR", "raw_scale": 255.0, "mean": (103.939, 116.779, 123.68)}
_TF = {"raw_scale": 255.0, "mean": (127.5, 127.5, 127.5), "input_scale": 1 / 127.5}
_TORCH = {"mean": (0.485, 0.456, 0.406), "input_scale": (1 / 0.229, 1 / 0.224, 1 / 0.225)}
# The first that is found in the name counts.
_MANNERS: dict[str, dict[str, Any]] = {
    r"resnet\d*v2|inception|xception|mobilenet|nasnet": _TF,
    r"densenet(121|169|201)": _TORCH,
    r"vgg|resnet": _CAFFE,
}


def find_input_spec(graph: Graph, path: str) -> InputSpec | None:
    """Return what a network expects; None when its (first) input fits no picture. `path` is where it was read from."""
    name, shape = next(iter(graph.inputs.items()))
    picture = _picture(shape, graph.channels_last)
    if picture is None:
        return None
    height, width, channels = picture
    spec = InputSpec(
        (height, width),
        "GRAY" if channels == 1 else "RGB",
        "NHWC" if graph.channels_last else "NCHW",
        provenance={"size": "input shape", "layout": "format"},
    )
    if preparing := _preparing_layer(graph, name):
        because = f"the model's own layer {preparing.name!r}"
        spec = spec.replace(because=because, raw_scale=255.0, mean=(), input_scale=1.0)
    else:
        spec = _in_the_manner_of_its_name(spec, f"{graph.name} {Path(path).stem}")
    return spec


def _preparing_layer(graph: Graph, value: str) -> Operation | None:
    """Return the layer that prepares a picture's numbers, behind those that change none: augmentation and resizing."""
    for step in graph.consumers[value]:
        if step.type_name in _PREPARING:
            return step
        passes = step.kind == "identity" or step.type_name in _RESIZING
        if passes and (found := _preparing_layer(graph, step.outputs[0])):
            return found
    return None


def _picture(shape: Shape, channels_last: bool) -> tuple[int, int, int] | None:
    if len(shape) != 4:
        return None
    channels, *size = (shape[3], *shape[1:3]) if channels_last else shape[1:]
    return (size[0], size[1], channels) if channels in (1, 3) and min(size) > 0 else None


def _in_the_manner_of_its_name(spec: InputSpec, name: str) -> InputSpec:
    text = re.sub(r"[_\-. ]", "", name.lower())
    manner = next((manner for pattern, manner in _MANNERS.items() if re.search(pattern, text)), {})
    if spec.channel_order == "GRAY":
        manner = {key: value[:1] if isinstance(value, tuple) else value for key, value in manner.items()}
        manner.pop("channel_order", None)
    return spec.replace(because=f"{GUESS}, by the name" if manner else GUESS, **manner)
