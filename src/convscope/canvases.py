"""What pictures are painted on: numbers that become pixels, plainly or by their frequencies, in correlated colors.

A `Painting` is a basis (`Pixels`, `Fourier`, `Pyramid`, `MagnitudeConstrained`), colors and a range.

>>> from convscope import canvases
>>> canvases.Painting(canvases.Fourier(), canvases.IMAGENET)
"""

from convscope.optimization.canvases.color import IMAGENET, Color, color_of
from convscope.optimization.canvases.fourier import Fourier
from convscope.optimization.canvases.magnitude_constrained import MagnitudeConstrained
from convscope.optimization.canvases.painting import Painting
from convscope.optimization.canvases.pixels import Pixels
from convscope.optimization.canvases.pyramid import Pyramid
from convscope.optimization.canvases.ranges import Linear, Sigmoid, Unprepared
from convscope.optimization.canvases.spectrum import Measured, PowerLaw, spectrum_of

__all__ = [
    "IMAGENET",
    "Color",
    "Fourier",
    "Linear",
    "MagnitudeConstrained",
    "Measured",
    "Painting",
    "Pixels",
    "PowerLaw",
    "Pyramid",
    "Sigmoid",
    "Unprepared",
    "color_of",
    "spectrum_of",
]
