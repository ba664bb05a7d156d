"""Activations of Caffe's forks."""

from __future__ import annotations

from convscope.formats.caffe.layers.plain import capped_at_6
from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import incomplete
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan


@register_layer("ReLU6")
def _relu6(layer: Message) -> OperationPlan:
    return capped_at_6(layer.relu6_param.negative_slope)


@register_layer("BReLU")
def _brelu(layer: Message) -> OperationPlan:
    """DehazeNet's: between two bounds."""
    parameters = layer.brelu_param
    if not (parameters.has("minval") and parameters.has("maxval")):
        raise incomplete(layer, "minval and maxval must both be given")
    return OperationPlan("clip", attributes={"minimum": parameters.minval, "maximum": parameters.maxval})


@register_layer("SeLu")
@register_layer("SELU")
def _selu(layer: Message) -> OperationPlan:
    settings, scale = layer.selu_param, getattr(layer.selu_param, "lambda")
    if abs(settings.alpha - 1.67326324) > 1e-6 or abs(scale - 1.050700987) > 1e-6:
        return OperationPlan("elu", attributes={"alpha": settings.alpha, "scale": scale})
    return OperationPlan("selu")


@register_layer("SeLuDropout")
def _selu_dropout(layer: Message) -> OperationPlan:
    return OperationPlan("identity")


@register_layer("HardSigmoid")
def _hard_sigmoid(layer: Message) -> OperationPlan:
    settings = layer.hard_sigmoid_param
    return OperationPlan("hard_sigmoid", attributes={"alpha": settings.alpha, "beta": settings.beta})


@register_layer("HardSwish")
@register_layer("HSwish")
def _hard_swish(layer: Message) -> OperationPlan:
    return OperationPlan("hard_swish")


@register_layer("Mish")
def _mish(layer: Message) -> OperationPlan:
    return OperationPlan("mish")
