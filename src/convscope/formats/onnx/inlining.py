"""Nodes that come to several: a model's own functions, If with a known condition, Loop and Scan with a known count.

So do onnxruntime's products that make codes of their own; those about sequences are `sequences`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from convscope.errors import NetworkFileError
from convscope.formats.onnx.attributes import AttributeReference, plain_attributes, with_arguments
from convscope.formats.onnx.calls import Call, Inner, calls_of
from convscope.formats.onnx.compositions import loss_of_classes, quantized_attention, window_of_signal
from convscope.formats.onnx.constants import constant_of, read_tensor
from convscope.formats.onnx.embedding import embedding_of_codes, embedding_of_text
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.sequences import MOST_ROUNDS, SEQUENCES, elements_of, stack_steps
from convscope.formats.protobuf.message import Message

_DEEPEST = 32


def inlined_function(function: Message, call: Call, file: Path) -> Sequence[Inner]:
    """Return the nodes of a function of the model's own, with the values and attributes that a call gives."""
    if call.name.count("/") > _DEEPEST:
        raise NetworkFileError(f"the function {call.type_name!r} calls itself")
    arguments = plain_attributes(function.attribute_proto, call.name, file) | dict(call.attributes)
    names = dict(zip(function.input, call.inputs, strict=False))
    names |= dict.fromkeys(list(function.input)[len(call.inputs) :], "")
    names |= dict(zip(function.output, call.outputs, strict=False))
    rename = _renamer(call.name, names)
    inner_nodes: list[Inner] = []
    for inner in calls_of(function.node, file):
        attributes = {
            name: arguments[value.name] if isinstance(value, AttributeReference) else value
            for name, value in inner.attributes.items()
            if not isinstance(value, AttributeReference) or value.name in arguments
        }
        inner_nodes.append(_renamed(replace(inner, attributes=attributes), call.name, rename, arguments))
    return inner_nodes


def branch_of(node: Node, file: Path) -> Sequence[Inner] | None:
    """Return what an If, a Loop, a Scan or a sequence's node comes to; None for an operator that is one."""
    if node.type_name in SEQUENCES or (node.type_name == "Identity" and node.inputs[0] in node.sequences):
        return SEQUENCES.get(node.type_name, SEQUENCES["Optional"])(node)
    reader = _EXPANDED.get(node.type_name)
    return None if reader is None else reader(node, file)


def _branch_taken(node: Node, file: Path) -> Sequence[Inner]:
    condition = node.known(0, "condition")
    is_true = condition is not None and bool(np.asarray(condition).reshape(-1)[0])
    graph = node.attributes.get("then_branch" if is_true else "else_branch")
    if not isinstance(graph, Message):
        raise node.refusal("the branch that is taken is not there")
    names = [value.name or "" for value in graph.output]
    own = _defined(graph)
    outputs = {name: out for name, out in zip(names, node.outputs, strict=False) if name in own}
    branch = _inlined(graph, node.name, outputs, file)
    for name, out in zip(names, node.outputs, strict=False):
        if name not in own:
            branch.append(Call(f"{node.name}/{name}", "", "Identity", (name,), (out,), {}))
    return branch


def _unrolled(node: Node, file: Path) -> Sequence[Inner]:
    body, count = node.attributes.get("body"), node.known(0, "number of rounds")
    going = node.known(1, "condition")
    if not isinstance(body, Message) or count is None or (going is not None and not bool(going.all())):
        raise node.refusal("how many rounds it goes is not known")
    entering, leaving = ([value.name or "" for value in ends] for ends in (body.input, body.output))
    if not _goes_on(body, leaving[0], entering[1]):
        raise node.refusal("whether it goes on is worked out while the network runs")
    inner_nodes: list[Inner] = []
    arguments: list[Mapping[str, str]] = []
    for number in range(_rounds(node, int(count.reshape(-1)[0]))):
        counter, condition = (f"{node.name}/{number}/{name}" for name in entering[:2])
        inner_nodes += [
            (counter, constant_of(np.array(number, np.int64))),
            (condition, constant_of(np.array(True))),
        ]
        arguments.append({entering[0]: counter, entering[1]: condition})
    carried = dict(zip(entering[2:], node.inputs[2:], strict=False))
    return [*inner_nodes, *_written_out(node, file, carried, leaving[1:], arguments)]


