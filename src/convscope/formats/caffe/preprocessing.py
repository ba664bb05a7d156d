"""What a Caffe network expects, read from what its files say; the rest is known or guessed, and marked so.

Later ones overrule earlier ones: the network's published preprocessing or a guess, a mean file beside it, the
``transform_param`` of its own data layer or of the ``train_val.prototxt`` beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convscope.errors import InputError
from convscope.formats.caffe.means import read_mean
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.text import read_text_file
from convscope.formats.caffe.upgrade import upgrade
from convscope.network.graph import Graph
from convscope.network.input_spec import InputSpec
from convscope.network.known_inputs import guess_caffe_input
from convscope.network.origin import own_name

_TRAINING_FILES = ("train_val.prototxt", "train_test.prototxt")


def find_input_spec(net: Message, graph: Graph, path: Path) -> InputSpec | None:
    """Return what the network in the file `path` expects; None when its (first) input fits no picture."""
    folder = path.parent
    try:
        name = graph.name or own_name(path)
        spec = guess_caffe_input(next(iter(graph.inputs.values()), ()), name)
    except InputError:
        return None
    spec = _with_mean_file(spec, folder)
    spec = _with_transform(spec, net, "transform_param in its data layer", folder)
    for name in _TRAINING_FILES:
        if (training := folder / name).is_file():
            spec = _with_transform(
                spec, upgrade(read_text_file(training)), f"transform_param in {name}", folder
            )
    return spec


def files_consulted(path: Path) -> tuple[Path, ...]:
    """Return the files beside a network that may say what it expects: other bytes in them, another input."""
    training = (path.with_name(name) for name in _TRAINING_FILES)
    files = (*_mean_files(path.parent), *training)
    return tuple(file for file in files if file.is_file())


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


def _with_transform(spec: InputSpec, net: Message, because: str, folder: Path) -> InputSpec:
    """Take what the first data layer's transform_param says: scale, mean, color."""
    layers = [layer for layer in net.layer if layer.has("transform_param")]
    if not layers:
        return spec
    transform = layers[0].transform_param
    changes: dict[str, Any] = {}
    if transform.has("scale"):
        changes |= {"input_scale": transform.scale, "raw_scale": 255.0}
    if transform.has("mean_value"):
        changes |= _mean_of_channels(tuple(map(float, transform.mean_value)), spec.channels)
    if transform.has("mean_file"):
        path = folder / Path(transform.mean_file).name
        if path.is_file():
            spec = _with_mean(spec, path)
    elif not changes.get("mean") and spec.provenance.get("mean", "").startswith("guess"):
        changes["mean"] = ()  # a transform that names no mean subtracts none
    return spec.replace(because=because, **changes) if changes else spec
