"""`caffe.io.Transformer`: a picture becomes what a network expects, and back.

The order is pycaffe's: resize, transpose, channel_swap, raw_scale, mean, input_scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError, did_you_mean
from convscope.network.resizing import resize

Array = NDArray[Any]
Floats = NDArray[np.float32]


def resize_image(im: Array, new_dims: Sequence[int], interp_order: int = 1) -> Floats:
    """Return a (height, width, channels) array in another size, interpolated to the given order (1: bilinear).

    As in Caffe's day nothing is smoothed before a picture shrinks. Arrays of other than one or three channels
    are stretched corner to corner, as pycaffe does with them.
    """
    height, width = (int(size) for size in new_dims)
    if im.ndim != 3 or min(height, width) < 1 or 0 in im.shape:
        raise InputError(
            f"an image has the shape (height, width, channels); cannot resize {im.shape} to {height} x {width}"
        )
    from scipy.ndimage import zoom  # type: ignore[import-untyped]

    factors = (height / im.shape[0], width / im.shape[1], 1)
    if im.shape[-1] not in (1, 3):
        return np.asarray(zoom(im, factors, order=interp_order), np.float32)
    if interp_order == 1:
        return resize(im, (height, width), antialias=False).astype(np.float32)
    options = {"order": interp_order, "mode": "nearest", "grid_mode": True}
    resized = zoom(im.astype(np.float64), factors, **options)
    return np.asarray(
        resized.clip(im.min(), im.max()), np.float32
    )  # scikit-image keeps to the picture's range


class Transformer:
    """Turn pictures into a network's input and back; made with the inputs' shapes, then told the steps.

    >>> transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    >>> transformer.set_transpose("data", (2, 0, 1))
    >>> transformer.set_mean("data", np.array([104.0, 117.0, 123.0]))
    >>> transformer.set_raw_scale("data", 255)
    >>> transformer.set_channel_swap("data", (2, 1, 0))
    >>> net.blobs["data"].data[...] = transformer.preprocess("data", caffe.io.load_image("cat.jpg"))

    Wrong steps raise InputError when they are set.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, tuple[int, ...]] = {}
        self.channel_swap: dict[str, tuple[int, ...]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: Array) -> Floats:
        """Return a (height, width, channels) picture of any size as the float32 array that input expects."""
        self._check(in_)
        size = self.inputs[in_][2:]
        values: Floats = data.astype(np.float32)
        if len(size) == 2 and values.shape[:2] != size:
            values = resize_image(values, size)
        if in_ in self.transpose:
            values = values.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            values = values[list(self.channel_swap[in_])]
        values = values * np.float32(self.raw_scale.get(in_, 1))
        if in_ in self.mean:
            values = values - self.mean[in_].astype(np.float32)
        return np.asarray(values * np.float32(self.input_scale.get(in_, 1)), np.float32)

    def deprocess(self, in_: str, data: Array) -> Array:
        """Return an input array, with or without a batch axis of one, as the picture it was.

        Without a transpose axes of size one are dropped; with it a gray picture is (height, width, 1).
        """
        self._check(in_)
        axes = len(self.inputs[in_]) - 1
        values: Array = data[0] if data.ndim > axes and len(data) == 1 else data
        if values.ndim != axes and (in_ in self.transpose or in_ in self.channel_swap):
            raise InputError(f"deprocess takes one array of {axes} axes for {in_!r}; found {data.shape}")
        values = values / self.input_scale.get(in_, 1)
        if in_ in self.mean:
            values = values + self.mean[in_]
        values = values / self.raw_scale.get(in_, 1)
        if in_ in self.channel_swap:
            values = values[np.argsort(self.channel_swap[in_])]
        order = self.transpose.get(in_)
        values = values.squeeze() if order is None else values.transpose(np.argsort(order))
        return np.asarray(values, data.dtype)

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the axes; (2, 0, 1) takes height x width x channels to channels x height x width."""
        self._check(in_)
        axes = len(self.inputs[in_]) - 1
        if sorted(order) != list(range(axes)):
            raise InputError(
                f"the transpose of {in_!r} orders its {axes} axes, each once; found {tuple(order)}"
            )
        self.transpose[in_] = tuple(order)

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the channels, which are the first axis after the transpose; (2, 1, 0) is RGB to BGR."""
        self._check(in_)
        channels = self.inputs[in_][1]
        if sorted(order) != list(range(channels)):
            raise InputError(
                f"the channel swap of {in_!r} orders its {channels} channels, each once; found {tuple(order)}"
            )
        self.channel_swap[in_] = tuple(order)

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set what the picture is multiplied by before the mean goes off: 255 for most Caffe networks."""
        self._check(in_)
        self.raw_scale[in_] = scale

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set what the picture is multiplied by after the mean went off."""
        self._check(in_)
        self.input_scale[in_] = scale

    def set_mean(self, in_: str, mean: Array) -> None:
        """Set the mean to take off: (channels,), (height, width) or (channels, height, width), resized to the input."""
        self._check(in_)
        shape = self.inputs[in_][1:]
        mean = np.asarray(mean)
        if mean.ndim == 1 and len(mean) != shape[0]:
            raise InputError(f"the mean has {len(mean)} channels, the input {in_!r} has {shape[0]}")
        if mean.ndim == 1:
            mean = mean[:, np.newaxis, np.newaxis]
        elif mean.ndim == 2:
            mean = mean[np.newaxis]
        if mean.ndim != 3 or mean.shape[0] not in (1, shape[0]):
            raise InputError(f"the mean's shape {mean.shape} does not fit the input {in_!r} of shape {shape}")
        if mean.shape[1:] not in ((1, 1), shape[1:]):
            mean = resize_image(mean.transpose(1, 2, 0), shape[1:]).transpose(2, 0, 1)
        self.mean[in_] = mean

    def _check(self, in_: str) -> None:
        if in_ not in self.inputs:
            inputs = list(self.inputs)
            raise InputError(f"{in_!r} is not one of the net inputs: {inputs}.{did_you_mean(in_, inputs)}")
