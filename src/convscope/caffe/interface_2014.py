"""Preprocessing, phase and mode as methods of the net, the interface of 2014 that many tutorials still use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.caffe import mode as modes
from convscope.caffe.structure import Structure
from convscope.caffe.transformer import Transformer
from convscope.errors import InputError, warn
from convscope.formats.caffe.means import read_mean

Array = NDArray[Any]


class Interface2014(Structure):
    """A net that can be told its phase and its mode, and how to preprocess pictures (with its `transformer`).

    >>> net.set_mean("data", "ilsvrc_2012_mean.npy")
    >>> net.set_raw_scale("data", 255)
    >>> net.set_channel_swap("data", (2, 1, 0))
    >>> net.preprocess("data", caffe.io.load_image("cat.jpg")).shape
    (3, 227, 227)
    """

    @cached_property
    def transformer(self) -> Transformer:
        """The Transformer of the net's inputs, which takes height x width x channels."""
        transformer = Transformer({name: self.blobs[name].shape for name in self.inputs})
        for name in self.inputs:
            if len(self.blobs[name].shape) == 4:
                transformer.set_transpose(name, (2, 0, 1))
        return transformer

    def set_mean(self, input_: str, mean: Array | str | PathLike[str], mode: str = "elementwise") -> None:
        """Set the mean to take off, an array or a file; the mode ``"channel"`` averages it over the picture."""
        if mode not in ("elementwise", "channel"):
            raise InputError(f"the mode is 'elementwise' or 'channel', not {mode!r}")
        values = read_mean(mean) if isinstance(mean, (str, PathLike)) else np.asarray(mean)
        if mode == "channel" and values.ndim == 3:
            values = values.mean(axis=(1, 2))
        self.transformer.set_mean(input_, values)

    def set_raw_scale(self, input_: str, scale: float) -> None:
        """Set what pictures are multiplied by before the mean goes off."""
        self.transformer.set_raw_scale(input_, scale)

    def set_input_scale(self, input_: str, scale: float) -> None:
        """Set what pictures are multiplied by after the mean went off."""
        self.transformer.set_input_scale(input_, scale)

    def set_channel_swap(self, input_: str, order: Sequence[int]) -> None:
        """Set the order of the channels."""
        self.transformer.set_channel_swap(input_, order)

    def preprocess(self, input_name: str, input_: Array) -> NDArray[np.float32]:
        """Return a picture as the array an input expects, in the size its blob has now."""
        if input_name in self.transformer.inputs:
            self.transformer.inputs[input_name] = self.blobs[input_name].shape
        return self.transformer.preprocess(input_name, input_)

    def deprocess(self, input_name: str, input_: Array) -> Array:
        """Return an input array as a picture."""
        return self.transformer.deprocess(input_name, input_)

    def set_phase_test(self) -> None:
        """Do nothing: a net without a phase is one for testing (the interface of early 2014)."""

    def set_phase_train(self) -> None:
        """Warn that the net goes on as for testing."""
        warn("convscope runs nets as for testing; for another set of layers open Net(prototxt, caffe.TRAIN)")

    def set_mode_cpu(self) -> None:
        """Compute on the processor, as `caffe.set_mode_cpu`."""
        modes.set_mode_cpu()

    def set_mode_gpu(self) -> None:
        """Compute on the graphics card, as `caffe.set_mode_gpu`."""
        modes.set_mode_gpu()

    def set_device(self, device_id: int) -> None:
        """Choose the graphics card, as `caffe.set_device`."""
        modes.set_device(device_id)


def prepare(
    net: Interface2014,
    *,
    mean: Array | str | PathLike[str] | None,
    input_scale: float | None,
    raw_scale: float | None,
    channel_swap: Sequence[int] | None,
) -> None:
    """Set up the first input's preprocessing from what `Classifier` and `Detector` were given."""
    name = net.inputs[0]
    if mean is not None:
        net.set_mean(name, mean)
    if input_scale is not None:
        net.set_input_scale(name, input_scale)
    if raw_scale is not None:
        net.set_raw_scale(name, raw_scale)
    if channel_swap is not None:
        net.set_channel_swap(name, channel_swap)
