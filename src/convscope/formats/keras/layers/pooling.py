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


@keras_layer("GlobalAveragePooling2D")
def _global_average(use: Use) -> Steps:
    if use.config.get("keepdims"):
        return [OperationPlan("global_average_pool", attributes=use.on_maps())]
    return [
        OperationPlan(
            "reduce", attributes={"summary": "mean", "axes": _rows_and_columns(use), "keep_axes": False}
        )
    ]


@keras_layer("GlobalMaxPooling2D")
def _global_max(use: Use) -> Steps:
    keep = bool(use.config.get("keepdims"))
    return [
        OperationPlan(
            "reduce", attributes={"summary": "maximum", "axes": _rows_and_columns(use), "keep_axes": keep}
        )
    ]


def _rows_and_columns(use: Use) -> tuple[int, int]:
    return (1, 2) if use.channels_last else (2, 3)