def _scanned(node: Node, file: Path) -> Sequence[Inner]:
    """Return a Scan: a round for each element along an axis of what it goes through, forward or backward."""
    body, count = node.attributes.get("body"), int(node.attributes.get("num_scan_inputs", 0))
    if node.opset < 9 or not isinstance(body, Message) or not 0 < count <= len(node.inputs):
        raise node.refusal("a Scan of opset 8, over batches, is not computed here")
    entering, leaving = ([value.name or "" for value in ends] for ends in (body.input, body.output))
    states, shape = len(node.inputs) - count, node.shape(len(node.inputs) - count)
    ways = _ways(node, "input", count)
    if not shape:
        raise node.refusal("how many rounds it goes is not known")
    inner_nodes: list[Inner] = []
    arguments: list[dict[str, str]] = [{} for _ in range(_rounds(node, shape[ways[0][0]]))]
    for name, value, (axis, backward) in zip(entering[states:], node.inputs[states:], ways, strict=True):
        pieces = [f"{node.name}/{number}/{name}" for number in range(len(arguments))]
        inner_nodes += elements_of(value, pieces[::-1] if backward else pieces, axis)
        for round_given, piece in zip(arguments, pieces, strict=True):
            round_given[name] = piece
    carried = dict(zip(entering[:states], node.inputs[:states], strict=True))
    return [*inner_nodes, *_written_out(node, file, carried, leaving, arguments)]


def _ways(node: Node, end: str, count: int) -> list[tuple[int, bool]]:
    """Return along which axis each value at an end of a Scan goes, and whether backward."""
    axes, directions = (
        tuple(node.attributes.get(f"scan_{end}_{name}", ())) or (0,) * count
        for name in ("axes", "directions")
    )
    return [(int(axis), bool(backward)) for axis, backward in zip(axes, directions, strict=True)]


def _rounds(node: Node, count: int) -> int:
    if not 0 < count <= MOST_ROUNDS:
        raise node.refusal(f"it goes {count} rounds, more than the {MOST_ROUNDS} that are written out")
    return count


def _written_out(
    node: Node,
    file: Path,
    carried: Mapping[str, str],
    leaving: Sequence[str],
    given: Sequence[Mapping[str, str]],
) -> Sequence[Inner]:
    """Return the rounds of a body one after another.

    `carried` are the body's inputs that a round hands to the next, by what they are at first; `given` the others of
    each round; `leaving` the body's outputs: what is carried, then what is put together of all rounds.
    """
    body, names, values = node.attributes["body"], list(carried), list(carried.values())
    inner_nodes: list[Inner] = []
    scanned: list[list[str]] = [[] for _ in leaving[len(names) :]]
    for number, beside in enumerate(given):
        place, last = f"{node.name}/{number}", number == len(given) - 1
        entering = {**beside, **dict(zip(names, values, strict=True))}
        outputs = {
            name: node.outputs[at]
            if last and at < len(node.outputs) and node.outputs[at]
            else f"{place}/{name}"
            for at, name in enumerate(leaving[: len(names)])
        }
        ends = {name: f"{place}/{name}" for name in leaving[len(names) :]}
        straight = [name for name in {**outputs, **ends} if name in entering]
        inner = {
            name: value for name, value in {**entering, **outputs, **ends}.items() if name not in straight
        }
        inner |= {name: entering[name] for name in straight}
        inner_nodes += _inlined(body, place, inner, file)
        for name in straight:
            made = {**outputs, **ends}[name]
            inner_nodes.append(Call(f"{place}/{name}", "", "Identity", (entering[name],), (made,), {}))
        values = list(outputs.values())
        for pieces, made in zip(scanned, ends.values(), strict=True):
            pieces.append(made)
    ways = _ways(node, "output", len(scanned))  # a Loop has none
    for pieces, output, (axis, backward) in zip(scanned, node.outputs[len(names) :], ways, strict=False):
        inner_nodes += stack_steps(pieces[::-1] if backward else pieces, output, output, axis)
    return inner_nodes


def _dynamic_product(node: Node, file: Path) -> Sequence[Inner]:
    """Return a DynamicQuantizeMatMul: its first factor is rounded to codes, both are what their codes stand for."""
    codes, scale, zero = (f"{node.name}/{name}" for name in ("codes", "scale", "zero"))
    quantization = Call(codes, "", "DynamicQuantizeLinear", node.inputs[:1], (codes, scale, zero), {})
    return [quantization, *_product_of_codes(node, (codes, scale, zero), (1, 2, 3), 4)]


