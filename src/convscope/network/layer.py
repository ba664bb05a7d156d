"""A layer as the layer table shows it: one a blob, with what made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from convscope.network.graph import Graph, Operation
from convscope.network.parameters import Shape
from convscope.network.receptive_field import ReceptiveField, receptive_fields


@dataclass(frozen=True)
class Layer:
    """One row of the layer table.

    `kind` is the source's own word for what made it; `steps` are all the operations that wrote it, in-place ones
    included (``("Convolution", "ReLU")``). `shape` is what the source gives it, None where it depends on the
    numbers. `parameters` maps each parameter's name to its shape. `multiply_adds` counts those of the
    convolutions and fully-connected steps for that shape.
    """

    name: str
    kind: str
    steps: tuple[str, ...]
    shape: Shape | None
    parameters: Mapping[str, Shape] = field(hash=False)
    receptive_field: ReceptiveField | None
    multiply_adds: int

    @property
    def parameter_count(self) -> int:
        """How many numbers the layer has learned."""
        return sum(prod(shape) for shape in self.parameters.values())


def layers_of(graph: Graph, shapes: Mapping[str, Shape | None]) -> dict[str, Layer]:
    """Return the layer table of a graph, in order; inputs are its first rows."""
    fields = receptive_fields(graph, shapes)
    return {blob: _layer(graph, blob, shapes, fields[blob]) for blob in graph.blobs}


def _layer(
    graph: Graph, blob: str, shapes: Mapping[str, Shape | None], field: ReceptiveField | None
) -> Layer:
    operations = graph.written_by(blob)
    shape_of = graph.parameters.shapes
    return Layer(
        name=blob,
        kind=operations[0].type_name if operations else "Input",
        steps=tuple(operation.type_name for operation in operations) or ("Input",),
        shape=shapes[blob],
        parameters={key: shape_of[key] for operation in operations for key in operation.parameters.values()},
        receptive_field=field,
        multiply_adds=sum(_multiply_adds(operation, shapes, shape_of) for operation in operations),
    )


def _multiply_adds(
    operation: Operation, shapes: Mapping[str, Shape | None], parameters: Mapping[str, Shape]
) -> int:
    weight = parameters.get(operation.parameters.get("weight", ""))
    before, after = shapes[operation.inputs[0]] if operation.inputs else None, shapes[operation.outputs[0]]
    if weight is None or before is None or after is None:
        return 0
    match operation.kind:
        case "convolution":
            return prod(after) * prod(weight[1:])
        case "deconvolution":
            return prod(before) * prod(weight[1:])
        case "dense":
            return prod(before) * prod(weight) // max(1, _inner(operation, weight))
        case "matmul":  # a fully-connected layer, as ONNX has those of a transformer
            return prod(after) * before[-2 if operation.attributes.get("swapped") and len(before) > 1 else -1]
    return 0


def _inner(operation: Operation, weight: Shape) -> int:
    """How many input numbers one output of a fully-connected layer reads."""
    return weight[0] if operation.attributes.get("transpose") else weight[-1]
