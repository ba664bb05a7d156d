"""Normalizations."""

from __future__ import annotations

from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import translates


@translates("BatchNormalization", inputs=5)
def batch_norm(node: Node) -> Step:
    """Turn a BatchNormalization into one; in training mode it is by the batch's own mean."""
    node.require("spatial", 1)
    attributes = {"epsilon": node.attributes.get("epsilon", 1e-5)}
    if node.attributes.get("training_mode", 0):
        roles = _learned(node, "weight", "bias")
        return Step("batch_norm", node.inputs[:1], roles, {**attributes, "of_batch": True})
    roles = _learned(node, "weight", "bias", "mean", "variance")
    return Step("batch_norm", node.inputs[:1], roles, attributes)


@translates("LayerNormalization", inputs=2)
def layer_norm(node: Node) -> Step:
    """Turn a LayerNormalization into one."""
    attributes = {
        "axis": int(node.attributes.get("axis", -1)),
        "epsilon": node.attributes.get("epsilon", 1e-5),
    }
    return Step("layer_norm", node.inputs[:1], _learned(node, "weight", "bias"), attributes)


@translates("InstanceNormalization", "GroupNormalization", inputs=3)
def group_norm(node: Node) -> Step:
    """Turn an InstanceNormalization or a GroupNormalization into a group normalization."""
    roles, scale, shape = _learned(node, "weight", "bias"), node.shape(1), node.shape(0)
    groups = node.attributes.get("num_groups", scale[0] if scale else 1)
    if shape is None or len(shape) < 2 or scale != (shape[1],):
        raise node.refusal("its scales are not one a channel")
    attributes = {"groups": int(groups), "epsilon": node.attributes.get("epsilon", 1e-5)}
    return Step("group_norm", node.inputs[:1], roles, attributes)


@translates("LRN")
def lrn(node: Node) -> Step:
    """Turn an LRN into a local response normalization."""
    attributes = {
        "size": int(node.attributes["size"]),
        "alpha": node.attributes.get("alpha", 1e-4),
        "beta": node.attributes.get("beta", 0.75),
        "k": node.attributes.get("bias", 1.0),
    }
    kind = "lrn_across_channels" if attributes["size"] % 2 else "lrn_of_even_size"
    return Step(kind, node.inputs, attributes=attributes)


def _learned(node: Node, *roles: str) -> dict[str, str]:
    """Return the inputs after the first as parameters; they must be constants."""
    found = {}
    for index, role in enumerate(roles, start=1):
        if node.has(index):
            if node.constant(index) is None:
                raise node.refusal(f"its {role} is worked out while the network runs")
            found[role] = node.inputs[index]
    return found
