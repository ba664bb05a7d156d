"""Inputs beside the picture get a value, and everything works as with one input."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convscope.attribution.saliency import saliency
from convscope.dreaming.deep_dream import deep_dream
from convscope.errors import InputError
from convscope.formats.opening import open_network
from convscope.looking.values import values
from convscope.network.fixed_inputs import with_fixed_inputs
from convscope.network.network import Network
from convscope.optimization.feature_visualization import feature_visualization
from planted import planted_network


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)
        self.look = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, flag: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        x = self.conv(image) * self.look(mask).sigmoid() + flag
        return self.fc(x.relu().mean((2, 3))).softmax(1)  # type: ignore[no-any-return]


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(2)
    return Masked().eval()


@pytest.fixture
def mask() -> np.ndarray:
    return (np.random.default_rng(1).random((1, 1, 24, 30)) > 0.4).astype(np.float32)


def opened(module: nn.Module, **inputs: object) -> Network:
    return open_network(module, inputs=inputs, input_shape=(1, 3, 24, 30))


def test_the_others_have_a_value(
    module: nn.Module, mask: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    np.save(tmp_path / "mask.npy", mask)
    network = opened(module, mask=str(tmp_path / "mask.npy"), flag="0.25")
    assert list(network.graph.inputs) == ["image"]
    x = network.preprocess("chelsea")
    expected = module(torch.tensor([0.25]), x, torch.from_numpy(mask)).detach()
    torch.testing.assert_close(network.activations(x, network.class_output)[network.class_output], expected)
    assert network.predict("chelsea")[0][1] == pytest.approx(float(expected.max()), rel=1e-4)
    assert network.gradient(x, "conv:1").any()
    (picture,) = feature_visualization(network, "fc:1", steps=2, size=24)
    assert picture.array.std() > 0
    again = open_network(network.save(tmp_path / "fixed.convscope"))
    torch.testing.assert_close(again.activations(x, again.class_output)[again.class_output], expected)
    assert network.identity != opened(module, mask=mask, flag=0.5).identity


class Shifted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, flag: Tensor, image: Tensor) -> Tensor:
        return (self.conv(image) + flag).relu().mean((2, 3))  # type: ignore[no-any-return]


class ShiftedLast(Shifted):
    def forward(self, image: Tensor, flag: Tensor) -> Tensor:
        return super().forward(flag, image)


def test_a_picture_beside_others_is_prepared_as_one_alone() -> None:
    alone = open_network(nn.Sequential(nn.Conv2d(3, 4, 3))).input_spec
    assert alone is not None and {"size", "mean"} <= {*alone.guesses} and len(alone.mean) == 3
    for module in (Shifted(), ShiftedLast()):
        spec = open_network(module, inputs={"flag": 0.5}).input_spec
        assert spec is not None and spec.rows() == alone.rows()


def test_wrong_values_are_answered_in_words(module: nn.Module, mask: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"has no input 'masc'.*Did you mean 'mask'"):
        shapes = {"flag": (1,), "image": (1, 3, 8, 8), "mask": (1, 1, 8, 8)}
        open_network(module, inputs={"masc": 1}, input_shape=shapes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one input has to be left for the picture"):
        open_network(nn.Sequential(nn.Conv2d(3, 2, 1)), inputs={"input": "zeros"}, input_shape=(1, 3, 8, 8))
    with pytest.raises(InputError, match="no NumPy file of numbers"):
        opened(module, mask="missing.npy", flag=0)


def test_axes_of_size_1_may_be_missing_and_others_stand_where_they_stand(
    module: nn.Module, mask: np.ndarray
) -> None:
    shapes = {"flag": (1,), "image": (1, 3, 24, 30), "mask": (1, 1, 24, 30)}
    graph, whole = open_network(module, input_shape=shapes).graph, torch.from_numpy(mask)
    for given in (whole, whole[0], whole[0, 0], whole.ravel()):
        assert torch.equal(with_fixed_inputs(graph, {"mask": given}).parameters["mask.value"], whole)
    with pytest.raises(
        InputError, match=r"'mask' is of shape \(1, 1, 24, 30\); what is given has \(30, 24\)"
    ):
        with_fixed_inputs(graph, {"mask": whole[0, 0].T})


def test_the_first_layer_with_nan_is_named() -> None:
    network = planted_network()
    weight = network.parameters["conv2.weight"].clone()
    weight[1, 2, 0, 0] = torch.nan
    broken = network.with_parameters({"conv2.weight": weight})
    with pytest.raises(
        InputError, match=r"NaN or infinity to this picture: the first layer with one is 'conv2'"
    ):
        broken.predict("chelsea")
    first = "first layer with one is 'conv2'"
    with pytest.raises(
        InputError, match=f"'scores' answers with NaN or infinity to this picture: the {first}"
    ):
        values(broken, "chelsea", "scores")
    with pytest.raises(InputError, match=f"{first}.*; give the address of a layer before"):
        saliency(broken, "chelsea")
    with pytest.raises(InputError, match=r"nothing can be dreamed: 'conv2.*' \(Convolution\) answers NaN"):
        deep_dream(broken, "chelsea", "scores", size=48, steps=1)
    assert network.first_nonfinite(network.preprocess("chelsea")) == "all layers answer in numbers"


def test_a_list_of_addresses_is_several() -> None:
    network = planted_network()
    x = network.preprocess("chelsea")
    listed, several = network.activations(x, ["conv1", "conv2:1"]), network.activations(x, "conv1", "conv2:1")
    assert listed.keys() == several.keys() == {"conv1", "conv2:1"}
    assert all(torch.equal(listed[name], several[name]) for name in listed)
