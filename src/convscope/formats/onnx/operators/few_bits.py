"""Networks trained for a few bits, as Brevitas, QKeras and hls4ml hand them on: QONNX's own operators.

They are no part of ONNX, and onnxruntime does not know them; what they compute is QONNX's published definition.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convscope.formats.onnx.constants import Array
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.channels_last import channels_first
from convscope.formats.onnx.operators.convolution import read_convolution
from convscope.formats.onnx.operators.normalization import read_batch_norm
from convscope.formats.onnx.operators.parameters import inputs_by_role, with_parameters
from convscope.formats.onnx.operators.pooling import read_max_pool
from convscope.formats.onnx.operators.registry import reads, writes
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan
from convscope.network.operations.few_bits import ROUNDINGS

Plans = list[OperationPlan]
_CHANNELS_LAST = "qonnx.custom_op.channels_last"
_NEWEST = 13  # the opset of a form between two turns of the axes is its own domain's


def _names(*types: str) -> list[str]:
    domains = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
    return [f"{domain}.{name}" for domain in domains for name in types]


@reads(*_names("Quant", "IntQuant"), inputs=4)
def read_quant(node: Node) -> OperationPlan:
    """Turn a Quant into rounding to what so many bits can say."""
    (low, high), rounding = _range(node, 3), _rounding(node)
    return _rounded(node, low, high, "SIGN" if (low, high) == (-1, 1) else rounding)


@reads(*_names("BipolarQuant"), inputs=2)
def read_bipolar_quant(node: Node) -> OperationPlan:
    """Turn a BipolarQuant into a sign, times its scale."""
    if (scale := node.constant(1)) is not None and (scale.array <= 0).any():
        raise node.refusal("its scale is not above 0")
    return with_parameters(
        node,
        "round_to_bits",
        inputs_by_role(node, "scale"),
        {"low": -1.0, "high": 1.0, "rounding": "SIGN"},
    )


@reads(*_names("Trunc"), inputs=5)
def read_trunc(node: Node) -> Plans:
    """Turn a Trunc into rounding to whole steps, then to steps that are some power of two as large."""
    scale, zero, newer = _stored(node, 1, "scale"), _stored(node, 2, "zero point"), node.has(5)
    if newer:
        powers = np.log2(_stored(node, 4, "output scale") / scale)
        low, high = _range(node, 5)
    else:
        powers = np.array(_bits(node, 3) - _bits(node, 4))
        low, high = -np.inf, np.inf
    power = float(np.round(powers).reshape(-1)[0])
    if np.abs(powers - power).max() > 1e-3 or (zero.any() and not newer):
        raise node.refusal("its scales are not a power of two apart, or it has a zero point that is not 0")
    roles = {
        "scale": node.derived("steps", scale.shape, lambda: scale * 2.0**power),
        "zero": node.derived("zero", zero.shape, lambda: zero / 2.0**power),
    }
    coarse = {"low": low, "high": high, "rounding": _rounding(node, "FLOOR")}
    plans = [_rounded(node, -np.inf, np.inf, "ROUND"), OperationPlan("round_to_bits", ("",), roles, coarse)]
    if not newer:  # its first version leaves the steps as small as they were
        plans.append(OperationPlan("multiply", ("",), attributes={"number": 2.0**-power}))
    return plans


@reads(*_names("FloatQuant"), inputs=6)
def read_float_quant(node: Node) -> OperationPlan:
    """Turn a FloatQuant into rounding to floats of so many bits, those above the largest being the largest."""
    node.require("saturation", 1)
    exponent, digits, bias = (_bits(node, at) for at in (2, 3, 4))
    most = float(_stored(node, 5, "largest number").reshape(-1)[0])
    largest = min(most, 2.0 ** (2.0**exponent - 1 - bias) * (2 - 2.0**-digits))
    plain = {"digits": int(digits), "smallest": int(1 - bias), "largest": largest}
    return with_parameters(
        node, "round_to_digits", inputs_by_role(node, "scale"), {**plain, "rounding": _rounding(node)}
    )


@reads(f"{_CHANNELS_LAST}.Conv", inputs=2)
def read_channels_last_convolution(node: Node) -> Plans:
    """Turn a Conv whose channels are last, its filters' too, into one between two turns of the axes."""
    if (weight := node.constant(1)) is None:
        raise node.refusal("its weights are worked out while the network runs: store them in the file")
    shape = (*weight.shape[:1], *weight.shape[-1:], *weight.shape[1:-1])
    turned = node.derived("weight", shape, lambda: np.moveaxis(weight.array, -1, 1))
    inner = replace(node, inputs=(node.inputs[0], turned, *node.inputs[2:]), opset=_NEWEST)
    return channels_first(node, [read_convolution(inner)], always=True)


