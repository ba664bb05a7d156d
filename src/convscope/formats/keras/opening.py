"""From Keras's files, or a live model of Keras, to a Network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from convscope.errors import NetworkFileError
from convscope.files import parsed_json, user_path
from convscope.formats.given_shapes import gives
from convscope.formats.hdf5 import OwnFile, opened_hdf5
from convscope.formats.keras.archive import CONFIGURATION, METADATA, MOST_JSON, WEIGHTS, Member, read_json
from convscope.formats.keras.building import build_graph
from convscope.formats.keras.configuration import read_model, stated_shape
from convscope.formats.keras.input_spec import find_input_spec
from convscope.formats.keras.keras1 import is_of_keras_1
from convscope.formats.keras.layers import Dialect
from convscope.formats.keras.model import KerasModel
from convscope.formats.keras.weights import Found, WeightFile, read_weights, read_weights_of, text
from convscope.formats.kinds import FileKind
from convscope.formats.network_parts import NetworkParts
from convscope.formats.request import Request
from convscope.network.labels import imagenet_labels
from convscope.network.origin import Origin

_APART_FROM_TENSORFLOW = re.compile(r"2\.[0-3]\.\d+")
"""Keras 2 as a package of its own, until 2.3: TensorFlow's writes ``2.2.4-tf``, and from 2.4 on they are one."""


def open_keras(request: Request) -> NetworkParts:
    """Read a ``.keras`` or ``.h5`` file, or a ``.json`` that describes a model, with its `weights` if given."""
    path = request.path
    description, version, weights = _read_description(path, request.kind)
    model = read_model(description, str(path))
    if request.weights is not None:
        weights = read_weights_of(request.weights)
    if weights is None:
        raise NetworkFileError(f"{path} describes a model and holds no weights: give weights=FILE, its .h5")
    version = version or _stated_version(weights)
    dialect = Dialect(
        version=_major(version),
        backend=_attribute(weights, "backend") or ("tensorflow" if _major(version) < 3 else ""),
        channels_last=channels_are_last(model),
        counts_corners=_APART_FROM_TENSORFLOW.fullmatch(version) is not None,
    )
    files = (path, *([user_path(request.weights)] if request.weights else []))
    weights_file = None if request.weights is None else str(request.weights)
    return parts_of(
        model, weights.of(model, dialect), dialect, request, Origin(str(path), weights_file, files)
    )


def parts_of(
    model: KerasModel, found: Found, dialect: Dialect, request: Request, origin: Origin
) -> NetworkParts:
    """Return a model with its variables as the parts of a network."""
    request.refuse(
        "rules", "architecture", because="a Keras model has its layers in its file, and none come and go"
    )
    picture_first = sorted(model.inputs, key=lambda reference: reference.layer in request.inputs)
    model = replace(model, inputs=tuple(picture_first))
    graph = build_graph(model, found, dialect, input_shape=request.input_shape)
    spec = find_input_spec(graph, origin.source)
    stated = stated_shape(model.layer(model.inputs[0].layer)) or ()
    if spec is not None and not gives(request.input_shape, next(iter(graph.inputs))) and None in stated[1:]:
        spec = spec.with_guessed_size()
    return NetworkParts(graph, origin, spec, label_lists=(imagenet_labels(),))


def _read_description(path: Path, kind: FileKind | None) -> tuple[Any, str, WeightFile | None]:
    """Return a file's description of its model, the version of Keras that wrote it, and its weights."""
    if kind is FileKind.KERAS_JSON:
        description = _json(path)
        return description, str(description.get("keras_version") or _by_style(description)), None
    if kind is FileKind.KERAS_ZIP:
        description = read_json(path, CONFIGURATION)
        if description is None:
            raise NetworkFileError(f"{path} is a zip without {CONFIGURATION}: it is not a .keras file")
        stated = read_json(path, METADATA)
        metadata = stated if isinstance(stated, Mapping) else {}
        return (
            description,
            str(metadata.get("keras_version") or "3"),
            read_weights(Member(str(path), WEIGHTS)),
        )
    return _described_in_hdf5(path)


def _described_in_hdf5(path: Path) -> tuple[Any, str, WeightFile]:
    own = OwnFile(str(path))
    with opened_hdf5(own) as opened:
        stated, version = opened.attrs.get("model_config"), opened.attrs.get("keras_version")
        groups = sorted(opened)
    if stated is None:
        raise NetworkFileError(_without_description(path, groups))
    try:
        description = parsed_json(text(stated))
    except ValueError as error:
        raise NetworkFileError(f"{path}: its model_config is not JSON: {error}") from error
    return description, text(version) if version is not None else "1", read_weights(own)


def _without_description(path: Path, groups: list[str]) -> str:
    """Say what to do about an HDF5 file in which no model is described."""
    if "data" in groups:
        return f"{path} is Caffe's: call it .caffemodel.h5, and give the .prototxt that it belongs to"
    return (
        f"{path} holds weights only ({', '.join(groups[:4]) or 'nothing'}); which layers they are for is not in it. "
        "Give the model's JSON (model.to_json()), or its application, with these as its weights: "
        f"open_network('model.json', weights={path.name!r}), open_network('keras:VGG16', weights={path.name!r})"
    )


def _json(path: Path) -> Mapping[str, Any]:
    if path.stat().st_size > MOST_JSON:
        raise NetworkFileError(f"{path} is larger than any description of a model")
    try:
        description = parsed_json(path.read_text("utf-8"))
    except ValueError as error:
        raise NetworkFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(description, Mapping) or not {"class_name", "config"} <= set(description):
        raise NetworkFileError(f"{path} does not describe a Keras model; model.to_json() writes what does")
    return description


def _by_style(description: Mapping[str, Any]) -> str:
    """Tell Keras's version where it is not stated: only Keras 3 says which module a class is of."""
    if "module" in description:
        return "3"
    return "1" if is_of_keras_1(description) else "2"


def _stated_version(weights: WeightFile) -> str:
    return _attribute(weights, "keras_version") or ("1" if weights.layers else "3")


def _attribute(weights: WeightFile, name: str) -> str:
    with opened_hdf5(weights.file) as opened:
        for group in (opened[weights.root], opened):
            if name in group.attrs:
                return text(group.attrs[name])
    return ""


def _major(version: str) -> int:
    digits = re.match(r"\d+", version)
    return int(digits[0]) if digits else 3


def channels_are_last(model: KerasModel) -> bool:
    """Tell a model's order of axes from the first layer that states one."""
    for layer in model.layers:
        if layer.model is not None and _states_order(layer.model):
            return channels_are_last(layer.model)
        order = layer.config.get("data_format")
        if order in ("channels_first", "channels_last"):
            return bool(order == "channels_last")
    return True


def _states_order(model: KerasModel) -> bool:
    return any(
        _states_order(layer.model) if layer.model else layer.config.get("data_format")
        for layer in model.layers
    )
