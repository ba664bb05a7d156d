"""Onnxruntime's embedding of a text: rows of words, of places and of segments, their sum, normalized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.formats.onnx.calls import Call, Inner
from convscope.formats.onnx.constants import constant_of
from convscope.formats.onnx.node import Node


def embedding_of_text(node: Node) -> Sequence[Inner]:
    """Return an EmbedLayerNormalization as lookups, sums and a normalization; a mask's words are counted."""
    words, segments, *tables = (node.inputs[at] if node.has(at) else "" for at in range(9))
    of_words, of_places, of_segments, weight, bias, mask, places = tables
    shape = node.shape(0)
    if shape is None or len(shape) != 2:
        raise node.refusal("how many words it takes is not known")
    steps: list[Inner] = []
    if not places:
        places = f"{node.name}/places"
        steps.append((places, constant_of(np.arange(shape[1], dtype=np.int64)[None])))
    total = ""
    for table, rows in ((of_words, words), (of_places, places), (of_segments, segments)):
        if table and rows:
            steps.append(_step(node, f"rows of {table}", "Gather", table, rows, axis=0))
            found = f"{node.name}/rows of {table}"
            if total:
                steps.append(_step(node, f"sum with {table}", "Add", total, found))
            total = f"{node.name}/sum with {table}" if total else found
    made = [*node.outputs, "", "", ""]
    if made[2]:
        steps.append(Call(made[2], "", "Identity", (total,), (made[2],), {}))
    if made[1] and mask:
        count = Call(made[1], "", "ReduceSum", (mask,), (made[1],), {"axes": (1,), "keepdims": 0})
        steps.append(count)
    elif made[1]:
        steps.append((made[1], constant_of(np.zeros(shape[0], np.int32))))
    epsilon = float(node.attributes.get("epsilon", 1e-12))
    normal = {"epsilon": epsilon, "axis": -1}
    return [*steps, Call(node.name, "", "LayerNormalization", (total, weight, bias), tuple(made[:1]), normal)]


def embedding_of_codes(node: Node) -> Sequence[Inner]:
    """Return a QEmbedLayerNormalization as an EmbedLayerNormalization of what its codes stand for."""
    names: dict[int, str] = {}
    steps: list[Inner] = []
    for at, scale in zip((2, 3, 4, 5, 6), range(8, 13), strict=True):
        if node.has(at):
            stored = [node.inputs[index] for index in (at, scale, scale + 5) if node.has(index)]
            steps.append(_step(node, f"numbers {at}", "DequantizeLinear", *stored))
            names[at] = f"{node.name}/numbers {at}"
    read = tuple(names.get(at, name) for at, name in enumerate(node.inputs[:8]))
    domain, attributes = "com.microsoft", dict(node.attributes)
    return [*steps, Call(node.name, domain, "EmbedLayerNormalization", read, node.outputs, attributes)]


def _step(node: Node, name: str, kind: str, *inputs: str, **attributes: int) -> Call:
    made = f"{node.name}/{name}"
    return Call(made, "", kind, inputs, (made,), attributes, frozenset({made}))
