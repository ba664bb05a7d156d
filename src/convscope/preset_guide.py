"""What each preset is for, in one line, and what to expect of it on networks other than its source's.

Without torch, so that ``--help`` can show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class PresetGuide:
    """A preset in a line; `elsewhere` says what comes of its numbers on another network, and what does it better."""

    summary: str
    elsewhere: str = ""


_GRAY = "expect gray with a few blots"
_LOUDER = "with --rate 10 --jitter 16 more appears, and tf-laplacian paints the same in color"
_RELIEF = "expect fine forms in gray: tf-laplacian, the same source's, paints large ones in color"
_STATIC = "expect the noise it starts from, a little changed: cadl-decay, or tf-laplacian, paints forms"
_OVER_PICTURE = "expect static over the picture: google-2015, or default, dreams with its forms"

DREAM_GUIDE: Mapping[str, PresetGuide] = MappingProxyType(
    {
        "default": PresetGuide(
            "every frequency of the gradient equally strong, up to 4 sizes; for any network"
        ),
        "google-2015": PresetGuide("the dreams of 2015: 4 sizes, jitter, dreamed detail carried up"),
        "cadl-simplest": PresetGuide("lecture 1: 50 plain steps into a picture", _OVER_PICTURE),
        "cadl-maximum": PresetGuide("lecture 1: the strongest channel of each place", _OVER_PICTURE),
        "cadl-objective": PresetGuide("lecture 2: one channel, 30 steps from noise", f"{_GRAY}: {_LOUDER}"),
        "cadl-decay": PresetGuide("lecture 3: values decay after each of 100 steps", f"{_GRAY}: {_LOUDER}"),
        "cadl-blur": PresetGuide("lecture 4: and are blurred every fifth step", f"{_GRAY}: {_LOUDER}"),
        "cadl-clip": PresetGuide("lecture 5: and the smallest are set to zero", f"{_GRAY}: {_LOUDER}"),
        "cadl-fractal": PresetGuide("lecture 6: and zoomed into, 1,000 steps", f"{_GRAY}: {_LOUDER}"),
        "cadl-decay-gradient": PresetGuide("lecture 3 by its title: the gradient decays", _STATIC),
        "cadl-blur-gradient": PresetGuide("lecture 4 by its title: the gradient is blurred", _STATIC),
        "cadl-clip-gradient": PresetGuide("lecture 5 by its title: the gradient is clipped", _STATIC),
        "tf-naive": PresetGuide("DeepDreaming with TensorFlow: 20 steps, one size", _RELIEF),
        "tf-multiscale": PresetGuide("the same over 3 growing sizes", _RELIEF),
        "tf-laplacian": PresetGuide("the same, every frequency of the gradient equally strong"),
        "tf-deepdream": PresetGuide("the same source's dream into a picture, 4 sizes"),
        "tf2": PresetGuide("TensorFlow's tutorial of 2020: 5 sizes of 50 steps"),
        "keras": PresetGuide("Keras's example: 3 sizes, stopped above an objective of 15"),
    }
)

STYLE_GUIDE: Mapping[str, PresetGuide] = MappingProxyType(
    {
        "default": PresetGuide(
            "in the style's own colors, losses counted in what the two pictures lose; for any network"
        ),
        "lecture": PresetGuide("Mital's lecture, from the content, 100 steps"),
        "homework": PresetGuide("the lecture's homework, from noise, 100 steps"),
        "neural-style": PresetGuide("Johnson's neural-style of 2015: L-BFGS from noise, 1,000 steps"),
        "gatys": PresetGuide("Gatys's own: L-BFGS at 512, then 800 pixels; slow and good"),
        "pytorch-tutorial": PresetGuide(
            "PyTorch's tutorial: the first layers, so fine brush strokes; 300 steps"
        ),
        "tf2": PresetGuide(
            "TensorFlow's tutorial of 2019: Adam, 1,000 steps",
            "expect grain and glaring colors: pytorch-tutorial and default paint cleanly",
        ),
        "keras": PresetGuide(
            "Keras's example: gradient descent, 4,000 steps",
            "expect little of the style before a thousand steps: default paints in a tenth of them",
        ),
        "wasserstein": PresetGuide("Crowson's: distances between distributions, many sizes; slow and rich"),
    }
)

FEATURE_GUIDE: Mapping[str, PresetGuide] = MappingProxyType(
    {
        "default": PresetGuide("frequencies, moved about, 128 steps"),
        "lucid": PresetGuide("Feature Visualization (2017): the same idea with its own numbers, 512 steps"),
        "keras-2016": PresetGuide("Chollet's blog of 2016: 20 plain steps"),
        "convolutional-cats": PresetGuide("Shibuya's blog of 2017: 20 plain steps from Gaussian noise"),
        "yosinski-1": PresetGuide("Yosinski 2015, row 1: blurred, small norms set to zero"),
        "yosinski-2": PresetGuide("Yosinski 2015, row 2: decayed"),
        "yosinski-3": PresetGuide("Yosinski 2015, row 3: decayed and blurred"),
        "yosinski-4": PresetGuide("Yosinski 2015, row 4: what contributes little is set to zero"),
        "maco": PresetGuide("MACO (2023): natural magnitudes, only phases move; 512 pixels, slow"),
        "cadl-gradient": PresetGuide("Mital's lecture, 100 plain steps"),
    }
)
