"""What a Caffe network expects, read from what its files say; the rest is known or guessed, and marked so.

Later ones overrule earlier ones: the network's published preprocessing or a guess, a mean file beside it, the
``transform_param`` of the data layer that its weights were trained behind, of its own data layer, and of the
``train_val.prototxt`` beside it.
"""

from __future__ import annotations

import math
import os.path
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from convscope.errors import InputError, warn
from convscope.formats.caffe.means import read_mean
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.text import read_text_file
from convscope.formats.caffe.upgrade import upgrade
from convscope.formats.caffe.weights import Weights
from convscope.network.graph import Graph
from convscope.network.input_spec import GUESS, InputSpec
from convscope.network.known_inputs import KNOWN, guess_caffe_input
from convscope.network.origin import own_name

_TRAINING_FILES = ("train_val.prototxt", "train_test.prototxt")
_STATED = "transform_param in "
_OVERRULED = (GUESS, KNOWN, _STATED)  # how a provenance begins that any nearer data layer knows better than


def find_input_spec(
    net: Message, graph: Graph, path: Path, weights: Weights | None = None, trained: Message | None = None
) -> InputSpec | None:
    """Return what the network in the file `path` expects; None when its (first) input fits no picture.

    `trained` is the net that its `weights` were written from, in today's form, where the file tells.
    """
    folder = path.parent
    try:
        name = graph.name or own_name(path)
        spec = guess_caffe_input(next(iter(graph.inputs.values()), ()), name)
    except InputError:
        return None
    spec = _with_mean_file(spec, folder)
    for layer, where, beside in _statements(net, graph, path, weights, trained):
        spec = _with_transform(spec, layer, where, beside)
    return spec


def files_consulted(
    net: Message, graph: Graph, path: Path, weights: Weights | None = None, trained: Message | None = None
) -> tuple[Path, ...]:
    """Return the files beside a network that may say what it expects: other bytes in them, another input."""
    training = (path.with_name(name) for name in _TRAINING_FILES)
    stated = (_stated_mean(*statement[::2]) for statement in _statements(net, graph, path, weights, trained))
    files = (*_mean_files(path.parent), *training, *(file for file in stated if file is not None))
    return tuple(dict.fromkeys(file for file in files if file.is_file()))


def _statements(
    net: Message, graph: Graph, path: Path, weights: Weights | None, trained: Message | None
) -> Iterator[tuple[Message | None, str, Path]]:
    """Yield the data layers that say how a picture is prepared, where each stands and its folder; the best last."""
    first = next(iter(graph.inputs), "")
    if weights is not None and trained is not None:
        file = Path(weights.file)
        yield _data_layer(trained, first), file.name, file.parent
    yield _data_layer(net, first), "its data layer", path.parent
    for name in _TRAINING_FILES:
        if (training := path.with_name(name)).is_file():
            yield _data_layer(upgrade(read_text_file(training)), first), name, path.parent


def _stated_mean(layer: Message | None, folder: Path) -> Path | None:
    """Return the mean file that a data layer names, where it lies beside the network."""
    name = (
        PureWindowsPath(layer.transform_param.mean_file or "").name if layer is not None else ""
    )  # both slashes
    file = folder / name
    return file if name and os.path.isfile(file) else None  # noqa: PTH113  too long a name for Path.is_file


def _mean_files(folder: Path) -> list[Path]:
    return sorted(path for pattern in ("*mean*.binaryproto", "*mean*.npy") for path in folder.glob(pattern))


def _with_mean_file(spec: InputSpec, folder: Path) -> InputSpec:
    """Take the mean from the one mean file beside the network."""
    mean_files = _mean_files(folder)
    return _with_mean(spec, mean_files[0]) if len(mean_files) == 1 else spec


def _with_mean(spec: InputSpec, path: Path) -> InputSpec:
    """Take a mean picture where it fits the input's size, its mean color otherwise; not another network's."""
    mean = read_mean(path)
    return spec.with_mean(mean, because=f"mean file {path.name}") if mean.shape[0] == spec.channels else spec


def _mean_of_channels(values: tuple[float, ...], channels: int) -> dict[str, tuple[float, ...]]:
    """Return the mean as a spec has it: of each channel, from one for all, or of several pictures' one by one.

    Nothing, for numbers that are of other channels: of the clips of a film, before they are taken apart.
    """
    if channels % len(values) == 0:
        return {"mean": values * (channels // len(values))}
    of_one = values[:channels]
    return {"mean": of_one} if of_one * (len(values) // channels) == values else {}


def _data_layer(net: Message, blob: str) -> Message | None:
    """Return the layer that says how pictures are transformed: the one that makes this blob, else the first."""
    layers = [layer for layer in net.layer if layer.has("transform_param")]
    return next((layer for layer in layers if blob in layer.top), layers[0] if layers else None)


def _with_transform(spec: InputSpec, layer: Message | None, where: str, folder: Path) -> InputSpec:
    """Take what a data layer's transform_param says: scale, mean, cropping. What it leaves out is not done."""
    if layer is None:
        return spec
    transform, because = layer.transform_param, f"{_STATED}{where}"
    changes: dict[str, Any] = {}
    scale, means = transform.scale, tuple(map(float, transform.mean_value))
    if not (math.isfinite(scale) and scale):
        warn(f"{because}: with the scale {scale:g} every picture is the same to the network; it is not used")
    elif transform.has("scale") or _is_overruled(spec, "input_scale"):
        changes |= {"input_scale": scale, "raw_scale": 255.0}
    if not all(map(math.isfinite, means)):
        warn(f"{because}: a mean_value is no number; none of them is used")
    elif means:
        changes |= _mean_of_channels(means, spec.channels)
    elif not transform.has("mean_file") and _is_overruled(spec, "mean"):
        changes["mean"] = ()
    reads_files = (layer.type or "").endswith("Data")
    if reads_files and not transform.crop_size and spec.resize != "direct" and np.ndim(spec.mean) < 3:
        changes |= {
            "resize": "direct",
            "resize_size": None,
        }  # a mean picture would show that there is a margin
    spec = spec.replace(because=because, **changes)
    mean_file = _stated_mean(layer, folder)
    return spec if mean_file is None else _with_mean(spec, mean_file)


def _is_overruled(spec: InputSpec, field: str) -> bool:
    return spec.provenance.get(field, GUESS).startswith(_OVERRULED)
