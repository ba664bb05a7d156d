"""Convolution and its transpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.parameters import inputs_by_role, with_parameters
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

_SAME = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": 0}


@reads("Conv", inputs=2)
def read_convolution(node: Node) -> OperationPlan:
    """Turn a Conv into a convolution."""
    axes = _axes(node)
    attributes = convolution_window(node, axes) | {"padding": padding_of(node, axes)}
    return with_parameters(node, "convolution", inputs_by_role(node, "weight", "bias"), attributes)


@reads("ConvTranspose", inputs=2)
def read_deconvolution(node: Node) -> OperationPlan:
    """Turn a ConvTranspose into a deconvolution."""
    axes = _axes(node)
    attributes, more = convolution_window(node, axes), [*node.attributes.get("output_padding", (0,) * axes)]
    if any(more):
        attributes["output_padding"] = tuple(more)
    if "output_shape" not in node.attributes:
        attributes["padding"] = _transposed_padding(node, axes, attributes, more)
    else:
        attributes["padding"] = padding_of(node, axes) if "auto_pad" not in node.attributes else 0
        attributes["size"] = tuple(node.attributes["output_shape"])[-axes:]
        attributes["more_before"] = node.attributes.get("auto_pad", "NOTSET") != "SAME_UPPER"
    return with_parameters(node, "deconvolution", inputs_by_role(node, "weight", "bias"), attributes)


@reads("CausalConvWithState", inputs=2)
def read_causal_convolution(node: Node) -> list[OperationPlan]:
    """Turn a CausalConvWithState into a convolution of what came before and the input, and its activation."""
    for name, usual in (("ndim", 1), ("dilation", 1), ("channels_last", 0), ("state_window", 0)):
        node.require(name, usual)
    node.require("activation", "none", "silu", "swish")
    shape = node.shape(1)
    if shape is None or len(shape) != 3 or shape[2] < 2:
        raise node.refusal(f"its filters are {shape}, not (channels, 1, 2 or more)")
    before = shape[2] - 1
    if node.has(3):
        plans = [OperationPlan("concat", (node.inputs[3], node.inputs[0]), attributes={"axis": 2})]
    else:
        plans = [OperationPlan("pad", node.inputs[:1], attributes={"padding": (before, 0), "axis": 2})]
    if node.makes(1):
        last = {"starts": (-before,), "ends": (2**31 - 1,), "axes": (2,)}
        plans.append(OperationPlan("slice_steps", ("#0",), attributes=last, label=node.outputs[1]))
    roles, groups = inputs_by_role(node, "weight", "bias"), {"groups": shape[0]}
    plans.append(with_parameters(node, "convolution", roles, groups, inputs=("#0",)))
    if node.attributes.get("activation", "none") != "none":
        plans.append(OperationPlan("swish", ("",)))
    return plans


def _transposed_padding(node: Node, axes: int, window: Mapping[str, Any], more: Sequence[int]) -> Any:
    """Return the padding that ``auto_pad`` says; windows smaller than their stride get none, as in onnxruntime."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", "VALID"):
        return padding_of(node, axes)
    node.require("auto_pad", *_SAME)
    kernel, before, behind = (node.shape(1) or ())[2:], [], []
    for at, (k, stride, d) in enumerate(zip(kernel, window["stride"], window["dilation"], strict=True)):
        total = max(0, d * (k - 1) + 1 + more[at] - stride)
        ends = (total // 2, total - total // 2)
        before.append(ends[automatic == "SAME_LOWER"])
        behind.append(ends[automatic != "SAME_LOWER"])
    return (*before, *behind)


def _axes(node: Node) -> int:
    weight = node.shape(1)
    if weight is None:
        raise node.refusal("what shape its filters have depends on the numbers")
    if not 3 <= len(weight) <= 5:
        raise node.refusal(f"its filters have {len(weight)} axes")
    return len(weight) - 2


def convolution_window(node: Node, axes: int) -> dict[str, Any]:
    """Return stride, dilation and groups as the operations take them."""
    return {
        "stride": tuple(node.attributes.get("strides", (1,) * axes)),
        "dilation": tuple(node.attributes.get("dilations", (1,) * axes)),
        "groups": int(node.attributes.get("group", 1)),
    }


def padding_of(node: Node, axes: int) -> Any:
    """Return the padding as the operations take it: one number an axis where both sides are alike."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic != "NOTSET":
        node.require("auto_pad", *_SAME)
        return _SAME[automatic]
    pads = tuple(node.attributes.get("pads", (0,) * 2 * axes))
    return pads[:axes] if pads[:axes] == pads[axes:] else pads


_AUTOMATIC = {"same": "SAME_UPPER", "same_lower": "SAME_LOWER"}


def each(value: Any, axes: int) -> tuple[int, ...]:
    """Return one number an axis."""
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * axes if len(sizes) == 1 else sizes


def pads(padding: Any, axes: int) -> dict[str, Any]:
    """Return the attribute that says the padding."""
    if isinstance(padding, str):
        return {"auto_pad": _AUTOMATIC[padding]}
    sides = each(padding, axes)
    return {"pads": sides if len(sides) == 2 * axes else sides * 2}


def _written_window(part: Part) -> dict[str, Any]:
    axes = len(part.parameter_shape("weight")) - 2
    if axes < 1 or part.attributes.get("axis", 1) != 1:
        raise part.refusal("its channels are not on axis 1")
    return {
        "strides": each(part.attributes.get("stride", 1), axes),
        "dilations": each(part.attributes.get("dilation", 1), axes),
        "group": int(part.attributes.get("groups", 1)),
        **pads(part.attributes.get("padding", 0), axes),
    }


@writes("convolution", "deconvolution")
def write_convolution(part: Part) -> None:
    """Write a Conv or a ConvTranspose for each input: they share the filters."""
    attributes = _written_window(part)
    if size := part.attributes.get("size"):
        attributes["output_shape"] = tuple(size)
        attributes["auto_pad"] = "SAME_LOWER" if part.attributes.get("more_before") else "SAME_UPPER"
        del attributes["pads"]
    op_type = "Conv" if part.operation.kind == "convolution" else "ConvTranspose"
    if more := part.attributes.get("output_padding"):
        attributes["output_padding"] = each(more, len(attributes["strides"]))
    weights = [name for role in ("weight", "bias") if (name := part.parameter(role))]
    for value, output in zip(part.inputs, part.outputs, strict=True):
        part.writer.node(op_type, [value, *weights], [output], **attributes)
