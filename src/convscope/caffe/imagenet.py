"""`caffe.imagenet`: the classifier of Caffe's first months, ten crops of a 256x256 picture (Krizhevsky et al. 2012)."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.caffe.io import load_image
from convscope.caffe.net import Net
from convscope.caffe.transformer import resize_image
from convscope.errors import InputError, warn
from convscope.formats.caffe.means import read_mean
from convscope.network.resizing import center_crop, ten_crops

Array = NDArray[Any]
File = str | PathLike[str]

IMAGE_DIM = 256
MEAN_FILE = "ilsvrc_2012_mean.npy"
MEAN_PIXEL = np.array([104.00698793, 116.66876762, 122.67891434], np.float32)  # that file's, in BGR


class ImageNetClassifier:
    """Classify pictures as Caffe did in 2013: `predict` a file, then look at `caffenet`, whose blobs have four axes.

    `mean` is the mean picture, a file or a (3, 256, 256) array in BGR. Without one ``ilsvrc_2012_mean.npy`` is looked
    for beside the two files; where it is missing its mean pixel is used, with a warning.

    >>> net = caffe.imagenet.ImageNetClassifier("imagenet.prototxt", "caffe_reference_imagenet_model")
    >>> scores = net.predict("lena.png")
    >>> net.caffenet.blobs["fc6"].data.shape      # ten crops; number 4 is the center
    (10, 4096, 1, 1)
    """

    def __init__(
        self,
        model_def_file: File,
        pretrained_model: File,
        center_only: bool = False,
        num_output: int = 1000,
        mean: File | Array | None = None,
    ) -> None:
        self.caffenet = Net(model_def_file, pretrained_model)
        self._input, self._output = self.caffenet.inputs[0], self.caffenet.outputs[0]
        self._center_only = center_only
        self._mean = _mean(mean, (Path(model_def_file).parent, Path(pretrained_model).parent))
        blob = self.caffenet.blobs[self._input]
        blob.reshape(1 if center_only else 10, *blob.shape[1:])
        self.caffenet.reshape()
        channels = self.caffenet.blobs[self._output].channels
        if channels != num_output:
            raise InputError(f"the net answers with {channels} classes, num_output is {num_output}")

    def predict(self, filename: File | Array) -> Array:
        """Return the probability of every class, the mean over the crops, for a picture file or an RGB array."""
        picture = load_image(filename) if isinstance(filename, (str, PathLike)) else _as_rgb(filename)
        prepared = resize_image(picture, (IMAGE_DIM, IMAGE_DIM))[:, :, ::-1] * 255 - self._mean
        height, width = self.caffenet.blobs[self._input].shape[2:]
        crops = center_crop(prepared, (height, width))[np.newaxis] if self._center_only else None
        crops = ten_crops(prepared, (height, width)) if crops is None else crops
        answer = self.caffenet.forward(**{self._input: crops.transpose(0, 3, 1, 2)})
        return np.asarray(answer[self._output].mean(axis=0).flatten())


def _as_rgb(picture: Array) -> Array:
    """Return an array as pictures are inside: RGB, floats from 0 to 1."""
    picture = picture / 255 if picture.dtype == np.uint8 else picture
    picture = np.repeat(picture[:, :, np.newaxis], 3, axis=2) if picture.ndim == 2 else picture
    return np.asarray(picture[:, :, :3], np.float32)


def _mean(source: File | Array | None, folders: tuple[Path, ...]) -> Array:
    """Return the mean as (256, 256, 3) or (3,)."""
    if source is None:
        candidates = [folder / MEAN_FILE for folder in folders if (folder / MEAN_FILE).is_file()]
        if not candidates:
            warn(
                f"{MEAN_FILE} is not beside the net: its mean pixel is taken off instead of the picture; give mean="
            )
            return MEAN_PIXEL
        source = candidates[0]
    mean = read_mean(source) if isinstance(source, (str, PathLike)) else np.asarray(source)
    if mean.shape != (3, IMAGE_DIM, IMAGE_DIM):
        raise InputError(f"the mean picture's shape is (3, {IMAGE_DIM}, {IMAGE_DIM}), found {mean.shape}")
    return np.asarray(mean.transpose(1, 2, 0))
