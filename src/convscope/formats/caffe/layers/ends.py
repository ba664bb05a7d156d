"""Where a network begins and ends: data, constants, and the layers that only training needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convscope.formats.caffe.layers.fillers import WEIGHTS, ZEROS
from convscope.formats.caffe.layers.registry import DATA, TRAINING, register_layer
from convscope.formats.caffe.layers.translation import (
    InputShape,
    LearnedBlob,
    Shape,
    ShapeRule,
    Translation,
    wrong,
)
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan

_TRAINING_ONLY = (
    "Accuracy",
    "ContrastiveLoss",
    "EuclideanLoss",
    "HDF5Output",
    "HingeLoss",
    "InfogainLoss",
    "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss",
)


_CHANNELS_OF = {"FLOW": 2, "RGB": 3}


@register_layer("Input")
def _input(layer: Message) -> Translation:
    shapes = [tuple(int(size) for size in shape.dim) for shape in layer.input_param.shape]
    if len(shapes) > 1 and len(shapes) != len(layer.top):
        raise wrong(layer, f"{len(shapes)} shapes for {len(layer.top)} tops")
    return _inputs(shapes[index % len(shapes)] if shapes else None for index in range(len(layer.top)))


@register_layer("Data")
def _data(layer: Message) -> Translation:
    transform = layer.transform_param
    picture = layer.data_param.batch_size, _channels(transform), *_picture_size(transform, {})
    return _picture_and_label(layer, picture)


@register_layer("ImageData")
def _image_data(layer: Message) -> Translation:
    parameters, crop = layer.image_data_param, layer.transform_param.crop_size
    height, width = crop or parameters.new_height or None, crop or parameters.new_width or None
    return _picture_and_label(layer, (parameters.batch_size, 3 if parameters.is_color else 1, height, width))


@register_layer("WindowData")
def _window_data(layer: Message) -> Translation:
    batch, size = layer.window_data_param.batch_size, layer.transform_param.crop_size or None
    return _picture_and_label(layer, (batch, 3, size, size))


@register_layer("MemoryData")
def _memory_data(layer: Message) -> Translation:
    parameters = layer.memory_data_param
    shape: InputShape = parameters.batch_size, parameters.channels, parameters.height, parameters.width
    if parameters.dim:  # a fork's
        shape = tuple(int(size) for size in parameters.dim)
    return _picture_and_label(layer, shape)


@register_layer("HDF5Data")
def _hdf5_data(layer: Message) -> Translation:
    return _inputs(None for _ in layer.top)


@register_layer("DummyData")
def _dummy_data(layer: Message) -> OperationPlan:
    parameters, count = layer.dummy_data_param, len(layer.top)
    shapes = [tuple(int(size) for size in shape.dim) for shape in parameters.shape]
    if not shapes:
        sides = (parameters.num, parameters.channels, parameters.height, parameters.width)
        shapes = [tuple(int(size) for size in shape) for shape in zip(*sides, strict=False)]
    fillers = list(parameters.data_filler) or [Message("FillerParameter", **ZEROS)]
    if len(shapes) not in (1, count) or len(fillers) not in (1, count):
        raise wrong(layer, f"{len(shapes)} shapes and {len(fillers)} fillers for {count} tops")
    blobs = {
        f"value_{index}": LearnedBlob(
            fillers[index % len(fillers)], _always(shapes[index % len(shapes)]), stored=False
        )
        for index in range(count)
    }
    return OperationPlan("constant", parameters=blobs)


@register_layer("Parameter")
def _parameter(layer: Message) -> OperationPlan:
    shape: Shape = tuple(int(size) for size in layer.parameter_param.shape.dim)
    filler = Message("FillerParameter", **WEIGHTS)
    return OperationPlan("constant", parameters={"weight": LearnedBlob(filler, _always(shape))})


@register_layer("SoftmaxWithLoss")
def _softmax_with_loss(layer: Message) -> Translation:
    return Translation(
        OperationPlan("softmax", tuple(layer.bottom[:1]), attributes={"axis": layer.softmax_param.axis}),
        tops=(max(len(layer.top) - 1, 0),),
        note=f"layer {layer.name!r} computes a loss in training; here it gives its probabilities",
    )


@register_layer("Silence")
def _silence(layer: Message) -> Translation:
    return Translation(note=f"layer {layer.name!r} (Silence) only says that nobody reads its input: left out")


def _left_out(layer: Message) -> Translation:
    return Translation(note=f"layer {layer.name!r} ({layer.type}) is only for training: left out")


@register_layer(DATA)
def _unknown_data(layer: Message) -> Translation:
    """A data layer of a fork or in Python: the sizes it says are those of its first top, the picture or the film."""
    settings: dict[str, Any] = {}
    for owner in (*layer.unknown, *layer.data_param.unknown):
        if isinstance(owner.value, dict):
            settings.update(owner.value)
    if layer.has("image_data_param"):
        settings |= {field.name: value for field, value in layer.image_data_param.fields()}
        settings |= _unknown_values(layer.image_data_param)
    transform = layer.transform_param
    batch = settings.get("batch_size", layer.data_param.batch_size or 1)
    channels = _channels(transform) or (1 if settings.get("is_color") is False else None)
    sizes = _picture_size(transform, settings)
    length = _whole_number(settings.get("new_length"))
    if (
        length and "modality" in settings
    ):  # the pictures of a film, or how they move across and down, as channels
        stacked = (
            batch if isinstance(batch, int) else 1,
            length * _CHANNELS_OF.get(settings["modality"], 3),
            *sizes,
        )
        return _inputs([stacked, *(None for _ in layer.top[1:])])
    if length:
        film = (batch if isinstance(batch, int) else 1, channels or 3, length, *sizes)
        return _inputs([film, *(None for _ in layer.top[1:])])
    picture = (batch if isinstance(batch, int) else 1, channels, *sizes)
    return _inputs([picture, *(None for _ in layer.top[1:])])  # labels, but regions or a depth map as well


def _picture_size(transform: Message, settings: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return the height and width that a data layer states, as forks say them too; what is cropped to comes first."""
    if transform.crop_size:
        return transform.crop_size, transform.crop_size
    cropped = _unknown_values(transform)
    resized = cropped.get("resize_param")
    resized = resized[-1] if isinstance(resized, list) else resized
    sources = [cropped, resized if isinstance(resized, dict) else {}, settings]
    height, width = (
        next(
            (
                _whole_number(source[name])
                for source in sources
                for name in ("crop_size", f"crop_{axis}", f"crop_{axis[0]}", axis, f"new_{axis}")
                if source.get(name)
            ),
            None,
        )
        for axis in ("height", "width")
    )
    return height, width


def _unknown_values(message: Message) -> dict[str, Any]:
    return {field.name: field.value for field in message.unknown}


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


# MobileNet-YOLO's, whose names do not say so
LOSSES_OF_FORKS = ("Yolov3", "GaussianYolov3", "YoloSeg")

for _type_name in (TRAINING, *_TRAINING_ONLY, *LOSSES_OF_FORKS):
    register_layer(_type_name)(_left_out)


def _always(shape: Shape) -> ShapeRule:
    return lambda inputs: shape


def _inputs(shapes: Iterable[InputShape | None]) -> Translation:
    return Translation(input_shapes=tuple(shapes))


def _picture_and_label(layer: Message, picture: InputShape) -> Translation:
    return _inputs([picture, *((picture[0],) for _ in layer.top[1:])])


def _channels(transform: Message) -> int | None:
    """Say how many channels a database's pictures have, where the file lets one know."""
    if transform.force_color:
        return 3
    stated = len(transform.mean_value)  # one for each channel, or one for all
    return stated if stated > 1 else 1 if transform.force_gray else None
