"""Caffe's layer for an operation that came from another format, where Caffe has one that does exactly the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from numpy import float32

from convscope.errors import ConvscopeError, InputError
from convscope.formats.caffe.layers import translate
from convscope.formats.caffe.message import Message
from convscope.network.graph import Operation
from convscope.network.operations import OPERATIONS
from convscope.network.parameters import Parameters

Settings = Mapping[str, Any]
Fields = dict[str, Any]


def layer_of(operation: Operation, parameters: Parameters) -> Message:
    """Return the layer that Caffe, and this reader, understand as this operation.

    What was written is read again and has to be the same operation: a setting that Caffe has no word for, or another
    default for, raises InputError with the layer's name.
    """
    if operation.kind not in _LAYERS:
        raise _unsaid(operation, f"Caffe has no {operation.kind}")
    type_name, message, fields_of = _LAYERS[operation.kind]
    settings = _with_defaults(operation.kind, operation.attributes)
    layer = Message("LayerParameter", name=operation.name, type=type_name)
    layer.bottom, layer.top = (
        [value.partition("@")[0] for value in values] for values in (operation.inputs, operation.outputs)
    )
    fields = fields_of(settings)
    if weight := operation.parameters.get("weight"):
        shape = parameters.shapes[weight]
        fields |= {"num_output": shape[0], "bias_term": "bias" in operation.parameters}
        if operation.kind == "convolution":
            fields["kernel_size"] = list(shape[2:])
    target = layer.ensure(message) if fields else layer
    for name, value in fields.items():
        setattr(target, name, value)
    _require_same(operation, settings, layer)
    return layer


def _require_same(operation: Operation, settings: Settings, layer: Message) -> None:
    try:
        plan = translate(layer).plan
    except ConvscopeError as error:
        raise _unsaid(operation, str(error)) from error
    assert plan is not None
    again = _with_defaults(plan.kind, plan.attributes)
    differing = [name for name in settings if again.get(name) != settings[name]]
    if plan.kind != operation.kind or differing or set(plan.parameters) != set(operation.parameters):
        what = ", ".join(f"{name}={settings[name]!r}" for name in differing) or plan.kind
        raise _unsaid(operation, f"Caffe has no {operation.kind} with {what}")


def _unsaid(operation: Operation, reason: str) -> InputError:
    return InputError(
        f"layer {operation.name!r} cannot be saved as Caffe's ({reason}): save a .convscope, or an .onnx"
    )


def _with_defaults(kind: str, attributes: Settings) -> Fields:
    """Return all settings, sizes for each axis, numbers as Caffe keeps them: two ways to say the same are equal."""
    defaults = {
        name: parameter.default
        for name, parameter in signature(OPERATIONS[kind]).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
    }
    values = {name: value for name, value in {**defaults, **attributes}.items() if value is not None}
    values = {name: float32(value) if isinstance(value, float) else value for name, value in values.items()}
    for name in ("kernel", "stride", "padding", "dilation"):
        if name in values and isinstance(values[name], int):
            values[name] = (values[name], values[name])
    return values


def _convolution(settings: Settings) -> Fields:
    sizes = {"stride": settings["stride"], "pad": settings["padding"], "dilation": settings["dilation"]}
    return {name: list(size) for name, size in sizes.items()} | {"group": settings["groups"]}


def _pooling(method: str) -> Callable[[Settings], Fields]:
    def fields(settings: Settings) -> Fields:
        words = {"kernel": "kernel", "stride": "stride", "padding": "pad"}
        sizes = {
            f"{word}_{axis}": size
            for name, word in words.items()
            for axis, size in zip("hw", settings[name], strict=False)
        }
        return {"pool": method, **sizes, "round_mode": str(settings["rounding"]).upper()}

    return fields


def _nothing(_: Settings) -> Fields:
    return {}


def _axis(settings: Settings) -> Fields:
    return {"axis": settings["axis"]}


# Each operation's type in Caffe, the message that holds its settings, and those settings as fields.
_LAYERS: dict[str, tuple[str, str, Callable[[Settings], Fields]]] = {
    "convolution": ("Convolution", "convolution_param", _convolution),
    "dense": ("InnerProduct", "inner_product_param", _axis),
    "relu": ("ReLU", "relu_param", lambda settings: {"negative_slope": float(settings["negative_slope"])}),
    "sigmoid": ("Sigmoid", "sigmoid_param", _nothing),
    "tanh": ("TanH", "tanh_param", _nothing),
    "identity": ("Dropout", "dropout_param", _nothing),
    "max_pool": ("Pooling", "pooling_param", _pooling("MAX")),
    "average_pool": ("Pooling", "pooling_param", _pooling("AVE")),
    "global_max_pool": ("Pooling", "pooling_param", lambda _: {"pool": "MAX", "global_pooling": True}),
    "global_average_pool": ("Pooling", "pooling_param", lambda _: {"pool": "AVE", "global_pooling": True}),
    "concat": ("Concat", "concat_param", _axis),
    "flatten": ("Flatten", "flatten_param", _axis),
    "softmax": ("Softmax", "softmax_param", _axis),
}
