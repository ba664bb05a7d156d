"""What is done to each number, against formulas in numpy (Caffe's neuron, power, threshold and softmax tests)."""

import math

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations import OPERATIONS

INPUT = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 5)) * 3)
X = INPUT.numpy()
SLOPES = np.array([0.1, -0.5, 2.0])

FORMULAS = {
    "relu": [({}, np.maximum(X, 0)), ({"negative_slope": 0.01}, np.where(X > 0, X, 0.01 * X))],
    "prelu": [
        ({"weight": torch.tensor(SLOPES)}, np.where(X > 0, X, X * SLOPES[:, None, None])),
        ({"weight": torch.tensor(0.3).double()}, np.where(X > 0, X, X * np.float64(np.float32(0.3)))),
    ],
    "elu": [
        ({}, np.where(X > 0, X, np.exp(X) - 1)),
        ({"alpha": 0.5}, np.where(X > 0, X, 0.5 * (np.exp(X) - 1))),
    ],
    "swish": [({}, X / (1 + np.exp(-X))), ({"beta": 1.5}, X / (1 + np.exp(-1.5 * X)))],
    "sigmoid": [({}, 1 / (1 + np.exp(-X)))],
    "tanh": [({}, (np.exp(2 * X) - 1) / (np.exp(2 * X) + 1))],
    "absolute": [({}, np.abs(X))],
    "bnll": [({}, np.log(1 + np.exp(X)))],
    "clip": [({"minimum": -1, "maximum": 2}, np.clip(X, -1, 2))],
    "threshold": [({}, X > 0), ({"threshold": 0.5}, X > 0.5)],
    "power": [
        ({}, X),
        ({"power": 2.0, "scale": 3.0, "shift": -1.0}, (3 * X - 1) ** 2),
        ({"power": 0.37, "scale": -2.4, "shift": 60.0}, (60 - 2.4 * X) ** 0.37),
        ({"power": 0.0, "scale": 0.83, "shift": -2.4}, np.ones_like(X)),
        ({"power": 2.0, "scale": 0.0, "shift": -2.4}, np.full_like(X, 5.76)),
        ({"power": 1.0, "scale": 0.83, "shift": 2.4}, 0.83 * X + 2.4),
    ],
    "exp": [
        ({}, np.exp(X)),
        ({"base": 2.0}, 2**X),
        ({"base": 2.0, "shift": 1.0}, 2 ** (X + 1)),
        ({"base": 2.0, "scale": 3.0}, 2 ** (3 * X)),
        ({"scale": 3.0, "shift": 1.0}, np.exp(3 * X + 1)),
    ],
    "log": [
        ({"shift": 20.0}, np.log(X + 20)),
        ({"base": 2.0, "shift": 50.0, "scale": 3.0}, np.log2(3 * X + 50)),
    ],
}


@pytest.mark.parametrize("kind", FORMULAS)
def test_values_are_those_of_the_formula(kind):
    for keywords, expected in FORMULAS[kind]:
        np.testing.assert_allclose(
            OPERATIONS[kind](INPUT, **keywords), expected, rtol=1e-9, err_msg=str(keywords)
        )


def test_far_numbers_do_not_overflow():
    far = torch.tensor([-1e4, -100.0, 100.0, 1e4])
    assert torch.equal(OPERATIONS["tanh"](far), torch.tensor([-1.0, -1, 1, 1]))
    assert torch.equal(OPERATIONS["sigmoid"](far).round(), torch.tensor([0.0, 0, 1, 1]))
    assert torch.equal(OPERATIONS["bnll"](far), torch.tensor([0.0, math.exp(-100), 100, 1e4]))


@pytest.mark.parametrize(
    ("kind", "keywords", "at", "slope"),
    [
        ("relu", {}, 0.0, 0.0),
        ("relu", {"negative_slope": 0.1}, 0.0, 0.1),
        ("prelu", {"weight": torch.tensor([0.25])}, 0.0, 0.25),
        ("clip", {"minimum": -1.0, "maximum": 2.0}, 2.0, 1.0),
        ("clip", {"minimum": -1.0, "maximum": 2.0}, -1.0, 1.0),
        ("absolute", {}, 0.0, 0.0),
        ("elu", {}, 0.0, 1.0),
    ],
)
def test_gradients_at_the_kinks_are_caffes(kind, keywords, at, slope):
    input = torch.tensor([[at]], requires_grad=True)
    OPERATIONS[kind](input, **keywords).sum().backward()
    assert input.grad.item() == pytest.approx(slope)


@pytest.mark.parametrize("axis", [0, 1, 3, -1])
def test_softmax_along_any_axis(axis):
    shifted = np.exp(X - X.max(axis, keepdims=True))
    expected = shifted / shifted.sum(axis, keepdims=True)
    np.testing.assert_allclose(OPERATIONS["softmax"](INPUT, axis=axis), expected)


def test_what_does_not_fit_is_refused_in_words():
    with pytest.raises(InputError, match="slopes for 4 channels, the input is 2x3x4x5"):
        OPERATIONS["prelu"](INPUT, weight=torch.zeros(4).double())
    with pytest.raises(InputError, match="axis 4 does not exist in an input of 2x3x4x5"):
        OPERATIONS["softmax"](INPUT, axis=4)
