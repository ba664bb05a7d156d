"""What ops on eight-bit codes do to the codes, and what range these stand for: `coded` takes the ops apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.constants import Array, folds
from convscope.formats.tensorflow.fused_codes import FILTER_TYPE, INPUT_TYPE
from convscope.formats.tensorflow.node import Node
from convscope.formats.tensorflow.ops.convolution import LAST
from convscope.formats.tensorflow.tensors import CODES
from convscope.formats.tensorflow.translation import Operands, translates, whole_numbers
from convscope.network.operations import OPERATIONS
from convscope.network.operations.code_numbers import SUM_BITS
from convscope.network.operations.ranges import dequantize_range

Attributes = dict[str, Any]


def _type(node: Node, *names: str, default: str = "DT_QUINT8") -> tuple[int, bool]:
    """Return bits and sign of the codes that the first of these attributes says."""
    stated = next((node.text(name) for name in names if name in node.attributes), default)
    return CODES.get(stated, CODES[default])


def _own_type(node: Node) -> Attributes:
    bits, signed = _type(node, "T", "Tinput")
    return {"bits": bits, "signed": signed}


def _types_of_both(node: Node) -> Attributes:
    (bits, signed), (other_bits, other_signed) = _type(node, *INPUT_TYPE), _type(node, *FILTER_TYPE)
    return {"bits": (bits, other_bits), "signed": (signed, other_signed)}


def _requantized(node: Node) -> Attributes:
    bits, signed = _type(node, "out_type")
    before = _type(node, "Tinput", default="DT_QINT32")
    return {"bits": bits, "signed": signed, "bits_before": before[0], "signed_before": before[1]}


def _part(node: Node) -> Attributes:
    bits, signed = _type(node, "T")
    return {"bits": bits, "signed": signed, "bits_before": bits, "signed_before": signed}


def _sum_types(node: Node) -> Attributes:
    return {**_types_of_both(node), "room": _room(node)}


def _room(node: Node) -> int:
    """Return how many bits a sum's range is wider than its terms': a bias has three more."""
    return 14 if "Toutput" in node.attributes else 17


def _normalized(node: Node) -> Attributes:
    given = node.flag("output_range_given")
    return {
        "epsilon": node.number("variance_epsilon", 1e-5),
        "separation": node.number("min_separation", 1e-3),
        "limits": (node.number("given_y_min", 0.0), node.number("given_y_max", 0.0)) if given else None,
    }


def _product_types(node: Node) -> Attributes:
    return {
        **_types_of_both(node),
        "upper": node.op.startswith("Highest"),
        "even": "Even" in node.op,
    }


def _output_type(node: Node) -> Attributes:
    bits, signed = _type(node, "out_type", "Toutput")
    return {"bits": bits, "signed": signed}


def _batch_normalized(node: Node) -> Attributes:
    return {
        "epsilon": node.number("variance_epsilon", 1e-3),
        "scaled": node.flag("scale_after_normalization"),
    }


# The operation, what it takes of the node, and how many outputs it has.
_KINDS: dict[str, tuple[str, Callable[[Node], Attributes], int]] = {
    "CodesAroundZero": ("centered_codes", _own_type, 1),
    "QuantizedRelu": ("clip_codes", _own_type, 1),
    "QuantizedRelu6": ("clip_codes", lambda node: {**_own_type(node), "most": 6.0}, 1),
    "Requantize": ("requantize", _requantized, 1),
    "QuantizeDownAndShrinkRange": ("requantize", _requantized, 1),
    "RequantizePart": ("requantize", _part, 1),
    "RequantizationRange": ("range_of_codes", lambda node: {}, 2),
    "LowestOfProduct": ("product_end", _product_types, 1),
    "HighestOfProduct": ("product_end", _product_types, 1),
    "LowestOfEvenProduct": ("product_end", _product_types, 1),
    "HighestOfEvenProduct": ("product_end", _product_types, 1),
    "LowestOfSum": ("sum_end", lambda node: {"room": _room(node)}, 1),
    "HighestOfSum": ("sum_end", lambda node: {"room": _room(node), "upper": True}, 1),
    "LowestOfRange": ("joint_end", lambda node: {"signed": _type(node, "T")[1]}, 1),
    "HighestOfRange": ("joint_end", lambda node: {"signed": _type(node, "T")[1], "upper": True}, 1),
    "QuantizedBiasAdd": ("add_bias_codes", _sum_types, 1),
    "QuantizedAdd": ("add_codes", _sum_types, 1),
    "QuantizedInstanceNorm": ("normalize_codes", _normalized, 3),
    "QuantizedBatchNormWithGlobalNormalization": ("batch_norm_codes", _batch_normalized, 3),
    "BiasNumbers": ("products", _types_of_both, 1),
    "ProductCodes": ("product_codes", _types_of_both, 1),
    "ScaledCodes": ("scaled_codes", _output_type, 1),
    "QuantizedAvgPool": ("whole_codes", lambda node: {"down": True}, 1),
}


@translates(*_KINDS)
def _codes(operands: Operands) -> OperationPlan:
    kind, attributes, outputs = _KINDS[operands.node.op]
    inputs = [operands.value(place) for place in range(len(operands))]
    return OperationPlan(kind, inputs, {}, attributes(operands.node), outputs)


@translates("ScaledNumbers", "ShiftedNumbers")
def _numbers(operands: Operands) -> OperationPlan:
    inputs = [operands.value(place) for place in range(3)]
    return OperationPlan(
        "dequantize_range", inputs, {}, _number_settings(operands.node, operands.shape(0), operands.shape(1))
    )


@folds("ScaledNumbers", "ShiftedNumbers")
def _known_numbers(node: Node, inputs: Sequence[Array]) -> Array:
    tensors = [torch.from_numpy(np.array(array, np.float32)) for array in inputs]
    return np.asarray(
        dequantize_range(*tensors, **_number_settings(node, inputs[0].shape, inputs[1].shape)).numpy()
    )


def _number_settings(node: Node, codes: Sequence[int], ends: Sequence[int]) -> Attributes:
    """Return how codes stand for numbers: filters by ranges of each channel, the last axis or the one before it."""
    mode = "SCALED" if node.op == "ScaledNumbers" else "MIN_COMBINED"
    count = prod(ends)
    axis = next((at for at in (-1, -2) if count > 1 and len(codes) >= -at and codes[at] == count), None)
    return {**_own_type(node), "mode": mode, "narrow": mode == "SCALED", "axis": axis}


@translates("QuantizedResizeBilinear")
def _resized(operands: Operands) -> OperationPlan:
    node = operands.node
    attributes = {
        **LAST,
        "size": tuple(whole_numbers(operands, 1, "size")),
        "corners": node.flag("align_corners"),
        "centers": node.flag("half_pixel_centers"),
        "resolution": 30 if _type(node, "T")[0] == SUM_BITS else 7,
    }
    return OperationPlan("resize_codes", [operands.value(0)], {}, attributes)


@translates("QuantizedReluX")
def _clipped(operands: Operands) -> OperationPlan:
    inputs = [operands.value(place) for place in (0, 2, 3, 1)]
    return OperationPlan("clip_codes", inputs, {}, _own_type(operands.node))


@folds(*(name for name, (_, _, outputs) in _KINDS.items() if outputs == 1))
def _known(node: Node, inputs: Sequence[Array]) -> Array:
    """Return what a node makes of weights and ranges that are the same for every picture."""
    kind, attributes, _ = _KINDS[node.op]
    tensors = [torch.from_numpy(np.array(array, np.float32)) for array in inputs]
    result = OPERATIONS[kind](*tensors, **attributes(node))
    assert isinstance(result, torch.Tensor)
    return np.asarray(result.numpy())
