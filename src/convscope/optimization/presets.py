"""Ways to make pictures, by name, each after its source; the numbers are the sources'.

Where a source worked on the network's own input, its numbers are gray levels around the network's mean color here:
the same for networks that expect gray levels, as Caffe's do, and fitting for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from convscope.errors import by_name, warn
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.optimization.canvases.color import IMAGENET, Color
from convscope.optimization.canvases.fourier import Fourier
from convscope.optimization.canvases.magnitude_constrained import MagnitudeConstrained
from convscope.optimization.canvases.painting import Painting
from convscope.optimization.canvases.pixels import Pixels
from convscope.optimization.canvases.ranges import Linear, Unprepared
from convscope.optimization.optimizers import GradientAscent, Nadam, ProgressAscent
from convscope.optimization.regularizers import Blur, Clamp, Decay, SmallContribution, SmallNorm, SmallValues
from convscope.optimization.settings import Edit, Settings, Transform
from convscope.optimization.transforms import Crop, Jitter, Noise, Pad, Rotate, Scale, Together
from convscope.preset_guide import PresetGuide


@dataclass(frozen=True)
class Preset:
    """Where a way to make pictures comes from, in words, and its settings for a network's input.

    >>> presets.PRESETS["lucid"].source
    '...'
    """

    source: str
    settings: Callable[[InputSpec], Settings]


def preset(name: str, spec: InputSpec) -> Settings:
    """Return the settings of a preset for a network that expects `spec`.

    >>> presets.preset("lucid", network.input_spec).steps
    512
    """
    return by_name(PRESETS, name, "preset").settings(spec)


def warn_elsewhere(name: str, guide: PresetGuide, network: Network) -> None:
    """Say before the start what comes of a preset's numbers on a network other than its source's."""
    if guide.elsewhere:
        warn(
            f"the preset {name} keeps its source's numbers, made for another network than {network.name}: "
            f"{guide.elsewhere}"
        )


def _default(spec: InputSpec) -> Settings:
    robustness = Together(
        (
            Pad(6),
            Jitter(8),
            Scale((0.9, 0.95, 1.0, 1.05, 1.1)),
            Rotate(tuple(range(-10, 11))),
            Jitter(4),
        )
    )
    return Settings(Painting(Fourier(), _colors(spec)), (robustness,), steps=128, size=(128, 128))


def _lucid(spec: InputSpec) -> Settings:
    scales = tuple(1 + (step - 5) / 50 for step in range(11))
    turns = tuple(float(degrees) for degrees in (*range(-10, 11), *(0,) * 5))
    robustness = Together((Pad(12), Jitter(8), Scale(scales), Rotate(turns), Jitter(4)))
    return Settings(
        Painting(Fourier(), _colors(spec)), (robustness,), rate=0.05, steps=512, size=(128, 128), keep="last"
    )


def _keras_2016(spec: InputSpec) -> Settings:
    noise = Pixels(deviation=20 / 12**0.5, mean=128, noise="uniform")
    return _unprepared(spec, noise)


def _convolutional_cats(spec: InputSpec) -> Settings:
    return _unprepared(spec, Pixels(deviation=10, mean=127))


def _unprepared(spec: InputSpec, noise: Pixels) -> Settings:
    return Settings(
        Painting(noise, range=Unprepared(spec)),
        optimizer=GradientAscent("rms", epsilon=1e-5),
        rate=1.0,
        steps=20,
        size=(128, 128),
        keep="last",
        display=Standardized(mean_color(spec)),
    )


def _yosinski(spec: InputSpec, edits: tuple[Edit, ...], steps: int, most: float | None) -> Settings:
    """Around the mean; with `most`, steps for a progress of 2, else of 100 gradients.

    Made for classes and single neurons: a channel's mean has a gradient as many times smaller as it has positions.
    """
    center = mean_color(spec)
    limits = Clamp(
        tuple(-255 * channel for channel in center), tuple(255 - 255 * channel for channel in center)
    )
    return Settings(
        Painting(Pixels(deviation=10), range=Linear(center)),
        edits=(*edits, limits),
        optimizer=GradientAscent("none") if most is None else ProgressAscent(most),
        rate=100.0 if most is None else 2.0,
        steps=steps,
        display=Stretched(center),
    )


def _yosinski_1(spec: InputSpec) -> Settings:
    return _yosinski(spec, (Blur(0.5, 4), SmallNorm(50)), 500, 100.0)


def _yosinski_2(spec: InputSpec) -> Settings:
    return _yosinski(spec, (Decay(0.3), SmallNorm(20)), 750, None)


def _yosinski_3(spec: InputSpec) -> Settings:
    return _yosinski(spec, (Decay(0.0001), Blur(1.0, 4)), 1000, None)


def _yosinski_4(spec: InputSpec) -> Settings:
    return _yosinski(spec, (Blur(0.5, 4), SmallContribution(90)), 1000, 1e8)


def _maco(spec: InputSpec) -> Settings:
    steps = 256

    def views(step: int) -> tuple[Transform, ...]:
        share = 0.5 - 0.45 * (step - 1) / (steps - 1)
        # The source's noise of 0.08 is for pixels of -1 to 1.
        return Crop(spec.size, share, fill=0.5), Noise(deviation=0.04, uniform=0.04)

    return Settings(
        Painting(MagnitudeConstrained(standardized=True), _colors(spec)),
        views,
        views=32,
        optimizer=Nadam(epsilon=1e-7),
        rate=1.0,
        steps=steps,
        size=(512, 512),
        keep="last",
    )


def _cadl_gradient(spec: InputSpec) -> Settings:
    return Settings(
        Painting(
            Pixels(deviation=50 / 12**0.5, mean=8.0, noise="uniform", whole=True),
            range=Linear(mean_color(spec)),
        ),
        edits=(Decay(0.05), Blur(1.0, 5), SmallValues(5)),
        optimizer=GradientAscent("max", epsilon=1e-8),
        rate=1.0,
        steps=100,
        keep="last",
        display=Standardized(mean_color(spec)),
    )


def mean_color(spec: InputSpec) -> tuple[float, ...]:
    """Return the color the network takes for nothing, one number a channel, in 0..1."""
    nothing = spec.to_rgb(torch.zeros(spec.shape))
    return tuple(nothing.mean((0, 2, 3)).tolist())


@dataclass(frozen=True)
class Standardized:
    """Pictures by how they differ from `center`, around gray, with a standard deviation of 0.1, as notebooks do."""

    center: tuple[float, ...]

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return what is shown, in 0..1."""
        flat = _away(pictures, self.center).flatten(1)
        mean, deviation = flat.mean(1), flat.std(1, correction=0).clamp_min(1e-6)
        shown = (flat - mean[:, None]) / deviation[:, None] * 0.1 + 0.5
        return shown.clamp(0, 1).view_as(pictures)


