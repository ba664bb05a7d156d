"""Networks as they were published, in small, against a plain writing of Caffe and against OpenCV, blob by blob."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from torch import Tensor

import convscope
from plain_caffe import PlainCaffe
from precision import in_double_precision
from protobuf_oracle import parse_text, to_text
from zoo import FIRST_GENERATION, SECOND_GENERATION, ZOO
from zoo_files import first_generation, inputs_of, second_generation, with_weights, write_hdf5

NO_OPENCV = {"captioning", "odds_and_ends", "vgg_cnn_s"}  # LSTM and more; no `k` in its normalization
FORMS = {
    "of today": {},
    "legacy": {"legacy": True},
    "double": {"double": True},
}


@cache
def expected(name: str) -> tuple[Any, dict[str, Tensor], PlainCaffe]:
    net = parse_text(ZOO[name]())
    net.name = name
    plain = PlainCaffe(net)
    inputs = inputs_of(net)
    plain.run(inputs)
    return net, inputs, plain


def opened(folder: Path, description: Any, weights: bytes) -> convscope.Network:
    (folder / "net.prototxt").write_text(to_text(description))
    (folder / "net.caffemodel").write_bytes(weights)
    return convscope.open_network(folder / "net.prototxt", weights=folder / "net.caffemodel")


def assert_all_blobs(network: convscope.Network, inputs: dict[str, Tensor], plain: PlainCaffe) -> None:
    """Every blob, every in-place version, the shapes of the table, one address at a time and all together."""
    found = network.activations(inputs)
    assert set(found) == set(plain.blobs)
    for blob, value in found.items():
        assert network.layers[blob].shape == tuple(value.shape) == tuple(plain.blobs[blob].shape)
        assert_close(value, plain.blobs[blob], blob)
    versions = {f"{blob}@{layer}": value for (layer, blob), value in plain.versions.items()}
    names = [name for name in versions if name in network.graph.values or name in network.graph.aliases]
    for name, value in network.activations(inputs, *names).items() if names else ():
        assert_close(value, versions[name], name)
    for blob in list(found)[-3:]:
        assert_close(network.activations(inputs, blob)[blob], plain.blobs[blob], blob)
        if found[blob].dim() > 1:
            one = network.activations(inputs, f"{blob}:1")[f"{blob}:1"] if found[blob].shape[1] > 1 else None
            assert one is None or torch.allclose(one, found[blob][:, 1], rtol=1e-4, atol=1e-5)


def assert_close(value: Tensor, wanted: Tensor, name: str) -> None:
    error = float((value - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6))
    assert error < 2e-5, f"{name}: {error}"


@pytest.mark.parametrize("name", ZOO)
def test_every_blob(name: str, tmp_path: Path) -> None:
    net, inputs, plain = expected(name)
    network = opened(tmp_path, net, with_weights(net, plain.weights).SerializeToString())
    assert_all_blobs(network, inputs, plain)
    alone = convscope.open_network(network.save(tmp_path / "saved.caffemodel"))
    assert_all_blobs(alone, inputs, plain)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SECOND_GENERATION)
def test_the_second_generation(name: str, form: str, tmp_path: Path) -> None:
    net, inputs, plain = expected(name)
    full = with_weights(net, plain.weights, **FORMS[form])
    old = second_generation(full)
    assert_all_blobs(opened(tmp_path, second_generation(net), old.SerializeToString()), inputs, plain)
    assert_all_blobs(opened(tmp_path, second_generation(net), full.SerializeToString()), inputs, plain)
    assert_all_blobs(opened(tmp_path, net, old.SerializeToString()), inputs, plain)
    (tmp_path / "alone.caffemodel").write_bytes(old.SerializeToString())
    assert_all_blobs(
        convscope.open_network(tmp_path / "alone.caffemodel", weights=tmp_path / "alone.caffemodel"),
        inputs,
        plain,
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FIRST_GENERATION)
def test_the_first_generation(name: str, form: str, tmp_path: Path) -> None:
    net, inputs, plain = expected(name)
    old = first_generation(with_weights(net, plain.weights, **FORMS[form]))
    assert_all_blobs(opened(tmp_path, first_generation(net), old.SerializeToString()), inputs, plain)
    assert_all_blobs(opened(tmp_path, net, old.SerializeToString()), inputs, plain)


@pytest.mark.parametrize("name", ["resnet", "siamese", "captioning", "odds_and_ends"])
def test_hdf5(name: str, tmp_path: Path) -> None:
    net, inputs, plain = expected(name)
    (tmp_path / "net.prototxt").write_text(to_text(net))
    path = write_hdf5(plain.weights, tmp_path / "net.caffemodel.h5")
    network = convscope.open_network(tmp_path / "net.prototxt", weights=path)
    assert_all_blobs(network, inputs, plain)
    network.save(tmp_path / "again.caffemodel.h5")
    again = convscope.open_network(tmp_path / "net.prototxt", weights=tmp_path / "again.caffemodel.h5")
    assert_all_blobs(again, inputs, plain)


@pytest.mark.parametrize("name", [name for name in ZOO if name not in NO_OPENCV])
def test_opencv_reads_what_is_saved(name: str, tmp_path: Path) -> None:
    net, inputs, plain = expected(name)
    network = opened(tmp_path, net, with_weights(net, plain.weights).SerializeToString())
    saved = [str(network.save(tmp_path / f"saved.{ending}")) for ending in ("prototxt", "caffemodel")]
    other = cv2.dnn.readNetFromCaffe(*saved)
    other.enableFusion(False)
    other.enableWinograd(False)
    for blob, value in inputs.items():
        other.setInput(value.numpy(), blob)
    compared = 0
    for blob, value in network.activations(inputs).items():
        writers = network.graph.written_by(blob)
        if writers and writers[-1].outputs[0] == blob and len(writers[-1].outputs) == 1:
            theirs = other.forward(writers[-1].name).copy()
            assert_close(torch.from_numpy(theirs).reshape(value.shape), value, blob)
            compared += 1
    assert compared >= 3


@pytest.mark.parametrize(
    "name", ["caffenet", "resnet", "fcn", "hed", "generator", "siamese", "captioning", "odds_and_ends"]
)
def test_gradients_are_finite_differences(name: str, tmp_path: Path) -> None:
    net, inputs, plain = expected(name)
    network = in_double_precision(opened(tmp_path, net, with_weights(net, plain.weights).SerializeToString()))
    inputs = {key: value.double() for key, value in inputs.items()}
    first = "image_features" if name == "captioning" else next(iter(inputs))  # words have no gradient
    target = [blob for blob in network.layers if blob != "where" and plain.blobs[blob].dim()][-2]
    if first == next(iter(inputs)):
        gradient = network.gradient(inputs, target)
    else:
        leaf = inputs[first].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(
            network.activations(inputs | {first: leaf}, target)[target].sum(), leaf
        )
    direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    step = 1e-6
    up, down = (
        network.activations(inputs | {first: inputs[first] + sign * step * direction}, target)[target].sum()
        for sign in (1, -1)
    )
    slope = float((gradient * direction).sum())
    assert slope != 0
    assert float(up - down) / (2 * step) == pytest.approx(slope, rel=1e-4, abs=1e-7)
