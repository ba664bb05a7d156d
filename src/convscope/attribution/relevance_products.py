"""Whose relevance a product is: the signal takes all, its gate nothing; factors of equal standing get equal parts.

That a gate gets nothing is the rule of Arras et al., *Explaining recurrent neural network predictions in sentiment
analysis* (2017): it says how much of the signal passes, and is taken as it is, like a weight. Attention's weights are
such gates of what they mix, and divisors of what they divide (Ali et al., *XAI for transformers: better explanations
through conservative propagation*, 2022). Equal parts for values of
equal standing are the uniform rule of Achtibat et al., *AttnLRP* (2024). Either way all that arrives is handed on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from convscope.attribution.attention import FUSED_ATTENTION, fused_value
from convscope.attribution.relevance_ways import way_of
from convscope.network.graph import Graph, Operation
from convscope.network.operations import kind_of
from convscope.network.operations.aten import base_of
from convscope.network.tail import constant_values

_VALUES = {"attention": 2, "multi_head_attention": 1, "mix_by_score": 1}
_TO_CODES = ("quantize", "dynamic_quantize")
_GATES = ("sigmoid", "hard_sigmoid", "softmax")
_ATEN_GATES = ("sigmoid", "hardsigmoid", "softmax", "_softmax", "rsqrt", "reciprocal")


def signals(
    graph: Graph, operation: Operation, constants: set[str], shapes: Sequence[torch.Size]
) -> list[int]:
    """Return which inputs of a product share its relevance equally, by what they are; `shapes` are channels-first.

    No part has what is in `constants` (see `without_part`); what comes out of a sigmoid, a hard sigmoid or a softmax,
    where another input does not; and what is the same at all positions, where another is not.
    """
    which = list(range(len(operation.inputs)))
    which = _those(which, [value not in constants for value in operation.inputs])
    which = _those(which, [not _is_gate(graph, value) for value in operation.inputs])
    rank = max(map(len, shapes))
    stretched = [(*(1,) * (rank - len(shape)), *shape) for shape in shapes]
    whole = [max(sizes) for sizes in zip(*stretched, strict=True)]
    return _those(which, [_has_positions(shape, whole) for shape in stretched])


def without_part(graph: Graph) -> set[str]:
    """Return the values that are taken as they are, like weights: what no input of the graph goes into.

    And the scales and zero points of codes whose range is the picture's own.
    """
    codes = (operation for operation in graph.operations if operation.kind == "dynamic_quantize")
    return constant_values(graph, (value for operation in codes for value in operation.outputs[1:]))


def is_less_zero(graph: Graph, operation: Operation) -> bool:
    """Say whether a zero point is taken from codes: what they stand for stays, and so does its relevance."""
    if operation.kind != "subtract" or operation.attributes.get("swapped"):
        return False
    value = operation.inputs[0]
    while (before := graph.producers.get(value)) and before.kind not in _TO_CODES:
        if way_of(before) != "routed" or not before.inputs:
            return False
        value = before.inputs[0]
    return before is not None and value == before.outputs[0]


def _has_positions(shape: Sequence[int], whole: Sequence[int]) -> bool:
    """Say whether a factor differs from place to place; of a map whose channels are moved to the last axis, too."""
    stretched = [axis for axis in range(1, len(whole)) if shape[axis] == 1 < whole[axis]]
    over_rows_and_columns = len(whole) == 4 and len(stretched) >= 2
    return not over_rows_and_columns and any(size > 1 for size in shape[2:])


def mixed_signals(graph: Graph, operation: Operation, constants: set[str]) -> list[int]:
    """Return which inputs of a product of matrices, or of attention, share its relevance equally.

    Of attention it is the values alone; else no part has what is in `constants`, and what comes out of a
    sigmoid or a softmax, where another does not.
    """
    if operation.kind in _VALUES:
        return [_VALUES[operation.kind]]
    if operation.kind == "aten" and base_of(operation.attributes["operator"]) == FUSED_ATTENTION:
        return [fused_value(operation)]
    which = list(range(len(operation.inputs)))
    which = _those(which, [value not in constants for value in operation.inputs])
    return _those(which, [not _is_gate(graph, value) for value in operation.inputs])


def _those(which: list[int], fits: Sequence[bool]) -> list[int]:
    """Return the ones that fit, or all where none does: they are of equal standing then."""
    return [index for index in which if fits[index]] or which


def _is_gate(graph: Graph, value: str) -> bool:
    """Say whether a value comes out of what opens and shuts, whatever has moved or scaled it since."""
    while (operation := graph.producers.get(value)) and not _opens_and_shuts(graph, operation):
        if not _moves_or_scales(operation):
            return False
        value = operation.inputs[0]
    return operation is not None


def _opens_and_shuts(graph: Graph, operation: Operation) -> bool:
    if operation.kind == "aten":
        return base_of(operation.attributes["operator"]) in _ATEN_GATES
    if operation.kind in ("power", "pow"):
        return _divides(operation)
    return operation.kind in _GATES or (operation.kind == "clip" and _is_hard_sigmoid(graph, operation))


def _divides(operation: Operation) -> bool:
    """Say whether a value is one over what it was: times it is a division."""
    attributes = operation.attributes
    exponent = attributes.get("power") if operation.kind == "power" else attributes.get("number")
    return exponent is not None and exponent < 0 and not attributes.get("swapped")


def _is_hard_sigmoid(graph: Graph, clip: Operation) -> bool:
    """Say whether a clip is one that hard sigmoids are written with: ``x + 3`` to 0 to 6, or anything to 0 to 1."""
    ends = clip.attributes["minimum"], clip.attributes["maximum"]
    before = graph.producers.get(clip.inputs[0])
    shifted = before is not None and before.kind == "add" and len(before.inputs) == 1
    return ends == (0, 1) or (ends == (0, 6) and shifted)


def _moves_or_scales(operation: Operation) -> bool:
    kind = kind_of(operation.kind)
    if operation.kind == "aten":
        return way_of(operation) == "routed" and bool(operation.inputs)
    moves = way_of(operation) == "routed" or kind.part == "rearrangement" or operation.kind in _SCALES
    return moves and (len(operation.inputs) == 1 or kind.reads_sizes)


_SCALES = (
    "multiply",
    "divide",
    "scale",
    "quantize",
    "dequantize",
    "dynamic_quantize",
    "round_to_bits",
    "round_to_digits",
    "round_to_steps",
    "round_to_type",
)
