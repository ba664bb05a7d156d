"""From Caffe's files to a Network: which files belong together, read, upgraded, filtered, built."""

from __future__ import annotations

from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import torch

from convscope.errors import InputError, NetworkFileError, warn
from convscope.files import user_path
from convscope.formats.caffe.building import build_graph, translate_or_cut
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.preprocessing import files_consulted, find_input_spec
from convscope.formats.caffe.rules import layers_to_use
from convscope.formats.caffe.stored_net import trained_net, warn_of_differences
from convscope.formats.caffe.text import read_text_file
from convscope.formats.caffe.upgrade import upgrade
from convscope.formats.caffe.weights import read_weights, require_same_types
from convscope.formats.caffe.wire import read_binary
from convscope.formats.given_shapes import given_shapes
from convscope.formats.kinds import FileKind, kind_of_content, kind_of_name
from convscope.formats.network_parts import NetworkParts
from convscope.formats.request import Request
from convscope.network.fixed_inputs import with_fixed_inputs
from convscope.network.graph import Graph
from convscope.network.labels import imagenet_labels
from convscope.network.origin import Origin
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_shapes

DESCRIPTION = (FileKind.CAFFE_TEXT,)
_PICTURE_SIZE = "im_info"  # Faster R-CNN's and R-FCN's: height, width and how much larger than the original
WEIGHTS = (FileKind.CAFFE_WEIGHTS, FileKind.CAFFE_HDF5)


def _describes_itself(weights: Path) -> bool:
    """Whether a weight file holds a network to use, with an input, and not one to train."""
    if kind_of_content(weights) is FileKind.CAFFE_HDF5:
        return False
    net = upgrade(read_binary(weights))
    return any(layer.type == "Input" for layer in net.layer)


def open_caffe(request: Request) -> NetworkParts:
    """Read a Caffe network from its ``.prototxt`` or its weights; what is not given is looked for beside it.

    The rules `phase` (TEST, or TRAIN for a text that is only for training), `level` and `stages` choose among layers
    with include and exclude rules.
    """
    request.refuse("architecture", because="the layers are in the .prototxt")
    path, weights, is_text = request.path, request.weights, request.kind is FileKind.CAFFE_TEXT
    description = path if is_text else _description_beside(path)
    values = user_path(weights) if weights is not None else None
    if values is None:
        values = _weights_beside(path) if is_text else path
    net = read_text_file(description) if description else read_binary(path)
    net, note = layers_to_use(upgrade(net), **_rules(request))
    if note:
        warn(f"{path}: {note}")
    if description and description != path:
        warn(f"{path} is opened with {description.name}, which was found beside it")
    if is_text and weights is None and values is not None and _one_of_several(path, values):
        warn(f"{path} is opened with the weights in {values.name}, whose name begins alike")
    if values is None and _has_parameters(net):
        several = ", ".join(file.name for file in _files_of_kinds(path.parent, WEIGHTS))
        beside = f"may belong to any of {several}" if several else "has no weights beside it"
        warn(f"{path} {beside}: its parameters are random (seed 0); give weights=FILE")
    weights_file = None if values is None else read_weights(values)
    if weights_file is not None:
        require_same_types(net, weights_file)
    graph = build_graph(net, weights_file, input_shape=request.input_shape)
    given_shapes(request.input_shape, graph.inputs)  # which refuses the name of none
    trained = None if weights_file is None else trained_net(weights_file)
    if weights_file is not None and description is not None:
        warn_of_differences(net, trained, weights_file.file, partial(_shape_read, graph))
    graph = _with_picture_size(graph, request)
    consulted = files_consulted(net, graph, path, weights_file, trained)
    origin = Origin(
        source=str(path),
        weights=None if weights is None else str(weights),
        files=(*(file for file in (description, values) if file is not None), *consulted),
    )
    spec = find_input_spec(net, graph, path, weights_file, trained)
    return NetworkParts(graph, origin, spec, label_lists=(imagenet_labels(),))


def _shape_read(graph: Graph, layer: str) -> Shape | None:
    """Return the shape of what a layer reads; None where it is not computed, or its size hangs on the numbers."""
    read = next((one.inputs[0] for one in graph.operations if one.name == layer and one.inputs), None)
    return infer_shapes(graph, graph.inputs, [read])[read] if read else None


