"""Dreams as their sources made them, by name; and convscope's own.

The numbers are the sources'. Where a source's words and its code differ, the code counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.dreaming.objectives import DreamMeasure
from convscope.dreaming.settings import DreamSettings
from convscope.errors import InputError, by_name
from convscope.optimization.gradient_edits import (
    GradientBlur,
    GradientClip,
    GradientDecay,
    GradientEdit,
    LaplacianNormalized,
    Normalized,
)
from convscope.optimization.octaves import Octaves
from convscope.optimization.regularizers import Blur, Decay, SmallValues
from convscope.optimization.settings import Edit


@dataclass(frozen=True)
class Start:
    """What a dream starts from: the picture, the picture by its largest value, or uniform noise.

    Noise is `low` to `high` in the settings' values (whole numbers, the last excluded, with `whole`), made at `made_at`
    pixels a side and enlarged to `size`; both kinds of start are multiplied by `scale`. With `normalized` what is
    dreamed into the noise is shown around mid-gray.
    """

    kind: Literal["picture", "picture_by_maximum", "noise"] = "picture"
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    made_at: int = 224
    size: int = 224
    scale: float = 1.0
    normalized: bool = False

    def values(self, picture: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the values to start from, (1, 3, H, W); `picture` is in the settings' values."""
        if self.kind == "noise":
            noise = torch.rand(1, 3, self.made_at, self.made_at, generator=generator)
            noise = noise * (self.high - self.low) + self.low
            noise = noise.floor() if self.whole else noise
            size = (self.size, self.size)
            return F.interpolate(noise, size, mode="bilinear", align_corners=False) * self.scale
        if picture is None:
            noisy = [name for name, preset in DREAM_PRESETS.items() if preset.start.kind == "noise"]
            raise InputError(
                "this dream starts from a picture: give one, or take a preset that starts from noise "
                f"({', '.join(noisy)})"
            )
        return (picture / picture.max() if self.kind == "picture_by_maximum" else picture) * self.scale


@dataclass(frozen=True)
class DreamPreset:
    """A dream by name: its source in words, its settings, what it measures, and the layers it was made for.

    `layers` are addresses of the source's own network, with their weights, and `guided_layers` those of its guided
    dream. With `one_channel` one channel of a layer is drawn. `label` is the class it dreams of in other networks, and
    ``probability`` says that of a class not the logit is meant, which goes into the softmax.

    >>> dict(presets.DREAM_PRESETS["google-2015"].layers)
    {'inception_4c/output': 1.0}
    """

    source: str
    settings: DreamSettings
    measure: DreamMeasure
    layers: Mapping[str, float]
    start: Start = field(default_factory=Start)
    label: str | None = None
    probability: bool = False
    guided_layers: Mapping[str, float] = field(default_factory=dict)
    one_channel: bool = False


_LECTURE = "Mital, Creative Applications of Deep Learning with TensorFlow (2016), session 4"
_TENSORFLOW = "Mordvintsev, DeepDreaming with TensorFlow (2016)"
_GRAY = 117.0  # what the lecture's network takes away from its pictures, so black is -117
_LECTURE_NOISE = Start("noise", 100 - _GRAY, 150 - _GRAY, whole=True, made_at=224, size=299)
_BY_MAXIMUM = (Normalized("max", 1e-8),)
_BY_DEVIATION = (Normalized("std", 1e-8),)
_TUTORIAL_NOISE = Start("noise", 100.0, 101.0, normalized=True)  # its visstd


def _lecture(
    steps: int, gradient_edits: tuple[GradientEdit, ...] = _BY_MAXIMUM, **changes: object
) -> DreamSettings:
    return DreamSettings(
        Octaves(1, detail="none"),
        steps=steps,
        rate=1.0,
        gradient_edits=gradient_edits,
        black=-_GRAY,
        white=255 - _GRAY,
        shown="normalized",
        **changes,  # type: ignore[arg-type]
    )


