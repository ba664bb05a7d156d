"""Layers that move numbers about, and those that do nothing once training is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from convscope.formats.keras.layers.functions import setting
from convscope.formats.keras.layers.registry import keras_function, keras_layer
from convscope.formats.keras.layers.translation import Steps, Use
from convscope.formats.operation_plan import OperationPlan

_TRAINING_ONLY = (
    "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise Identity RandomBrightness "
    "RandomColorDegeneration RandomColorJitter RandomContrast RandomErasing RandomFlip RandomGrayscale RandomHeight "
    "RandomHue RandomInvert RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear "
    "RandomTranslation RandomWidth RandomZoom "
    "RandAugment RandomApply SpatialDropout1D SpatialDropout2D SpatialDropout3D StochasticDepth"
)


@keras_layer(*_TRAINING_ONLY.split())
def _nothing(use: Use) -> Steps:
    return [OperationPlan("identity", attributes=use.on_maps())]


@keras_layer("Flatten")
def _flatten(use: Use) -> Steps:
    steps = [OperationPlan("flatten", attributes={"axis": 1})]
    axes = len(use.shapes[0])
    # Since Keras 2 the numbers of channels-first maps are put in the order they would have channels last.
    if use.config.get("data_format") == "channels_first" and axes > 2:
        return [
            OperationPlan("permute", attributes={"order": (0, *range(2, axes), 1)}, label="channels last"),
            *steps,
        ]
    return steps


@keras_layer("Reshape")
def _reshape(use: Use) -> Steps:
    return [
        OperationPlan("reshape", attributes={"shape": tuple(map(int, use.config["target_shape"])), "axis": 1})
    ]


@keras_layer("Permute")
def _permute(use: Use) -> Steps:
    return [OperationPlan("permute", attributes={"order": (0, *map(int, use.config["dims"]))})]


def _borders(use: Use, key: str) -> tuple[int, int, int, int]:
    """Return (top, left, bottom, right) of one number, (vertical, horizontal) or ((top, bottom), (left, right))."""
    given: Any = use.config.get(key, 1)
    if isinstance(given, dict):  # Keras 1
        return tuple(int(given.get(f"{side}_pad", 0)) for side in ("top", "left", "bottom", "right"))  # type: ignore[return-value]
    if isinstance(given, list | tuple) and len(given) == 4:  # Keras 1 again
        top, bottom, left, right = map(int, given)
        return top, left, bottom, right
    rows, columns = (given, given) if isinstance(given, int) else given
    top, bottom = (rows, rows) if isinstance(rows, int) else map(int, rows)
    left, right = (columns, columns) if isinstance(columns, int) else map(int, columns)
    return top, left, bottom, right


@keras_layer("ZeroPadding2D")
def _zero_padding(use: Use) -> Steps:
    return [OperationPlan("pad", attributes=use.on_maps(padding=_borders(use, "padding")))]


@keras_layer("Cropping2D")
def _cropping(use: Use) -> Steps:
    return [
        OperationPlan(
            "pad", attributes=use.on_maps(padding=tuple(-size for size in _borders(use, "cropping")))
        )
    ]


_ENLARGING: dict[str, dict[str, Any]] = {
    "nearest": {"interpolation": "nearest", "coordinates": "asymmetric", "nearest": "floor"},
    "bilinear": {"interpolation": "linear", "coordinates": "half_pixel"},
    "bicubic": {
        "interpolation": "cubic",
        "coordinates": "half_pixel",
        "cubic": -0.5,
        "exclude_outside": True,
        "subpixels": 1024,
    },
}


def _interpolation(use: Use, default: str) -> dict[str, Any]:
    name = str(use.config.get("interpolation", default))
    if name not in _ENLARGING:
        raise use.wrong(f"it interpolates by {name!r}; convscope knows {', '.join(_ENLARGING)}")
    return _ENLARGING[name]


@keras_layer("UpSampling2D")
def _upsampling(use: Use) -> Steps:
    scales = (1.0, 1.0, *map(float, use.pair("size", 2)))
    return [OperationPlan("resize", attributes=use.on_maps(scales=scales, **_interpolation(use, "nearest")))]


@keras_layer("Resizing")
def _resizing(use: Use) -> Steps:
    if (
        use.config.get("crop_to_aspect_ratio")
        or use.config.get("pad_to_aspect_ratio")
        or use.config.get("antialias")
    ):
        raise use.wrong("it crops, pads or smooths what it resizes, which convscope does not know")
    shape = (0, 0, int(use.config["height"]), int(use.config["width"]))
    manner = _interpolation(use, "bilinear")
    if manner["interpolation"] == "nearest":
        manner = {**manner, "coordinates": "half_pixel", "nearest": "round_prefer_ceil"}
    return [OperationPlan("resize", attributes=use.on_maps(shape=shape, **manner))]


@keras_function("Resize", "resize")
def _resize(use: Use) -> Steps:
    """``keras.ops.image.resize`` and TensorFlow's, which Keras 2 calls: as the layer, with its size as a pair."""
    config = {
        **use.config,
        **{key: value for key, value in use.call.keywords.items() if isinstance(value, str | bool)},
    }
    size = setting(use, 0, "size")
    if not isinstance(size, list | tuple) or not all(isinstance(one, int) for one in size):
        raise use.wrong("its size is worked out from the picture")
    if config.pop("method", "bilinear") not in _ENLARGING or config.get("preserve_aspect_ratio"):
        raise use.wrong("it resizes in a way that convscope does not know")
    manner = use.call.keywords.get("method", use.config.get("interpolation", "bilinear"))
    config |= {"height": size[0], "width": size[1], "interpolation": manner}
    return _resizing(replace(use, layer=replace(use.layer, config=config)))


