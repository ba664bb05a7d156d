"""What is done to each number, arithmetic of several values, and what sums along axes."""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np

from convscope.formats.onnx.exporting.registry import EXPORTERS, exports, straight
from convscope.formats.onnx.exporting.writer import BOOL, FLOAT, Part

EXPORTERS |= {
    "sigmoid": straight("Sigmoid"),
    "tanh": straight("Tanh"),
    "absolute": straight("Abs"),
    "bnll": straight("Softplus"),
    "softsign": straight("Softsign"),
    "selu": straight("Selu"),
    "hard_swish": straight("HardSwish"),
    "erf": straight("Erf"),
    "sine": straight("Sin"),
    "cosine": straight("Cos"),
    "sign": straight("Sign"),
    "identity": straight("Identity"),
    "eltwise_max": straight("Max"),
}
_ARITHMETIC = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "raise_to": "Pow",
    "maximum": "Max",
    "minimum": "Min",
    "eltwise_product": "Mul",
}
_RELATIONS = {
    "equal": "Equal",
    "not_equal": "Equal",
    "greater": "Greater",
    "greater_or_equal": "GreaterOrEqual",
    "less": "Less",
    "less_or_equal": "LessOrEqual",
}
_LOGIC = {"and": "And", "or": "Or", "xor": "Xor"}
_SUMMARIES = {
    "mean": "ReduceMean",
    "sum": "ReduceSum",
    "maximum": "ReduceMax",
    "minimum": "ReduceMin",
    "product": "ReduceProd",
    "l1": "ReduceL1",
    "l2": "ReduceL2",
    "sum_of_squares": "ReduceSumSquare",
    "log_sum": "ReduceLogSum",
    "log_sum_exp": "ReduceLogSumExp",
}
_REDUCTIONS = {"mean": "ReduceMean", "sum": "ReduceSum", "absolute_sum": "ReduceL1"}
_REDUCTIONS |= {"sum_of_squares": "ReduceSumSquare", "max": "ReduceMax"}


@exports("relu")
def relu(part: Part) -> None:
    """Write a Relu or a LeakyRelu."""
    slope = part.attributes.get("negative_slope", 0.0)
    part.write("LeakyRelu", *part.inputs, alpha=float(slope)) if slope else part.write("Relu", *part.inputs)


@exports("elu", "hard_sigmoid")
def with_attributes(part: Part) -> None:
    """Write an Elu or a HardSigmoid."""
    if part.operation.kind == "elu":
        part.write("Elu", *part.inputs, alpha=float(part.attributes.get("alpha", 1.0)))
        return
    alpha, beta = part.attributes.get("alpha", 1 / 6), part.attributes.get("beta", 0.5)
    part.write("HardSigmoid", *part.inputs, alpha=float(alpha), beta=float(beta))


@exports("swish")
def swish(part: Part) -> None:
    """Write x times its sigmoid."""
    (value,) = part.inputs
    part.write("Mul", value, part.step("Sigmoid", _times(part, value, part.attributes.get("beta", 1.0))))


@exports("mish")
def mish(part: Part) -> None:
    """Write x tanh(softplus(x))."""
    (value,) = part.inputs
    part.write("Mul", value, part.step("Tanh", part.step("Softplus", value)))


@exports("gelu")
def gelu(part: Part) -> None:
    """Write a gelu by the error function, or its formula with tanh."""
    (value,) = part.inputs
    if part.attributes.get("approximate", "none") == "tanh":
        cube = _times(part, part.step("Pow", value, part.numbers(3.0)), 0.044715)
        share = part.step("Tanh", _times(part, part.step("Add", value, cube), sqrt(2 / pi)))
    else:
        share = part.step("Erf", _times(part, value, sqrt(0.5)))
    half = _times(part, value, 0.5)
    part.write("Mul", half, part.step("Add", share, part.numbers(1.0)))


