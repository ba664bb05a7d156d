"""Ops on eight-bit codes that do several things at once, as Intel's TensorFlow has them, taken apart into plain steps.

A ``QuantizedConv2DWithBiasSumAndReluAndRequantize`` (2018-2023) is here the convolution of the numbers that codes stand
for, its bias, what is added, ReLU, and the codes of what comes out. Code 0 is 0 in these graphs ("SCALED"), and filters
may have a range for each channel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.message import Message
from convscope.formats.tensorflow.node import Node, OutputReference

PARTS = (
    *("ScaledNumbers", "ShiftedNumbers", "BiasNumbers", "ScaledCodes", "ProductCodes"),
    *("LowestOfEvenProduct", "HighestOfEvenProduct"),
)
"""Ops that TensorFlow does not have, of which others are made up here."""

_FUSED = re.compile(
    r"Quantized(?P<op>Conv2D|DepthwiseConv2D|MatMul)(?P<bias>WithBias)?(?P<sum>Sum|SignedSum)?(?P<relu>(And)?Relu)?"
    r"(?P<end>And(Requantize|Dequantize))?$"
)
_PLAIN = {"Conv2D": "Conv2D", "DepthwiseConv2D": "DepthwiseConv2dNative", "MatMul": "MatMul"}
_TAKEN_APART_ELSEWHERE = ("QuantizedConv2D", "QuantizedMatMul")
INPUT_TYPE, FILTER_TYPE = ("Tinput", "T1"), ("Tfilter", "T2")
"""By which names nodes say what type of codes their two inputs are."""


def fused_apart(node: Node) -> tuple[list[Node], tuple[OutputReference, ...]] | None:
    """Return the nodes that a fused one is made of, the last with its name, and the ends of its range.

    None for any other node, and for one with a border of its own or whose sum has no range, which stay as they are.
    """
    found = _FUSED.fullmatch(node.op)
    if found is None or node.op in _TAKEN_APART_ELSEWHERE or any(node.integers("padding_list")):
        return None
    if found["sum"] and found["end"] != "AndRequantize":
        return None
    needed = 6 + bool(found["bias"]) + 2 * bool(found["end"]) + 3 * bool(found["sum"])
    if len(node.inputs) != needed:
        raise NetworkFileError(f"node {node.name!r}: a {node.op} has {needed} inputs, not {len(node.inputs)}")
    reads = list(node.inputs)
    data, filters = reads.pop(0), reads.pop(0)
    bias = reads.pop(0) if found["bias"] else None
    ranges, reads = tuple(reads[:4]), reads[4:]
    steps = _Steps(node)
    shifted = found["op"] == "MatMul" and node.text("input_quant_mode", "MIN_FIRST") == "MIN_FIRST"
    kind = "ShiftedNumbers" if shifted else "ScaledNumbers"
    x = steps.add("input", kind, (data, *ranges[:2]), T=stated_type(node, INPUT_TYPE))
    w = steps.add("filters", "ScaledNumbers", (filters, *ranges[2:]), T=stated_type(node, FILTER_TYPE))
    value = steps.add(found["op"], _PLAIN[found["op"]], (x, w))
    if bias is not None:
        if node.text("Tbias") == "DT_QINT32":
            bias = steps.add("bias", "BiasNumbers", (bias, *ranges))
        value = steps.add("BiasAdd", "BiasAdd", (value, bias))
    out, reads = tuple(reads[:2]), reads[2:]
    if found["sum"]:
        summand = steps.add(
            "summand", "ScaledNumbers", tuple(reads), T=stated_type(node, ("Tsummand", "out_type"))
        )
        value = steps.add("Add", "AddV2", (value, summand))
    if found["relu"]:
        value = steps.add("Relu", "Relu", (value,))
    if found["end"] == "AndRequantize":
        return [*steps.nodes, Node(node.name, "ScaledCodes", (value, *out), node.attributes)], out
    if found["end"] == "AndDequantize":
        return [*steps.nodes, Node(node.name, "Identity", (value,), {})], ()
    low, high = (
        steps.add(name, f"{which}OfEvenProduct", ranges, **node.attributes)
        for name, which in (("low", "Lowest"), ("high", "Highest"))
    )
    return [*steps.nodes, Node(node.name, "ProductCodes", (value, *ranges), node.attributes)], (low, high)


class _Steps:
    """The nodes that one is made of, each called after it."""

    def __init__(self, node: Node) -> None:
        self.node, self.nodes = node, list[Node]()

    def add(
        self, name: str, op: str, inputs: Sequence[OutputReference], **attributes: Message | None
    ) -> OutputReference:
        """Add a node; it has the fused one's attributes, and those of its own."""
        own = {key: value for key, value in attributes.items() if value is not None}
        made = Node(f"{self.node.name}/{name}", op, tuple(inputs), {**self.node.attributes, **own})
        self.nodes.append(made)
        return OutputReference(made.name, 0)


def stated_type(node: Node, names: Sequence[str]) -> Message | None:
    """Return the first of these attributes that a node has."""
    return next((node.attributes[name] for name in names if name in node.attributes), None)
