"""What is done to each number by itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi, sqrt

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import (
    READERS,
    WRITERS,
    plain,
    reads,
    renamed,
    straight,
    writes,
)
from convscope.formats.onnx.writer import FLOAT, Part
from convscope.formats.operation_plan import OperationPlan

# Functions that ONNX and torch both have, and convscope has no operation of its own for.
_ATEN = {"Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh"}
_ATEN |= {"Cosh": "cosh", "Sinh": "sinh", "Tan": "tan"}

READERS |= {
    "Relu": plain("relu"),
    "Sigmoid": plain("sigmoid"),
    "Tanh": plain("tanh"),
    "Exp": plain("exp"),
    "Log": plain("log"),
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
    "Celu": renamed("celu", alpha=("alpha", 1.0)),
    "Shrink": renamed("shrink", threshold=("lambd", 0.5), shift=("bias", 0.0)),
    "IsNaN": plain("is_nan"),
    "Det": plain("aten", operator="linalg_det", arguments=("$0",)),
    "Identity": plain("identity"),
    **{name: plain("aten", operator=torch_name, arguments=("$0",)) for name, torch_name in _ATEN.items()},
}


_SELU = (1.6732632423543772, 1.0507009873554805)


@reads("SwiGLU", inputs=2)
def read_gated_swish(node: Node) -> list[OperationPlan]:
    """Turn a SwiGLU into a swish of its gate, times the other input."""
    beta = {"beta": float(node.attributes.get("alpha", 1.0))}
    return [
        OperationPlan("swish", node.inputs[:1], attributes=beta),
        OperationPlan("multiply", ("", node.inputs[1])),
    ]


@reads("Dropout")
def read_dropout(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a Dropout into what it is outside training: nothing, and since opset 12 a mask of ones.

    What the mask of an earlier one holds nobody says: onnxruntime fills it with zeros.
    """
    training = node.numbers(2, "training_mode")
    if training is not None and bool(training.all()):
        ratio = node.numbers(1, "ratio")
        if ratio is None or float(ratio.reshape(-1)[0]) != 0:
            raise node.refusal("it drops numbers at random (training_mode): export the network for inference")
    if node.makes(1) and node.opset >= 12:
        return OperationPlan("dropout_mask", node.inputs[:1], outputs=2)
    return OperationPlan("identity", node.inputs[:1])


@reads("Selu")
def read_selu(node: Node) -> OperationPlan:
    """Turn a Selu into one, or into a scaled elu where its constants are not the paper's."""
    alpha, gamma = (
        float(node.attributes.get(name, paper)) for name, paper in zip(("alpha", "gamma"), _SELU, strict=True)
    )
    if all(abs(value - paper) <= 1e-6 for value, paper in zip((alpha, gamma), _SELU, strict=True)):
        return OperationPlan("selu", node.inputs[:1])
    return OperationPlan("elu", node.inputs[:1], attributes={"alpha": alpha, "scale": gamma})


@reads("IsInf")
def read_infinite(node: Node) -> OperationPlan:
    """Turn an IsInf into one."""
    signs = {name: bool(node.attributes.get(f"detect_{name}", 1)) for name in ("negative", "positive")}
    return OperationPlan("is_infinite", node.inputs[:1], attributes=signs)


@reads("PRelu", inputs=2)
def read_prelu(node: Node) -> OperationPlan | Sequence[OperationPlan]:
    """Turn a PRelu into one where its slopes lie along the channels, else into what it is made of."""
    slope, shape, (value, name, *_) = node.constant(1), node.shape(0) or (), node.inputs
    channels = shape[1] if len(shape) > 1 else 1
    along = node.opset < 7 or (slope is not None and slope.shape == (channels, *[1] * (len(shape) - 2)))
    if slope is not None and (slope.size == 1 or (along and slope.size == channels)):
        return OperationPlan("prelu", (value,), {"weight": name})
    below = OperationPlan("minimum", (value,), attributes={"number": 0.0})
    times = OperationPlan("multiply", ("", name)) if slope is None else None
    times = times or OperationPlan("multiply", ("",), {"operand": name})
    above = OperationPlan("relu", (value,))
    return [below, times, above, OperationPlan("add", ("#1", "#2"))]