@dataclass(frozen=True)
class Stretched:
    """Pictures by how they differ from `center`, which is gray; the largest difference is black or white."""

    center: tuple[float, ...]

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return what is shown, in 0..1."""
        away = _away(pictures, self.center)
        largest = away.flatten(1).abs().amax(1).clamp_min(1e-6)
        return away / (2 * largest[:, None, None, None]) + 0.5


def _away(pictures: Tensor, center: tuple[float, ...]) -> Tensor:
    return pictures - pictures.new_tensor(center)[:, None, None]


def _colors(spec: InputSpec) -> Color | None:
    return IMAGENET if spec.channels == 3 else None


_YOSINSKI = "Yosinski et al., Understanding Neural Networks Through Deep Visualization (2015), table 1, row"
_LECTURE = "Mital, Creative Applications of Deep Learning with TensorFlow (2016), session 4"

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "default": Preset("convscope", _default),
        "lucid": Preset("Olah, Mordvintsev and Schubert, Feature Visualization (2017), and lucid", _lucid),
        "keras-2016": Preset("Chollet, How convolutional neural networks see the world (2016)", _keras_2016),
        "convolutional-cats": Preset(
            "Shibuya, Do filters dream of convolutional cats? (2017)", _convolutional_cats
        ),
        "yosinski-1": Preset(f"{_YOSINSKI} 1", _yosinski_1),
        "yosinski-2": Preset(f"{_YOSINSKI} 2", _yosinski_2),
        "yosinski-3": Preset(f"{_YOSINSKI} 3, most of its pictures", _yosinski_3),
        "yosinski-4": Preset(f"{_YOSINSKI} 4", _yosinski_4),
        "maco": Preset("Fel et al., MAgnitude Constrained Optimization (2023)", _maco),
        "cadl-gradient": Preset(_LECTURE, _cadl_gradient),
    }
)
