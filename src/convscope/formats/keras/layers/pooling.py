"""Pooling, over windows or over all there is."""

from __future__ import annotations

from typing import Any

from convscope.formats.keras.layers.convolutional import padding_of
from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Steps, Use
from convscope.formats.operation_plan import OperationPlan


def _window(use: Use) -> dict[str, Any]:
    size = use.pair("pool_size", 2)
    stride = size if use.config.get("strides") is None else use.pair("strides")
    return use.on_maps(kernel=size, stride=stride, padding=padding_of(use), rounding="floor")


@keras_layer("MaxPooling2D")
def _max_pool(use: Use) -> Steps:
    return [OperationPlan("max_pool", attributes=_window(use))]


@keras_layer("AveragePooling2D")
def _average_pool(use: Use) -> Steps:
    return [OperationPlan("average_pool", attributes={**_window(use), "count_padding": False})]


@keras_layer("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D")
def _global_average(use: Use) -> Steps:
    if use.config.get("keepdims") and len(use.shapes[0]) == 4:
        return [OperationPlan("global_average_pool", attributes=use.on_maps())]
    return _summary(use, "mean")


@keras_layer("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def _global_max(use: Use) -> Steps:
    return _summary(use, "maximum")


def _summary(use: Use, summary: str) -> Steps:
    axes = range(len(use.shapes[0]))
    places = tuple(axes[1:-1] if use.channels_last else axes[2:])
    attributes = {"summary": summary, "axes": places, "keep_axes": bool(use.config.get("keepdims"))}
    return [OperationPlan("reduce", attributes=attributes)]


@keras_layer("MaxPooling1D", "AveragePooling1D")
def _along_one_axis(use: Use) -> Steps:
    """A window along a row, which is made a picture of one line."""
    (size,) = use.sizes("pool_size", 1, 2)
    (stride,) = (size,) if use.config.get("strides") is None else use.sizes("strides", 1)
    window = use.on_maps(kernel=(1, size), stride=(1, stride), padding=padding_of(use), rounding="floor")
    line = {"axes": (1 if use.channels_last else 2,)}
    if use.layer.class_name.startswith("Max"):
        pool = OperationPlan("max_pool", attributes=window)
    else:
        pool = OperationPlan("average_pool", attributes={**window, "count_padding": False})
    return [
        OperationPlan("unsqueeze", attributes=line, label="line"),
        pool,
        OperationPlan("squeeze", attributes=line, label="row"),
    ]


_ADAPTIVE = {
    f"Adaptive{kind}Pooling{axes}D": (axes, kind == "Max")
    for kind in ("Average", "Max")
    for axes in (1, 2, 3)
}


@keras_layer(*_ADAPTIVE)
def _adaptive(use: Use) -> Steps:
    """So many windows an axis as wanted, which overlap where the sizes do not divide."""
    return adaptive_pool(use, *_ADAPTIVE[use.layer.class_name])


def adaptive_pool(use: Use, axes: int, largest: bool) -> Steps:
    """Return the summary of `output_size` windows along each axis; along one, as a picture of one line."""
    size, line = use.sizes("output_size", axes), {"axes": (1 if use.channels_last else 2,)}
    size = (1, *size) if axes == 1 else size
    operator = f"adaptive_{'max' if largest else 'avg'}_pool{max(axes, 2)}d"
    attributes = use.on_maps(operator=operator, arguments=("$0", size))
    pool = OperationPlan("aten", attributes=attributes, outputs=2 if largest else 1)
    if axes > 1:
        return [pool]
    return [
        OperationPlan("unsqueeze", attributes=line, label="line"),
        pool,
        OperationPlan("squeeze", attributes=line, label="row"),
    ]
