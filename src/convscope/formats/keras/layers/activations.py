"""Activations: layers of their own, or the last thing another layer does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convscope.errors import did_you_mean
from convscope.formats.keras.layers.functions import axes_of, camel, name_of, setting
from convscope.formats.keras.layers.registry import keras_function, keras_layer, translate
from convscope.formats.keras.layers.translation import CUT_HERE, Steps, Use, number
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.variable import Variable
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.registration import CUSTOM_LAYERS

_PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("relu", {}),
    "relu6": ("clip", {"minimum": 0.0, "maximum": 6.0}),
    "leaky_relu": ("relu", {"negative_slope": 0.2}),
    "elu": ("elu", {}),
    "selu": ("selu", {}),
    "gelu": ("gelu", {}),
    "sigmoid": ("sigmoid", {}),
    "tanh": ("tanh", {}),
    "hard_tanh": ("clip", {"minimum": -1.0, "maximum": 1.0}),
    "softplus": ("bnll", {}),
    "softsign": ("softsign", {}),
    "swish": ("swish", {}),
    "silu": ("swish", {}),
    "hard_swish": ("hard_swish", {}),
    "hard_silu": ("hard_swish", {}),
    "mish": ("mish", {}),
    "exponential": ("exp", {}),
    "celu": ("celu", {}),
    "soft_shrink": ("shrink", {"threshold": 0.5, "shift": 0.5}),
    "hard_shrink": ("shrink", {"threshold": 0.5}),
    "tanh_shrink": ("tanh_shrink", {}),
    "squareplus": ("squareplus", {}),
    "sparse_plus": ("sparse_plus", {}),
    "sparse_sigmoid": ("hard_sigmoid", {"alpha": 0.5, "beta": 0.5}),
    "log_sigmoid": ("aten", {"operator": "log_sigmoid", "arguments": ("$0",)}),
    "threshold": ("aten", {"operator": "threshold", "arguments": ("$0", 0.0, 0.0)}),
}


def activation(use: Use, default: str = "linear") -> Steps:
    """Return what a layer's ``activation`` does: nothing where it is linear, else one step or a few."""
    function = use.config.get("activation") or default
    if isinstance(function, Mapping) and function.get("class_name") not in ("function", None):
        inner = KerasLayer(use.layer.name, str(function["class_name"]), function["config"], ())
        return [
            replace(step, label=step.label or inner.class_name)
            for step in translate(replace(use, layer=inner))
        ]
    name = function.get("config") if isinstance(function, Mapping) else function
    return [] if name == "linear" else [step_named(use, str(name))]


def step_named(use: Use, name: str) -> OperationPlan:
    """Return an activation by Keras's name for it."""
    if name in ("softmax", "log_softmax"):
        return OperationPlan(name, attributes={"axis": -1}, label=name)
    if name == "hard_sigmoid":
        # Keras 3 is as steep as MobileNetV3 has it; before, it was Theano's.
        slope = 1 / 6 if use.dialect.version >= 3 else 0.2
        return OperationPlan("hard_sigmoid", attributes=use.on_maps(alpha=slope, beta=0.5), label=name)
    if name == "glu":  # along the last axis, whatever the channels' is
        return OperationPlan("aten", attributes={"operator": "glu", "arguments": ("$0", -1)}, label=name)
    if name not in _PLAIN:
        return _own_activation(use, name)
    kind, attributes = _PLAIN[name]
    return OperationPlan(kind, attributes=use.on_maps(**attributes), label=name)


def _own_activation(use: Use, name: str) -> OperationPlan:
    """Return a function of somebody's own, where it was taught; else what is before it is computed, and it is cut."""
    short = name.rpartition(">")[2]
    if short in CUSTOM_LAYERS:
        return OperationPlan(CUSTOM_LAYERS[short].kind, label=short)
    names = [*_PLAIN, "hard_sigmoid", "softmax", "log_softmax", "linear"]
    why = (
        f"layer {use.layer.name!r} has the activation {name!r}, which convscope does not know."
        f"{did_you_mean(name, names)} Teach it with register_layer({short!r}, function), a function of tensors"
    )
    return OperationPlan(CUT_HERE, attributes={"why": why})


