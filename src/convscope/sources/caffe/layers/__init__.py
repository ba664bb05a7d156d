"""Caffe's layers in convscope's terms: `translate` one, or teach a new type with `register_layer`."""

from convscope.sources.caffe.layers import convolutional, ends, learned, plain
from convscope.sources.caffe.layers.fillers import fill
from convscope.sources.caffe.layers.registry import TRANSLATORS, register_layer, translate, translate_as
from convscope.sources.caffe.layers.translation import Shape, Translation, parameter_shapes

__all__ = [
    "TRANSLATORS",
    "Shape",
    "Translation",
    "convolutional",
    "ends",
    "fill",
    "learned",
    "parameter_shapes",
    "plain",
    "register_layer",
    "translate",
    "translate_as",
]
