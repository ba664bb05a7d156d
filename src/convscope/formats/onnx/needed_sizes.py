"""Which sizes of an ONNX file's inputs the weights decide that read them, where the file leaves them open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convscope.formats.onnx.constants import Constant
from convscope.formats.protobuf.message import Message
from convscope.network.parameters import Shape

# fmt: off
_SAME_SHAPE = frozenset([
    "Abs", "Cast", "Clip", "DequantizeLinear", "Dropout", "DynamicQuantizeLinear", "Elu", "Gelu", "HardSigmoid",
    "HardSwish", "Identity", "LeakyRelu", "Neg", "QuantizeLinear", "Relu", "Sigmoid", "Softmax", "Sqrt", "Tanh",
])
# fmt: on
"""Operators whose output has the shape of their first input."""

Need = tuple[int, int]
"""An axis of what a node reads first, and the size that its weights need there."""


def _by_convolution(weight: Shape, attributes: Mapping[str, int]) -> Need:
    return 1, weight[1] * max(attributes.get("group", 1), 1)


def _by_product(weight: Shape, attributes: Mapping[str, int]) -> Need:
    return -2 if attributes.get("transA") else -1, weight[-1 if attributes.get("transB") else -2]


# Of each operator: which of its inputs the weights are, how many axes they have at least, and what they need.
_Rule = tuple[int, int, Callable[[Shape, Mapping[str, int]], Need]]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(["Conv", "FusedConv", "ConvInteger"], (1, 3, _by_convolution)),
    "QLinearConv": (3, 3, _by_convolution),
    **dict.fromkeys(["Gemm", "FusedGemm", "MatMul", "FusedMatMul", "MatMulInteger"], (1, 2, _by_product)),
    **dict.fromkeys(["MatMulIntegerToFloat", "DynamicQuantizeMatMul"], (1, 2, _by_product)),
    "QLinearMatMul": (3, 2, _by_product),
    **dict.fromkeys(["LSTM", "GRU", "RNN"], (1, 3, lambda weight, attributes: (2, weight[2]))),
    **dict.fromkeys(
        ["ConvTranspose", "BatchNormalization", "InstanceNormalization"],
        (1, 1, lambda weight, attributes: (1, weight[0])),
    ),
    **dict.fromkeys(
        ["LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"],
        (1, 1, lambda weight, attributes: (-1, weight[-1])),
    ),
    "SkipLayerNormalization": (2, 1, lambda weight, attributes: (-1, weight[-1])),
}


def needed_sizes(
    graph: Message, inputs: Sequence[str], constants: Mapping[str, Constant]
) -> dict[tuple[str, int], int]:
    """Return the size that axes of the inputs must have for the first weights behind them: (input, axis) to size."""
    needed: dict[tuple[str, int], int] = {}
    ranks = {value.name or "": len(value.type.tensor_type.shape.dim) for value in graph.input}
    source = {name: (name, tuple(range(ranks[name]))) for name in inputs}
    for node in graph.node:
        kind, first = node.op_type or "", next(iter(node.input), "")
        if first not in source:
            continue
        name, order = source[first]
        attributes: dict[str, Any] = {each.name or "": each for each in node.attribute}
        if kind in _RULES:
            at, least, rule = _RULES[kind]
            weight = constants.get(node.input[at]) if at < len(node.input) else None
            if weight is not None and len(weight.shape) >= least:
                axis, size = rule(weight.shape, {key: one.i or 0 for key, one in attributes.items()})
                if -len(order) <= axis < len(order):
                    needed.setdefault((name, order[axis]), size)
        elif kind == "Transpose" and (turned := attributes.get("perm")) is not None:
            if sorted(turned.ints) == list(range(len(order))):
                source[next(iter(node.output), "")] = name, tuple(order[axis] for axis in turned.ints)
        elif kind in _SAME_SHAPE:
            source[next(iter(node.output), "")] = name, order
    return needed
