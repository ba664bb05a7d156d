"""The same network as an ONNX file, written operation by operation, so that onnxruntime runs its own kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import helper, numpy_helper

from convscope.network.graph import Graph, Operation
from convscope.network.network import Network


def write_onnx(network: Network, path: Path, outputs: Sequence[str]) -> Path:
    """Write a network of classic layers as ONNX with these values as outputs, for batches of one."""
    graph, shapes = network.graph, network.shapes
    nodes = [
        node for operation in graph.operations for node in _MAKERS[operation.kind](operation, graph, shapes)
    ]
    tensors = [
        numpy_helper.from_array(tensor.contiguous().numpy(), name)
        for name, tensor in network.parameters.items()
    ]
    inputs = [_value(name, shape) for name, shape in graph.inputs.items()]
    made = helper.make_graph(nodes, "twin", inputs, [_value(name, shapes[name]) for name in outputs], tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def _value(name: str, shape: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, *shape[1:]])


def _pair(attributes: Any, name: str, default: int) -> tuple[int, int]:
    value = attributes.get(name, default)
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _weights(operation: Operation) -> list[str]:
    return [operation.parameters[role] for role in ("weight", "bias") if role in operation.parameters]


def _simple(kind: str, **attributes: Any) -> Callable[..., list[onnx.NodeProto]]:
    return lambda op, graph, shapes: [helper.make_node(kind, op.inputs, op.outputs, **attributes)]


def _convolution(op: Operation, graph: Graph, shapes: Any) -> list[onnx.NodeProto]:
    padding, weight = _pair(op.attributes, "padding", 0), graph.parameters.shapes[op.parameters["weight"]]
    return [
        helper.make_node(
            "Conv",
            [*op.inputs, *_weights(op)],
            op.outputs,
            kernel_shape=weight[2:],
            strides=_pair(op.attributes, "stride", 1),
            pads=padding * 2,
            dilations=_pair(op.attributes, "dilation", 1),
            group=op.attributes.get("groups", 1),
        )
    ]


def _pool(op: Operation, graph: Graph, shapes: Any) -> list[onnx.NodeProto]:
    kernel, stride = _pair(op.attributes, "kernel", 1), _pair(op.attributes, "stride", 1)
    padding, before, after = _pair(op.attributes, "padding", 0), shapes[op.inputs[0]], shapes[op.outputs[0]]
    behind = [(after[2 + a] - 1) * stride[a] + kernel[a] - before[2 + a] - padding[a] for a in (0, 1)]
    kind = "MaxPool" if op.kind == "max_pool" else "AveragePool"
    extra = {} if kind == "MaxPool" else {"count_include_pad": 1}
    pads = [*padding, *(max(0, size) for size in behind)]
    return [
        helper.make_node(kind, op.inputs, op.outputs, kernel_shape=kernel, strides=stride, pads=pads, **extra)
    ]


def _dense(op: Operation, graph: Graph, shapes: Any) -> list[onnx.NodeProto]:
    flat = f"{op.outputs[0]}/flat"
    return [
        helper.make_node("Flatten", op.inputs, [flat], axis=1),
        helper.make_node("Gemm", [flat, *_weights(op)], op.outputs, transB=1),
    ]


def _lrn(op: Operation, graph: Graph, shapes: Any) -> list[onnx.NodeProto]:
    attributes = {"alpha": op.attributes["alpha"], "beta": op.attributes["beta"], "bias": op.attributes["k"]}
    return [helper.make_node("LRN", op.inputs, op.outputs, size=op.attributes["size"], **attributes)]


_MAKERS: dict[str, Callable[..., list[onnx.NodeProto]]] = {
    "convolution": _convolution,
    "max_pool": _pool,
    "average_pool": _pool,
    "global_average_pool": _simple("GlobalAveragePool"),
    "dense": _dense,
    "lrn_across_channels": _lrn,
    "relu": _simple("Relu"),
    "identity": _simple("Identity"),
    "softmax": _simple("Softmax", axis=1),
    "concat": _simple("Concat", axis=1),
}
