"""Arithmetic and comparisons of two values, bounds and types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from convscope.formats.onnx.constants import named_type
from convscope.formats.onnx.element_types import (
    BFLOAT16,
    BITS,
    BOOL,
    DOUBLE,
    FLOAT,
    FLOAT4E2M1,
    FLOAT8E8M0,
    FLOAT16,
    FLOATING,
    NAMES,
    SMALL_FLOATS,
    STRING,
    UNSIGNED,
    range_of,
    type_named,
)
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import (
    reads,
    writes,
)
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan

_KINDS = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Pow": "pow",
    "Mod": "remainder",
    "Sum": "add",
    "Max": "maximum",
    "Min": "minimum",
}


_RELATIONS = {
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_or_equal",
    "Less": "less",
    "LessOrEqual": "less_or_equal",
    "And": "and",
    "Or": "or",
    "Xor": "xor",
}


_ORDERED = {"Sub", "Div", "Pow", "Mod", *_RELATIONS}


@reads("Clip")
def read_clip(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a Clip into a clip, or into a maximum and a minimum where its bounds are worked out."""
    ends = [("maximum", 1), ("minimum", 2)]
    if any(node.has(at) and node.constant(at) is None for _, at in ends):
        there = [(kind, at) for kind, at in ends if node.has(at)]
        return [
            OperationPlan(kind, (node.inputs[0] if index == 0 else "", node.inputs[at]))
            for index, (kind, at) in enumerate(there)
        ]
    bounds = {}
    for index, (ours, theirs, default) in enumerate(
        (("minimum", "min", float("-inf")), ("maximum", "max", float("inf"))), start=1
    ):
        bound = node.attributes.get(theirs, default)
        given = node.numbers(index, f"{theirs}imum")
        bounds[ours] = float(bound if given is None else given.reshape(()))
    return OperationPlan("clip", node.inputs[:1], attributes=bounds)


