"""The operations every network is made of, whatever format it came from.

Each is a pure function: input tensors by position, parameters and attributes by keyword; a tensor comes
out, or a tuple of them. None writes in place, all run on any device (the meta device too, for shapes), in
any float precision, through autograd, torch.fx and torch.compile. `OPERATIONS` is the table of them all by
name.

What else is known of a kind (its shape, what a position sees) stands in its decorator, and `kind_of` tells it.

>>> OPERATIONS["max_pool"](torch.zeros(1, 64, 112, 112), kernel=3, stride=2).shape
torch.Size([1, 64, 56, 56])
"""

from convscope.network.operations import (
    arithmetic,
    arrangement,
    assertions,
    aten,
    attention,
    backward_rules,
    block_lstm,
    blocks,
    caffe_recurrent,
    cascade_regions,
    codes,
    combination,
    convolution,
    crops,
    deep_lift_rules,
    dense,
    detection,
    dynamic,
    fourier,
    indexing,
    intervention,
    keras_recurrent,
    losses,
    nonlinearity,
    normalization,
    onnx_recurrent,
    patches,
    pooling,
    pooling_along,
    quantization,
    ranges,
    redirected_relu,
    reduction,
    regions,
    resizing,
    sampling,
    shape,
)
from convscope.network.operations.registry import KINDS, OPERATIONS, OperationKind, kind_of, operation

__all__ = [
    "KINDS",
    "OPERATIONS",
    "OperationKind",
    "arithmetic",
    "arrangement",
    "assertions",
    "aten",
    "attention",
    "backward_rules",
    "block_lstm",
    "blocks",
    "caffe_recurrent",
    "cascade_regions",
    "codes",
    "combination",
    "convolution",
    "crops",
    "deep_lift_rules",
    "dense",
    "detection",
    "dynamic",
    "fourier",
    "indexing",
    "intervention",
    "keras_recurrent",
    "kind_of",
    "losses",
    "nonlinearity",
    "normalization",
    "onnx_recurrent",
    "operation",
    "patches",
    "pooling",
    "pooling_along",
    "quantization",
    "ranges",
    "redirected_relu",
    "reduction",
    "regions",
    "resizing",
    "sampling",
    "shape",
]
