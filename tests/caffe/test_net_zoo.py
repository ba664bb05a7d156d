"""pycaffe's interface on the networks of the zoo, against a plain writing of Caffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from convscope import caffe, open_network
from convscope.formats.caffe.rules import insert_splits
from convscope.formats.caffe.text import read_text
from plain_caffe import PlainCaffe
from protobuf_oracle import parse_text, to_text
from zoo import SECOND_GENERATION, ZOO
from zoo_files import inputs_of, second_generation, with_weights


def opened(name: str, folder: Path, of_2014: bool) -> tuple[caffe.Net, PlainCaffe, dict[str, torch.Tensor]]:
    net = parse_text(ZOO[name]())
    plain, inputs = PlainCaffe(net), inputs_of(net)
    plain.run(inputs)
    full = with_weights(net, plain.weights, legacy=of_2014)
    description, weights = (second_generation(net), second_generation(full)) if of_2014 else (net, full)
    (folder / "net.prototxt").write_text(to_text(description))
    (folder / "net.caffemodel").write_bytes(weights.SerializeToString())
    return (
        caffe.Net(str(folder / "net.prototxt"), caffe.TEST, weights=str(folder / "net.caffemodel")),
        plain,
        inputs,
    )


def assert_close(found: np.ndarray, expected: torch.Tensor, what: str) -> None:
    assert found.shape == tuple(expected.shape), what
    error = np.abs(found - expected.numpy()).max() / max(float(expected.abs().max()), 1e-6)
    assert error < 2e-5, f"{what}: {error}"


@pytest.mark.parametrize(
    "name, of_2014", [*((name, False) for name in ZOO), *((name, True) for name in SECOND_GENERATION)]
)
def test_blobs_parameters_and_every_end(name: str, of_2014: bool, tmp_path: Path) -> None:
    net, plain, inputs = opened(name, tmp_path, of_2014)
    assert net.inputs == list(inputs)
    assert {key: [blob.data.shape for blob in blobs] for key, blobs in net.params.items()} == {
        key: [values.shape for values in blobs] for key, blobs in plain.weights.items()
    }
    out = net.forward(**{key: value.numpy() for key, value in inputs.items()})
    assert out
    for blob, value in plain.blobs.items():
        assert_close(net.blobs[blob].data, value, blob)
    split = insert_splits(read_text(ZOO[name]()))
    expected = dict.fromkeys(top for layer in split.layer for top in layer.top)
    assert list(net.blobs) == list(expected)
    for (layer, blob), value in plain.versions.items():
        assert_close(net.forward(end=layer)[blob], value, f"{blob} at {layer}")


@pytest.mark.parametrize("name", [name for name in ZOO if name != "captioning"])
def test_backward_agrees_with_the_gradient(name: str, tmp_path: Path) -> None:
    net, _, inputs = opened(name, tmp_path, of_2014=False)
    (data,) = inputs
    last = [blob for blob in net.outputs if net.blobs[blob].data.ndim][-1]
    net.forward(**{data: inputs[data].numpy()})
    for output in net.outputs:
        net.blobs[output].diff[...] = output == last
    found = net.backward()[data]
    network = open_network(tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel")
    expected = network.gradient(inputs[data], last)
    scale = float(expected.abs().max())
    assert scale > 0 or last == "prob" or last == "where"
    assert np.abs(found - expected.numpy()).max() <= 1e-4 * max(scale, 1e-3)
