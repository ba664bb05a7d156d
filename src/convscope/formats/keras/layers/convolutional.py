"""Convolutions of every kind, and fully-connected layers.

Keras keeps kernels as (height, width, inputs, outputs), depthwise ones as (height, width, channels, multiplier).
"""

from __future__ import annotations

import numpy as np

from convscope.formats.keras.layers.activations import activation
from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use, has_channels_last
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.quantized import FLOAT8, LARGEST_FLOAT8, mode_of, rounds_inputs
from convscope.formats.keras.variable import Numbers, Variable
from convscope.formats.operation_plan import OperationPlan


def filters_first(kernel: Numbers) -> Numbers:
    """Return (height, width, a, b) as (b, a, height, width); so with any number of axes."""
    axes = kernel.ndim - 2
    return np.transpose(kernel, (axes + 1, axes, *range(axes)))


def one_channel_each(kernel: Numbers) -> Numbers:
    """Return (height, width, channels, multiplier) as (channels x multiplier, 1, height, width)."""
    height, width, channels, multiplier = kernel.shape
    return np.transpose(kernel, (2, 3, 0, 1)).reshape(channels * multiplier, 1, height, width)


def _kernel(layer: KerasLayer, dialect: Dialect) -> Variable:
    axes = int(next(letter for letter in layer.class_name if letter.isdigit()))

    def arrange(kernel: Numbers) -> Numbers:
        first = dialect.version == 1 and not has_channels_last(layer, dialect)
        if dialect.version == 1 and axes == 1:
            first, kernel = False, _one_row(kernel, layer)
        if kernel.ndim != axes + 2:
            raise ValueError(f"a kernel has {axes + 2} axes, this one is {kernel.shape}")
        # Keras 1 kept the kernels of channels-first layers as Theano does: filters first.
        kernel = kernel if first else filters_first(kernel)
        # Theano's convolution is the mathematician's: it turns the kernel round.
        return np.flip(kernel, tuple(range(2, axes + 2))) if dialect.backend == "theano" else kernel

    return Variable("kernel", arrange)


def _one_row(kernel: Numbers, layer: KerasLayer) -> Numbers:
    """Return what Keras 1 keeps as (length, 1, a, b), before 1.1 as (b, a, length, 1), as (length, a, b)."""
    if kernel.ndim != 4:
        return kernel
    is_new = kernel.shape[1] == 1 and kernel.shape[3] == layer.config.get("filters")
    return kernel[:, 0] if is_new else np.transpose(kernel[..., 0], (2, 1, 0))


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
    scale = (Variable("inputs_scale"),) if mode_of(layer) == FLOAT8 else ()
    return (Variable("kernel", np.transpose), *_bias(layer), *scale)


def _with_bias(use: Use, weight: str) -> dict[str, str]:
    return {"weight": weight} | ({"bias": "bias"} if use.config.get("use_bias", True) else {})


def _window(use: Use) -> dict[str, object]:
    return use.on_maps(
        stride=use.pair("strides"), padding=padding_of(use), dilation=use.pair("dilation_rate")
    )


def padding_of(use: Use) -> int | str:
    """Return "valid" or "same" as the operations have it."""
    padding = str(use.config.get("padding", "valid")).lower()
    if padding not in ("valid", "same"):
        raise use.wrong(f"its padding is {padding!r}; convscope knows 'valid' and 'same'")
    return "same" if padding == "same" else 0


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


@keras_layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", variables=_kernel_and_bias)
def _transposed(use: Use) -> Steps:
    axes = int(use.layer.class_name.removeprefix("Conv")[0])
    strides, sizes, dilations = (use.sizes(key, axes) for key in ("strides", "kernel_size", "dilation_rate"))
    kernels = [dilation * (size - 1) + 1 for size, dilation in zip(sizes, dilations, strict=True)]
    same = padding_of(use) == "same"
    if use.config.get("output_padding") is None:
        beyond = [kernel - stride for kernel, stride in zip(kernels, strides, strict=True)]
        beyond = beyond if same else [min(0, size) for size in beyond]
    elif max(dilations) > 1:
        raise use.wrong(
            "it has an output_padding and a dilation_rate, which Keras's engines compute differently"
        )
    else:
        more = use.sizes("output_padding", axes)
        borders = [2 * (size // 2) if same else 0 for size in sizes]
        beyond = [border - extra for border, extra in zip(borders, more, strict=True)]
    cut = [max(0, size) for size in beyond]
    attributes = use.on_maps(
        stride=strides,
        dilation=dilations,
        padding=(*(size // 2 for size in cut), *(size - size // 2 for size in cut)),
        output_padding=tuple(max(0, -size) for size in beyond),
    )
    return [OperationPlan("deconvolution", (), _with_bias(use, "kernel"), attributes), *activation(use)]


@keras_layer("Conv1D", "Conv3D", variables=_kernel_and_bias)
def _along_one_or_three_axes(use: Use) -> Steps:
    axes, padding = (1 if use.layer.class_name == "Conv1D" else 3), str(use.config.get("padding", "valid"))
    stride, dilation = use.sizes("strides", axes), use.sizes("dilation_rate", axes)
    border = "same" if padding == "same" else 0
    if padding == "causal" and axes == 1:
        border = (dilation[0] * (use.sizes("kernel_size", 1)[0] - 1), 0)  # type: ignore[assignment]
    elif padding not in ("same", "valid"):
        raise use.wrong(f"its padding is {padding!r}; convscope knows valid, same and causal")
    window = use.on_maps(
        stride=stride, padding=border, dilation=dilation, groups=int(use.config.get("groups", 1))
    )
    return [OperationPlan("convolution", (), _with_bias(use, "kernel"), window), *activation(use)]


@keras_layer("Dense", variables=_dense_and_bias)
def _dense(use: Use) -> Steps:
    dense = OperationPlan("dense", ("",), _with_bias(use, "kernel"), {"axis": -1})
    return [*_rounded_inputs(use), dense, *activation(use)]


def _rounded_inputs(use: Use) -> Steps:
    """What a layer of few bits does first: it rounds what it reads."""
    mode = mode_of(use.layer)
    if mode == FLOAT8:
        scale = {"operand": "inputs_scale"}
        largest = {"minimum": -LARGEST_FLOAT8, "maximum": LARGEST_FLOAT8}
        return [
            OperationPlan("divide", (), scale, label="inputs"),
            OperationPlan("clip", ("",), {}, largest, label="inputs"),
            OperationPlan("round_to_type", ("",), {}, {"type": "float8_e4m3fn"}, label="inputs"),
            OperationPlan("multiply", ("",), scale, label="inputs"),
        ]
    if mode and rounds_inputs(use.layer):
        return [OperationPlan("round_by_largest", (), {}, {"axis": -1, "steps": 127}, label="inputs")]
    return []


def _einsum_variables(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return (Variable("kernel"), *((Variable("bias"),) if layer.config.get("bias_axes") else ()))


@keras_layer("EinsumDense", variables=_einsum_variables)
def _einsum_dense(use: Use) -> Steps:
    product = {"operator": "einsum", "arguments": (str(use.config["equation"]), ("$0", "$weight"))}
    bias = (
        [OperationPlan("add", ("",), {"operand": "bias"}, label="bias")]
        if use.config.get("bias_axes")
        else []
    )
    return [OperationPlan("aten", (), {"weight": "kernel"}, product), *bias, *activation(use)]
