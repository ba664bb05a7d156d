"""The network that comes with convscope: there, whole, and as good as its card says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import convscope

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def builtin() -> convscope.Network:
    return convscope.open_network("builtin")


def test_it_knows_an_espresso(builtin: convscope.Network) -> None:
    label, probability = builtin.predict("coffee", top=1)[0]
    assert label == "espresso" and probability > 0.9
    assert builtin.resolve("prob:tabby").channel == builtin.labels.index("tabby")
    assert len(builtin.labels) == builtin.class_count == 200


def test_it_knows_a_cat_from_near(builtin: convscope.Network) -> None:
    likeliest = [label for label, _ in builtin.predict("chelsea", top=2)]
    assert set(likeliest) == {"tabby", "Egyptian cat"}


def test_its_layers_can_be_said(builtin: convscope.Network) -> None:
    assert builtin.layers["conv1"].parameters["conv1.weight"] == (48, 3, 7, 7)
    assert builtin.layers["conv1"].steps == ("Convolution", "ReLU")
    assert {"mixed3a", "mixed4b", "mixed5b", "head", "prob"} <= set(builtin.layers)


@pytest.mark.parametrize("size", [64, 101, 224])
def test_it_takes_any_size(builtin: convscope.Network, size: int) -> None:
    answer = builtin.activations(torch.randn(1, 3, size, size), "prob")["prob"]
    assert answer.shape == (1, 200) and float(answer.sum()) == pytest.approx(1, abs=1e-5)


def test_no_two_first_filters_are_the_same(builtin: convscope.Network) -> None:
    filters = builtin.parameters["conv1.weight"].flatten(1)
    alike = torch.nn.functional.cosine_similarity(filters[:, None], filters[None], dim=2) - torch.eye(
        len(filters)
    )
    assert float(alike.max()) < 0.95  # two green blobs are the nearest, 0.91


def test_a_reader_that_shares_no_code_agrees(builtin: convscope.Network) -> None:
    """`training/shipped.py` runs the file with nothing but torch."""
    path = ROOT / "training" / "shipped.py"
    if not path.is_file():
        pytest.skip("the training code is not part of an installed package")
    spec = importlib.util.spec_from_file_location("shipped", path)
    assert spec is not None and spec.loader is not None
    shipped = importlib.util.module_from_spec(spec)
    sys.modules["shipped"] = shipped
    spec.loader.exec_module(shipped)
    pictures = torch.rand(2, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    expected = shipped.load(builtin.origin.files[0]).values(pictures)
    x = torch.cat([builtin.preprocess(picture.permute(1, 2, 0).numpy()) for picture in pictures])
    found = builtin.activations(x, *expected)
    for name, value in expected.items():
        np.testing.assert_allclose(
            found[name], value, rtol=1e-4, atol=1e-4 * float(value.abs().max()), err_msg=name
        )
