"""Layers of Caffe's first year (``layers { layer { type: "conv" kernelsize: 11 } }``) as those of its second."""

from __future__ import annotations

from convscope.errors import NetworkFileError, did_you_mean, warn
from convscope.formats.caffe.message import Message

LAYER_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

_PARAMETERS = {
    "concat": "concat_param",
    "conv": "convolution_param",
    "data": "data_param",
    "dropout": "dropout_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "infogain_loss": "infogain_loss_param",
    "innerproduct": "inner_product_param",
    "lrn": "lrn_param",
    "pool": "pooling_param",
    "window_data": "window_data_param",
}
_RENAMED = {
    "batchsize": "batch_size",
    "biasterm": "bias_term",
    "det_bg_threshold": "bg_threshold",
    "det_context_pad": "context_pad",
    "det_crop_mode": "crop_mode",
    "det_fg_fraction": "fg_fraction",
    "det_fg_threshold": "fg_threshold",
    "kernelsize": "kernel_size",
    "shuffle_images": "shuffle",
}
_TRANSFORMATIONS = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
_KEPT = {"name", "blobs", "blobs_lr", "weight_decay", "hdf5_output_param"}


def upgrade_first_generation(net: Message) -> Message:
    """Return the net with layers of the second generation; padding layers become the pad of what reads them."""
    net = net.copy()
    net.layers = [_upgrade_layer(layer) for layer in _fold_padding(net.layers)]
    return net


def _fold_padding(layers: list[Message]) -> list[Message]:
    makers: dict[str, Message] = {}
    for layer in layers:
        for index, bottom in enumerate(layer.bottom):
            maker = makers.get(bottom)
            if maker is not None and maker.layer.type == "padding":
                _expect_foldable(maker, layer)
                layer.layer.pad = maker.layer.pad
                layer.bottom[index] = maker.bottom[0]
        makers.update(dict.fromkeys(layer.top, layer))
    return [layer for layer in layers if layer.layer.type != "padding"]


def _expect_foldable(padding: Message, reader: Message) -> None:
    problem = ""
    if reader.layer.type not in ("conv", "pool"):
        problem = f"is read by a {reader.layer.type!r} layer, and only conv and pool can pad"
    elif (len(reader.bottom), len(padding.bottom), len(padding.top)) != (1, 1, 1):
        problem = "or its reader has more than one input or output"
    if problem:
        raise NetworkFileError(f"the padding layer {padding.layer.name!r} ({padding.place}) {problem}.")


def _upgrade_layer(old: Message) -> Message:
    """Turn an entry with an old `layer` inside into one of the second generation."""
    inner, new = old.layer, Message("V1LayerParameter", bottom=old.bottom, top=old.top)
    new.place, new.unknown = old.place, [*old.unknown, *inner.unknown]
    if inner.has("type"):
        if inner.type not in LAYER_TYPES:
            hint = did_you_mean(inner.type, LAYER_TYPES)
            raise NetworkFileError(
                f"layer {inner.name!r} ({old.place}) has the type {inner.type!r}, which old nets do not know.{hint}"
            )
        new.type = LAYER_TYPES[inner.type]
    for field, value in inner.fields():
        if field.name in _KEPT:
            setattr(new, field.name, value)
        elif field.name in _TRANSFORMATIONS:
            setattr(new.ensure("transform_param"), _TRANSFORMATIONS[field.name], value)
        elif field.name != "type":
            _move(new, inner, field.name, value)
    return new


def _move(new: Message, inner: Message, name: str, value: object) -> None:
    """Put one setting of an old layer into the message that its type has for settings."""
    parameters = _PARAMETERS.get(inner.type or "")
    target = new.ensure(parameters) if parameters else None
    field = target.field(_RENAMED.get(name, name)) if target is not None else None
    if target is None or field is None:
        warn(
            f"layer {inner.name!r} ({inner.place}): {name} means nothing to a {inner.type!r} layer and is left out."
        )
    else:
        setattr(target, field.name, [value] if field.repeated else value)
