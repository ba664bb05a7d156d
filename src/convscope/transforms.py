"""How a picture is moved about before each look at it, so that what is painted does not depend on single pixels.

>>> from convscope import transforms
>>> transforms.Jitter(8), transforms.Rotate((-5, 0, 5)), transforms.Scale((0.9, 1.0, 1.1))
"""

from convscope.optimization.transforms import (
    Crop,
    Flip,
    Jitter,
    Noise,
    OverNoise,
    Pad,
    Rotate,
    Scale,
    Together,
)

__all__ = ["Crop", "Flip", "Jitter", "Noise", "OverNoise", "Pad", "Rotate", "Scale", "Together"]
