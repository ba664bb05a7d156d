"""Pictures at another size: enlarged, stretched, or cropped and bordered first so that nothing is stretched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from convscope.formats.keras.layers.functions import setting
from convscope.formats.keras.layers.registry import keras_function, keras_layer
from convscope.formats.keras.layers.translation import Steps, Use, number
from convscope.formats.operation_plan import OperationPlan

_FILTERS: dict[str, dict[str, Any]] = {
    "nearest": {"interpolation": "nearest", "nearest": "round_prefer_ceil"},
    "bilinear": {"interpolation": "linear"},
    "bicubic": {"interpolation": "cubic", "cubic": -0.5, "exclude_outside": True, "subpixels": 1024},
    "lanczos3": {"interpolation": "lanczos3", "exclude_outside": True},
    "lanczos5": {"interpolation": "lanczos5", "exclude_outside": True},
    "gaussian": {"interpolation": "gaussian", "exclude_outside": True},
    "mitchellcubic": {"interpolation": "mitchell", "exclude_outside": True},
}
_CUBIC_OF_TORCH = {"interpolation": "cubic", "cubic": -0.75}
ENLARGING_NEAREST = {"interpolation": "nearest", "coordinates": "asymmetric", "nearest": "floor"}


def _filter(use: Use, name: str, smooth: bool = False) -> dict[str, Any]:
    """Return how pixels are weighted; where it is not `smooth`, Keras on PyTorch has PyTorch's cubic."""
    if name == "bicubic" and use.dialect.backend == "torch" and not smooth:
        return _CUBIC_OF_TORCH
    if name not in _FILTERS:
        raise use.wrong(f"its interpolation is {name!r}; convscope knows {', '.join(_FILTERS)} and area")
    return _FILTERS[name]


@keras_layer("UpSampling2D")
def _upsampling(use: Use) -> Steps:
    rows, columns = use.pair("size", 2)
    name = str(use.config.get("interpolation", "nearest"))
    # A pixel covers so many whole ones: their area is that of the nearest.
    exact = name in ("nearest", "area")
    manner = ENLARGING_NEAREST if exact else {"coordinates": "half_pixel"} | _filter(use, name)
    if use.dialect.counts_corners:
        manner = {**manner, "coordinates": "asymmetric"}
    scales = (1.0, 1.0, float(rows), float(columns))
    return [OperationPlan("resize", attributes=use.on_maps(scales=scales, **manner))]


@keras_layer("UpSampling1D")
def _upsampling_of_rows(use: Use) -> Steps:
    scales = (1.0, 1.0, float(use.sizes("size", 1, 2)[0]))
    return [OperationPlan("resize", attributes=use.on_maps(scales=scales, **ENLARGING_NEAREST))]


@keras_layer("Resizing")
def _resizing(use: Use) -> Steps:
    """To a size, after what has another shape is cut off, or a border put around."""
    config, size = use.config, (int(use.config["height"]), int(use.config["width"]))
    fill, value = config.get("fill_mode", "constant"), number(config.get("fill_value") or 0.0)
    before: list[OperationPlan] = []
    if config.get("crop_to_aspect_ratio"):
        before = [_at_this_size(use), *_cropped_to_shape(use, size)]
    elif config.get("pad_to_aspect_ratio"):
        if fill != "constant":
            raise use.wrong(f"its fill_mode is {fill!r}; Keras itself knows constant alone")
        before = [_at_this_size(use), *_bordered_to_shape(use, size, value)]
    name = str(config.get("interpolation", "bilinear")).lower()
    return [*before, _resized(use, size, name, smooth=bool(config.get("antialias")))]


def _resized(use: Use, size: tuple[int, int], name: str, smooth: bool = False) -> OperationPlan:
    if name == "area":
        return OperationPlan("resize_area", attributes=use.on_maps(size=size))
    manner = _filter(use, name, smooth)
    if smooth and name != "nearest":
        manner = {**manner, "antialias": True, "exclude_outside": True, "subpixels": 0}
    return OperationPlan("resize", attributes=use.on_maps(shape=(0, 0, *size), **manner))