@keras_layer("CenterCrop")
def _center_crop(use: Use) -> Steps:
    rows = 1 if use.channels_last else 2
    sizes, wanted = use.shapes[0][rows : rows + 2], (int(use.config["height"]), int(use.config["width"]))
    if any(size < least for size, least in zip(sizes, wanted, strict=True)):
        raise use.wrong(f"it crops {sizes} to {wanted}, which are larger")
    starts = tuple((size - least) // 2 for size, least in zip(sizes, wanted, strict=True))
    ends = tuple(start + size for start, size in zip(starts, wanted, strict=True))
    attributes = {"starts": starts, "ends": ends, "axes": (rows, rows + 1)}
    return [OperationPlan("slice_steps", attributes=attributes)]


@keras_layer("ZeroPadding1D")
def _zero_padding_of_rows(use: Use) -> Steps:
    return [OperationPlan("pad", attributes=use.on_maps(padding=use.sizes("padding", 2)))]


@keras_layer("Cropping1D")
def _cropping_of_rows(use: Use) -> Steps:
    cropping = tuple(-size for size in use.sizes("cropping", 2))
    return [OperationPlan("pad", attributes=use.on_maps(padding=cropping))]


@keras_layer("UpSampling1D")
def _upsampling_of_rows(use: Use) -> Steps:
    scales = (1.0, 1.0, float(use.sizes("size", 1, 2)[0]))
    return [OperationPlan("resize", attributes=use.on_maps(scales=scales, **_ENLARGING["nearest"]))]


@keras_layer("Masking")
def _masking(use: Use) -> Steps:
    raise use.wrong(
        "what it hides is passed over by the layers behind it, and convscope's layers pass over nothing"
    )


@keras_layer("RepeatVector")
def _repeat_vector(use: Use) -> Steps:
    times = (1, int(use.config["n"]), 1)
    return [
        OperationPlan("unsqueeze", attributes={"axes": (1,)}, label="row"),
        OperationPlan("repeat", attributes={"times": times}),
    ]