@reads("Cast")
def read_cast(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a Cast into what it does to floats: rounding, truth as 1, or nothing."""
    return _cast_to(node, type_named(node.attributes["to"]))


@reads("CastLike", inputs=2)
def read_cast_like(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a CastLike into a cast to the other's type."""
    return _cast_to(node, node.type_of(1))


def _cast_to(node: Node, target: int) -> OperationPlan | Sequence[OperationPlan]:
    (value, *_), saturate = node.inputs, bool(node.attributes.get("saturate", 1))
    if target == BOOL:
        return OperationPlan("compare", (value,), attributes={"relation": "not_equal", "number": 0.0})
    if target in (STRING, FLOAT8E8M0) or target not in {*FLOATING, *BITS}:
        raise node.refusal(f"it turns numbers into {named_type(target)}")
    rounds = target in (FLOAT16, BFLOAT16) and node.type_of(0) in (FLOAT, DOUBLE, FLOAT16, BFLOAT16)
    if target in SMALL_FLOATS or (rounds and target != node.type_of(0)):
        plain = {
            "type": NAMES[target],
            "saturate": saturate or target not in SMALL_FLOATS or target == FLOAT4E2M1,
        }
        return OperationPlan("round_to_type", (value,), attributes=plain)
    if target in FLOATING or (node.is_whole(0) and _holds(target, node.type_of(0))):
        return OperationPlan("identity", (value,))
    plans = [] if node.is_whole(0) else [cut_off(value)]
    if not node.is_whole(0) and BITS[target] <= 4:
        plans = [OperationPlan("round_off", (value,), attributes={"to": "nearest"})]
    signs = node.is_integer(0) and node.type_of(0) not in UNSIGNED and target in UNSIGNED
    return [*plans, *_wrapped(target, "" if plans else value, 64 if signs else 16)]


def cut_off(value: str = "") -> OperationPlan:
    """Return what makes fractions whole numbers as C does: toward zero."""
    return OperationPlan("round_off", (value,), attributes={"to": "trunc"})


def _holds(target: int, source: int) -> bool:
    """Whether every number of a type is one of another type too."""
    if source == BOOL or (BITS[target] > 32 and target not in UNSIGNED):
        return True
    (low, high), (least, most) = range_of(target), range_of(source)
    return low <= least and most <= high


def _wrapped(kind: int, value: str, most: int = 16) -> list[OperationPlan]:
    """Return what keeps whole numbers in a type of few bits; those of `most` and less."""
    if kind not in BITS or BITS[kind] > most:
        return [OperationPlan("identity", (value,))] if value else []
    return [OperationPlan("wrap", (value,), attributes={"bits": BITS[kind], "signed": kind not in UNSIGNED})]


@reads(*_KINDS, *_RELATIONS)
def read_arithmetic(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn arithmetic into ours; whole numbers of few bits come around again when they are too large."""
    if node.opset < 7 and _lies_along_axis(node):
        return _stretched_from_axis(node)
    plan = _arithmetic(node)
    if not node.is_integer(0) or node.type_name not in ("Add", "Sub", "Mul", "Pow", "Sum"):
        return plan
    of_fractions = node.type_name == "Pow" and not node.is_whole(1)
    return [plan, *([cut_off()] if of_fractions else []), *_come_around(node)]


def _come_around(node: Node) -> list[OperationPlan]:
    """Return what keeps whole numbers in the type of a node's first input."""
    most = 16  # sizes and places in them are never that large
    if node.is_map(0):
        most = 64 if node.type_of(0) in UNSIGNED else 32
    return _wrapped(node.type_of(0), "", most)


@reads("Neg", "Abs")
def read_sign(node: Node) -> Sequence[OperationPlan]:
    """Turn a Neg or an Abs into one; the least whole number of few bits comes around again."""
    turned = OperationPlan("absolute", node.inputs[:1])
    if node.type_name == "Neg":
        turned = OperationPlan("power", node.inputs[:1], attributes={"scale": -1.0})
    return [turned, *(_come_around(node) if node.is_integer(0) else [])]


def _lies_along_axis(node: Node) -> bool:
    """Whether the second operand has fewer axes than the first, and lies along some of them."""
    signs = [
        node.attributes.get(name, 0) for name in ("broadcast", "axis")
    ]  # both count for operands of one shape too
    return bool(signs[0]) and node.rank(1) < node.rank()


def _stretched_from_axis(node: Node) -> Sequence[OperationPlan]:
    """Return arithmetic as before opset 7: the second operand lies along the first's axes from `axis` on."""
    (first, second), rank, shape = node.inputs, node.rank(), node.shape(1) or ()
    axis = int(node.attributes.get("axis", rank - len(shape)))
    behind = rank - (axis + rank if axis < 0 else axis) - len(shape)
    if behind < 0:
        raise node.refusal(f"an operand of {len(shape)} axes does not lie along axis {axis} of {rank}")
    if (constant := node.constant(1)) is not None:
        stretched = (*shape, *[1] * behind)
        name = node.derived("operand", stretched, lambda: constant.load().reshape(stretched), constant.type)
        return [_arithmetic(replace(node, inputs=(first, name)))]
    unsqueeze = OperationPlan("unsqueeze", (second,), attributes={"axes": tuple(range(-behind, 0))})
    plan = _arithmetic(node)
    return [unsqueeze, replace(plan, inputs=(first, ""))] if behind else [plan]


def _arithmetic(node: Node) -> OperationPlan:
    """Return the operation itself; one constant operand becomes a number or a parameter."""
    relation = _RELATIONS.get(node.type_name)
    kind = "compare" if relation else _KINDS[node.type_name]
    attributes: dict[str, Any] = {"relation": relation} if relation else {}
    if node.type_name == "Div" and node.is_integer(0):
        attributes["rounding"] = "trunc"
    if node.attributes.get("fmod", 0):
        kind = "fmod"
    if len(node.inputs) == 1:
        return OperationPlan("identity", node.inputs)
    constants = [index for index in range(len(node.inputs)) if node.constant(index)]
    if len(constants) != 1 or len(node.inputs) != 2:
        return OperationPlan(kind, node.inputs, attributes=attributes)
    (index,) = constants
    if index == 0 and node.type_name in _ORDERED:
        attributes["swapped"] = True
    constant, other = node.constants[node.inputs[index]], node.shape(1 - index)
    if constant.size == 1 and other is not None and len(constant.shape) <= len(other):
        return OperationPlan(
            kind, (node.inputs[1 - index],), {}, {**attributes, "number": float(constant.array.reshape(()))}
        )
    if constant.whole or (other is not None and len(other) < 2):  # sizes: their numbers must stay known
        attributes.pop("swapped", None)
        return OperationPlan(kind, node.inputs, attributes=attributes)
    return OperationPlan(kind, (node.inputs[1 - index],), {"operand": node.inputs[index]}, attributes)


@reads("Mean")
def read_mean(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a Mean of values of one shape into a sum with coefficients, of others into a share of their sum."""
    share = 1 / len(node.inputs)
    if len({node.shape(index) for index in range(len(node.inputs))}) > 1:
        total = OperationPlan("add", node.inputs)
        return [total, OperationPlan("multiply", ("",), attributes={"number": share})]
    return OperationPlan("eltwise_sum", node.inputs, attributes={"coefficients": (share,) * len(node.inputs)})


@reads("Where", inputs=3)
def read_where(node: Node) -> OperationPlan:
    """Turn a Where into one."""
    return OperationPlan("where", node.inputs)


_ARITHMETIC = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "pow": "Pow",
    "maximum": "Max",
    "minimum": "Min",
    "eltwise_product": "Mul",
}


_COMPARISONS = {
    "equal": "Equal",
    "not_equal": "Equal",
    "greater": "Greater",
    "greater_or_equal": "GreaterOrEqual",
    "less": "Less",
    "less_or_equal": "LessOrEqual",
}


_LOGIC = {"and": "And", "or": "Or", "xor": "Xor"}


@writes("clip")
def write_clip(part: Part) -> None:
    """Write a Clip."""
    bounds = [part.numbers(float(part.attributes[name])) for name in ("minimum", "maximum")]
    part.write("Clip", part.inputs[0], *bounds)


@writes("eltwise_sum")
def write_weighted_sum(part: Part) -> None:
    """Write a Sum, of products where there are coefficients."""
    coefficients = part.attributes.get("coefficients") or (1.0,) * len(part.inputs)
    terms = [part.scaled(value, c) for value, c in zip(part.inputs, coefficients, strict=True)]
    part.write("Sum", *terms)


@writes(*_ARITHMETIC)
def write_arithmetic(part: Part) -> None:
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


@writes("fmod")
def write_fmod(part: Part) -> None:
    """Write a Mod with the first's sign."""
    part.write("Mod", *_terms(part), fmod=1)


@writes("compare")
def write_compare(part: Part) -> None:
    """Write a comparison as 1 and 0."""
    relation, terms = part.attributes["relation"], _terms(part)
    if relation in _LOGIC:
        holds = part.step(_LOGIC[relation], *(part.step("Cast", term, to=BOOL) for term in terms))
    else:
        holds = part.step(_COMPARISONS[relation], *terms)
        holds = part.step("Not", holds) if relation == "not_equal" else holds
    part.write("Cast", holds, to=FLOAT)


@writes("where")
def write_where(part: Part) -> None:
    """Write a Where."""
    condition, *others = part.inputs
    part.write("Where", part.step("Cast", condition, to=BOOL), *others)