def _with_picture_size(graph: Graph, request: Request) -> Graph:
    """Return the graph of a detector with its picture's size where it asks for it, unless somebody gave another."""
    picture, size = next(iter(graph.inputs.values()), ()), graph.inputs.get(_PICTURE_SIZE, ())
    if len(picture) != 4 or prod(size) != 3 or _PICTURE_SIZE in request.inputs:
        return graph
    height, width = picture[2:]
    warn(
        f"{request.source}: its input {_PICTURE_SIZE!r} is set to the picture's size, {height} x {width}, scale 1 "
        f"(--input {_PICTURE_SIZE}=FILE.npy says another, inputs= in Python)"
    )
    return with_fixed_inputs(graph, {_PICTURE_SIZE: torch.tensor([height, width, 1.0])})


def _rules(request: Request) -> dict[str, Any]:
    rules = {"phase": None, "level": 0, "stages": ()}
    if unknown := set(request.rules) - set(rules):
        raise InputError(f"rules are phase, level and stages; found {sorted(unknown)}")
    return rules | dict(request.rules)


def _has_parameters(net: Message) -> bool:
    """Whether any layer has numbers that a weight file would hold."""
    return any(translate_or_cut(layer).stored_blobs for layer in net.layer)


def find_caffe_files(folder: Path) -> tuple[Path, Path | None]:
    """Return the description (or the weights alone) and the weights in a folder; NetworkFileError lists a choice."""
    described = _files_of_kinds(folder, DESCRIPTION)
    deployed = [path for path in described if "deploy" in path.name] or [
        path for path in described if not any(word in path.name for word in ("solver", "train"))
    ]
    weights = _files_of_kinds(folder, WEIGHTS)
    if len(deployed) > 1 or (len(weights) > 1 and deployed):
        choice = deployed if len(deployed) > 1 else weights
        raise NetworkFileError(f"{folder} holds several: {', '.join(path.name for path in choice)}. Name one")
    if not deployed and len(weights) != 1:
        raise NetworkFileError(f"{folder} holds several weights and no description: name one")
    return (deployed or weights)[0], weights[0] if weights else None


def _files_of_kinds(folder: Path, kinds: tuple[FileKind, ...]) -> list[Path]:
    """Return the files of a folder whose names say that they are of these kinds."""
    return sorted(path for path in folder.iterdir() if path.is_file() and kind_of_name(path) in kinds)


def _weights_beside(description: Path) -> Path | None:
    """Return the weights that share the description's name, or the only ones beside the only description."""
    files = _files_of_kinds(description.parent, WEIGHTS)
    same = [path for path in files if path.name.startswith(description.name.partition(".")[0])]
    alone = len(_files_of_kinds(description.parent, DESCRIPTION)) == 1
    if len(same) == 1 or (len(files) == 1 and alone):
        return (same or files)[0]
    return None


def _one_of_several(description: Path, weights: Path) -> bool:
    """Whether weights that only begin with the description's name lie beside others."""
    stems = [path.name.partition(".")[0] for path in (description, weights)]
    return stems[0] != stems[1] and len(_files_of_kinds(description.parent, WEIGHTS)) > 1


def _description_beside(weights: Path) -> Path | None:
    """Return the description that shares the weights' name, or the one meant for deployment.

    None for weights that describe a network one can use themselves, as what convscope saves does.
    """
    files = _files_of_kinds(weights.parent, DESCRIPTION)
    stem = weights.name.partition(".")[0]
    stems = {path: path.name.partition(".")[0] for path in files}
    same = [path for path in files if stems[path] == stem]
    if len(same) == 1:
        return same[0]
    if files and not _describes_itself(weights):
        namesakes = [path for path in files if weights.name.startswith(stems[path])]
        deployed = [path for path in files if "deploy" in path.name]
        for candidates in (namesakes, deployed):
            if len(candidates) == 1:
                return candidates[0]
    if kind_of_content(weights) is FileKind.CAFFE_HDF5:
        raise NetworkFileError(
            f"{weights} holds weights only: give the .prototxt, and this file as its weights"
        )
    return None