# Of the picture, though the lecture's titles say "the gradient"; each adds to the ones before.
_DECAY: tuple[Edit, ...] = (Decay(0.05),)
_BLUR: tuple[Edit, ...] = (*_DECAY, Blur(1.0, every=5))
_CLIP: tuple[Edit, ...] = (*_BLUR, SmallValues(5.0))
# As the titles say, with the code's numbers. Decay comes last: a norm would undo it.
_GRADIENT_DECAY: tuple[GradientEdit, ...] = (*_BY_MAXIMUM, GradientDecay(0.95))
_GRADIENT_BLUR: tuple[GradientEdit, ...] = (GradientBlur(1.0, every=5), *_GRADIENT_DECAY)
_GRADIENT_CLIP: tuple[GradientEdit, ...] = (
    GradientBlur(1.0, every=5),
    GradientClip(95.0),
    *_GRADIENT_DECAY,
)


def _school_bus(words: str, settings: DreamSettings) -> DreamPreset:
    return DreamPreset(
        f"{_LECTURE}: a school bus from noise, {words}",
        settings,
        "mean",
        MappingProxyType({"output2:962": 1.0}),
        _LECTURE_NOISE,
        label="school bus",
        probability=True,
    )


def _tutorial(octaves: Octaves, **changes: object) -> DreamSettings:
    return DreamSettings(octaves, jitter=512, **changes)  # type: ignore[arg-type]


_GROWING = Octaves(3, 1.4, grow=True, rounding="down", resize="legacy", detail="none")