def _sizes(use: Use) -> tuple[int, int]:
    """Return the height and the width of what is read."""
    height, width = use.shapes[0][1:3] if use.channels_last else use.shapes[0][2:4]
    return height, width


def _at_this_size(use: Use) -> OperationPlan:
    """What is cut off is told once: a picture of another size is told so rather than cut in the wrong place."""
    return OperationPlan("assert_shape", attributes={"shape": tuple(use.shapes[0][1:])}, label="size")


def _cropped_to_shape(use: Use, size: tuple[int, int]) -> list[OperationPlan]:
    """Return the largest part from the middle that has the shape of `size`."""
    (height, width), (rows, columns) = _sizes(use), size
    inside = (
        max(min(height, int(width * rows / columns)), 1),
        max(min(width, int(height * columns / rows)), 1),
    )
    starts = ((height - inside[0]) // 2, (width - inside[1]) // 2)
    return [_part(use, starts, inside)] if inside != (height, width) else []


def _part(use: Use, starts: tuple[int, int], sizes: tuple[int, int]) -> OperationPlan:
    rows = 1 if use.channels_last else 2
    ends = tuple(start + size for start, size in zip(starts, sizes, strict=True))
    attributes = {"starts": starts, "ends": ends, "axes": (rows, rows + 1)}
    return OperationPlan("slice_steps", attributes=attributes, label="part")


def _bordered_to_shape(use: Use, size: tuple[int, int], value: float) -> list[OperationPlan]:
    """Return a border on two sides, as wide on one as on the other."""
    (height, width), (rows, columns) = _sizes(use), size
    around = (max(height, int(width * rows / columns)), max(width, int(height * columns / rows)))
    top, left = (around[0] - height) // 2, (around[1] - width) // 2
    border = use.on_maps(padding=(top, left, top, left), value=value)
    return [OperationPlan("pad", attributes=border, label="border")] if top or left else []


@keras_layer("CenterCrop")
def _center_crop(use: Use) -> Steps:
    """The middle; of a picture that is smaller than that the largest part of its shape, enlarged."""
    (height, width), size = _sizes(use), (int(use.config["height"]), int(use.config["width"]))
    if height >= size[0] and width >= size[1]:
        return [_at_this_size(use), _part(use, ((height - size[0]) // 2, (width - size[1]) // 2), size)]
    return _largest_part(use, size)


def _largest_part(use: Use, size: tuple[int, int]) -> list[OperationPlan]:
    return [_at_this_size(use), *_cropped_to_shape(use, size), _resized(use, size, "bilinear")]


@keras_layer("RandomCrop")
def _random_crop(use: Use) -> Steps:
    """Once training is over nothing is cropped in Keras 3; in Keras 2 the largest part of that shape is resized."""
    size = (int(use.config["height"]), int(use.config["width"]))
    if use.dialect.version >= 3:
        return [OperationPlan("identity", attributes=use.on_maps())]
    return _largest_part(use, size)


@keras_function("Resize", "resize")
def _resize(use: Use) -> Steps:
    """``keras.ops.image.resize`` and TensorFlow's, which Keras 2 calls: as the layer, with its size as a pair."""
    size = setting(use, 0, "size")
    if not isinstance(size, list | tuple) or not all(isinstance(one, int) for one in size):
        raise use.wrong("its size is worked out from the picture")
    given = {
        key: value for key, value in use.call.keywords.items() if isinstance(value, str | bool | int | float)
    }
    config = {**use.config, **given}
    if config.pop("preserve_aspect_ratio", False):
        raise use.wrong("it has preserve_aspect_ratio, which convscope does not know")
    config["interpolation"] = config.pop("method", config.get("interpolation", "bilinear"))
    config |= {"height": size[0], "width": size[1]}
    return _resizing(replace(use, layer=replace(use.layer, config=config)))