@reads(f"{_CHANNELS_LAST}.MaxPool")
def read_channels_last_pool(node: Node) -> Plans:
    """Turn a MaxPool whose channels are last into one between two turns of the axes."""
    return channels_first(node, [read_max_pool(replace(node, opset=_NEWEST))], always=True)


@reads(f"{_CHANNELS_LAST}.BatchNormalization", inputs=5)
def read_channels_last_norm(node: Node) -> Plans:
    """Turn a BatchNormalization whose channels are last into one between two turns of the axes."""
    return channels_first(node, [read_batch_norm(replace(node, opset=_NEWEST))], always=True)


def _rounded(node: Node, low: float, high: float, rounding: str) -> OperationPlan:
    plain = {"low": float(low), "high": float(high), "rounding": rounding}
    return with_parameters(node, "round_to_bits", inputs_by_role(node, "scale", "zero"), plain)


def _range(node: Node, index: int) -> tuple[float, float]:
    """Return the smallest and the largest whole number of a width in bits; of a sign alone, -1 and 1."""
    bits, narrow = _bits(node, index), bool(node.attributes.get("narrow", 0))
    if not node.attributes.get("signed", 1):
        return 0.0, 2.0**bits - (2 if narrow else 1)
    half = 2.0 ** (bits - 1)
    return (-1.0, 1.0) if bits == 1 else (narrow - half, half - 1)


def _bits(node: Node, index: int) -> float:
    numbers = _stored(node, index, "width in bits").reshape(-1)
    if len(numbers) != 1 or not 0 <= numbers[0] <= 64:
        raise node.refusal(f"its width in bits is {numbers[:4].tolist()}, not one number")
    return float(numbers[0])


def _stored(node: Node, index: int, what: str) -> Array:
    return np.asarray(node.numbers(index, what), np.float32)


def _rounding(node: Node, usual: str = "ROUND") -> str:
    rounding = str(node.attributes.get("rounding_mode", usual)).upper()
    if rounding not in ROUNDINGS or rounding == "SIGN":
        raise node.refusal(f"it rounds by {rounding!r}; what is known is {', '.join(ROUNDINGS)}")
    return rounding


@writes("round_to_bits")
def write_round_to_bits(part: Part) -> None:
    """Write rounding to a few bits with ONNX's own operators."""
    rounding = {"ROUND": "Round", "HALF_EVEN": "Round", "CEIL": "Ceil", "FLOOR": "Floor"}.get(
        part.attributes.get("rounding", "ROUND")
    )
    if rounding is None:
        raise part.refusal(f"it rounds by {part.attributes['rounding']}")
    scale, zero = part.parameter("scale"), part.parameter("zero")
    codes = part.step("Div", part.inputs[0], scale)
    codes = part.step("Add", codes, zero) if zero else codes
    codes = part.step("Clip", codes, *(part.numbers(float(part.attributes[end])) for end in ("low", "high")))
    rounded = part.step(rounding, codes)
    part.write("Mul", part.step("Sub", rounded, zero) if zero else rounded, scale)