@keras_layer("Activation")
def _activation(use: Use) -> Steps:
    return activation(use) or [OperationPlan("identity", attributes=use.on_maps())]


_FUNCTIONS = tuple(name for name in (*_PLAIN, "hard_sigmoid", "glu") if name != "exponential")
_SETTINGS = {"negative_slope": "negative_slope", "alpha": "alpha", "threshold": "threshold", "b": "b"}


@keras_function(*_FUNCTIONS, *map(camel, _FUNCTIONS))
def _function(use: Use) -> Steps:
    """As `keras.ops` has them, some with settings, and those by place as well."""
    name = name_of(use)
    step = step_named(use, name)
    if name == "threshold":
        least, other = (
            float(setting(use, at, *keys)) for at, keys in enumerate((("threshold",), ("default_value",)))
        )
        return [replace(step, attributes={**step.attributes, "arguments": ("$0", least, other)})]
    given = setting(use, 0, *_SETTINGS)
    more: dict[str, Any] = {}
    if name in ("elu", "celu") and given is not None:
        more = {"alpha": number(given)}
    if name == "leaky_relu" and given is not None:
        more = {"negative_slope": number(given)}
    if name == "squareplus" and given is not None:
        more = {"b": number(given)}
    if name in ("soft_shrink", "hard_shrink") and given is not None:
        more = {"threshold": number(given)} | ({"shift": number(given)} if name == "soft_shrink" else {})
    if name == "gelu":  # as keras.ops has it, unlike the layer
        camel_name = "function" not in use.config
        more = {"approximate": "tanh"} if setting(use, 0, "approximate", default=camel_name) else {}
    return [replace(step, attributes={**step.attributes, **more})]


@keras_layer("ReLU")
def _relu(use: Use) -> Steps:
    most, threshold = use.config.get("max_value"), use.config.get("threshold")
    slope = number(use.config.get("negative_slope") or 0.0)
    if threshold and number(threshold):
        settings = {"threshold": number(threshold), "negative_slope": slope}
        settings |= {} if most is None else {"maximum": number(most)}
        return [OperationPlan("thresholded_relu", attributes=settings)]
    if most is not None and not slope:
        return [OperationPlan("clip", attributes=use.on_maps(minimum=0.0, maximum=number(most)))]
    steps = [OperationPlan("relu", attributes=use.on_maps(**({"negative_slope": slope} if slope else {})))]
    return (
        steps
        if most is None
        else [
            *steps,
            OperationPlan("minimum", attributes=use.on_maps(number=number(most)), label="max_value"),
        ]
    )


@keras_layer("LeakyReLU")
def _leaky_relu(use: Use) -> Steps:
    slope = use.config.get("negative_slope", use.config.get("alpha", 0.3))
    return [OperationPlan("relu", attributes=use.on_maps(negative_slope=number(slope)))]


@keras_layer("ELU")
def _elu(use: Use) -> Steps:
    return [OperationPlan("elu", attributes=use.on_maps(alpha=number(use.config.get("alpha", 1.0))))]


@keras_layer("Softmax")
def _softmax(use: Use) -> Steps:
    if len(use.shapes) > 1:
        raise use.wrong("it has a mask, which convscope does not know")
    axes = axes_of(use.config.get("axis", -1))
    if len(axes) == 1:
        return [OperationPlan("softmax", attributes={"axis": axes[0]})]
    whole = {"summary": "log_sum_exp", "axes": axes, "keep_axes": True}
    return [
        OperationPlan("reduce", attributes=whole, label="log_sum_exp"),
        OperationPlan("subtract", (0, ""), label="log_softmax"),
        OperationPlan("exp", label="softmax"),
    ]


@keras_layer("PReLU", variables=lambda layer, dialect: (Variable("alpha"),))
def _prelu(use: Use) -> Steps:
    """A slope for every number of one picture, or shared along axes, where the slopes' size is 1."""
    return [OperationPlan("sloped_relu", parameters={"slopes": "alpha"})]