@exports("clip")
def clip(part: Part) -> None:
    """Write a Clip."""
    bounds = [part.numbers(float(part.attributes[name])) for name in ("minimum", "maximum")]
    part.write("Clip", part.inputs[0], *bounds)


@exports("threshold")
def threshold(part: Part) -> None:
    """Write a comparison as 1 and 0."""
    limit = part.numbers(float(part.attributes.get("threshold", 0.0)))
    part.write("Cast", part.step("Greater", part.inputs[0], limit), to=FLOAT)


@exports("power")
def power(part: Part) -> None:
    """Write (shift + scale x) ^ power, without the parts that change nothing."""
    scale, shift, exponent = (
        float(part.attributes.get(*item)) for item in (("scale", 1.0), ("shift", 0.0), ("power", 1.0))
    )
    base = _shifted(part, part.inputs[0], scale, shift)
    if exponent == 0.5:
        part.write("Sqrt", base)
    elif exponent == 1:
        part.write("Identity", base)
    else:
        part.write("Pow", base, part.numbers(exponent))


@exports("exp", "log")
def exponential(part: Part) -> None:
    """Write an Exp or a Log of any base."""
    scale, shift = (float(part.attributes.get(*item)) for item in (("scale", 1.0), ("shift", 0.0)))
    base = part.attributes.get("base")
    slope = 1.0 if base is None else log(base)
    if part.operation.kind == "exp":
        part.write("Exp", _shifted(part, part.inputs[0], slope * scale, slope * shift))
        return
    found = part.step("Log", _shifted(part, part.inputs[0], scale, shift))
    part.write("Identity", _times(part, found, 1 / slope))


def _times(part: Part, value: str, factor: float) -> str:
    return value if factor == 1 else part.step("Mul", value, part.numbers(float(factor)))


def _shifted(part: Part, value: str, scale: float, shift: float) -> str:
    value = _times(part, value, scale)
    return value if shift == 0 else part.step("Add", value, part.numbers(float(shift)))


@exports("round_off")
def round_off(part: Part) -> None:
    """Write a rounding; towards 0 is that of the size, with the sign."""
    (value,), to = part.inputs, part.attributes.get("to", "nearest")
    if to == "trunc":
        part.write("Mul", part.step("Floor", part.step("Abs", value)), part.step("Sign", value))
    else:
        part.write({"nearest": "Round", "floor": "Floor", "ceil": "Ceil"}[to], value)


@exports("eltwise_sum")
def weighted_sum(part: Part) -> None:
    """Write a Sum, of products where there are coefficients."""
    coefficients = part.attributes.get("coefficients") or (1.0,) * len(part.inputs)
    terms = [_times(part, value, c) for value, c in zip(part.inputs, coefficients, strict=True)]
    part.write("Sum", *terms)


@exports(*_ARITHMETIC)
def arithmetic(part: Part) -> None:
    """Write one node for each two terms."""
    first, *others = _terms(part)
    if not others:
        part.write("Identity", first)
        return
    op_type = _ARITHMETIC[part.operation.kind]
    for other in others[:-1]:
        first = part.step(op_type, first, other)
    rounding = part.attributes.get("rounding")
    if rounding is None:
        part.write(op_type, first, others[-1])
        return
    quotient = part.step(op_type, first, others[-1])
    if rounding == "floor":
        part.write("Floor", quotient)
    else:
        part.write("Mul", part.step("Floor", part.step("Abs", quotient)), part.step("Sign", quotient))


def _terms(part: Part) -> list[str]:
    constants = [name for name in [part.parameter("operand")] if name]
    if (number := part.attributes.get("number")) is not None:
        constants.append(part.numbers(float(number)))
    return [*constants, *part.inputs] if part.attributes.get("swapped") else [*part.inputs, *constants]


@exports("compare")
def compare(part: Part) -> None:
    """Write a comparison as 1 and 0."""
    relation, terms = part.attributes["relation"], _terms(part)
    if relation in _LOGIC:
        holds = part.step(_LOGIC[relation], *(part.step("Cast", term, to=BOOL) for term in terms))
    else:
        holds = part.step(_RELATIONS[relation], *terms)
        holds = part.step("Not", holds) if relation == "not_equal" else holds
    part.write("Cast", holds, to=FLOAT)


