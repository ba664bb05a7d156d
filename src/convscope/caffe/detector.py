"""`caffe.Detector`: what a network sees in windows of a picture (R-CNN, Girshick et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.caffe import batches, mode
from convscope.caffe.interface_2014 import prepare
from convscope.caffe.io import load_image
from convscope.caffe.net import Net
from convscope.caffe.transformer import resize_image
from convscope.errors import InputError, MissingPackage

Array = NDArray[Any]
File = str | PathLike[str]
Window = Sequence[int]


class Detector(Net):
    """A net that classifies windows (ymin, xmin, ymax, xmax) of pictures, each warped to the net's input.

    `context_pad` is how many pixels of the input's border show what surrounds a window; beyond the picture it is
    the mean. The other settings are those of `Classifier`.

    >>> net.detect_windows([("fish-bike.jpg", [(80, 40, 300, 320)])])[0]["prediction"].argmax()
    """

    def __init__(
        self,
        model_file: File,
        pretrained_file: File,
        mean: Array | File | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, mode.TEST, weights=pretrained_file)
        prepare(self, mean=mean, input_scale=input_scale, raw_scale=raw_scale, channel_swap=channel_swap)
        self.configure_crop(context_pad)

    def configure_crop(self, context_pad: int | None) -> None:
        """Set how much context a crop shows, and what it shows beyond the picture's border."""
        channels, height, width = self.blobs[self.inputs[0]].shape[1:]
        if context_pad and (height != width or not 0 < 2 * context_pad < width):
            raise InputError(
                f"a context of {context_pad} pixels needs a square input over twice as large; it is {height}x{width}"
            )
        self.context_pad = context_pad or 0
        self.crop_dims = np.array([height, width, channels])
        nothing = np.zeros((channels, height, width), np.float32)
        # What preprocessing turns into zeros, which is the mean in the picture's own terms.
        transformed = self.deprocess(self.inputs[0], nothing)
        self.crop_mean = transformed.reshape(height, width, channels).astype(np.float32)

    def detect_windows(self, images_windows: Iterable[tuple[File, Iterable[Window]]]) -> list[dict[str, Any]]:
        """Return, for every window of every picture file, its ``filename``, ``window`` and ``prediction``."""
        name = self.inputs[0]
        entries: list[dict[str, Any]] = []
        crops: list[Array] = []
        for filename, windows in images_windows:
            picture = load_image(filename, color=int(self.crop_dims[2]) != 1)
            for window in windows:
                crops.append(self.preprocess(name, self.crop(picture, window)))
                entries.append({"window": window, "filename": filename})
        if not entries:
            return []
        predictions = batches.forward_all(self, {name: np.stack(crops)})[self.outputs[0]]
        return [{**entry, "prediction": answer} for entry, answer in zip(entries, predictions, strict=True)]

    def detect_selective_search(self, image_fnames: Sequence[File]) -> list[dict[str, Any]]:
        """Raise MissingPackage: the windows came from a MATLAB program; `detect_windows` takes any others."""
        raise MissingPackage(
            "selective search is a MATLAB program that convscope does not call: propose windows by other means "
            "and give them to detect_windows([(file, windows), ...])"
        )

    def crop(self, im: Array, window: Window) -> Array:
        """Return a window of a (height, width, channels) picture, with its context where one is configured."""
        top, left, bottom, right = (int(edge) for edge in window)
        inside = im[max(top, 0) : bottom, max(left, 0) : right]
        if 0 in inside.shape:
            raise InputError(
                f"the window {tuple(window)} shows nothing of a picture of {im.shape[0]}x{im.shape[1]}"
            )
        return self._with_context(im, np.array([top, left, bottom, right])) if self.context_pad else inside

    def _with_context(self, im: Array, window: NDArray[np.int_]) -> Array:
        """Return a crop of the input's size in which the window's border of `context_pad` pixels is context."""
        side = int(self.crop_dims[1])
        half = (window[2:] - window[:2] + 1) / 2
        center, reach = window[:2] + half, half * side / (side - 2 * self.context_pad)
        low, high = np.round(center - reach).astype(int), np.round(center + reach).astype(int)
        scale = side / (high - low + 1)
        before = np.round(np.maximum(0, -low) * scale).astype(int)
        low, high = np.clip(low, 0, im.shape[:2]), np.clip(high, 0, im.shape[:2])
        size = np.minimum(np.round((high - low + 1) * scale).astype(int), side - before)
        crop: Array = self.crop_mean.copy()
        patch = resize_image(im[low[0] : high[0], low[1] : high[1]], size)
        crop[before[0] : before[0] + size[0], before[1] : before[1] + size[1]] = patch
        return crop
