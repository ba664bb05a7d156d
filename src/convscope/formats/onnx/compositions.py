"""Operators that ONNX, or onnxruntime, explains by others: the losses, windows of a signal, attention of eight bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.formats.onnx.calls import Call, Inner
from convscope.formats.onnx.constants import Array, constant_of
from convscope.formats.onnx.element_types import BITS, FLOAT
from convscope.formats.onnx.node import Node

_WINDOWS: dict[str, tuple[float, float, float]] = {
    "HannWindow": (0.5, 0.5, 0.0),
    "HammingWindow": (25 / 46, 21 / 46, 0.0),
    "BlackmanWindow": (0.42, 0.5, 0.08),
}


def window_of_signal(node: Node) -> Sequence[Inner]:
    """Return the numbers of a HannWindow, a HammingWindow or a BlackmanWindow."""
    size = node.numbers(0, "size")
    kind = int(node.attributes.get("output_datatype", FLOAT))
    if size is None or kind in BITS:
        raise node.refusal("it has no size, or is of whole numbers")
    count = int(size.reshape(()))
    periods = count if node.attributes.get("periodic", 1) else count - 1
    angle = 2 * np.pi * np.arange(count) / max(1, periods)
    mean, once, twice = _WINDOWS[node.type_name]
    numbers: Array = (mean - once * np.cos(angle) + twice * np.cos(2 * angle)).astype(np.float32)
    return [(node.outputs[0], constant_of(numbers))]


def loss_of_classes(node: Node) -> Sequence[Inner]:
    """Return a NegativeLogLikelihoodLoss, or a SoftmaxCrossEntropyLoss, which has a LogSoftmax before it."""
    node.require("reduction", "mean", "sum", "none")
    scores, labels, shape = node.inputs[0], node.inputs[1], node.shape(0)
    if shape is None or len(shape) < 2:
        raise node.refusal("how many classes it has is not known")
    steps: list[Inner] = []
    if node.type_name == "SoftmaxCrossEntropyLoss":
        further = node.makes(1)
        made = node.outputs[1] if further else _inner(node, "log_prob")
        steps.append(Call(made, "", "LogSoftmax", (scores,), (made,), {"axis": 1}, _hidden(made, further)))
        scores = made
    weights = node.inputs[2] if node.has(2) else _inner(node, "weights")
    if not node.has(2):
        steps.append((weights, constant_of(np.ones(shape[1], np.float32))))
    ignored, nothing, zero = (_inner(node, name) for name in ("ignored", "nothing", "zero"))
    steps.append((zero, constant_of(np.zeros((), np.float32))))
    if "ignore_index" in node.attributes:
        steps += [
            (nothing, constant_of(np.array(int(node.attributes["ignore_index"]), np.int64))),
            _step(node, "is ignored", "Equal", labels, nothing),
            (ignored, constant_of(np.zeros((), np.int64))),
            _step(node, "labels", "Where", _inner(node, "is ignored"), ignored, labels),
        ]
        labels = _inner(node, "labels")
    steps += [
        _step(node, "column", "Unsqueeze", labels, axes=(1,)),
        _step(node, "picked", "GatherElements", scores, _inner(node, "column"), axis=1),
        _step(node, "score", "Squeeze", _inner(node, "picked"), axes=(1,)),
        _step(node, "weight of all", "Gather", weights, labels, axis=0),
    ]
    weight = _inner(node, "weight of all")
    if "ignore_index" in node.attributes:
        steps.append(_step(node, "weight", "Where", _inner(node, "is ignored"), zero, weight))
        weight = _inner(node, "weight")
    steps += [
        _step(node, "loss", "Neg", _inner(node, "score")),
        _step(node, "losses", "Mul", _inner(node, "loss"), weight),
    ]
    losses, reduction = _inner(node, "losses"), node.attributes.get("reduction", "mean")
    if reduction == "mean":
        all_axes = {"keepdims": 0}
        steps += [
            _step(node, "total", "ReduceSum", losses, **all_axes),
            _step(node, "total weight", "ReduceSum", weight, **all_axes),
            _last(node, "Div", _inner(node, "total"), _inner(node, "total weight")),
        ]
        return steps
    return [
        *steps,
        _last(node, "ReduceSum", losses, keepdims=0)
        if reduction == "sum"
        else _last(node, "Identity", losses),
    ]


def quantized_attention(node: Node) -> Sequence[Inner]:
    """Return onnxruntime's QAttention as its Attention, of what the codes stand for."""
    codes, scales, zeros = ((*node.inputs, *[""] * 9)[start : start + 2] for start in (0, 3, 6))
    mask, past = ((*node.inputs, *[""] * 9)[at] for at in (5, 8))
    steps: list[Inner] = []
    for name, *stored in zip(("input", "weight"), codes, scales, zeros, strict=True):
        steps.append(_step(node, name, "DequantizeLinear", *filter(None, stored)))
    read = (_inner(node, "input"), _inner(node, "weight"), node.inputs[2], mask, past)
    domain, attributes = "com.microsoft", dict(node.attributes)
    return [*steps, Call(node.name, domain, "Attention", read, node.outputs, attributes)]


def _inner(node: Node, name: str) -> str:
    return f"{node.name}/{name}"


def _hidden(name: str, asked_for: bool) -> frozenset[str]:
    return frozenset() if asked_for else frozenset({name})


def _step(node: Node, name: str, kind: str, *inputs: str, **attributes: object) -> Call:
    made = _inner(node, name)
    return Call(made, "", kind, inputs, (made,), attributes, frozenset({made}))


def _last(node: Node, kind: str, *inputs: str, **attributes: object) -> Call:
    return Call(node.name, "", kind, inputs, node.outputs[:1], attributes)
