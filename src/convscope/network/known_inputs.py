"""What to feed a network whose files do not say: known networks by name, and an honest guess for the rest.

The numbers are the networks' published preprocessing: ImageNet's mean color as Caffe's model zoo uses it
(104, 117, 123), the VGG group's (103.939, 116.779, 123.68), the 0.017 of the Caffe MobileNet and DenseNet,
LeNet's 1/256. The resize is the one that reproduces the published answers: BVLC GoogLeNet on Caffe's
``cat.jpg`` says tiger cat .376, tabby .270, Egyptian cat .252 only when the picture is squashed to 256 x
256 with antialiasing.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from convscope.errors import InputError
from convscope.network.input_spec import GUESS, ChannelOrder, InputSpec, Layout
from convscope.network.resizing import Size
from convscope.pictures.bands import MOST_BANDS

KNOWN = "known network"
BY_NAME = f"{GUESS}, by the name"
IMAGENET_MEAN_BGR = (104.0, 117.0, 123.0)
_VGG_MEAN_BGR = (103.939, 116.779, 123.68)
_PUBLISHED: dict[str, dict[str, Any]] = {
    r"lenet": {"channel_order": "GRAY", "mean": (), "input_scale": 1 / 256},
    r"cifar10(quick|full)?": {"channel_order": "RGB", "mean": (125.3, 123.0, 113.9)},
    r"vgg(ilsvrc|cnn[fms])?(\d+)?(layers?)?": {"channel_order": "BGR", "mean": _VGG_MEAN_BGR},
    r"(mobilenet|densenet)(v?\d+)?": {
        "channel_order": "BGR",
        "mean": (103.94, 116.78, 123.68),
        "input_scale": 0.017,
    },
    r"(bvlc)?(reference)?(googlenet|caffenet|alexnet|squeezenet(v\d+)?|rcnn(ilsvrc13)?|resnet(\d+)?|nin(imagenet)?)": {
        "channel_order": "BGR",
        "mean": IMAGENET_MEAN_BGR,
    },
}
"""A published network's whole name. One that only contains it is another network: a detector built on it, say."""


def guess_caffe_input(shape: tuple[int, ...], name: str = "") -> InputSpec:
    """Return the likely preprocessing of a Caffe network from its input's shape and its own name.

    ``shape`` is (batch, channels, height, width). Known names get what was published; anything else gets the
    model zoo's usual preprocessing, marked as a guess; a name that only contains a known one is a guess too.
    InputError for an input that no picture fits.
    """
    if len(shape) != 4 or shape[1] not in (1, 3) or min(shape[2:]) < 1:
        raise InputError(
            f"an input of shape {shape} expects no picture; one needs (batch, 1 or 3, height, width)"
        )
    size, channels = (int(shape[2]), int(shape[3])), shape[1]
    text = re.sub(r"[_\-. ]", "", name.lower())
    for pattern, published in _PUBLISHED.items():
        if re.search(pattern, text) and (published["channel_order"] == "GRAY") == (channels == 1):
            because = KNOWN if re.fullmatch(pattern, text) else BY_NAME
            spec = _spec(size, published["channel_order"], because)
            return spec.replace(because=because, **published)
    return _spec(size, "GRAY" if channels == 1 else "BGR", GUESS)


def plain_spec(shape: tuple[int, ...], channels_last: bool) -> InputSpec | None:
    """Return the plainest input spec of a network, numbers of 0..1, all a guess; None where its input is no picture's.

    ``shape`` is (batch, channels, height, width), or with the channels last; there may be more than three channels.
    """
    if len(shape) != 4:
        return None
    last = channels_last or (shape[1] not in (1, 3) and shape[3] in (1, 3))
    channels, *size = (shape[3], *shape[1:3]) if last else shape[1:]
    if (
        not 1 <= channels <= min(MOST_BANDS, *size) or min(size) == 1
    ):  # one row of numbers is a signal, or a vector
        return None
    layout: Layout = "NHWC" if last else "NCHW"
    provenance = {"size": "input shape", "layout": "input shape"}
    if channels in (1, 3):
        return InputSpec(
            (size[0], size[1]), "GRAY" if channels == 1 else "RGB", layout, provenance=provenance
        )
    provenance |= {"channel_order": "input shape", "bands": "input shape"}
    return InputSpec((size[0], size[1]), "BANDS", layout, bands=channels, provenance=provenance)


def _spec(size: Size, order: ChannelOrder, because: str) -> InputSpec:
    large = size[0] == size[1] and size[0] >= 192
    # Square inputs of 224 to 231 are the crops of a 256 x 256 picture; others keep the same margin.
    resize_size = 256 if 224 <= size[0] <= 231 else round(size[0] * 256 / 224)
    fields: dict[str, Any] = {
        "channel_order": order,
        "raw_scale": 255.0,
        "mean": IMAGENET_MEAN_BGR if order == "BGR" else (),
        "input_scale": 1 / 256 if order == "GRAY" else 1.0,
        "resize": "squash" if large else "direct",
        "resize_size": resize_size if large else None,
        "crops": 1,
    }
    provenance = {"size": "input shape", "layout": "format"}
    return InputSpec(size, provenance=provenance | dict.fromkeys([*fields, "antialias"], because), **fields)


def without_guessed_scale(spec: InputSpec) -> InputSpec:
    """Guess no scale where a person says that no mean is subtracted: both are guessed of one normalization."""
    if np.any(spec.mean) or spec.provenance.get("mean") != "you" or "input_scale" not in spec.guesses:
        return spec
    return spec.replace(because=f"{GUESS}, as no mean is subtracted", input_scale=1.0)


def of_bytes(spec: InputSpec) -> InputSpec:
    """Return the spec of a network whose input is of bytes: a picture's own numbers, whatever was guessed."""
    if "raw_scale" not in spec.guesses:
        return spec
    return spec.replace(because="the input's type, bytes", raw_scale=255.0, mean=(), input_scale=1.0)
