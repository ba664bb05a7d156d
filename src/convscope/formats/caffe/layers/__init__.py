"""Caffe's layers in convscope's terms: `translate` one, or teach a new type with `register_layer`."""

from convscope.formats.caffe.layers import (
    converted,
    convolutional,
    detectors,
    ends,
    films,
    flow,
    fork_activations,
    fork_sequences,
    forks,
    learned,
    plain,
    regions,
)
from convscope.formats.caffe.layers.fillers import fill
from convscope.formats.caffe.layers.registry import TRANSLATORS, register_layer, translate, translate_as
from convscope.formats.caffe.layers.translation import LearnedBlob, Shape, Translation, blob_shapes

__all__ = [
    "TRANSLATORS",
    "LearnedBlob",
    "Shape",
    "Translation",
    "blob_shapes",
    "converted",
    "convolutional",
    "detectors",
    "ends",
    "fill",
    "films",
    "flow",
    "fork_activations",
    "fork_sequences",
    "forks",
    "learned",
    "plain",
    "regions",
    "register_layer",
    "translate",
    "translate_as",
]
