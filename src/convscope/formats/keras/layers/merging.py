"""Several inputs into one, and arithmetic between layers."""

from __future__ import annotations

from collections.abc import Callable

from convscope.errors import UnsupportedLayer
from convscope.formats.arithmetic import ARITHMETIC, known_first
from convscope.formats.keras.layers.constants import is_array
from convscope.formats.keras.layers.registry import keras_function, keras_layer
from convscope.formats.keras.layers.translation import Steps, Use, number
from convscope.formats.keras.model import CallReference
from convscope.formats.operation_plan import OperationPlan


def _merge(use: Use, of_equals: str, of_two: str) -> Steps:
    """Return one operation for inputs of one shape, else pairs of them, whose sizes of 1 stretch."""
    if of_equals and len(set(use.shapes)) == 1 and len(use.shapes) > 1:
        return [OperationPlan(of_equals, attributes=use.on_maps())]
    if len({len(shape) for shape in use.shapes}) != 1 or len(use.shapes) < 2:
        raise use.wrong(f"it merges inputs of the shapes {', '.join(map(str, use.shapes))}")
    return [
        OperationPlan(of_two, ("" if at > 1 else 0, at), attributes=use.on_maps())
        for at in range(1, len(use.shapes))
    ]


def _of_two(use: Use, kind: str) -> Steps:
    if len({len(shape) for shape in use.shapes}) == 1:
        return _merge(use, "", kind)
    return [OperationPlan(kind)]  # the smaller one stretches from its last axis on, as Keras has them


_MERGES = {  # for inputs of one shape, for pairs of others
    "Add": ("eltwise_sum", "add"),
    "Multiply": ("eltwise_product", "multiply"),
    "Maximum": ("", "maximum"),
    "Minimum": ("", "minimum"),
    "Subtract": ("", "subtract"),
}


def _merging(of_equals: str, of_two: str) -> Callable[[Use], Steps]:
    return lambda use: _merge(use, of_equals, of_two)


for _name, _kinds in _MERGES.items():
    keras_layer(_name)(_merging(*_kinds))


@keras_layer("Average")
def _average(use: Use) -> Steps:
    share = 1 / len(use.shapes)
    if len(set(use.shapes)) == 1:
        return [OperationPlan("eltwise_sum", attributes=use.on_maps(coefficients=(share,) * len(use.shapes)))]
    return [
        *_merge(use, "", "add"),
        OperationPlan("multiply", attributes=use.on_maps(number=share), label="mean"),
    ]


@keras_layer("CustomScaleLayer")
def _scaled_sum(use: Use) -> Steps:
    """Inception-ResNet's residual connection: the first input, and a share of the second."""
    return [
        OperationPlan(
            "eltwise_sum", attributes=use.on_maps(coefficients=(1.0, number(use.config.get("scale", 1.0))))
        )
    ]


@keras_layer("Concatenate")
def _concatenate(use: Use) -> Steps:
    return [OperationPlan("concat", attributes={"axis": int(use.config.get("axis", -1))})]


def _arithmetic(kind: str) -> Callable[[Use], Steps]:
    def translate(use: Use) -> Steps:
        given = [
            *use.call.arguments,
            *(use.call.keywords[key] for key in ("y", "x2") if key in use.call.keywords),
        ]
        if len(given) != 2 or not any(isinstance(operand, CallReference) for operand in given):
            raise UnsupportedLayer(f"{use.layer.name!r}: convscope knows {kind} of two operands only")
        plain = [operand for operand in given if not isinstance(operand, CallReference)]
        if not plain:
            return _of_two(use, kind)
        if is_array(plain[0]):  # it lies as Keras's own values do
            constant_first = known_first(kind, plain[0] is given[0])
            return [OperationPlan(kind, (), {"operand": "constant0"}, constant_first)]
        try:
            attributes = use.on_maps(number=number(plain[0]))
        except TypeError:
            raise use.wrong(f"convscope knows {kind} with a single plain number; this has several") from None
        return [OperationPlan(kind, attributes={**attributes, **known_first(kind, plain[0] is given[0])})]

    return translate


for _kind, _names in ARITHMETIC.items():
    if _names.keras:
        keras_function(*_names.keras)(_arithmetic(_kind))


@keras_layer("Dot")
def _dot(use: Use) -> Steps:
    """The product of two inputs along an axis of each, picture by picture."""
    if len(use.shapes) != 2 or min(map(len, use.shapes)) < 2:
        raise use.wrong(f"it multiplies inputs of the shapes {', '.join(map(str, use.shapes))}")
    axes = use.config.get("axes", -1)
    pair = [int(axis) for axis in (axes if isinstance(axes, list | tuple) else (axes, axes))]
    pair = [axis % len(shape) for axis, shape in zip(pair, use.shapes, strict=True)]
    letters = iter("abcdefghijklmnopqrst")
    terms = [
        "".join("z" if at == 0 else "k" if at == axis else next(letters) for at in range(len(shape)))
        for axis, shape in zip(pair, use.shapes, strict=True)
    ]
    rest = "".join(terms).replace("z", "").replace("k", "")
    steps, given = [], ["$0", "$1"]
    if use.config.get("normalize"):
        steps = [
            OperationPlan("unit_length", (at,), attributes={"axes": (axis,)}, label=f"length {at}")
            for at, axis in enumerate(pair)
        ]
    product = {"operator": "einsum", "arguments": (f"{','.join(terms)}->z{rest}", given)}
    inputs = ("#0", "#1") if steps else (0, 1)
    steps.append(OperationPlan("aten", inputs, {}, product))
    return (
        steps if rest else [*steps, OperationPlan("unsqueeze", ("",), attributes={"axes": (1,)}, label="row")]
    )
