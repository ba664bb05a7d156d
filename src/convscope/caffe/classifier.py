"""`caffe.Classifier`: pictures in, the probability of every class out."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.caffe import batches, mode
from convscope.caffe.interface_2014 import prepare
from convscope.caffe.io import oversample as ten_crops_each
from convscope.caffe.net import Net
from convscope.caffe.transformer import resize_image
from convscope.errors import InputError
from convscope.network.resizing import center_crop

Array = NDArray[Any]
File = str | PathLike[str]


class Classifier(Net):
    """A net that classifies whole pictures: resized to `image_dims`, cropped, put through in batches.

    `mean` is an array or a file; `raw_scale` (255 for most networks) is applied before it, `input_scale` after;
    `channel_swap=(2, 1, 0)` makes BGR of RGB. Without `image_dims` pictures are squashed to the net's input size.
    `mean_file` is what `mean` was called in 2013.

    >>> net = caffe.Classifier("deploy.prototxt", "net.caffemodel", image_dims=(256, 256),
    ...                        mean=mean, raw_scale=255, channel_swap=(2, 1, 0))
    >>> net.predict([caffe.io.load_image("cat.jpg")])[0].argmax()
    281
    """

    def __init__(
        self,
        model_file: File,
        pretrained_file: File,
        image_dims: Sequence[int] | None = None,
        mean: Array | File | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        mean_file: File | None = None,
    ) -> None:
        super().__init__(model_file, mode.TEST, weights=pretrained_file)
        mean = mean_file if mean is None else mean
        prepare(self, mean=mean, input_scale=input_scale, raw_scale=raw_scale, channel_swap=channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = tuple(int(size) for size in (self.crop_dims if image_dims is None else image_dims))

    def predict(self, inputs: Sequence[Array], oversample: bool = True) -> Array:
        """Return the probabilities, (pictures, classes), of (height, width, channels) pictures of any size.

        They are averaged over ten crops (`caffe.io.oversample`), or come from the center crop alone.
        """
        if not len(inputs):
            raise InputError(
                "there is no picture to classify: give a list of (height, width, channels) arrays"
            )
        pictures = np.stack([resize_image(np.asarray(picture), self.image_dims) for picture in inputs])
        size = int(self.crop_dims[0]), int(self.crop_dims[1])
        if oversample:
            crops = ten_crops_each(pictures, size)
        else:
            crops = np.stack([center_crop(picture, size) for picture in pictures])
        name = self.inputs[0]
        answer = batches.forward_all(self, {name: np.stack([self.preprocess(name, crop) for crop in crops])})
        predictions = answer[self.outputs[0]]
        if oversample:
            predictions = predictions.reshape(len(pictures), 10, -1).mean(1)
        return predictions
