"""Style transfers as their sources made them, by name; and convscope's own.

The numbers are the sources'. Layers are named as VGG's authors do (``conv4_2``), and are after the ReLU unless
`before_relu`; other networks get layers of the same depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from convscope.errors import by_name
from convscope.network.network import Network
from convscope.optimization.optimizers import LBFGS, Adam, GradientAscent
from convscope.optimization.regularizers import NeighborDifference, TotalVariation
from convscope.optimization.settings import Schedule
from convscope.pictures.resizing import Size
from convscope.styling.layers import vgg_layers
from convscope.styling.losses import (
    GramLoss,
    MomentsLoss,
    WassersteinLoss,
    half_square_of_shares,
    sum_of_squares,
)
from convscope.styling.settings import Scales, StyleSettings
from convscope.styling.weight_normalization import MeanAnswers

_FIVE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")


@dataclass(frozen=True)
class StylePreset:
    """A style transfer by name: its source in words, its settings with VGG's layers, and the size it was made for.

    ``size`` is in pixels, of the ``side`` that its source gives; ``adam_rate`` is the rate it has for Adam, where it
    offers both. ``answers`` are those that its weights are for, where another network's count as if they were as large,
    and ``rate_elsewhere`` is the rate for such a network, where the source's goes too far; ``unit_range``: its source's
    VGG takes 0..1, as torchvision's (Caffe's, of 0..255, answers a hundred times as much).

    >>> presets.STYLE_PRESETS["gatys"].size
    800
    """

    source: str
    settings: StyleSettings
    size: int
    side: Literal["longer", "shorter", "height"] = "longer"
    before_relu: bool = False
    answers: MeanAnswers | None = None
    adam_rate: float | None = None
    rate_elsewhere: Schedule | None = None
    unit_range: bool = False

    def is_for(self, network: Network) -> bool:
        """Tell whether its weights are for this network: a VGG, in the range of its source's."""
        spec = network.input_spec
        another = self.unit_range and spec is not None and spec.raw_scale > 1
        return bool(vgg_layers(network)) and not another

    def longer_side(self, size: Size) -> int:
        """Return the longer side of what it makes of a picture of this (height, width)."""
        height, _ = size
        side = {"longer": max(size), "shorter": min(size), "height": height}[self.side]
        return round(self.size * max(size) / side)


# What the tutorial prints of VGG19: 13.8 from conv5_2; 34, 200, 231, 791 and 59 from conv1_1 to conv5_1, whose fourth
# powers have this mean.
_VGG19 = MeanAnswers(13.8, 531.0)


def _each(weight: float, layers: tuple[str, ...] = _FIVE) -> Mapping[str, float]:
    return MappingProxyType(dict.fromkeys(layers, weight))


def keras_rate(step: int) -> float:
    """Return 100, less by 4 % every hundred steps."""
    share: float = 0.96 ** ((step - 1) / 100)
    return 100.0 * share


def keras_rate_elsewhere(step: int) -> float:
    """Return a hundredth of it: steps as long as the gradient, which is that much larger in fewer layers than VGG's."""
    return keras_rate(step) / 100


def _lecture(content: str, **changes: object) -> StyleSettings:
    return StyleSettings(
        _each(1.0, (content,)),
        _each(1.0),
        content=half_square_of_shares,
        style=GramLoss("volume", "lecture"),
        smoothness=TotalVariation(1.0, "power", 2.5),
        optimizer=Adam(before_correction=True),
        **changes,  # type: ignore[arg-type]
    )


