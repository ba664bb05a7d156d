"""What an opened network expects of a picture, as its file says, a file beside it, and the person who opens it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from convscope.errors import InputError, InputGuess, warn
from convscope.files import user_path
from convscope.formats.caffe.means import read_mean
from convscope.formats.network_parts import NetworkParts
from convscope.network.fixed_inputs import with_fixed_inputs
from convscope.network.gray_rows import with_gray_picture
from convscope.network.input_sidecar import find_sidecar, read_sidecar
from convscope.network.input_spec import InputSpec
from convscope.network.known_inputs import plain_spec, without_guessed_scale
from convscope.network.origin import shown_name
from convscope.network.own_normalization import with_own_normalization
from convscope.network.parameters import Shape
from convscope.network.transform import with_transform


def with_inputs(parts: NetworkParts, fixed: Mapping[str, Tensor | float | str]) -> NetworkParts:
    """Return the parts with values for some inputs; what was said of the picture counts while it is the first."""
    if not fixed:
        return parts
    first = next(iter(parts.graph.inputs), None)
    graph = with_fixed_inputs(parts.graph, fixed)
    return replace(parts, graph=graph, input_spec=None if first in fixed else parts.input_spec)


def with_spec(parts: NetworkParts) -> NetworkParts:
    """Return the parts with an input spec where they have none and the only input is one of maps."""
    if parts.input_spec is not None and _is_of_one_row(parts.input_spec):
        return replace(parts, input_spec=None)
    if parts.input_spec is not None or len(parts.graph.inputs) != 1:
        return parts
    graph, shape = with_gray_picture(parts.graph), next(iter(parts.graph.inputs.values()))
    if graph is not None:
        name = shown_name(graph.name, parts.origin.source)
        warn(f"{name} expects {shape}: a gray picture is its input", InputGuess)
        parts, shape = replace(parts, graph=graph), next(iter(graph.inputs.values()))
    return replace(parts, input_spec=plain_spec(shape, parts.graph.channels_last))


def _is_of_one_row(spec: InputSpec) -> bool:
    """Tell a signal, or a vector, that was only taken for a picture as its axes are as many."""
    return min(spec.size) == 1 and "channel_order" in spec.guesses


def without_second_normalization(parts: NetworkParts) -> NetworkParts:
    """Return the parts for pictures as they are, where the network normalizes them itself."""
    if parts.input_spec is None:
        return parts
    return replace(parts, input_spec=with_own_normalization(parts.input_spec, parts.graph))


def with_sidecar(parts: NetworkParts) -> NetworkParts:
    """Overrule how a picture becomes the input by what a file beside the network says of it."""
    path = Path(parts.origin.source)
    if parts.input_spec is None or not path.exists() or (file := find_sidecar(path)) is None:
        return parts
    spec = read_sidecar(file, parts.input_spec, read_mean)
    return replace(parts, input_spec=spec, origin=parts.origin.with_file(file))


def with_preprocessing(parts: NetworkParts, preprocessing: Mapping[str, Any]) -> NetworkParts:
    """Overrule how a picture becomes the input, field by field."""
    if not preprocessing:
        return parts
    if parts.input_spec is None:
        raise InputError(
            f"{parts.graph.name or parts.origin.source} expects no picture, so there is nothing to prepare for it: "
            f"{sorted(preprocessing)}"
        )
    if "transform" in preprocessing:
        others = {name: value for name, value in preprocessing.items() if name != "transform"}
        spec = with_transform(parts.input_spec, preprocessing["transform"])
        return with_preprocessing(replace(parts, input_spec=spec), others)
    mean = preprocessing.get("mean")
    if not isinstance(mean, str | Path):
        return replace(parts, input_spec=without_guessed_scale(_changed(parts.input_spec, preprocessing)))
    file = user_path(mean)
    others = {name: value for name, value in preprocessing.items() if name != "mean"}
    spec = _changed(parts.input_spec, others).with_mean(read_mean(file), because=f"mean file {file.name}")
    return replace(parts, input_spec=spec, origin=parts.origin.with_file(file))


def size_instead_of_a_guess(read: NetworkParts, parts: NetworkParts) -> Shape | None:
    """Return the input's shape for the size that a person said, where the network was read at one that was guessed."""
    if read.input_spec is None or parts.input_spec is None or "size" not in read.input_spec.guesses:
        return None
    if parts.input_spec.size == read.input_spec.size:
        return None
    return (1, *parts.input_spec.shape[1:])


def _changed(spec: InputSpec, changes: Mapping[str, Any]) -> InputSpec:
    """Change fields; pictures that are resized to less than the network's size are resized to more as well."""
    resized = spec.resize_size
    if resized is None or "resize_size" in changes or resized >= np.max(changes.get("size", 0)):
        return spec.replace(**changes)
    return spec.of_size(**changes)