def _integer_product(node: Node, file: Path) -> Sequence[Inner]:
    """Return a MatMulIntegerToFloat: a product of what codes stand for."""
    first = tuple(node.inputs[at] for at in (0, 2, 4) if node.has(at))
    return _product_of_codes(node, first, (1, 3, 5), 6)


def _product_of_codes(
    node: Node, first: tuple[str, ...], second: tuple[int, ...], bias: int
) -> Sequence[Inner]:
    """Return a product of two factors' codes, scales and zero points, and a sum where there is a bias."""
    left, right, product = (f"{node.name}/{name}" for name in ("left", "right", "product"))
    given = tuple(node.inputs[at] for at in second if node.has(at))
    made = product if node.has(bias) else node.outputs[0]
    steps: list[Inner] = [
        Call(left, "", "DequantizeLinear", first, (left,), {}, frozenset({left})),
        Call(right, "", "DequantizeLinear", given, (right,), {}, frozenset({right})),
        Call(product, "", "MatMul", (left, right), (made,), {}),
    ]
    if node.has(bias):
        steps.append(Call(node.name, "", "Add", (product, node.inputs[bias]), node.outputs[:1], {}))
    return steps


_EXPANDED: Mapping[str, Callable[[Node, Path], Sequence[Inner]]] = {
    "If": _branch_taken,
    "Loop": _unrolled,
    "Scan": _scanned,
    "DynamicQuantizeMatMul": _dynamic_product,
    "MatMulIntegerToFloat": _integer_product,
    "EmbedLayerNormalization": lambda node, file: embedding_of_text(node),
    "QEmbedLayerNormalization": lambda node, file: embedding_of_codes(node),
    "QAttention": lambda node, file: quantized_attention(node),
    **dict.fromkeys(
        ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"), lambda node, file: loss_of_classes(node)
    ),
    **dict.fromkeys(
        ("HannWindow", "HammingWindow", "BlackmanWindow"), lambda node, file: window_of_signal(node)
    ),
}


def _goes_on(body: Message, name: str, entering: str) -> bool:
    """Whether a round hands on the condition it was given, or says that it is true."""
    made_by = {value: node for node in body.node for value in node.output}
    while name != entering:
        node = made_by.get(name)
        if node is None or node.op_type not in ("Identity", "Cast"):
            return node is not None and node.op_type == "Constant"
        name = node.input[0]
    return True


def _inlined(graph: Message, place: str, names: Mapping[str, str], file: Path) -> list[Inner]:
    rename = _renamer(place, names, _defined(graph))
    inner_nodes: list[Inner] = [
        (rename(tensor.name or ""), read_tensor(tensor, file)) for tensor in graph.initializer
    ]
    return [*inner_nodes, *(_renamed(call, place, rename) for call in calls_of(graph.node, file))]


def _defined(graph: Message) -> set[str]:
    """Return the names that a graph inside another gives itself; all others are the outer one's."""
    values = {value for node in graph.node for value in node.output}
    return values | {tensor.name or "" for tensor in graph.initializer}


def _renamer(place: str, names: Mapping[str, str], own: set[str] | None = None) -> Callable[[str], str]:
    def rename(name: str) -> str:
        if name in names:
            return names[name]
        return f"{place}/{name}" if name and (own is None or name in own) else name

    return rename


def _renamed(
    call: Call, place: str, rename: Callable[[str], str], given: Mapping[str, Any] | None = None
) -> Call:
    """Return a node with its new names; `given` are the attributes of the function that it is in."""
    outputs = tuple(map(rename, call.outputs))
    attributes: dict[str, Any] = {
        name: _rescoped(value, rename, given) if isinstance(value, Message) else value
        for name, value in call.attributes.items()
    }
    return replace(
        call,
        name=f"{place}/{call.name}",
        inputs=tuple(map(rename, call.inputs)),
        outputs=outputs,
        attributes=attributes,
    )


def _rescoped(graph: Message, rename: Callable[[str], str], given: Mapping[str, Any] | None) -> Message:
    """Return a graph inside a node in which what it reads from outside has its new name, and its value."""
    graph = graph.copy()
    own = _defined(graph) | {value.name or "" for value in graph.input}
    for node in graph.node:
        node.input = [name if name in own else rename(name) for name in node.input]
        if given is not None:
            node.attribute = with_arguments(node.attribute, given)
        for attribute in node.attribute:
            if attribute.has("g"):
                attribute.g = _rescoped(
                    attribute.g, lambda name: name if name in own else rename(name), given
                )
    return graph
