"""Layers with learned numbers that look at everything, at each channel, or back in time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

from convscope.formats.caffe.layers.convolutional import require_outputs
from convscope.formats.caffe.layers.fillers import ONES, WEIGHTS, ZEROS, filler_of
from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import (
    LearnedBlob,
    Shape,
    blob_per_channel,
    weight_and_bias,
    wrong,
)
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan

_NVIDIA_LEAST = 1e-5  # what NVCaffe adds to a variance at least


@register_layer("InnerProduct")
def _inner_product(layer: Message) -> OperationPlan:
    parameters = layer.inner_product_param
    require_outputs(layer, parameters)

    def matrix(inputs: Sequence[Shape]) -> Shape:
        axis = parameters.axis % len(inputs[0])
        weight = (parameters.num_output, prod(inputs[0][axis:]))
        return weight[::-1] if parameters.transpose else weight

    return OperationPlan(
        "dense",
        parameters=weight_and_bias(parameters, matrix),
        attributes={"axis": parameters.axis, "transpose": parameters.transpose},
    )


@register_layer("Embed")
def _embed(layer: Message) -> OperationPlan:
    parameters = layer.embed_param
    if not parameters.num_output or not parameters.input_dim:
        raise wrong(layer, "num_output and input_dim must be at least 1")
    table = (parameters.input_dim, parameters.num_output)
    return OperationPlan("embed", parameters=weight_and_bias(parameters, lambda inputs: table))


@register_layer("BatchNorm")
def _batch_norm(layer: Message) -> OperationPlan:
    parameters = layer.batch_norm_param
    if parameters.eps < 0:
        raise wrong(layer, f"eps must not be negative, found {parameters.eps}")
    is_intels = parameters.has("filler")
    if (
        parameters.scale_bias
        or parameters.has("scale_filler")
        or (parameters.has("bias_filler") and not is_intels)
    ):
        return _with_scale(parameters)
    attributes: dict[str, Any] = {"epsilon": parameters.eps}
    if not parameters.add_eps_before_sqrt:  # Synopsys's
        attributes["behind_root"] = True
    if parameters.has("use_global_stats") and not parameters.use_global_stats:
        attributes["of_batch"] = True
    # Caffe begins with zeros, which divide by epsilon: without a file the statistics are those of the identity.
    zeros, ones = (Message("FillerParameter", **filler) for filler in (ZEROS, ONES))
    statistics = {
        "mean": LearnedBlob(zeros, lambda inputs: (inputs[0][1],)),
        "variance": LearnedBlob(ones, lambda inputs: (inputs[0][1],)),
        "scale_factor": LearnedBlob(ones, lambda inputs: (1,)),
    }
    if is_intels and parameters.use_weight_bias:
        statistics |= _of_intel(parameters)
    return OperationPlan("batch_norm", parameters=statistics, attributes=attributes)


def _of_intel(parameters: Message) -> dict[str, LearnedBlob]:
    """Intel's scale and bias, which its weight files have where its library computed the layer, and else have not."""
    zeros, ones = (Message("FillerParameter", **filler) for filler in (ZEROS, ONES))
    of_channels = partial(LearnedBlob, shape=lambda inputs: (inputs[0][1],), optional=True)
    blobs = {"weight": of_channels(ones)}
    return blobs | ({"bias": of_channels(zeros)} if parameters.bias_term else {})


def _with_scale(parameters: Message) -> OperationPlan:
    """NVCaffe's, with its scale and bias inside: it does not divide by its third blob."""
    zeros, ones = (Message("FillerParameter", **filler) for filler in (ZEROS, ONES))
    scale, bias = filler_of(parameters, "scale_filler", ONES), filler_of(parameters, "bias_filler", ZEROS)
    return OperationPlan(
        "batch_norm",
        parameters={
            "mean": blob_per_channel(zeros),
            "variance": blob_per_channel(ones),
            "scale_factor": LearnedBlob(ones, lambda inputs: (1,), loose=True),
            "weight": blob_per_channel(scale),
            "bias": blob_per_channel(bias),
        },
        attributes={"epsilon": max(parameters.eps, _NVIDIA_LEAST), "sums": False},
    )


@register_layer("PReLU")
def _prelu(layer: Message) -> OperationPlan:
    parameters = layer.prelu_param

    def slopes(inputs: Sequence[Shape]) -> Shape:
        return () if parameters.channel_shared else (inputs[0][1],)

    slope = LearnedBlob(filler_of(parameters, "filler", {"value": 0.25}), slopes)
    return OperationPlan("prelu", parameters={"weight": slope})


@register_layer("Scale")
def _scale(layer: Message) -> OperationPlan:
    parameters = layer.scale_param
    shape = partial(_along_axes, axis=parameters.axis, num_axes=parameters.num_axes)
    blobs = {}
    if len(layer.bottom) == 1:
        blobs["weight"] = LearnedBlob(filler_of(parameters, "filler", ONES), shape)
    if parameters.bias_term:
        blobs["bias"] = LearnedBlob(filler_of(parameters, "bias_filler", ZEROS), shape)
    return OperationPlan("scale", parameters=blobs, attributes={"axis": parameters.axis})


@register_layer("Bias")
def _bias(layer: Message) -> OperationPlan:
    parameters = layer.bias_param
    shape = partial(_along_axes, axis=parameters.axis, num_axes=parameters.num_axes)
    own = {"bias": LearnedBlob(filler_of(parameters, "filler", ZEROS), shape)}
    blobs = own if len(layer.bottom) == 1 else {}
    return OperationPlan("bias", parameters=blobs, attributes={"axis": parameters.axis})


@register_layer("LSTM")
def _lstm(layer: Message) -> OperationPlan:
    return _recurrent(layer, "lstm", gates=4, exposed=2)


@register_layer("RNN")
def _rnn(layer: Message) -> OperationPlan:
    return _recurrent(layer, "rnn", gates=1, exposed=1)


@register_layer("LSTMUnit")
def _lstm_unit(layer: Message) -> OperationPlan:
    return OperationPlan("lstm_unit")


def _recurrent(layer: Message, kind: str, gates: int, exposed: int) -> OperationPlan:
    parameters = layer.recurrent_param
    features = parameters.num_output
    if not features:
        raise wrong(layer, "num_output must be at least 1")
    rows = gates * features
    weight = partial(LearnedBlob, filler_of(parameters, "weight_filler", WEIGHTS))
    bias = partial(LearnedBlob, filler_of(parameters, "bias_filler", ZEROS))
    blobs = {
        "weight": weight(lambda inputs: (rows, prod(inputs[0][2:]))),
        "bias": bias(lambda inputs: (rows,)),
    }
    if len(layer.bottom) > 2 + exposed * parameters.expose_hidden:
        blobs["static_weight"] = weight(lambda inputs: (rows, prod(inputs[2][1:])))
    blobs["hidden_weight"] = weight(lambda inputs: (rows, features))
    if kind == "rnn":
        blobs["output_weight"] = weight(lambda inputs: (features, features))
        blobs["output_bias"] = bias(lambda inputs: (features,))
    return OperationPlan(kind, parameters=blobs, attributes={"expose_hidden": parameters.expose_hidden})


def _along_axes(inputs: Sequence[Shape], *, axis: int, num_axes: int) -> Shape:
    """Return the shape of the first input from `axis` on, as long as the second one or as `num_axes` says."""
    if len(inputs) > 1:
        num_axes = len(inputs[1])
    start = axis % len(inputs[0])
    end = len(inputs[0]) if num_axes == -1 else start + num_axes
    return inputs[0][start:end]
