"""Objectives: their values against numpy, their gradients against finite differences in float64."""

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope.errors import InputError, UnknownLayer
from convscope.optimization.objective import Objective
from convscope.optimization.objectives import (
    alignment,
    caricature,
    channel,
    class_score,
    custom,
    direction,
    diversity,
    interpolation,
    layer,
    like,
    neuron,
    unit,
)
from planted import planted_network

VALUES = {
    "a:0": torch.linspace(-1, 1, 12, dtype=torch.float64).view(2, 1, 2, 3),
    "b:1": torch.linspace(2, 3, 12, dtype=torch.float64).view(2, 1, 2, 3),
}
A, B = channel("a", 0), channel("b", 1)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_values_against_numpy() -> None:
    value = random(2, 5, 4, 3)
    array = value.numpy()
    values = {"x": value, "x:1": value[:, 1:2], "x:1@2,0": value[:, 1:2, 2:3, 0:1]}
    vector = random(5, seed=1)
    expected = {
        channel("x", 1): array[:, 1].mean((1, 2)),
        neuron("x", 1): array[:, 1, 2, 1],
        neuron("x", 1, (2, 0)): array[:, 1, 2, 0],
        layer("x"): (array**2).mean((1, 2, 3)),
        layer("x", "l2"): np.linalg.norm(array.reshape(2, -1), axis=1),
        layer("x", "l1"): np.abs(array).sum((1, 2, 3)),
        layer("x", "mean"): array.mean((1, 2, 3)),
        layer("x", "sum"): array.sum((1, 2, 3)),
        direction("x", vector): np.einsum("nchw,c->n", array, vector.float().numpy()) / 12,
        direction("x", vector, position=(3, 1)): array[:, :, 3, 1] @ vector.float().numpy(),
        direction("x", vector, position="center"): array[:, :, 2, 1] @ vector.float().numpy(),
        like("x", value[:1] * 2): -(
            ((array - 2 * array[:1]) ** 2).sum((1, 2, 3)) / (4 * array[0] ** 2).sum()
        ),
    }
    for objective, wanted in expected.items():
        np.testing.assert_allclose(objective.score(values), wanted, rtol=1e-6, err_msg=objective.description)


def test_a_whitened_direction_is_the_inverse_covariance_times_the_vector() -> None:
    value, root, vector = random(3, 4, 2, 2), random(4, 4, seed=1), random(4, seed=2)
    covariance = root @ root.T + torch.eye(4, dtype=torch.float64)
    found = direction("x", vector, covariance=covariance).score({"x": value})
    whitened = np.linalg.inv(covariance.numpy()) @ vector.float().numpy()
    np.testing.assert_allclose(found, np.einsum("nchw,c->n", value, whitened) / 4, rtol=1e-5)


def test_the_cosine_asks_for_the_direction_and_no_other() -> None:
    vector = torch.tensor([1.0, 0.0])
    pure, mixed = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    plain = direction("x", vector)
    strict = direction("x", vector, cosine_power=2)
    for values in (pure, mixed):
        assert plain.score({"x": values}) == 1
    assert strict.score({"x": pure}) == 1
    assert strict.score({"x": mixed}).item() == pytest.approx(0.5)


def test_diversity_counts_how_alike_the_pictures_are() -> None:
    one, other = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    alike = diversity("x").score({"x": one.expand(3, -1, -1, -1)})
    assert torch.allclose(alike, -torch.ones_like(alike))
    unlike = diversity("x").score({"x": torch.cat([one, other, one])})
    assert unlike[1] > unlike[0] > -1  # the odd one out is the most diverse
    with pytest.raises(InputError, match="between pictures"):
        diversity("x").score({"x": one})


def test_diversity_against_numpy() -> None:
    maps = random(3, 4, 2, 5)
    flat = maps.flatten(2).numpy()
    grams = [(one @ one.T).ravel() for one in flat]
    grams = [gram / np.linalg.norm(gram) for gram in grams]
    wanted = [-np.mean([grams[i] @ grams[j] for j in range(3) if j != i]) for i in range(3)]
    np.testing.assert_allclose(diversity("x").score({"x": maps}), wanted, rtol=1e-12)


def test_interpolation_goes_from_one_to_the_other() -> None:
    both = interpolation(A, B).score(VALUES)
    assert both[0] == A.score(VALUES)[0]
    assert both[-1] == B.score(VALUES)[-1]


def test_alignment_prefers_neighbors_that_are_alike() -> None:
    maps = random(3, 2, 2, 2)
    near, far = maps.clone(), maps.clone()
    near[1], far[2] = maps[0], maps[0]  # alike next to each other, or two apart
    assert alignment("x").score({"x": near}).sum() != alignment("x").score({"x": far}).sum()
    same = maps[:1].expand(3, -1, -1, -1)
    assert torch.equal(alignment("x").score({"x": same}), torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize(
    "objective",
    [
        layer("x"),
        layer("x", "l2"),
        direction("x", random(3), cosine_power=1),
        direction("x", random(3), covariance=torch.eye(3) * 2),
        diversity("x"),
        alignment("x"),
        like("x", random(1, 3, 2, 2, seed=5)),
        caricature("x", random(1, 3, 2, 2, seed=5).abs()),
        interpolation(layer("x"), layer("x", "mean")),
        custom("x", lambda x: x.sin().sum((1, 2, 3))),
        layer("x") * layer("x", "mean") / 3 - diversity("x"),
    ],
    ids=lambda objective: objective.description,
)
def test_gradients_against_finite_differences(objective: Objective) -> None:
    value = random(3, 3, 2, 2, seed=9).abs().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: objective.score({"x": x}), (value,))


def test_units_by_address() -> None:
    network = planted_network()
    assert unit(network, "conv2:1").targets == ("conv2:1",)
    assert unit(network, "conv2:1@3,4").description == "conv2:1@3,4"
    assert unit(network, "conv2").description == "conv2, mean square"
    assert unit(network, "prob:green").targets == ("scores:1",)
    assert unit(network, "prob:green").description == "green (logit)"
    assert class_score(network, "blue", "probability").targets == ("prob:2",)
    with pytest.raises(UnknownLayer, match="green"):
        unit(network, "prob:gren")


def test_misfits_are_told() -> None:
    value = random(2, 3, 4, 4)
    with pytest.raises(InputError, match="3 channels, and the direction 2"):
        direction("x", [1.0, 2.0]).score({"x": value})
    with pytest.raises(InputError, match="one number a channel"):
        direction("x", torch.zeros(2, 2))
    with pytest.raises(InputError, match="same size"):
        like("x", random(1, 3, 5, 5)).score({"x": value})
    with pytest.raises(UnknownLayer, match="x@9,9: the layer has 4 rows and 4 columns"):
        direction("x", torch.ones(3), position=(9, 9)).score({"x": value})
    with pytest.raises(InputError, match="no measure 'median'"):
        layer("x", "median")  # type: ignore[arg-type]