DREAM_PRESETS: Mapping[str, DreamPreset] = MappingProxyType(
    {
        "default": DreamPreset(
            "convscope: the dream of 2015 with every frequency of the gradient equally strong, for any network",
            DreamSettings(
                Octaves(4, 1.4, resize="half_pixel", fewer=True),
                steps=12,
                rate=0.006,
                gradient_edits=(LaplacianNormalized(3), Normalized("mean", 1e-12)),
                jitter=16,
                black=0.0,
                white=1.0,
                clip=True,
            ),
            "mean_square",
            MappingProxyType({}),
            Start("noise", 0.4, 0.6),
        ),
        "google-2015": DreamPreset(
            "Mordvintsev, Olah and Tyka, deepdream (2015): 4 octaves, dreamed detail carried up, jitter of 32",
            DreamSettings(
                Octaves(4, 1.4, detail="carry", resize="corners"),
                steps=10,
                rate=1.5,
                gradient_edits=(Normalized("mean", 0.0),),
                jitter=32,
                clip=True,
            ),
            "mean_square",
            MappingProxyType({"inception_4c/output": 1.0}),
            guided_layers=MappingProxyType({"inception_3b/output": 1.0}),
        ),
        "cadl-simplest": DreamPreset(
            f"{_LECTURE}: the picture by its maximum, 50 steps of the gradient by its largest value",
            _lecture(50),
            "mean",
            MappingProxyType({"maxpool0": 1.0}),
            Start("picture_by_maximum"),
        ),
        "cadl-maximum": DreamPreset(
            f"{_LECTURE}: the same, of the strongest channel of each position",
            _lecture(50),
            "maximum",
            MappingProxyType({"maxpool0": 1.0}),
            Start("picture_by_maximum"),
        ),
        "cadl-objective": DreamPreset(
            f"{_LECTURE}: one channel drawn at random, 30 steps from noise",
            _lecture(30),
            "mean",
            MappingProxyType({"mixed5b_pool_reduce_pre_relu": 1.0}),
            Start("noise", 100 - _GRAY, 150 - _GRAY, whole=True, size=299, scale=1 / 255),
            one_channel=True,
        ),
        "cadl-decay": _school_bus(
            "all values times 0.95 after each of 100 steps", _lecture(100, edits=_DECAY)
        ),
        "cadl-blur": _school_bus("the same, blurred by 1 pixel every 5 steps", _lecture(100, edits=_BLUR)),
        "cadl-clip": _school_bus("the same, without the smallest 5 % of values", _lecture(100, edits=_CLIP)),
        "cadl-fractal": _school_bus(
            "the same, enlarged by a pixel on each side after each of 1,000 steps",
            _lecture(1000, edits=_CLIP, zoom=1),
        ),
        "cadl-decay-gradient": _school_bus(
            "the gradient times 0.95 with each of 100 steps", _lecture(100, _GRADIENT_DECAY)
        ),
        "cadl-blur-gradient": _school_bus(
            "the same, the gradient blurred by 1 pixel every 5 steps", _lecture(100, _GRADIENT_BLUR)
        ),
        "cadl-clip-gradient": _school_bus(
            "the same, the gradient's largest 5 % of values clipped", _lecture(100, _GRADIENT_CLIP)
        ),
        "tf-naive": DreamPreset(
            f"{_TENSORFLOW}: 20 steps of the gradient by its deviation, one size",
            DreamSettings(Octaves(1, detail="none"), steps=20, rate=1.0, gradient_edits=_BY_DEVIATION),
            "mean",
            MappingProxyType({"mixed4d_3x3_bottleneck_pre_relu:139": 1.0}),
            _TUTORIAL_NOISE,
        ),
        "tf-multiscale": DreamPreset(
            f"{_TENSORFLOW}: 3 octaves that grow",
            _tutorial(_GROWING, steps=10, rate=1.0, gradient_edits=_BY_DEVIATION),
            "mean",
            MappingProxyType({"mixed4d_3x3_bottleneck_pre_relu:139": 1.0}),
            _TUTORIAL_NOISE,
        ),
        "tf-laplacian": DreamPreset(
            f"{_TENSORFLOW}: 3 octaves that grow, every frequency of the gradient equally strong",
            _tutorial(_GROWING, steps=10, rate=1.0, gradient_edits=(LaplacianNormalized(4),)),
            "mean",
            MappingProxyType({"mixed4d_3x3_bottleneck_pre_relu:139": 1.0}),
            _TUTORIAL_NOISE,
        ),
        "tf-deepdream": DreamPreset(
            f"{_TENSORFLOW}: 4 octaves, the picture's own detail given back",
            _tutorial(
                Octaves(4, 1.4, rounding="down", resize="legacy", detail="laplacian"),
                steps=10,
                rate=1.5,
                gradient_edits=(Normalized("mean", 1e-7),),
            ),
            "mean_square",
            MappingProxyType({"mixed4c": 1.0}),
        ),
        "tf2": DreamPreset(
            "TensorFlow's DeepDream tutorial (2020): 5 octaves around the picture's size, 50 steps each",
            DreamSettings(
                Octaves(
                    scale=1.3,
                    exponents=(-2, -1, 0, 1, 2),
                    rounding="down",
                    stepwise=False,
                    resize="half_pixel",
                    detail="none",
                ),
                steps=50,
                rate=0.01,
                gradient_edits=_BY_DEVIATION,
                black=-1.0,
                white=1.0,
                clip=True,
                back=True,
            ),
            "mean",
            MappingProxyType({"mixed3": 1.0, "mixed5": 1.0}),
        ),
        "keras": DreamPreset(
            "Chollet, Keras's deep dream example: 3 octaves, lost detail given back, stopped above an objective of 15",
            DreamSettings(
                Octaves(3, 1.4, rounding="down", stepwise=False, resize="half_pixel", detail="lost"),
                steps=20,
                rate=0.01,
                gradient_edits=(Normalized("mean", 1e-6, at_least=True),),
                black=-1.0,
                white=1.0,
                stop_above=15.0,
            ),
            "inner_mean_square",
            MappingProxyType({"mixed4": 1.0, "mixed5": 1.5, "mixed6": 2.0, "mixed7": 2.5}),
        ),
    }
)


def dream_preset(name: str) -> DreamPreset:
    """Return a preset by its name; InputError with the closest names for one that is not there.

    >>> presets.dream_preset("google-2015").settings.rate
    1.5
    """
    return by_name(DREAM_PRESETS, name, "dream preset")