WRITERS |= {
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


@writes("relu")
def write_relu(part: Part) -> None:
    """Write a Relu or a LeakyRelu."""
    slope = part.attributes.get("negative_slope", 0.0)
    part.write("LeakyRelu", *part.inputs, alpha=float(slope)) if slope else part.write("Relu", *part.inputs)


@writes("elu", "hard_sigmoid")
def write_with_attributes(part: Part) -> None:
    """Write an Elu or a HardSigmoid."""
    if part.operation.kind == "elu":
        alpha, scale = (float(part.attributes.get(name, 1.0)) for name in ("alpha", "scale"))
        if scale == 1:
            part.write("Elu", *part.inputs, alpha=alpha)
        else:
            part.write("Selu", *part.inputs, alpha=alpha, gamma=scale)
        return
    alpha, beta = part.attributes.get("alpha", 1 / 6), part.attributes.get("beta", 0.5)
    part.write("HardSigmoid", *part.inputs, alpha=float(alpha), beta=float(beta))


@writes("swish")
def write_swish(part: Part) -> None:
    """Write x times its sigmoid."""
    (value,) = part.inputs
    part.write("Mul", value, part.step("Sigmoid", part.scaled(value, part.attributes.get("beta", 1.0))))


@writes("mish")
def write_mish(part: Part) -> None:
    """Write x tanh(softplus(x))."""
    (value,) = part.inputs
    part.write("Mul", value, part.step("Tanh", part.step("Softplus", value)))


@writes("gelu")
def write_gelu(part: Part) -> None:
    """Write a gelu by the error function, or its formula with tanh."""
    (value,) = part.inputs
    if part.attributes.get("approximate", "none") == "tanh":
        cube = part.scaled(part.step("Pow", value, part.numbers(3.0)), 0.044715)
        share = part.step("Tanh", part.scaled(part.step("Add", value, cube), sqrt(2 / pi)))
    else:
        share = part.step("Erf", part.scaled(value, sqrt(0.5)))
    half = part.scaled(value, 0.5)
    part.write("Mul", half, part.step("Add", share, part.numbers(1.0)))


@writes("threshold")
def write_threshold(part: Part) -> None:
    """Write a comparison as 1 and 0."""
    limit = part.numbers(float(part.attributes.get("threshold", 0.0)))
    part.write("Cast", part.step("Greater", part.inputs[0], limit), to=FLOAT)


@writes("power")
def write_power(part: Part) -> None:
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


@writes("exp", "log")
def write_exponential(part: Part) -> None:
    """Write an Exp or a Log of any base."""
    scale, shift = (float(part.attributes.get(*item)) for item in (("scale", 1.0), ("shift", 0.0)))
    base = part.attributes.get("base")
    slope = 1.0 if base is None else log(base)
    if part.operation.kind == "exp":
        part.write("Exp", _shifted(part, part.inputs[0], slope * scale, slope * shift))
        return
    exponent = part.step("Log", _shifted(part, part.inputs[0], scale, shift))
    part.write("Identity", part.scaled(exponent, 1 / slope))


def _shifted(part: Part, value: str, scale: float, shift: float) -> str:
    value = part.scaled(value, scale)
    return value if shift == 0 else part.step("Add", value, part.numbers(float(shift)))


@writes("round_off")
def write_round_off(part: Part) -> None:
    """Write a rounding; towards 0 is that of the size, with the sign."""
    (value,), to = part.inputs, part.attributes.get("to", "nearest")
    if to == "trunc":
        part.write("Mul", part.step("Floor", part.step("Abs", value)), part.step("Sign", value))
    else:
        part.write({"nearest": "Round", "floor": "Floor", "ceil": "Ceil"}[to], value)


@writes("prelu")
def write_prelu(part: Part) -> None:
    """Write a PRelu whose slopes lie along the channels."""
    slopes = part.tensor("weight")
    count = 1 if slopes is None else slopes.size
    shape = [count, *[1] * (len(part.shape()) - 2)] if count > 1 else [1]
    part.write("PRelu", part.inputs[0], part.step("Reshape", part.parameter("weight"), part.numbers(shape)))
