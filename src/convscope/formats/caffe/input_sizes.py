"""How big the inputs of a net are that does not say so: told by what reads them."""

from __future__ import annotations

from collections.abc import Mapping

from convscope.formats.caffe.message import Message
from convscope.formats.caffe.weights import Weights
from convscope.network.parameters import Shape

_SIDES = (224, 227, 299, 256, 28, 32, 64, 96, 112, 128)
_CAMVID = (360, 480)  # SegNet's, whose unpooling states the sizes between
USUAL_PICTURES = tuple(
    (channels, *size) for channels in (3, 1) for size in (*((side, side) for side in _SIDES), _CAMVID)
)
"""Channels, height and width of the pictures that most networks take, for those that do not say it."""
USUAL_LENGTH = 16  # C3D's films
_FILM_AXES = 3  # of a window: pictures, height, width
_PICTURE_SIZE = (1, 3)  # Faster R-CNN's im_info: height, width and how much larger than the original
_REGION = (1, 5)  # a picture's index, and two corners


def usual_shape(
    net: Message, weights: Weights | None, blob: str, stated: tuple[int | None, ...] | None, picture: Shape
) -> Shape:
    """Return the shape of an input that is a picture of that usual size, or a film, where it does not state another."""
    channels, *sides = picture
    batch, *sizes = stated if stated and len(stated) >= 4 else (1, None, None, None)
    if len(sizes) == 3 and looks_at_films(net, blob):
        sizes.insert(1, USUAL_LENGTH)
        sides.insert(0, sides[0])
    usual = (channels_read(net, weights, blob) or _channels_cut(net, blob) or channels, *sides)
    return (batch or 1, *(size or other for size, other in zip(sizes, usual, strict=True)))


def beside_picture(net: Message, blob: str) -> Shape | None:
    """Return the shape of what a detector's data layer gives beside the picture: its size, or regions of it."""
    if blob == "im_info":
        return _PICTURE_SIZE
    readers = (layer for layer in net.layer if list(layer.bottom)[1:2] == [blob])
    return _REGION if any("roi" in str(layer.type).lower() for layer in readers) else None


def another_picture(
    net: Message, weights: Weights | None, blob: str, pictures: Mapping[str, Shape]
) -> Shape | None:
    """Return the shape of an input that is as large as the first one: filters read it, or it lies behind a picture.

    Depth beside color is one channel of it.
    """
    name, first = next(iter(pictures.items()), ("", ()))
    if len(first) != 4 or "label" in blob.lower():
        return None
    batch, channels, *sides = first
    of_data = {top for layer in net.layer if not layer.bottom for top in layer.top}
    for layer in net.layer:
        if blob in layer.bottom and layer.type == "Convolution":
            return (batch, channels_read(net, weights, blob) or channels, *sides)
        if layer.type == "Concat" and {name, blob} <= set(layer.bottom) <= of_data:
            return (batch, 1, *sides)
    return None


def looks_at_films(net: Message, blob: str) -> bool:
    """Whether a layer that reads the blob looks through a window of pictures, height and width."""
    readers = (layer for layer in net.layer if blob in layer.bottom)
    return any(
        str(layer.type).lower().endswith("3d") or len(layer.convolution_param.kernel_size) == _FILM_AXES
        for layer in readers
    )


def channels_read(net: Message, weights: Weights | None, blob: str) -> int | None:
    """Tell an input's channels from the weights of the convolution that reads it."""
    for layer in net.layer:
        if weights and blob in layer.bottom and layer.type == "Convolution" and layer.name in weights:
            filters = weights[layer.name][0]
            return filters.shape[1] * layer.convolution_param.group if filters else None
    return None


def _channels_cut(net: Message, blob: str) -> int | None:
    """Tell an input's channels from where a layer cuts them: pairs of pictures lie one behind the other."""
    for layer in net.layer:
        points, axis = [int(point) for point in layer.slice_param.slice_point], layer.slice_param.axis
        if blob in layer.bottom and layer.type == "Slice" and axis == 1 and points:
            return 2 * points[-1] - (points[-2] if len(points) > 1 else 0)
    return None
