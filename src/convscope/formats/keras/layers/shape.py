"""Layers that move numbers about, and those that do nothing once training is over."""

from __future__ import annotations

from typing import Any

from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Steps, Use
from convscope.formats.operation_plan import OperationPlan

_TRAINING_ONLY = (
    "ActivityRegularization AlphaDropout AugMix CutMix Dropout GaussianDropout GaussianNoise Identity MixUp "
    "RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomElasticTransform RandomErasing "
    "RandomFlip RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective "
    "RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth "
    "RandomZoom "
    "RandAugment RandomApply SpatialDropout1D SpatialDropout2D SpatialDropout3D StochasticDepth"
)


@keras_layer(*_TRAINING_ONLY.split(), idle=True)
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


@keras_layer("ZeroPadding1D")
def _zero_padding_of_rows(use: Use) -> Steps:
    return [OperationPlan("pad", attributes=use.on_maps(padding=use.sizes("padding", 2)))]


@keras_layer("Cropping1D")
def _cropping_of_rows(use: Use) -> Steps:
    cropping = tuple(-size for size in use.sizes("cropping", 2))
    return [OperationPlan("pad", attributes=use.on_maps(padding=cropping))]


HIDES = "Masking"
MASK_READERS = frozenset({
    *("SimpleRNN", "LSTM", "GRU", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional", "TimeDistributed"),
    *("MultiHeadAttention", "GroupedQueryAttention", "Attention", "AdditiveAttention"),
    *("GlobalAveragePooling1D", "Softmax", "Multiply", "Lambda"),
})  # fmt: skip
"""Layers that pass over what a Masking before them hides; all others compute with the zeros that it leaves there."""


@keras_layer(HIDES)
def _masking(use: Use) -> Steps:
    """Moments that are nothing but one number become 0."""
    seen = {"relation": "not_equal", "number": float(use.config.get("mask_value", 0.0))}
    return [
        OperationPlan("compare", attributes=seen, label="seen"),
        OperationPlan(
            "reduce", attributes={"summary": "maximum", "axes": (-1,), "keep_axes": True}, label="any"
        ),
        OperationPlan("multiply", (0, "")),
    ]


@keras_layer("RepeatVector")
def _repeat_vector(use: Use) -> Steps:
    times = (1, int(use.config["n"]), 1)
    return [
        OperationPlan("unsqueeze", attributes={"axes": (1,)}, label="row"),
        OperationPlan("repeat", attributes={"times": times}),
    ]