STYLE_PRESETS: Mapping[str, StylePreset] = MappingProxyType(
    {
        "default": StylePreset(
            "convscope: the content in the style's colors, losses counted in what the two pictures lose, sizes "
            "from 96 on, Adam carried up",
            StyleSettings(
                _each(1.0, ("conv4_2",)),
                _each(0.2),
                style=MomentsLoss(),
                smoothness=NeighborDifference(1.0),
                content_weight=1.0,
                style_weight=2.0,
                smoothness_weight=0.5,
                optimizer=Adam((0.9, 0.99)),
                rate=0.02,
                steps=80,
                scales=Scales(2.0, smallest=96),
                clamp=True,
                average=0.9,
                in_units=True,
                recolor=True,
            ),
            size=512,
        ),
        "lecture": StylePreset(
            "Mital, Creative Applications of Deep Learning with TensorFlow (2016), session 4: its style net",
            _lecture(
                "conv4_2",
                content_weight=0.1,
                style_weight=5.0,
                smoothness_weight=0.01,
                rate=0.01,
                steps=100,
            ),
            size=224,
            answers=MeanAnswers(100.0, 100.0),
        ),
        "homework": StylePreset(
            "The same session's homework: from noise, the content from an earlier layer",
            _lecture(
                "conv3_2",
                content_weight=5.0,
                style_weight=1.0,
                smoothness_weight=0.001,
                rate=0.05,
                steps=100,
                start="noise",
                noise=None,
            ),
            size=224,
            answers=MeanAnswers(100.0, 100.0),
        ),
        "neural-style": StylePreset(
            "Johnson, neural-style (2015): L-BFGS from noise, Gram matrices by their volume",
            StyleSettings(
                _each(1.0, ("conv4_2",)),
                _each(1.0),
                style=GramLoss("volume", "mean"),
                smoothness=TotalVariation(0.5, "power", 2.0),
                content_weight=5.0,
                style_weight=100.0,
                smoothness_weight=1e-3,
                optimizer=LBFGS(100),
                rate=1.0,
                steps=1000,
                start="noise",
                noise=0.001 / 255,
                white=255.0,
            ),
            size=512,
            answers=MeanAnswers(100.0, 100.0),
            adam_rate=10.0,
        ),
        "gatys": StylePreset(
            "Gatys, PytorchNeuralStyleTransfer: L-BFGS at 512, then at 800 pixels",
            StyleSettings(
                _each(1.0, ("conv4_2",)),
                _each(1.0),
                # Half the sum over C^4 times 2000 is 1000 / C^2 times the mean over C^2 numbers.
                style=GramLoss("positions", "lecture"),
                style_weight=2e3,
                optimizer=LBFGS(100),
                rate=1.0,
                steps=200,
                first_steps=500,
                scales=Scales(800 / 512, most=2),
                white=255.0,
            ),
            size=800,
            side="shorter",
            answers=MeanAnswers(10.0, 10.0),
        ),
        "pytorch-tutorial": StylePreset(
            "Jacq, PyTorch's neural transfer tutorial: the first convolutions, before their ReLUs",
            StyleSettings(
                _each(1.0, ("conv2_2",)),
                _each(1.0, ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")),
                style=GramLoss("volume", "mean"),
                style_weight=1e6,
                optimizer=LBFGS(100),
                rate=1.0,
                steps=300,
                clamp=True,
            ),
            size=512,
            side="shorter",
            before_relu=True,
            answers=MeanAnswers(1.0, 1.0),
            unit_range=True,
        ),
        "tf2": StylePreset(
            "TensorFlow's neural style transfer tutorial (2019)",
            StyleSettings(
                _each(1.0, ("conv5_2",)),
                _each(0.2),
                style=GramLoss("positions", "mean"),
                smoothness=TotalVariation(1.0, "anisotropic"),
                content_weight=1e4,
                style_weight=1e-2,
                smoothness_weight=30.0,
                optimizer=Adam((0.99, 0.999), 0.1, before_correction=True),
                rate=0.02,
                steps=1000,
                clamp=True,
            ),
            size=512,
            answers=_VGG19,
        ),
        "keras": StylePreset(
            "Chollet, Keras's neural style transfer example: gradient descent at a falling rate",
            StyleSettings(
                _each(1.0, ("conv5_2",)),
                _each(0.2),
                content=sum_of_squares,
                style=GramLoss("nothing", "keras"),
                smoothness=TotalVariation(1.0, "power", 2.5),
                content_weight=2.5e-8,
                style_weight=1e-6,
                smoothness_weight=1e-6,
                optimizer=GradientAscent("none"),
                rate=keras_rate,
                steps=4000,
                white=255.0,
            ),
            size=400,
            side="height",
            answers=_VGG19,
            rate_elsewhere=keras_rate_elsewhere,
        ),
        "wasserstein": StylePreset(
            "Crowson, style-transfer-pytorch: means and covariances, sizes by the root of 2, Adam carried up",
            StyleSettings(
                _each(1.0, ("conv4_2",)),
                MappingProxyType(
                    {name: weight / 341 for name, weight in zip(_FIVE, (256, 64, 16, 4, 1), strict=True)}
                ),
                style=WassersteinLoss(1e-4),
                smoothness=NeighborDifference(1.0),
                content_weight=0.015,
                style_weight=1.0,
                smoothness_weight=2.0,
                optimizer=Adam((0.9, 0.99)),
                rate=0.02,
                steps=500,
                first_steps=1000,
                scales=Scales(2**0.5, smallest=128),
                clamp=True,
                average=0.99,
                edges="replicate",
                first_edge_only=True,
            ),
            size=512,
        ),
    }
)


def style_preset(name: str) -> StylePreset:
    """Return a preset by its name; InputError with the closest names for one that is not there.

    >>> list(presets.style_preset("gatys").settings.style_layers)
    ['conv1_1', 'conv2_1', 'conv3_1', 'conv4_1', 'conv5_1']
    """
    return by_name(STYLE_PRESETS, name, "style preset")
