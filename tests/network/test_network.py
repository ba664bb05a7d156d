"""What a Network answers, on networks small enough to know the answer."""

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.errors import InputError, PictureNote, UnknownLayer
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.engine.execution import cut
from convscope.network.network import Network
from planted import planted_network
from precision import in_double_precision

TEXT = """
name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Power" bottom: "conv1" top: "conv1" power_param { scale: 2 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@pytest.fixture
def network() -> Network:
    return Network(build_graph(read_text(TEXT)), input_spec=None, labels=("cat", "dog", "hen"))


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def by_hand(network: Network, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same network in plain torch."""
    p = network.parameters
    conv = torch.nn.functional.conv2d(x, p["conv1.weight"], p["conv1.bias"])
    relu = conv.relu()
    pool = torch.nn.functional.max_pool2d(2 * relu, 2, 2)
    fc = pool.flatten(1) @ p["fc.weight"].T + p["fc.bias"]
    values = {"conv1@conv1": conv, "conv1@relu1": relu, "conv1": 2 * relu, "pool1": pool, "fc": fc}
    return values | {"prob": fc.softmax(1)}


def test_every_version_of_a_blob_is_kept(network: Network, x: torch.Tensor) -> None:
    expected = by_hand(network, x)
    found = network.activations(x, *expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    assert list(network.activations(x)) == ["data", "conv1", "pool1", "fc", "prob"]
    assert torch.equal(network.activations(x, "conv1@scale1")["conv1@scale1"], found["conv1"])


def test_an_address_narrows_the_answer(network: Network, x: torch.Tensor) -> None:
    whole = network.activations(x, "conv1", "prob")
    found = network.activations(x, "conv1:2", "conv1:2@3,4", "prob:dog")
    assert torch.equal(found["conv1:2"], whole["conv1"][:, 2])
    assert torch.equal(found["conv1:2@3,4"], whole["conv1"][:, 2, 3, 4])
    assert torch.equal(found["prob:dog"], whole["prob"][:, 1])


@pytest.mark.parametrize("address", ["conv1@conv1", "conv1", "pool1:1", "fc:hen", "prob:0"])
def test_gradients_against_finite_differences(network: Network, address: str) -> None:
    double = in_double_precision(network)
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradient = double.gradient(x, address)
    numeric = torch.zeros_like(x)
    for index in range(x.numel()):
        step = torch.zeros(x.numel(), dtype=torch.float64)
        step[index] = 1e-6
        up, down = (double.activations(x + s * step.view_as(x), address)[address].sum() for s in (1, -1))
        numeric.view(-1)[index] = (up - down) / 2e-6
    torch.testing.assert_close(gradient, numeric, rtol=1e-5, atol=1e-7)


def test_nothing_past_the_deepest_target_is_computed(network: Network) -> None:
    called = [
        node.meta["operation"]
        for node in cut(network.graph, ["conv1@relu1"]).graph.nodes
        if "operation" in node.meta
    ]
    assert called == ["conv1", "relu1"]


def test_the_input_alone_asks_for_gradients(network: Network, x: torch.Tensor) -> None:
    out = network.activations(x.requires_grad_(), "fc")["fc"]
    out.sum().backward()
    assert x.grad is not None and not any(p.requires_grad for p in network.parameters.values())
    assert not network.activations(x.detach(), "fc")["fc"].requires_grad


def test_any_batch_and_wrong_shapes(network: Network, x: torch.Tensor) -> None:
    assert network.activations(x.repeat(3, 1, 1, 1), "prob")["prob"].shape == (6, 3)
    assert network.activations(torch.rand(1, 3, 20, 20), "pool1")["pool1"].shape == (1, 4, 9, 9)
    with pytest.raises(InputError, match=r"'fc'.*net surgery"):
        network.activations(torch.rand(1, 3, 20, 20), "fc")
    with pytest.raises(InputError, match=r"'data' has shape \(1, 1, 8, 8\)"):
        network.activations(torch.rand(1, 1, 8, 8))
    with pytest.raises(InputError, match="'conv1'"):
        network.activations(torch.rand(1, 3, 2, 2), "conv1")
    with pytest.raises(InputError, match="float tensor"):
        network.activations(np.zeros((1, 3, 8, 8)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address, says",
    [
        ("conv2", "has no layer 'conv2'. Did you mean 'conv1'"),
        ("conv1:9", "4 channels, 0 to 3; there is no 9"),
        ("fc:0@1,1", "no rows and columns"),
        ("prob:cow", "cow"),
        ("conv1:cat", "its channels are numbers"),
        ("conv1:1@9,9", "6 rows and 6 columns"),
    ],
)
def test_unknown_addresses_are_answered_with_what_there_is(
    network: Network, x: torch.Tensor, address: str, says: str
) -> None:
    with pytest.raises(UnknownLayer) as caught:
        network.activations(x, address)
    assert says in str(caught.value)


def test_other_parameters_make_another_network(network: Network, x: torch.Tensor) -> None:
    zero = network.with_parameters({"fc.weight": torch.zeros(3, 36), "fc.bias": torch.zeros(3)})
    assert torch.allclose(zero.activations(x, "prob")["prob"], torch.full((2, 3), 1 / 3))
    assert not torch.allclose(network.activations(x, "prob")["prob"], torch.full((2, 3), 1 / 3))
    with pytest.raises(UnknownLayer, match=r"Did you mean 'fc.weight'"):
        network.with_parameters({"fc.weights": torch.zeros(1)})
    with pytest.raises(InputError, match=r"\(3, 36\)"):
        network.with_parameters({"fc.weight": torch.zeros(1)})


@pytest.mark.slow
def test_a_call_says_what_answers(network: Network, x: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"network\.activations\(batch, 'prob'\)") as refused:
        network(x)
    assert "network.predict(picture)" in str(refused.value) and "\n" not in str(refused.value)


def test_layers_go_into_a_set(network: Network) -> None:
    assert len({*network.layers.values()}) == len(network.layers)


def test_it_compiles(network: Network, x: torch.Tensor) -> None:
    (found,) = network.compile(backend="aot_eager")(x)
    torch.testing.assert_close(found, network.activations(x, "prob")["prob"])


def test_another_precision_is_converted(network: Network, x: torch.Tensor) -> None:
    assert torch.equal(network.activations(x.double())["fc"], network.activations(x)["fc"])
    given = {"fc.bias": torch.arange(3, dtype=torch.float64)}
    assert network.with_parameters(given).activations(x, "fc")["fc"].dtype == torch.float32


def test_a_network_without_inputs() -> None:
    text = 'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 dim: 3 } } }'
    network = Network(build_graph(read_text(text)), input_spec=None)
    assert network.activations({})["d"].shape == (2, 3)
    with pytest.raises(InputError, match="expects nothing"):
        network.activations(torch.zeros(1))


def test_what_was_done_to_a_picture_is_said(tmp_path: Path) -> None:
    half = np.zeros((9, 7, 4), np.uint8)
    Image.fromarray(half).save(tmp_path / "lost.png")
    half[2:5, :, 3] = 255
    Image.fromarray(half).save(tmp_path / "half.png")
    network = planted_network()
    with pytest.warns(PictureNote, match="lost.png: .* nothing is left to see"):
        network.preprocess(tmp_path / "lost.png")
    with pytest.warns(PictureNote, match="half.png: transparent parts"):
        network.preprocess(tmp_path / "half.png")


def test_a_network_never_changes_and_what_is_replaced_is_told_anew() -> None:
    network = planted_network()
    assert network.class_count == 3 and network.outputs is network.outputs
    with pytest.raises(FrozenInstanceError):
        network.labels = ("one",)  # type: ignore[misc]
    other = replace(network, labels=["a", "b", "c"])
    assert (other.labels, other.class_label(2)) == (("a", "b", "c"), "c")
    assert network.class_label(2) != "c"
    assert other.sha256 == network.sha256 and other.device == network.device
