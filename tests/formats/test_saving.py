"""Who writes which ending, known without anything having been opened before."""

import subprocess
import sys
from pathlib import Path

import pytest

from convscope import open_network
from convscope.errors import InputError
from planted import planted_network

MADE_BY_HAND = """
import sys
import torch
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.parameters import Parameters

weight = torch.arange(54.0).reshape(2, 3, 3, 3)
operation = Operation("convolution", "conv", "Convolution", ("x",), ("y",), {"weight": "w"})
parameters = Parameters({"w": (2, 3, 3, 3)}, {"w": weight}.__getitem__)
network = Network(Graph("by_hand", {"x": (1, 3, 8, 8)}, (operation,), ("y",), parameters), input_spec=None)
for path in sys.argv[1:]:
    network.save(path)
"""


def test_a_network_is_saved_where_nothing_but_the_network_was_imported(tmp_path: Path) -> None:
    whole = [tmp_path / f"saved.{ending}" for ending in ("convscope", "onnx", "caffemodel")]
    apart = [tmp_path / "apart.prototxt", tmp_path / "apart.caffemodel.h5"]
    command = [sys.executable, "-c", MADE_BY_HAND, *map(str, (*whole, *apart))]
    subprocess.run(command, check=True, capture_output=True, text=True)
    opened = [open_network(path) for path in whole] + [open_network(apart[0], weights=apart[1])]
    for network in opened:
        (weight,) = network.parameters.values()
        assert weight.flatten().tolist() == list(map(float, range(54)))


def test_an_ending_that_nobody_writes_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"net.tflite ends in none .* in: \.convscope, \.onnx, \.caffemodel"):
        planted_network().save(tmp_path / "net.tflite")
