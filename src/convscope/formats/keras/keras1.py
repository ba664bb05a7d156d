"""Keras 1 (2015 to 2017) had other names for the same layers: its descriptions, in the words of Keras 2 and 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convscope.errors import UnsupportedLayer

_CLASSES = {
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
}
_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate"}
_KEYS = {
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample_length": "strides",
    "pool_length": "pool_size",
    "stride": "strides",
    "length": "size",
    "inner_activation": "recurrent_activation",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "border_mode": "padding",
    "subsample": "strides",
    "atrous_rate": "dilation_rate",
    "dim_ordering": "data_format",
    "bias": "use_bias",
    "output_dim": "units",
    "concat_axis": "axis",
}
_KERNELS = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
_OWN_KEYS = frozenset(
    ("nb_filter", "border_mode", "dim_ordering", "W_regularizer", "inner_activation", "nb_row")
)
_ORDERS = {"tf": "channels_last", "th": "channels_first"}


def modernized(class_name: str, config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return a layer's class and configuration as Keras 2 writes them; what is of Keras 2 or 3 stays as it is.

    >>> modernized("Convolution2D", {"nb_filter": 8, "nb_row": 3, "nb_col": 5, "dim_ordering": "th"})
    ('Conv2D', {'filters': 8, 'data_format': 'channels_first', 'kernel_size': (3, 5)})
    """
    if class_name == "Merge":
        mode = config.get("mode")
        if mode not in _MERGES:
            raise UnsupportedLayer(
                f"layer {config.get('name')!r} merges by {mode!r}; convscope knows {', '.join(_MERGES)}"
            )
        class_name = _MERGES[mode]
    renamed = {_KEYS.get(key, key): value for key, value in config.items() if key != "consume_less"}
    for names in _KERNELS:
        if names[0] in config:
            renamed["kernel_size"] = tuple(renamed.pop(name, None) for name in names)
    inner = config.get("layer")
    if isinstance(inner, Mapping) and isinstance(inner.get("config"), Mapping):
        name, settings = modernized(str(inner.get("class_name")), inner["config"])
        renamed["layer"] = {**inner, "class_name": name, "config": settings}
    if renamed.get("data_format") in _ORDERS:
        renamed["data_format"] = _ORDERS[renamed["data_format"]]
    return _CLASSES.get(class_name, class_name), renamed


def is_of_keras_1(description: Mapping[str, Any]) -> bool:
    """Whether a model's layers have settings by names that only Keras 1 has."""
    stated = description.get("config")
    layers = stated.get("layers") if isinstance(stated, Mapping) else stated
    configs = (
        [one.get("config") for one in layers if isinstance(one, Mapping)] if isinstance(layers, list) else []
    )
    return any(isinstance(config, Mapping) and _OWN_KEYS & config.keys() for config in configs)
