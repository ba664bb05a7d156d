"""Convolutions of every kind, and fully-connected layers.

Keras keeps kernels as (height, width, inputs, outputs), depthwise ones as (height, width, channels, multiplier).
"""

from __future__ import annotations

import numpy as np

from convscope.formats.keras.layers.activations import activation
from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import (
    Dialect,
    Numbers,
    Steps,
    Use,
    Variable,
    has_channels_last,
)
from convscope.formats.keras.model import KerasLayer
from convscope.formats.operation_plan import OperationPlan


def filters_first(kernel: Numbers) -> Numbers:
    """Return (height, width, a, b) as (b, a, height, width)."""
    return np.transpose(kernel, (3, 2, 0, 1))


def one_channel_each(kernel: Numbers) -> Numbers:
    """Return (height, width, channels, multiplier) as (channels x multiplier, 1, height, width)."""
    height, width, channels, multiplier = kernel.shape
    return np.transpose(kernel, (2, 3, 0, 1)).reshape(channels * multiplier, 1, height, width)


def _kernel(layer: KerasLayer, dialect: Dialect) -> Variable:
    def arrange(kernel: Numbers) -> Numbers:
        if kernel.ndim != 4:
            raise ValueError(f"a kernel has 4 axes, this one is {kernel.shape}")
        # Keras 1 kept the kernels of channels-first layers as Theano does: filters first.
        as_it_is = dialect.version == 1 and not has_channels_last(layer, dialect)
        kernel = kernel if as_it_is else filters_first(kernel)
        # Theano's convolution is the mathematician's: it turns the kernel round.
        return np.flip(kernel, (2, 3)) if dialect.backend == "theano" else kernel

    return Variable("kernel", arrange)


def _bias(layer: KerasLayer) -> tuple[Variable, ...]:
    return (Variable("bias"),) if layer.config.get("use_bias", True) else ()


def _kernel_and_bias(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return (_kernel(layer, dialect), *_bias(layer))


def _depthwise_and_bias(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return (Variable("depthwise_kernel", one_channel_each), *_bias(layer))


def _separable_and_bias(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    pointwise = Variable("pointwise_kernel", filters_first)
    return (Variable("depthwise_kernel", one_channel_each), pointwise, *_bias(layer))


def _dense_and_bias(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return (Variable("kernel", np.transpose), *_bias(layer))


def _with_bias(use: Use, weight: str) -> dict[str, str]:
    return {"weight": weight} | ({"bias": "bias"} if use.config.get("use_bias", True) else {})


def _window(use: Use) -> dict[str, object]:
    return use.on_maps(
        stride=use.pair("strides"), padding=padding_of(use), dilation=use.pair("dilation_rate")
    )


def padding_of(use: Use) -> int | str:
    """Return "valid" or "same" as the operations have it."""
    found = str(use.config.get("padding", "valid")).lower()
    if found not in ("valid", "same"):
        raise use.wrong(f"its padding is {found!r}; convscope knows 'valid' and 'same'")
    return "same" if found == "same" else 0


@keras_layer("Conv2D", variables=_kernel_and_bias)
def _conv2d(use: Use) -> Steps:
    groups = int(use.config.get("groups", 1))
    window = {**_window(use), **({"groups": groups} if groups > 1 else {})}
    return [
        OperationPlan("convolution", attributes=window, parameters=_with_bias(use, "kernel")),
        *activation(use),
    ]


@keras_layer("DepthwiseConv2D", variables=_depthwise_and_bias)
def _depthwise(use: Use) -> Steps:
    window = {**_window(use), "groups": use.channels}
    return [
        OperationPlan("convolution", attributes=window, parameters=_with_bias(use, "depthwise_kernel")),
        *activation(use),
    ]


@keras_layer("SeparableConv2D", variables=_separable_and_bias)
def _separable(use: Use) -> Steps:
    window = {**_window(use), "groups": use.channels}
    return [
        OperationPlan(
            "convolution", attributes=window, parameters={"weight": "depthwise_kernel"}, label="depthwise"
        ),
        OperationPlan(
            "convolution",
            attributes=use.on_maps(),
            parameters=_with_bias(use, "pointwise_kernel"),
            label="pointwise",
        ),
        *activation(use),
    ]


@keras_layer("Conv2DTranspose", variables=_kernel_and_bias)
def _transposed(use: Use) -> Steps:
    if use.config.get("output_padding") is not None:
        raise use.wrong("it has an output_padding, which convscope does not know")
    strides, dilations = use.pair("strides"), use.pair("dilation_rate")
    windows = zip(use.pair("kernel_size"), strides, dilations, strict=True)
    beyond = [dilation * (kernel - 1) + 1 - stride for kernel, stride, dilation in windows]
    cut = [max(0, size) if padding_of(use) == "same" else 0 for size in beyond]
    attributes = use.on_maps(
        stride=strides,
        dilation=dilations,
        padding=(*(size // 2 for size in cut), *(size - size // 2 for size in cut)),
        output_padding=tuple(max(0, -size) for size in beyond),
    )
    return [
        OperationPlan("deconvolution", attributes=attributes, parameters=_with_bias(use, "kernel")),
        *activation(use),
    ]


@keras_layer("Dense", variables=_dense_and_bias)
def _dense(use: Use) -> Steps:
    return [
        OperationPlan("dense", attributes={"axis": -1}, parameters=_with_bias(use, "kernel")),
        *activation(use),
    ]