@exports("where")
def where(part: Part) -> None:
    """Write a Where."""
    condition, *others = part.inputs
    part.write("Where", part.step("Cast", condition, to=BOOL), *others)


@exports("softmax", "log_softmax")
def softmax(part: Part) -> None:
    """Write a Softmax; over several axes it is one of rows."""
    op_type = "Softmax" if part.operation.kind == "softmax" else "LogSoftmax"
    (value,), axis = part.inputs, int(part.attributes.get("axis", 1))
    if not part.attributes.get("to_the_end"):
        part.write(op_type, value, axis=axis)
        return
    rows = part.step(op_type, part.step("Flatten", value, axis=axis), axis=1)
    part.write("Reshape", rows, part.step("Shape", value))


@exports("reduce")
def reduce(part: Part) -> None:
    """Write a summary."""
    axes = part.attributes.get("axes")
    _summary(
        part,
        _SUMMARIES[part.attributes.get("summary", "mean")],
        range(len(part.shape())) if axes is None else axes,
        keep=part.attributes.get("keep_axes", True),
    )


@exports("reduction")
def reduction(part: Part) -> None:
    """Write Caffe's summary: of all axes from one on, times a coefficient."""
    rank = len(part.shape())
    axes = range(part.attributes.get("axis", 0) % rank, rank)
    factor = float(part.attributes.get("coefficient", 1.0))
    _summary(part, _REDUCTIONS[part.attributes.get("operation", "sum")], axes, keep=False, factor=factor)


def _summary(part: Part, op_type: str, axes: object, *, keep: bool, factor: float = 1.0) -> None:
    places = [int(axis) for axis in axes]  # type: ignore[attr-defined]
    attributes: dict[str, object] = {"keepdims": int(keep)}
    if op_type == "ReduceSum":  # alone in having its axes as an input, up to version 17
        found = part.step(op_type, part.inputs[0], part.numbers(np.array(places, np.int64)), **attributes)
    else:
        found = part.step(op_type, part.inputs[0], axes=tuple(places), **attributes)
    part.write("Identity", _times(part, found, factor))


@exports("find_extreme")
def find_extreme(part: Part) -> None:
    """Write an ArgMax or an ArgMin."""
    op_type = "ArgMin" if part.attributes.get("smallest") else "ArgMax"
    attributes = {
        "axis": int(part.attributes.get("axis", 0)),
        "keepdims": int(part.attributes.get("keep_axis", True)),
        "select_last_index": int(part.attributes.get("last", False)),
    }
    part.write("Cast", part.step(op_type, *part.inputs, **attributes), to=FLOAT)


@exports("quantize")
def quantize(part: Part) -> None:
    """Write the rounding of eight bits with floats."""
    steps = part.step("Round", part.step("Div", part.inputs[0], _scales(part, "scale")))
    zero = _scales(part, "zero")
    steps = part.step("Add", steps, zero) if zero else steps
    bounds = [part.numbers(float(part.attributes.get(*item))) for item in (("low", 0), ("high", 255))]
    part.write("Clip", steps, *bounds)


@exports("dequantize")
def dequantize(part: Part) -> None:
    """Write what whole numbers stand for."""
    zero = _scales(part, "zero")
    centered = part.step("Sub", part.inputs[0], zero) if zero else part.inputs[0]
    part.write("Mul", centered, _scales(part, "scale"))


def _scales(part: Part, role: str) -> str:
    tensor = part.tensor(role)
    if tensor is None:
        return ""
    rank, axis = len(part.shape()), part.attributes.get("axis", 1)
    shape = [1] * rank if tensor.size > 1 else []
    if tensor.size > 1:
        shape[axis] = tensor.size
    return part.step("Reshape", part.parameter(role), part.numbers(np.array(shape, np.int64)))
