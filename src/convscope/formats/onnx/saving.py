"""A network, whatever it came from, as an ONNX file: every value by its own name, any batch and size it can take."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from convscope.errors import InputError, NetworkFileError
from convscope.files import saved
from convscope.formats.onnx.metadata import INPUT
from convscope.formats.onnx.model import onnx_message
from convscope.formats.onnx.operators import WRITERS
from convscope.formats.onnx.writer import FLOAT, Part, Writer
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.wire import chunks
from convscope.network.graph import Graph
from convscope.network.network import Network
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_shapes

OPSET, IR_VERSION = 17, 8
_MAXIMUM_BYTES = 2**31 - 1  # what protobuf itself will read
_OTHER_SIZE = 64  # how much larger a picture is on which it is tried whether the size is free


def require_exportable(graph: Graph) -> None:
    """Raise InputError, naming the operations, for a graph that ONNX has no operators for."""
    kinds = ((str(op.attributes["kind"]) if op.kind == "dynamic" else op.kind, op) for op in graph.operations)
    missing = {kind: op for kind, op in kinds if kind not in WRITERS}
    if missing:
        first = next(iter(missing.values()))
        raise InputError(
            f"ONNX has no operator here for {', '.join(sorted(missing))} (layer {first.name!r}, "
            f"{first.type_name}): save a .convscope instead"
        )


def save_onnx(network: Network, path: Path) -> None:
    """Write a network as ONNX; the sizes it leaves open are those that every layer of it can take."""
    pieces, size = chunks(describe(network))
    if size > _MAXIMUM_BYTES:
        raise NetworkFileError(
            f"{path} would take {size:,} bytes, and an ONNX file holds at most 2 GB: save a .convscope"
        )
    with saved(path, raises=NetworkFileError) as partial, partial.open("wb") as stream:
        stream.writelines(pieces)


def describe(network: Network) -> Message:
    """Return the ``ModelProto`` of a network."""
    graph = network.graph
    writer = Writer(graph, network.shapes)
    for operation in graph.operations:
        part = Part(writer, operation)
        WRITERS[operation.kind](part)
        part.finish()
    free, other = _free_sizes(graph)
    for name, shape in graph.inputs.items():
        _describe_value(
            writer.message, "input", name, [free.get(axis, size) for axis, size in enumerate(shape)]
        )
    for name in graph.outputs:
        shape, grown = network.shapes[name] or (), other.get(name) or ()
        same = len(shape) == len(grown)
        sizes = [
            free.get(axis, "") if same and size != grown[axis] else size for axis, size in enumerate(shape)
        ]
        _describe_value(writer.message, "output", name, sizes)
    model = onnx_message("ModelProto", ir_version=IR_VERSION, producer_name="convscope", graph=writer.message)
    model.add("opset_import", domain="", version=OPSET)
    for key, value in _metadata(network).items():
        model.add("metadata_props", key=key, value=value)
    return model


def _free_sizes(graph: Graph) -> tuple[dict[int, str], Mapping[str, Shape | None]]:
    """Return the names of the axes whose size may be another one, and every value's shape at such a size."""
    spatial = (1, 2) if graph.channels_last else (2, 3)
    names = {0: "batch", spatial[0]: "height", spatial[1]: "width"}
    best: tuple[dict[int, str], Mapping[str, Shape | None]] = ({}, {})
    for axes in ((0,), (0, *spatial)):
        grown = {
            name: tuple(
                size + (_OTHER_SIZE if axis else 1) if axis in axes and len(shape) in (4, axis + 4) else size
                for axis, size in enumerate(shape)
            )
            for name, shape in graph.inputs.items()
        }
        try:
            best = {axis: names[axis] for axis in axes}, infer_shapes(graph, grown)
        except InputError:
            break
    return best


def _describe_value(graph: Message, field: str, name: str, sizes: list[int | str]) -> None:
    value = graph.add(field, name=name)
    tensor = value.ensure("type").ensure("tensor_type")
    tensor.elem_type = FLOAT
    shape = tensor.ensure("shape")
    for size in sizes:
        dimension = shape.add("dim")
        if isinstance(size, int):
            dimension.dim_value = size
        elif size:
            dimension.dim_param = size


def _metadata(network: Network) -> dict[str, str]:
    """Return the labels, as YOLO's exporter writes them, and what the network expects, for who opens the file again."""
    facts = {} if network.labels is None else {"names": repr(dict(enumerate(network.labels)))}
    spec = network.input_spec
    if spec is not None and np.ndim(spec.mean) < 3:
        fields = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
        del fields["provenance"]
        facts[INPUT] = json.dumps(fields)
    return facts
