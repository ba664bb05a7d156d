"""Layers with learned numbers that look at everything, at each channel, or back in time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod

from convscope.formats.caffe.layers.fillers import ONES, WEIGHTS, ZEROS, filler_of
from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import Shape, Translation, wrong
from convscope.formats.caffe.message import Message

_NVIDIA_LEAST = 1e-5  # what NVCaffe adds to a variance at least


@register_layer("InnerProduct")
def _inner_product(layer: Message) -> Translation:
    parameters = layer.inner_product_param
    if not parameters.num_output:
        raise wrong(layer, "num_output must be at least 1")

    def shapes(inputs: Sequence[Shape]) -> tuple[Shape, ...]:
        axis = parameters.axis % len(inputs[0])
        weight = (parameters.num_output, prod(inputs[0][axis:]))
        return weight[::-1] if parameters.transpose else weight, (parameters.num_output,)

    attributes = {"axis": parameters.axis, "transpose": parameters.transpose}
    return _with_bias(Translation("dense", attributes, shape_rule=shapes), parameters)


@register_layer("Embed")
def _embed(layer: Message) -> Translation:
    parameters = layer.embed_param
    if not parameters.num_output or not parameters.input_dim:
        raise wrong(layer, "num_output and input_dim must be at least 1")
    table = (parameters.input_dim, parameters.num_output)
    return _with_bias(
        Translation("embed", shape_rule=lambda inputs: (table, (parameters.num_output,))), parameters
    )


@register_layer("BatchNorm")
def _batch_norm(layer: Message) -> Translation:
    parameters = layer.batch_norm_param
    if parameters.eps < 0:
        raise wrong(layer, f"eps must not be negative, found {parameters.eps}")
    if parameters.scale_bias or parameters.has("scale_filler") or parameters.has("bias_filler"):
        return _with_scale(parameters)
    attributes = {"epsilon": parameters.eps}
    if parameters.has("use_global_stats") and not parameters.use_global_stats:
        attributes["of_batch"] = True
    # Caffe begins with zeros, which divide by epsilon: without a file the statistics are those of the identity.
    fillers = tuple(Message("FillerParameter", **filler) for filler in (ZEROS, ONES, ONES))
    return Translation(
        "batch_norm",
        attributes,
        roles=("mean", "variance", "scale_factor"),
        fillers=fillers,
        shape_rule=lambda inputs: ((inputs[0][1],), (inputs[0][1],), (1,)),
    )


def _with_scale(parameters: Message) -> Translation:
    """NVCaffe's, with its scale and bias inside: it does not divide by its third blob."""
    zeros, ones = (Message("FillerParameter", **filler) for filler in (ZEROS, ONES))
    scale, bias = filler_of(parameters, "scale_filler", ONES), filler_of(parameters, "bias_filler", ZEROS)
    return Translation(
        "batch_norm",
        {"epsilon": max(parameters.eps, _NVIDIA_LEAST), "sums": False},
        roles=("mean", "variance", "scale_factor", "weight", "bias"),
        fillers=(zeros, ones, ones, scale, bias),
        shape_rule=lambda inputs: (inputs[0][1:2], inputs[0][1:2], (1,), inputs[0][1:2], inputs[0][1:2]),
        loose=True,
    )


@register_layer("PReLU")
def _prelu(layer: Message) -> Translation:
    parameters = layer.prelu_param
    return Translation(
        "prelu",
        roles=("weight",),
        fillers=(filler_of(parameters, "filler", {"value": 0.25}),),
        shape_rule=lambda inputs: (() if parameters.channel_shared else (inputs[0][1],),),
    )


@register_layer("Scale")
def _scale(layer: Message) -> Translation:
    parameters = layer.scale_param
    own, bias = len(layer.bottom) == 1, bool(parameters.bias_term)
    blobs = [("weight", filler_of(parameters, "filler", ONES))] if own else []
    blobs += [("bias", filler_of(parameters, "bias_filler", ZEROS))] if bias else []
    return Translation(
        "scale",
        {"axis": parameters.axis},
        roles=tuple(role for role, _ in blobs),
        fillers=tuple(filler for _, filler in blobs),
        shape_rule=partial(_along_axes, axis=parameters.axis, num_axes=parameters.num_axes, blobs=len(blobs)),
    )


@register_layer("Bias")
def _bias(layer: Message) -> Translation:
    parameters = layer.bias_param
    blobs = int(len(layer.bottom) == 1)
    return Translation(
        "bias",
        {"axis": parameters.axis},
        roles=("bias",)[:blobs],
        fillers=(filler_of(parameters, "filler", ZEROS),)[:blobs],
        shape_rule=partial(_along_axes, axis=parameters.axis, num_axes=parameters.num_axes, blobs=blobs),
    )


@register_layer("LSTM")
def _lstm(layer: Message) -> Translation:
    return _recurrent(layer, "lstm", gates=4, exposed=2)


@register_layer("RNN")
def _rnn(layer: Message) -> Translation:
    return _recurrent(layer, "rnn", gates=1, exposed=1)


@register_layer("LSTMUnit")
def _lstm_unit(layer: Message) -> Translation:
    return Translation("lstm_unit")


def _recurrent(layer: Message, kind: str, gates: int, exposed: int) -> Translation:
    parameters = layer.recurrent_param
    features = parameters.num_output
    if not features:
        raise wrong(layer, "num_output must be at least 1")
    is_static = len(layer.bottom) > 2 + exposed * parameters.expose_hidden

    def shapes(inputs: Sequence[Shape]) -> tuple[Shape, ...]:
        rows = gates * features
        static = ((rows, prod(inputs[2][1:])),) if is_static else ()
        recurrent = (rows, prod(inputs[0][2:])), (rows,), *static, (rows, features)
        return recurrent if kind == "lstm" else (*recurrent, (features, features), (features,))

    roles = ("weight", "bias", *(("static_weight",) if is_static else ()), "hidden_weight")
    if kind == "rnn":
        roles = (*roles, "output_weight", "output_bias")
    weight, bias = (
        filler_of(parameters, "weight_filler", WEIGHTS),
        filler_of(parameters, "bias_filler", ZEROS),
    )
    return Translation(
        kind,
        {"expose_hidden": parameters.expose_hidden},
        roles=roles,
        fillers=tuple(bias if role.endswith("bias") else weight for role in roles),
        shape_rule=shapes,
    )


def _with_bias(translation: Translation, parameters: Message) -> Translation:
    """Return the translation with a weight and, if the layer has one, a bias."""
    blobs = 2 if parameters.bias_term else 1
    fillers = filler_of(parameters, "weight_filler", WEIGHTS), filler_of(parameters, "bias_filler", ZEROS)
    rule = translation.shape_rule
    return Translation(
        translation.kind,
        translation.attributes,
        roles=("weight", "bias")[:blobs],
        fillers=fillers[:blobs],
        shape_rule=lambda inputs: rule(inputs)[:blobs] if rule else (),
    )


def _along_axes(inputs: Sequence[Shape], *, axis: int, num_axes: int, blobs: int) -> tuple[Shape, ...]:
    """Return the shape of the first input from `axis` on, as long as the second one or as `num_axes` says."""
    if len(inputs) > 1:
        num_axes = len(inputs[1])
    start = axis % len(inputs[0])
    end = len(inputs[0]) if num_axes == -1 else start + num_axes
    return (inputs[0][start:end],) * blobs
