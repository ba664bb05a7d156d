"""What the caller has set in torch changes no answer, and is as it was afterwards."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import convscope
from convscope.network.network import Network
from planted import planted_files


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def settings_of_torch() -> tuple[Any, ...]:
    return (
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_device(),
        torch.get_default_dtype(),
    )


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default device": lambda: torch.device("meta"),
    "default float64": lambda: default_dtype(torch.float64),
    "default bfloat16": lambda: default_dtype(torch.bfloat16),
}
PICTURE = np.random.default_rng(4).random((32, 32, 3)).astype(np.float32)


def answers(network: Network) -> dict[str, Any]:
    input = network.preprocess(PICTURE)
    return {
        "input": input,
        "activations": network.activations(input, "conv2")["conv2"].detach(),
        "probabilities": network.probabilities(PICTURE).detach(),
        "gradient": network.gradient(input, "conv2:1"),
        "saliency": convscope.saliency(network, PICTURE, "prob:1").map,
        "relevance": convscope.relevance(network, PICTURE, "prob:1").map,
        "feature": convscope.feature_visualization(network, "conv2:1", size=32, steps=3)[0].array,
        "dream": convscope.deep_dream(network, PICTURE, "conv1", steps=2, octaves=1).array,
        "style": convscope.style_transfer(network, PICTURE, PICTURE[::-1].copy(), steps=2, rate=1e-3).array,
    }


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_answer_depends_on_it(setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    files = planted_files(tmp_path / "planted")
    expected = answers(convscope.open_network(files))
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "inside"))
    with SETTINGS[setting]():
        network = convscope.open_network(files)  # its parameters are loaded in there
        before = settings_of_torch()
        inside = answers(network)
        assert settings_of_torch() == before
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "after"))
    for found in (inside, answers(network)):
        for name, value in expected.items():
            np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(value), name)


def test_a_module_that_was_made_in_inference_mode_has_gradients() -> None:
    with torch.inference_mode():
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
        input = torch.rand(1, 3, 9, 10)
    network = convscope.open_network(module, input_shape=(1, 3, 9, 10))
    layer = list(network.layers)[-1]
    ordinary = input.clone().requires_grad_()
    copied = torch.nn.functional.conv2d(ordinary, module[0].weight.clone(), module[0].bias.clone()).relu()
    (expected,) = torch.autograd.grad(copied[:, 2].sum(), ordinary)
    torch.testing.assert_close(network.gradient(input, f"{layer}:2"), expected)
