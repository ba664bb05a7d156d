"""Functions of ``keras.ops`` and of TensorFlow that are called between layers."""

from __future__ import annotations

import re
from typing import Any

from convscope.formats.keras.layers.registry import keras_function
from convscope.formats.keras.layers.translation import Steps, Use
from convscope.formats.keras.model import CallReference
from convscope.formats.operation_plan import OperationPlan

_ALONE: dict[str, tuple[str, dict[str, Any]]] = {
    "absolute": ("absolute", {}),
    "abs": ("absolute", {}),
    "fabs": ("absolute", {}),
    "exp": ("exp", {}),
    "log": ("log", {}),
    "negative": ("power", {"scale": -1.0}),
    "square": ("power", {"power": 2.0}),
    "sqrt": ("power", {"power": 0.5}),
    "rsqrt": ("power", {"power": -0.5}),
    "reciprocal": ("power", {"power": -1.0}),
    "sin": ("sine", {}),
    "cos": ("cosine", {}),
    "erf": ("erf", {}),
    "sign": ("sign", {}),
    "floor": ("round_off", {"to": "floor"}),
    "ceil": ("round_off", {"to": "ceil"}),
    "round": ("round_off", {}),
    "isnan": ("is_nan", {}),
}
_SUMMARIES = {
    **dict.fromkeys(("mean", "reduce_mean"), "mean"),
    **dict.fromkeys(("sum", "reduce_sum"), "sum"),
    **dict.fromkeys(("max", "amax", "reduce_max"), "maximum"),
    **dict.fromkeys(("min", "amin", "reduce_min"), "minimum"),
    **dict.fromkeys(("prod", "reduce_prod"), "product"),
}


def setting(use: Use, place: int, *names: str, default: Any = None) -> Any:
    """Return what a function is told: by keyword, in its configuration, or in this place after what it reads."""
    for given in (use.call.keywords, use.config):
        for name in names:
            if given.get(name) is not None and not isinstance(given[name], CallReference):
                return given[name]
    plain = [one for one in use.call.arguments if not isinstance(one, CallReference)]
    return plain[place] if len(plain) > place and plain[place] is not None else default


def name_of(use: Use) -> str:
    """Return what a function is called, in snake case: of ``math.reduce_std`` the last part, of ``TopK`` top_k."""
    name = str(use.config.get("function", use.layer.class_name)).rpartition(".")[2]
    return name if name.islower() else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    """Return a function's name as Keras 3 calls its class.

    >>> camel("take_along_axis")
    'TakeAlongAxis'
    """
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def axes_of(value: Any) -> tuple[int, ...]:
    """Return one axis or several as a tuple."""
    return (int(value),) if isinstance(value, int) else tuple(map(int, value))


@keras_function(*_ALONE, *(name.capitalize() for name in _ALONE))
def _alone(use: Use) -> Steps:
    kind, attributes = _ALONE[name_of(use)]
    return [OperationPlan(kind, attributes=use.on_maps(**attributes))]


@keras_function(*_SUMMARIES, *(name.capitalize() for name in _SUMMARIES))
def _summary(use: Use) -> Steps:
    axes = setting(use, 0, "axis")
    attributes = {
        "summary": _SUMMARIES[name_of(use)],
        "axes": tuple(range(len(use.shapes[0]))) if axes is None else axes_of(axes),
        "keep_axes": bool(setting(use, 1, "keepdims", "keep_dims", default=False)),
    }
    return [OperationPlan("reduce", attributes=attributes)]


@keras_function("Reshape", "reshape")
def _reshape(use: Use) -> Steps:
    shape = setting(use, 0, "newshape", "shape")
    if not isinstance(shape, list | tuple) or not all(isinstance(size, int) for size in shape):
        raise use.wrong("its new shape is worked out from the picture")
    return [OperationPlan("reshape", attributes={"shape": tuple(shape)})]


@keras_function("Transpose", "transpose", "permute")
def _transpose(use: Use) -> Steps:
    order = setting(use, 0, "axes", "perm")
    return [OperationPlan("permute", attributes={"order": tuple(map(int, order or ()))})]


@keras_function("ExpandDims", "expand_dims")
def _expand_dims(use: Use) -> Steps:
    return [OperationPlan("unsqueeze", attributes={"axes": axes_of(setting(use, 0, "axis"))})]


@keras_function("Squeeze", "squeeze")
def _squeeze(use: Use) -> Steps:
    axes = setting(use, 0, "axis")
    return [OperationPlan("squeeze", attributes={"axes": () if axes is None else axes_of(axes)})]


@keras_function("Concatenate", "concatenate", "concat")
def _concatenate(use: Use) -> Steps:
    return [OperationPlan("concat", attributes={"axis": int(setting(use, 0, "axis", default=-1))})]


@keras_function("Softmax", "softmax", "LogSoftmax", "log_softmax")
def _softmax(use: Use) -> Steps:
    kind = "log_softmax" if name_of(use).startswith("log") else "softmax"
    return [OperationPlan(kind, attributes={"axis": int(setting(use, 0, "axis", default=-1))})]


@keras_function("Clip", "clip", "clip_by_value")
def _clip(use: Use) -> Steps:
    low = setting(use, 0, "x_min", "clip_value_min", "min_value")
    high = setting(use, 1, "x_max", "clip_value_max", "max_value")
    return [OperationPlan("clip", attributes=use.on_maps(minimum=float(low), maximum=float(high)))]


@keras_function("Copy", "copy", "Array", "ConvertToTensor", "convert_to_tensor", "Conj", "SaturateCast")
@keras_function("Identity", "identity", "StopGradient", "stop_gradient", "Cast", "cast")
def _identity(use: Use) -> Steps:
    kind = str(setting(use, 0, "dtype", default="float32"))
    if kind == "bool":
        return [OperationPlan("compare", attributes={"relation": "not_equal", "number": 0.0})]
    if "float" not in kind and "int" not in kind:
        raise use.wrong(f"it makes {kind} of its numbers")
    if "int" in kind:
        return [OperationPlan("round_off", attributes={"to": "trunc"})]
    return [OperationPlan("identity", attributes=use.on_maps())]
