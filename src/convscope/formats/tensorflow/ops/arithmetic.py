"""What is done to each number: nonlinearities, and arithmetic of values with each other or with known numbers."""

from __future__ import annotations

from math import prod
from typing import Any

from convscope.formats.arithmetic import ARITHMETIC, known_first
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.functions import CHOSEN
from convscope.formats.tensorflow.ops.convolution import LAST, maps
from convscope.formats.tensorflow.tensors import WHOLE
from convscope.formats.tensorflow.translation import Operands, Translator, refuse, translates
from convscope.network.parameters import Shape

_ALONE: dict[str, tuple[str, dict[str, Any]]] = {
    "Identity": ("identity", {}),
    "StopGradient": ("identity", {}),
    "CheckNumerics": ("identity", {}),
    "CheckNumericsV2": ("identity", {}),
    "EnsureShape": ("identity", {}),
    "GuaranteeConst": ("identity", {}),
    "PreventGradient": ("identity", {}),
    "Snapshot": ("identity", {}),
    "Print": ("identity", {}),
    "DeepCopy": ("identity", {}),
    "RefIdentity": ("identity", {}),
    "Relu": ("relu", {}),
    "Relu6": ("clip", {"minimum": 0.0, "maximum": 6.0}),
    "Elu": ("elu", {}),
    "Selu": ("selu", {}),
    "Sigmoid": ("sigmoid", {}),
    "Tanh": ("tanh", {}),
    "Softplus": ("bnll", {}),
    "Softsign": ("softsign", {}),
    "Erf": ("erf", {}),
    "Sign": ("sign", {}),
    "Round": ("round_off", {}),
    "Rint": ("round_off", {}),
    "Abs": ("absolute", {}),
    "Exp": ("exp", {}),
    "Log": ("log", {}),
    "Neg": ("power", {"scale": -1.0}),
    "Square": ("power", {"power": 2.0}),
    "Sqrt": ("power", {"power": 0.5}),
    "Rsqrt": ("power", {"power": -0.5}),
    "Reciprocal": ("power", {"power": -1.0}),
    "Inv": ("power", {"power": -1.0}),
}


def _alone(kind: str, attributes: dict[str, Any]) -> Translator:
    return lambda operands: OperationPlan(
        kind, [operands.value(0)], attributes={**maps(operands), **attributes}
    )


for _op, (_kind, _attributes) in _ALONE.items():
    translates(_op)(_alone(_kind, _attributes))


@translates("LeakyRelu")
def _leaky(operands: Operands) -> OperationPlan:
    slope = operands.node.number("alpha", 0.2)
    return OperationPlan("relu", [operands.value(0)], attributes={**LAST, "negative_slope": slope})


_PAIRS = {op: kind for kind, names in ARITHMETIC.items() for op in names.tensorflow}
_ALONG_CHANNELS = {"add": ("bias", "bias"), "multiply": ("scale", "weight")}


@translates(*_PAIRS)
def _pair(operands: Operands) -> OperationPlan:
    """Arithmetic of two values; of one value with a number, with one a channel, or with any others that stretch."""
    kind = _PAIRS[operands.node.op]
    whole = WHOLE.get(operands.node.text("T"))
    if whole is not None and whole.itemsize < 4 and kind in ("add", "subtract", "multiply"):
        raise refuse(
            operands.node, "of whole numbers of so few bits, where what is too large comes around again"
        )
    constants = [place for place in (0, 1) if operands.known(place) is not None]
    if not constants:
        return OperationPlan(kind, [operands.value(0), operands.value(1)])
    constant, other = constants[0], 1 - constants[0]
    numbers = operands.known(constant)
    assert numbers is not None
    shape = operands.shape(other) if numbers.ndim else ()
    attributes = known_first(kind, constant == 0)
    if numbers.size == 1 and numbers.ndim <= len(shape):
        return OperationPlan(
            kind, [operands.value(other)], attributes={**attributes, "number": float(numbers.item())}
        )
    if kind in _ALONG_CHANNELS and len(shape) > 1 and _one_a_channel(numbers.shape, shape):
        kind, role = _ALONG_CHANNELS[kind]
        return OperationPlan(
            kind,
            [operands.value(other)],
            attributes=LAST,
            parameters={role: operands.parameter(constant, "vector")},
        )
    return OperationPlan(
        kind,
        [operands.value(other)],
        attributes=attributes,
        parameters={"operand": operands.parameter(constant)},
    )


def _one_a_channel(numbers: Shape, shape: Shape) -> bool:
    return 0 < len(numbers) <= len(shape) and prod(numbers) == numbers[-1] == shape[-1]


@translates("AddN", "AccumulateNV2")
def _add_n(operands: Operands) -> OperationPlan:
    return OperationPlan("add", [operands.value(place) for place in range(len(operands))])


@translates("SquaredDifference")
def _squared_difference(operands: Operands) -> OperationPlan:
    """``(a - b)^2``, of which `tf.nn.moments` makes variances."""
    return OperationPlan("squared_difference", [operands.value(0), operands.value(1)])


_RELATIONS = {
    "Equal": "equal",
    "NotEqual": "not_equal",
    "Greater": "greater",
    "GreaterEqual": "greater_or_equal",
    "Less": "less",
    "LessEqual": "less_or_equal",
    "LogicalAnd": "and",
    "LogicalOr": "or",
}


@translates(*_RELATIONS)
def _compare(operands: Operands) -> OperationPlan:
    relation = {"relation": _RELATIONS[operands.node.op]}
    return OperationPlan("compare", [operands.value(0), operands.value(1)], {}, relation)


@translates("Select", "SelectV2")
def _select(operands: Operands) -> OperationPlan:
    condition = operands.shape(0)
    whole_rows = operands.node.op == "Select" and len(condition) == 1 and len(operands.shape(1)) > 1
    return OperationPlan(
        "where", [operands.value(place) for place in range(3)], {}, {"rows": True} if whole_rows else {}
    )


@translates(CHOSEN)
def _branch(operands: Operands) -> OperationPlan:
    """What one of two branches gives, both of which are worked out where the picture says which it is."""
    condition = operands.known(0)
    if condition is not None and condition.size == 1:
        return OperationPlan("identity", [operands.value(1 if condition.item() else 2)])
    if condition is None and operands.shape(0) not in ((), (1,)):
        raise refuse(operands.node, "of more than one truth")
    if operands.shape(1) != operands.shape(2):
        raise refuse(operands.node, "whose branches give different shapes")
    return OperationPlan("where", [operands.value(place) for place in range(3)])


@translates("ClipByValue")
def _clip(operands: Operands) -> OperationPlan:
    low, high = operands.known(1), operands.known(2)
    if low is None or high is None or low.size != 1 or high.size != 1:
        return OperationPlan("clip_between", [operands.value(place) for place in range(3)])
    limits = {"minimum": float(low.item()), "maximum": float(high.item())}
    return OperationPlan("clip", [operands.value(0)], {}, {**maps(operands), **limits})
