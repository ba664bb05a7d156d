"""Layers of one and of three axes that have a brother for pictures: pools, borders, depthwise convolutions."""

from __future__ import annotations

from typing import Any

from convscope.formats.keras.layers.activations import activation
from convscope.formats.keras.layers.convolutional import filters_first, padding_of
from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.variable import Numbers, Variable
from convscope.formats.operation_plan import OperationPlan


@keras_layer("MaxPooling3D", "AveragePooling3D")
def _pool(use: Use) -> Steps:
    """A mean is of the input's own numbers."""
    kernel = use.sizes("pool_size", 3, 2)
    stride = kernel if use.config.get("strides") is None else use.sizes("strides", 3)
    summary = "maximum" if use.layer.class_name.startswith("Max") else "mean"
    window = use.on_maps(kernel=kernel, stride=stride, padding=padding_of(use), summary=summary)
    return [OperationPlan("pool_along_axes", attributes=window)]


def _sides(use: Use, key: str, sign: int = 1) -> tuple[int, ...]:
    """Return what is put before each of three axes, then what behind each."""
    given: Any = use.config.get(key, 1)
    axes = [given] * 3 if isinstance(given, int) else list(given)
    pairs = [(one, one) if isinstance(one, int) else tuple(map(int, one)) for one in axes]
    return tuple(sign * pair[side] for side in (0, 1) for pair in pairs)


@keras_layer("ZeroPadding3D")
def _zero_padding(use: Use) -> Steps:
    return [OperationPlan("pad", attributes=use.on_maps(padding=_sides(use, "padding")))]


@keras_layer("Cropping3D")
def _cropping(use: Use) -> Steps:
    return [OperationPlan("pad", attributes=use.on_maps(padding=_sides(use, "cropping", -1)))]


@keras_layer("UpSampling3D")
def _upsampling(use: Use) -> Steps:
    scales = tuple(map(float, use.sizes("size", 3, 2)))
    arguments = ("$0", None, scales)
    return [OperationPlan("aten", attributes=use.on_maps(operator="upsample_nearest3d", arguments=arguments))]


def one_row_each(kernel: Numbers) -> Numbers:
    """Return (length, channels, multiplier) as (channels x multiplier, 1, length)."""
    length, channels, multiplier = kernel.shape
    rows: Numbers = kernel.transpose(1, 2, 0).reshape(channels * multiplier, 1, length)
    return rows


def _depthwise_and_bias(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    bias = (Variable("bias"),) if layer.config.get("use_bias", True) else ()
    point = (Variable("pointwise_kernel", filters_first),) if "Separable" in layer.class_name else ()
    return (Variable("depthwise_kernel", one_row_each), *point, *bias)


@keras_layer("DepthwiseConv1D", "SeparableConv1D", variables=_depthwise_and_bias)
def _along_rows(use: Use) -> Steps:
    stride, dilation = use.sizes("strides", 1), use.sizes("dilation_rate", 1)
    window = use.on_maps(stride=stride, padding=padding_of(use), dilation=dilation, groups=use.channels)
    bias = {"bias": "bias"} if use.config.get("use_bias", True) else {}
    first = {"weight": "depthwise_kernel"}
    if use.layer.class_name == "DepthwiseConv1D":
        return [OperationPlan("convolution", (), first | bias, window), *activation(use)]
    point = {"weight": "pointwise_kernel"} | bias
    return [
        OperationPlan("convolution", (), first, window, label="depthwise"),
        OperationPlan("convolution", (), point, use.on_maps(), label="pointwise"),
        *activation(use),
    ]
