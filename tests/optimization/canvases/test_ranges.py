"""From values to pixels: an unprepared network is fed exactly the gray levels."""

import numpy as np
import pytest
import torch

from convscope.network.input_spec import InputSpec
from convscope.optimization.canvases.ranges import Linear, Sigmoid, Unprepared

CAFFE = InputSpec((6, 5), channel_order="BGR", raw_scale=255.0, mean=(104.0, 117.0, 123.0))
TORCH = InputSpec((6, 5), mean=(0.485, 0.456, 0.406), input_scale=(4.4, 4.5, 4.4))
GRAY = InputSpec((6, 5), channel_order="GRAY", raw_scale=255.0, mean=(33.0,))
KERAS = InputSpec((6, 5), channel_order="BGR", layout="NHWC", raw_scale=255.0, mean=(104.0, 117.0, 123.0))


@pytest.mark.parametrize("spec", [CAFFE, GRAY, KERAS])
def test_the_network_eats_the_gray_levels_themselves(spec: InputSpec) -> None:
    levels = torch.rand(2, spec.channels, 6, 5, dtype=torch.float64) * 255
    eaten = spec.from_rgb(Unprepared(spec)(levels))
    eaten = eaten.movedim(-1, 1) if spec.layout == "NHWC" else eaten
    assert np.allclose(eaten, levels, atol=1e-9)


@pytest.mark.parametrize("spec", [CAFFE, TORCH, GRAY, KERAS])
def test_every_range_has_an_inverse(spec: InputSpec) -> None:
    pixels = torch.rand(2, spec.channels, 6, 5, dtype=torch.float64) * 0.9 + 0.05
    for one in (Sigmoid(), Linear((0.4,)), Linear((0.3,) * spec.channels, 2.0), Unprepared(spec)):
        assert np.allclose(one(one.inverse(pixels)), pixels, atol=1e-12)
