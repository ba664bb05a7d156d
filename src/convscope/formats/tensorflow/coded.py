"""Ops on eight-bit codes, each taken apart into what it does to the codes and the range that these stand for.

What TensorFlow's ``quantize_nodes`` made of a frozen graph (2016-2019) gives every value three outputs: its codes, the
lowest and the highest number. Here an op is a value of its own name, the codes; what reads the ends of its range reads
those of the op before, or a value of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from convscope.errors import NetworkFileError
from convscope.formats.tensorflow.fused_codes import FILTER_TYPE, INPUT_TYPE, fused_apart, stated_type
from convscope.formats.tensorflow.fused_codes import PARTS as FUSED_PARTS
from convscope.formats.tensorflow.node import Node, OutputReference

PARTS = (
    *FUSED_PARTS,
    "CodesAroundZero",
    "RequantizePart",
    *(f"{which}Of{what}" for which in ("Lowest", "Highest") for what in ("Product", "Sum", "Range")),
)
"""Ops that TensorFlow does not have, of which others are made up here."""

Reads = tuple[OutputReference, ...]
Parts = tuple[list[Node], OutputReference, OutputReference]


def ranges_apart(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes, in their order, with each op on codes as one of its codes alone."""
    return list(_apart(nodes))


def _apart(nodes: Sequence[Node]) -> Iterator[Node]:
    ends: dict[OutputReference, OutputReference] = {}
    for before in nodes:
        node = replace(before, inputs=tuple(ends.get(read, read) for read in before.inputs))
        if (fused := fused_apart(node)) is not None:
            steps, limits = fused
            ends |= {OutputReference(node.name, at): end for at, end in enumerate(limits, 1)}
            yield from steps
            continue
        if node.op not in _APART:
            yield node
            continue
        try:
            parts, low, high = _APART[node.op](node)
        except (IndexError, ValueError):
            raise NetworkFileError(
                f"node {node.name!r} is a {node.op} with {len(node.inputs)} inputs, which are not its codes and "
                "their ranges: the file is damaged"
            ) from None
        ends[OutputReference(node.name, 1)], ends[OutputReference(node.name, 2)] = low, high
        yield from parts


def _passing(read: int, low: int) -> Callable[[Node], Parts]:
    """Return what takes an op apart whose codes come of its first `read` inputs, in the range that `low` begins."""

    def parts(node: Node) -> Parts:
        return [replace(node, inputs=node.inputs[:read])], node.inputs[low], node.inputs[low + 1]

    return parts


def _rounded(op: str, low: int) -> Callable[[Node], Parts]:
    """Return what takes an op apart that computes with codes as with other numbers, and then rounds."""

    def parts(node: Node) -> Parts:
        name = f"{node.name}/{op}"
        numbers = Node(name, op, node.inputs[:low], node.attributes)
        codes = replace(node, inputs=(OutputReference(name, 0),))
        return [numbers, codes], node.inputs[low], node.inputs[low + 1]

    return parts


def _products(node: Node) -> Parts:
    """Both inputs are centered, so that what is multiplied is 0 where the numbers are."""
    first, second, *ends = node.inputs
    low, high, low_of_filters, high_of_filters = ends
    terms = [
        Node(f"{node.name}/{name}", "CodesAroundZero", reads, {"T": stated} if stated else {})
        for name, reads, stated in (
            ("input", (first, low, high), stated_type(node, INPUT_TYPE)),
            ("filters", (second, low_of_filters, high_of_filters), stated_type(node, FILTER_TYPE)),
        )
    ]
    product = replace(node, inputs=tuple(OutputReference(term.name, 0) for term in terms))
    return [*terms, product, *_ends(node, "Product", tuple(ends))], *_references(node)


def _sums(node: Node) -> Parts:
    _, _, *ends = node.inputs
    return [node, *_ends(node, "Sum", tuple(ends))], *_references(node)


def _shrunk(node: Node) -> Parts:
    name = f"{node.name}/range"
    codes, low, high = node.inputs
    measured = Node(name, "RequantizationRange", (codes, low, high), node.attributes)
    ends = OutputReference(name, 0), OutputReference(name, 1)
    return [measured, replace(node, inputs=(*node.inputs, *ends))], *ends


def _joined_by_intel(node: Node) -> Parts:
    """The axis comes behind the parts."""
    count = (len(node.inputs) - 1) // 3
    reads = (node.inputs[count], *node.inputs[:count], *node.inputs[count + 1 :])
    return _joined(replace(node, op="QuantizedConcat", inputs=reads))


def _joined(node: Node) -> Parts:
    """All parts are brought into the range that takes theirs in."""
    axis, first, *others = node.inputs
    reads = (first, *others)
    count = len(reads) // 3
    values, lows, highs = reads[:count], reads[count : 2 * count], reads[2 * count :]
    ends = _ends(node, "Range", (*lows, *highs))
    whole = _references(node)
    parts = [
        Node(f"{node.name}/{number}", "RequantizePart", (value, low, high, *whole), node.attributes)
        for number, (value, low, high) in enumerate(zip(values, lows, highs, strict=True))
    ]
    inputs = (axis, *(OutputReference(part.name, 0) for part in parts))
    return [*ends, *parts, replace(node, inputs=inputs)], *whole


def _ends(node: Node, of: str, reads: Reads) -> list[Node]:
    """Return the two nodes that make the ends of a node's range."""
    return [
        Node(f"{node.name}/{name}", f"{which}Of{of}", reads, node.attributes)
        for name, which in (("low", "Lowest"), ("high", "Highest"))
    ]


def _references(node: Node) -> tuple[OutputReference, OutputReference]:
    return OutputReference(f"{node.name}/low", 0), OutputReference(f"{node.name}/high", 0)


_APART: Mapping[str, Callable[[Node], Parts]] = {
    "QuantizedRelu": _passing(3, 1),
    "QuantizedRelu6": _passing(3, 1),
    "QuantizedReluX": _passing(4, 2),
    "QuantizedMaxPool": _passing(1, 1),
    "QuantizedAvgPool": _rounded("AvgPool", 1),
    "QuantizedReshape": _passing(2, 2),
    "QuantizedResizeBilinear": _passing(2, 2),
    "Requantize": _passing(5, 3),
    "QuantizeDownAndShrinkRange": _shrunk,
    "QuantizedConv2D": _products,
    "QuantizedMatMul": _products,
    "QuantizedMul": _products,
    "QuantizedBiasAdd": _sums,
    "QuantizedAdd": _sums,
    "QuantizedConcat": _joined,
    "QuantizedConcatV2": _joined_by_intel,
}
