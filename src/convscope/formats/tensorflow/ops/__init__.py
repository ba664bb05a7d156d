"""TensorFlow's ops in convscope's terms, a family a file; the families fill the table of `translation`."""

from convscope.formats.tensorflow.ops import (
    arithmetic,
    arrangement,
    casts,
    codes,
    colors,
    convolution,
    matrices,
    normalization,
    operators,
    pixels,
    quantization,
    recurrent,
    segments,
    sounds,
    volumes,
    waves,
)
from convscope.formats.tensorflow.translation import translate

__all__ = [
    "arithmetic",
    "arrangement",
    "casts",
    "codes",
    "colors",
    "convolution",
    "matrices",
    "normalization",
    "operators",
    "pixels",
    "quantization",
    "recurrent",
    "segments",
    "sounds",
    "translate",
    "volumes",
    "waves",
]
