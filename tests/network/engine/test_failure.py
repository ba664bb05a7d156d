"""What torch refuses to run is told by the layer that it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from convscope import open_network
from convscope.errors import InputError
from plain_keras import input_layer, layer, sequential, write_h5


@pytest.mark.parametrize("gradient", [False, True])
def test_a_layer_that_cannot_be_run_is_named(tmp_path: Path, gradient: bool) -> None:
    layers = [input_layer((8, 8, 3)), layer("ReLU", "r"), layer("BatchNormalization", "b1", epsilon=-2.0)]
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {"b1": [(f"b1/{name}:0", np.ones(3, np.float32)) for name in names]}
    network = open_network(write_h5(tmp_path / "m.h5", sequential("m", layers), weights))
    with pytest.raises(InputError, match=r"layer 'b1' cannot be run: .*eps") as caught:
        network.activations(torch.rand(1, 8, 8, 3, requires_grad=gradient), "b1")
    assert "\n" not in str(caught.value)
