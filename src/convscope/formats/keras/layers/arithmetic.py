"""Functions of ``keras.ops`` (and of TensorFlow) that compute with each number, or multiply matrices."""

from __future__ import annotations

from typing import Any

from convscope.formats.keras.layers.functions import name_of, setting
from convscope.formats.keras.layers.operands import (
    AS_FLOATS,
    aten,
    axis_of,
    keras_and_tensorflow,
    operands,
)
from convscope.formats.keras.layers.translation import Steps, Use
from convscope.formats.operation_plan import OperationPlan

_ELEMENTWISE = (
    "arccos arccosh arcsin arcsinh arctan arctanh tan sinh cosh log1p log2 log10 expm1 exp2 sinc erfinv deg2rad "
    "rad2deg arctan2 hypot logaddexp logaddexp2 xlogy heaviside copysign fmax fmin inner trunc"
)
_TRUTHS = {"isfinite": "isfinite", "isinf": "isinf", "signbit": "signbit", "logical_not": "logical_not"}


@keras_and_tensorflow(*_ELEMENTWISE.split())
def _elementwise(use: Use) -> Steps:
    return [operands(use).plan(name_of(use))]


@keras_and_tensorflow("conjugate", "real", "positive")
def _unchanged(use: Use) -> Steps:
    return [OperationPlan("identity", (0,))]


@keras_and_tensorflow("fix")
def _fix(use: Use) -> Steps:
    return [OperationPlan("round_off", attributes={"to": "trunc"})]


@keras_and_tensorflow(*_TRUTHS)
def _truth(use: Use) -> Steps:
    """As 1 and 0."""
    return [
        operands(use).plan(_TRUTHS[name_of(use)], first=1),
        AS_FLOATS,
    ]


@keras_and_tensorflow("floor_divide", "floordiv")
def _floor_divide(use: Use) -> Steps:
    return [operands(use).plan("floor_divide")]


@keras_and_tensorflow("mod", "floormod")
def _remainder(use: Use) -> Steps:
    return [operands(use).plan("remainder")]


@keras_and_tensorflow("power", "pow")
def _power(use: Use) -> Steps:
    return [operands(use).plan("pow")]


@keras_and_tensorflow("nan_to_num")
def _nan_to_num(use: Use) -> Steps:
    terms = [setting(use, at, name) for at, name in enumerate(("nan", "posinf", "neginf"))]
    return [aten("nan_to_num", "$0", *terms)]


@keras_and_tensorflow("matmul", "linalg_matmul", "batch_matmul")
def _matmul(use: Use) -> Steps:
    transposes = [
        setting(use, 9, *names, default=False)
        for names in (("transpose_a", "adj_x"), ("transpose_b", "adj_y"))
    ]
    if any(transposes):
        raise use.wrong("it turns what it multiplies around, which convscope does not know")
    return [operands(use).plan("matmul", first=2)]


@keras_and_tensorflow("einsum")
def _einsum(use: Use) -> Steps:
    call_operands = operands(use)
    equation = setting(use, 0, "subscripts", "equation")
    return [
        OperationPlan(
            "aten",
            (),
            call_operands.parameters,
            {"operator": "einsum", "arguments": (equation, call_operands.codes)},
        )
    ]


@keras_and_tensorflow("tensordot")
def _tensordot(use: Use) -> Steps:
    axes = setting(use, 0, "axes", default=2)
    if isinstance(axes, int):
        count = len(use.shapes[0])
        axes = [list(range(count - axes, count)), list(range(axes))]
    pair = tuple(tuple(one) if isinstance(one, list | tuple) else (int(one),) for one in axes)
    return [operands(use).plan("tensordot", *pair, first=2)]


@keras_and_tensorflow("cross")
def _cross(use: Use) -> Steps:
    return [operands(use).plan("linalg_cross", first=2, dim=axis_of(use, -1))]


_RELATIONS = {
    "greater": "greater",
    "greater_equal": "greater_or_equal",
    "less": "less",
    "less_equal": "less_or_equal",
    "equal": "equal",
    "not_equal": "not_equal",
    "logical_and": "and",
    "logical_or": "or",
    "logical_xor": "xor",
}


@keras_and_tensorflow(*_RELATIONS)
def _compare(use: Use) -> Steps:
    call_operands, relation = operands(use), _RELATIONS[name_of(use)]
    plain = [code for code in call_operands.codes if not isinstance(code, str)]
    attributes: dict[str, Any] = {"relation": relation}
    if plain:
        attributes |= {"number": float(plain[0]), "swapped": call_operands.codes[0] is plain[0]}
    elif call_operands.parameters:
        attributes["swapped"] = call_operands.codes[0] == f"${next(iter(call_operands.parameters))}"
    roles = dict.fromkeys(call_operands.parameters and ("operand",), "constant0")
    return [OperationPlan("compare", (), roles, attributes)]


@keras_and_tensorflow("ones_like", "zeros_like", "full_like")
def _like(use: Use) -> Steps:
    value = {"ones_like": 1.0, "zeros_like": 0.0}.get(name_of(use), setting(use, 0, "fill_value"))
    if not isinstance(value, int | float):
        raise use.wrong("it fills with what another layer says, which convscope does not know")
    return [aten("full_like", "$0", float(value))]


@keras_and_tensorflow("tril", "triu")
def _triangle(use: Use) -> Steps:
    return [aten(name_of(use), "$0", int(setting(use, 0, "k", default=0)))]
