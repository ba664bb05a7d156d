"""Keras's layers in convscope's terms: `translate` a call of one, `variables_of` what it has learned."""

from convscope.formats.keras.layers import (
    activations,
    attention,
    convolutional,
    convolutional_lstm,
    functions,
    merging,
    normalization,
    operators,
    pooling,
    recurrent,
    shape,
    volumes,
    words,
    wrappers,
)
from convscope.formats.keras.layers.registry import LAYERS, translate, variables_of
from convscope.formats.keras.layers.translation import Dialect, Numbers, Use, Variable

__all__ = [
    "LAYERS",
    "Dialect",
    "Numbers",
    "Use",
    "Variable",
    "activations",
    "attention",
    "convolutional",
    "convolutional_lstm",
    "functions",
    "merging",
    "normalization",
    "operators",
    "pooling",
    "recurrent",
    "shape",
    "translate",
    "variables_of",
    "volumes",
    "words",
    "wrappers",
]
