"""What is done to each number by itself, and arithmetic of two values."""

from __future__ import annotations

from typing import Any

from convscope.formats.onnx.constants import BOOL, FLOATING
from convscope.formats.onnx.node import Node, Step
from convscope.formats.onnx.translation.registry import TRANSLATORS, plain, renamed, translates

TRANSLATORS |= {
    "Relu": plain("relu"),
    "Sigmoid": plain("sigmoid"),
    "Tanh": plain("tanh"),
    "Abs": plain("absolute"),
    "Exp": plain("exp"),
    "Log": plain("log"),
    "Neg": plain("power", scale=-1.0),
    "Sqrt": plain("power", power=0.5),
    "Reciprocal": plain("power", power=-1.0),
    "Erf": plain("erf"),
    "Sin": plain("sine"),
    "Cos": plain("cosine"),
    "Sign": plain("sign"),
    "Floor": plain("round_off", to="floor"),
    "Ceil": plain("round_off", to="ceil"),
    "Round": plain("round_off", to="nearest"),
    "Softplus": plain("bnll"),
    "Softsign": plain("softsign"),
    "HardSwish": plain("hard_swish"),
    "Mish": plain("mish"),
    "Not": plain("compare", relation="equal", number=0.0),
    "LeakyRelu": renamed("relu", negative_slope=("alpha", 0.01)),
    "Elu": renamed("elu", alpha=("alpha", 1.0)),
    "HardSigmoid": renamed("hard_sigmoid", alpha=("alpha", 0.2), beta=("beta", 0.5)),
    "Gelu": renamed("gelu", approximate=("approximate", "none")),
    "Swish": renamed("swish", beta=("alpha", 1.0)),
    # Outside training a dropout, and always an identity, changes nothing.
    "Identity": plain("identity"),
    "Dropout": plain("identity"),
}

_SELU = (1.6732632423543772, 1.0507009873554805)
_KINDS = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Pow": "raise_to",
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


@translates("Selu")
def selu(node: Node) -> Step:
    """Turn a Selu with its paper's constants into one."""
    for name, paper in zip(("alpha", "gamma"), _SELU, strict=True):
        if abs(node.attributes.get(name, paper) - paper) > 1e-6:
            raise node.refusal(f"{name} is not its paper's")
    return Step("selu", node.inputs[:1])


@translates("PRelu", inputs=2)
def prelu(node: Node) -> Step:
    """Turn a PRelu with one slope, or one a channel, into a prelu."""
    slope, shape = node.constant(1), node.shape(0)
    if slope is None or shape is None or slope.size not in (1, shape[1] if len(shape) > 1 else 1):
        raise node.refusal("its slopes are not one, or one a channel")
    return Step("prelu", node.inputs[:1], {"weight": node.inputs[1]})


@translates("Clip")
def clip(node: Node) -> Step:
    """Turn a Clip with constant bounds into a clip."""
    bounds = {}
    for index, (ours, theirs, default) in enumerate(
        (("minimum", "min", float("-inf")), ("maximum", "max", float("inf"))), start=1
    ):
        found = node.attributes.get(theirs, default)
        given = node.numbers(index, f"{theirs}imum")
        bounds[ours] = float(found if given is None else given.reshape(()))
    return Step("clip", node.inputs[:1], attributes=bounds)


@translates("Cast")
def cast(node: Node) -> Step:
    """Turn a Cast into what it does to floats: nothing, rounding towards 0, or truth as 1."""
    target = int(node.attributes["to"])
    if target == BOOL:
        return Step("compare", node.inputs[:1], attributes={"relation": "not_equal", "number": 0.0})
    if target in FLOATING or node.inputs[0] in node.whole:
        return Step("identity", node.inputs[:1])
    return Step("round_off", node.inputs[:1], attributes={"to": "trunc"})


@translates(*_KINDS, *_RELATIONS)
def arithmetic(node: Node) -> Step:
    """Turn arithmetic into ours; one constant operand becomes a number or a parameter."""
    relation = _RELATIONS.get(node.type_name)
    kind = "compare" if relation else _KINDS[node.type_name]
    attributes: dict[str, Any] = {"relation": relation} if relation else {}
    if node.type_name == "Div" and node.inputs[0] in node.whole:
        attributes["rounding"] = "trunc"
    if node.attributes.get("fmod", 0):
        raise node.refusal("fmod keeps the first operand's sign")
    constants = [index for index in range(len(node.inputs)) if node.constant(index)]
    if len(constants) != 1 or len(node.inputs) != 2:
        return Step(kind, node.inputs, attributes=attributes)
    (index,) = constants
    if index == 0 and node.type_name in _ORDERED:
        attributes["swapped"] = True
    found, other = node.constants[node.inputs[index]], node.shape(1 - index)
    if found.size == 1 and other is not None and len(found.shape) <= len(other):
        return Step(
            kind, (node.inputs[1 - index],), {}, {**attributes, "number": float(found.array.reshape(()))}
        )
    if found.whole or (other is not None and len(other) < 2):  # sizes: their numbers must stay known
        attributes.pop("swapped", None)
        return Step(kind, node.inputs, attributes=attributes)
    return Step(kind, (node.inputs[1 - index],), {"operand": node.inputs[index]}, attributes)


@translates("Mean")
def mean(node: Node) -> Step:
    """Turn a Mean of several values of one shape into a sum with coefficients."""
    share = 1 / len(node.inputs)
    return Step("eltwise_sum", node.inputs, attributes={"coefficients": (share,) * len(node.inputs)})


@translates("Where", inputs=3)
def where(node: Node) -> Step:
    """Turn a Where into one."""
    return Step("where", node.inputs)
