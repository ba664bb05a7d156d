"""Functions of ``keras.ops`` on pictures and maps: pools, patches, borders, blocks, moments, gray."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from convscope.formats.keras.layers.functions import axes_of, setting
from convscope.formats.keras.layers.operands import keeps_axes
from convscope.formats.keras.layers.registry import keras_function, translate
from convscope.formats.keras.layers.translation import Steps, Use
from convscope.formats.operation_plan import OperationPlan

_POOLS = {"MaxPool": "MaxPooling", "AveragePool": "AveragePooling"}
_ADAPTIVE = {"AdaptiveMaxPool": "AdaptiveMaxPooling", "AdaptiveAveragePool": "AdaptiveAveragePooling"}


def _as_layer(use: Use, class_name: str, **config: Any) -> Steps:
    """Return the layer that does the same."""
    config["data_format"] = setting(use, 9, "data_format")
    return translate(
        replace(use, layer=replace(use.layer, class_name=class_name, config=config, is_function=False))
    )


@keras_function(*_POOLS)
def _pool(use: Use) -> Steps:
    axes = len(use.shapes[0]) - 2
    size, strides, padding = (
        setting(use, at, name) for at, name in enumerate(("pool_size", "strides", "padding"))
    )
    name = f"{_POOLS[use.layer.class_name]}{axes}D"
    return _as_layer(use, name, pool_size=size, strides=strides, padding=padding or "valid")


@keras_function(*_ADAPTIVE)
def _adaptive_pool(use: Use) -> Steps:
    name = f"{_ADAPTIVE[use.layer.class_name]}{len(use.shapes[0]) - 2}D"
    return _as_layer(use, name, output_size=setting(use, 0, "output_size"))


@keras_function("ExtractPatches")
def _patches(use: Use) -> Steps:
    size, padding = _pair(setting(use, 0, "size")), setting(use, 9, "padding", default="valid")
    if len(use.shapes[0]) != 4:
        raise use.wrong(f"it cuts patches out of {use.shapes[0]}; convscope knows those of flat pictures")
    attributes = use.on_maps(
        kernel=size,
        stride=_pair(setting(use, 9, "strides") or size),
        dilation=_pair(setting(use, 9, "dilation_rate", default=1)),
        padding="same" if padding == "same" else 0,
    )
    return [OperationPlan("image_patches", attributes=attributes)]


def _pair(value: Any) -> tuple[int, int]:
    rows, columns = (value, value) if isinstance(value, int) else value
    return int(rows), int(columns)


@keras_function("RGBToGrayscale")
def _gray(use: Use) -> Steps:
    """The weights are those of TensorFlow, for red, green and blue."""
    product = "...c,cd->...d" if use.channels_last else "nchw,cd->ndhw"
    attributes = {"operator": "einsum", "arguments": (product, ("$0", "$weight"))}
    return [OperationPlan("aten", (0,), {"weight": "weight"}, attributes)]


@keras_function("RGBToHSV", "HSVToRGB")
def _colors(use: Use) -> Steps:
    if (setting(use, 9, "data_format") or "channels_last") != "channels_last" or use.shapes[0][-1] != 3:
        raise use.wrong("it has the three colors on another axis than the last")
    return [OperationPlan({"RGBToHSV": "rgb_to_hsv", "HSVToRGB": "hsv_to_rgb"}[use.layer.class_name], (0,))]


@keras_function("Moments")
def _moments(use: Use) -> Steps:
    """Two outputs: means and variances."""
    attributes = {"axes": axes_of(setting(use, 0, "axes")), "keep_axes": keeps_axes(use)}
    return [OperationPlan("moments", (0,), attributes=attributes, outputs=2)]


@keras_function("DepthToSpace", "SpaceToDepth")
def _blocks(use: Use) -> Steps:
    kind = "depth_to_space" if use.layer.class_name == "DepthToSpace" else "space_to_depth"
    return [OperationPlan(kind, (0,), attributes=use.on_maps(block=int(setting(use, 0, "block_size"))))]


_SIDES = ("top", "left", "bottom", "right")


@keras_function("PadImages", "CropImages")
def _bordered(use: Use) -> Steps:
    """Of two sides and the size one is worked out of the others."""
    crops = use.layer.class_name == "CropImages"
    given = {side: setting(use, 9, f"{side}_{'cropping' if crops else 'padding'}") for side in _SIDES}
    places = use.shapes[0][1:3] if use.channels_last else use.shapes[0][2:4]
    for (first, second), name, size in zip(
        (("top", "bottom"), ("left", "right")), ("target_height", "target_width"), places, strict=True
    ):
        wanted = setting(use, 9, name)
        for side, other in ((first, second), (second, first)):
            if given[side] is None:
                given[side] = abs(int(wanted) - size) - int(given[other] or 0)
    border = tuple((-1 if crops else 1) * int(given[side]) for side in _SIDES)
    return [OperationPlan("pad", (0,), attributes=use.on_maps(padding=border))]


@keras_function("LayerNorm", "RMSNorm")
def _norm(use: Use) -> Steps:
    """With no scale and no offset: those are tensors of somebody's own."""
    if len(use.shapes) > 1 or use.call.arguments[1:]:
        raise use.wrong("it has a scale or an offset, which convscope does not know")
    if setting(use, 9, "rms_scaling"):
        raise use.wrong("it has rms_scaling, which convscope does not know between layers")
    count, axes = len(use.shapes[0]), axes_of(setting(use, 9, "axis", default=-1))
    places = sorted(axis % count for axis in axes)
    if places != list(range(count - len(places), count)):
        raise use.wrong(f"it normalizes along the axes {list(axes)}, which are not the last ones")
    kind = "layer_norm" if use.layer.class_name == "LayerNorm" else "rms_norm"
    epsilon = float(setting(use, 9, "epsilon", default=1e-7))
    return [OperationPlan(kind, (0,), attributes={"axis": -len(places), "epsilon": epsilon})]
