"""Nets of every age become today's: layers of the first two generations, old inputs, old preprocessing.

The rules are those of Caffe's own ``upgrade_proto.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.errors import NetworkFileError
from convscope.formats.caffe.first_generation import upgrade_first_generation
from convscope.formats.caffe.message import Message

LAYER_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}

_DATA_PARAMETERS = {
    "DATA": "data_param",
    "IMAGE_DATA": "image_data_param",
    "WINDOW_DATA": "window_data_param",
}
_TRANSFORMATIONS = ("scale", "mean_file", "crop_size", "mirror")
_PARAM_FIELDS = {
    "param": "name",
    "blob_share_mode": "share_mode",
    "blobs_lr": "lr_mult",
    "weight_decay": "decay_mult",
}
_BATCH_NORM_BLOBS = 3


def upgrade(net: Message) -> Message:
    """Return the net in today's form: only `layer`, with inputs as an ``Input`` layer put first.

    The argument is not changed; a net of today comes back equal. `NetworkFileError` where Caffe itself would stop:
    layers of two generations in one net, a padding layer before a layer that cannot pad, unknown old types.
    """
    net = net.copy()
    if net.has("layers") and net.has("layer"):
        raise NetworkFileError(
            "the net has both `layers` (until 2014) and `layer` (since): use one of the two."
        )
    if any(layer.has("layer") for layer in net.layers):
        net = upgrade_first_generation(net)
    net.layer = [*net.layer, *map(_upgrade_layer, net.layers)]
    net.clear("layers")
    _upgrade_inputs(net)
    for layer in net.layer:
        _freeze_batch_norm(layer)
    return net


def _upgrade_layer(old: Message) -> Message:
    """Turn a `layers` entry of the second generation into a `layer`."""
    _move_transformations(old)
    new = Message("LayerParameter")
    new.place, new.unknown = old.place, [field for field in old.unknown if field.name != "type"]
    for unknown in old.unknown:
        if unknown.name == "type":
            new.type = str(unknown.value)  # a fork's: ROI_POOLING
    for field, value in old.fields():
        if field.name == "type":
            new.type = LAYER_TYPES[value]
        elif field.name in _PARAM_FIELDS:
            _set_specs(new, _PARAM_FIELDS[field.name], value)
        elif field.name != "layer":
            setattr(new, field.name, value)
    return new


def _move_transformations(layer: Message) -> None:
    """Move what a data layer once said itself about preprocessing into its `transform_param`."""
    source = _DATA_PARAMETERS.get(layer.type or "")
    if not source or not layer.has(source):
        return
    data = getattr(layer, source)
    for name in _TRANSFORMATIONS:
        if data.has(name):
            setattr(layer.ensure("transform_param"), name, getattr(data, name))
            data.clear(name)


def _set_specs(layer: Message, name: str, values: Iterable[object]) -> None:
    for index, value in enumerate(values):
        if index == len(layer.param):
            layer.add("param")
        setattr(layer.param[index], name, value)


def _upgrade_inputs(net: Message) -> None:
    """Turn the fields `input`, `input_shape` and `input_dim` into an ``Input`` layer put first.

    Without any size the layer has none either, so that it can be asked for; where the net already makes the blob
    (old binary files) the field is only dropped.
    """
    names, shapes, sizes = net.input, list(net.input_shape), net.input_dim
    if sizes and not shapes:
        shapes = [Message("BlobShape", dim=sizes[start : start + 4]) for start in range(0, len(sizes), 4)]
    if shapes and len(shapes) < len(names):
        raise NetworkFileError(
            f"the net has {len(names)} inputs ({', '.join(map(repr, names))}) but {len(shapes)} input shapes: "
            "give each input its own input_shape, or four input_dim."
        )
    tops = {top for layer in net.layer for top in layer.top}
    if names and (shapes or not tops.issuperset(names)):
        layer = Message("LayerParameter", name="input", type="Input", top=names)
        layer.ensure("input_param").shape = shapes[: len(names)]
        net.layer = [layer, *net.layer]
    for name in ("input", "input_shape", "input_dim"):
        net.clear(name)


def _freeze_batch_norm(layer: Message) -> None:
    """Keep an optimizer off a batch norm's statistics, as Caffe does when it reads an old net."""
    if layer.type == "BatchNorm" and len(layer.param) == _BATCH_NORM_BLOBS:
        for spec in layer.param:
            spec.lr_mult = spec.decay_mult = 0.0
