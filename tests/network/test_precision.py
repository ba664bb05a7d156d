"""Networks in half precision: a picture simply works, and gives what the same weights give in single precision."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from convscope.attribution.saliency import saliency
from convscope.errors import ConvscopeWarning
from convscope.formats.opening import open_network
from convscope.network.network import Network
from convscope.optimization.feature_visualization import feature_visualization


def module() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
        nn.Softmax(1),
    ).eval()


def opened(dtype: torch.dtype) -> Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvscopeWarning)  # which the next test reads
        return open_network(module().to(dtype), input_shape=(1, 3, 21, 26))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    network = opened(dtype)
    expected = module().to(dtype).float().requires_grad_(False)
    x = network.preprocess("chelsea")
    values = network.activations(x)
    assert all(value.dtype == torch.float32 for value in values.values())
    torch.testing.assert_close(values[network.class_output], expected(x), rtol=1e-5, atol=1e-6)
    assert network.predict("chelsea")[0][1] == pytest.approx(float(expected(x).max()), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_of_a_module_is_said(dtype: torch.dtype) -> None:
    name = str(dtype).removeprefix("torch.")
    with pytest.warns(
        ConvscopeWarning, match=f"it computes in {name}, convscope in single precision"
    ) as said:
        open_network(module().to(dtype), input_shape=(1, 3, 21, 26))
    assert len([one for one in said if "computes in" in str(one.message)]) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pictures_are_made_of_it(dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path))
    network = opened(dtype)
    assert saliency(network, "chelsea").map.std() > 0
    (picture,) = feature_visualization(network, "0:2", steps=2, size=21)
    assert picture.array.std() > 0


@pytest.mark.parametrize("given", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("own", [torch.float16, torch.float32, torch.float64])
def test_tensors_are_converted(given: torch.dtype, own: torch.dtype) -> None:
    network = opened(own)
    x = torch.rand(2, 3, 21, 26, generator=torch.Generator().manual_seed(5)).to(given)
    value = network.activations(x, "0")["0"]
    assert value.dtype == (torch.float64 if own == torch.float64 else torch.float32)
    weight = module().to(own)[0].to(value.dtype)
    torch.testing.assert_close(value, weight(x.to(value.dtype)), rtol=1e-5, atol=1e-5)
    gradient = network.gradient(x, "0:1")
    assert gradient.shape == x.shape and gradient.any()
