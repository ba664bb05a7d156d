"""DeepLIFT and GradientSHAP: captum's numbers, the rules written out, and contributions that add up."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope
from convscope.attribution.baselines import baseline_input
from convscope.attribution.gradient_shap import INPUTS, draws
from convscope.attribution.target import target_of
from convscope.errors import InputError
from convscope.network.operations import OPERATIONS
from convscope.network.operations.deep_lift_rules import averaged_gradients, rescaled, rescaled_maximum
from torch_cases import branches, noise


class Plain(nn.Module):
    """What captum's DeepLIFT takes: no ReLU twice, none in place, averages for pooling."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 6, 3), nn.Sigmoid()),
            *(nn.Conv2d(6, 6, 3, stride=2), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(96, 4)),
        )

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layers(x)
        return answer


class Gated(nn.Module):
    """Windows that overlap, channels that gate each other, normalizations: what rescale alone does not cover."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.gate = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.norm, self.scores = nn.GroupNorm(2, 8), nn.Linear(8, 4)
        self.damping = nn.LocalResponseNorm(5, alpha=0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.damping(torch.max_pool2d(self.first(x).relu(), 3, 2))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        answer: Tensor = self.scores(self.norm(x).relu().amax((2, 3)))
        return answer


class Weighed(nn.Module):
    """Two channels, weighed by as many numbers that no picture goes into: they are no picture and its baseline."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.scores = nn.Conv2d(3, 2, 3), nn.Linear(2, 4)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        weighed = self.first(x) * torch.tanh(weights.reshape(2, 1, 1))
        answer: Tensor = self.scores(weighed.relu().mean((2, 3)))
        return answer


def opened(module: nn.Module) -> convscope.Network:
    return convscope.open_network(module.eval().requires_grad_(False), input_shape=(1, 3, 24, 24))


def test_captum_finds_the_same_by_deep_lift() -> None:
    captum = pytest.importorskip("captum.attr", reason="compares with captum, which is not installed")
    network = opened(Plain())
    start = baseline_input(target_of(network, noise(), 2), "blur")
    expected = captum.DeepLift(Plain().eval()).attribute(noise(), start, target=2)[0].detach().numpy()
    found = convscope.deep_lift(network, noise(), 2, baseline="blur").values.transpose(2, 0, 1)
    # A sigmoid's slope between near numbers rounds to about 1e-4.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=3e-4 * np.abs(expected).max())


def test_captum_finds_the_same_by_gradient_shap(monkeypatch: pytest.MonkeyPatch) -> None:
    captum = pytest.importorskip("captum.attr", reason="compares with captum, which is not installed")
    network, samples = opened(Plain()), 6
    target = target_of(network, noise(), 2)
    starts = torch.cat([baseline_input(target, name) for name in INPUTS])
    ((which, _, places),) = draws(target.input, 2, samples, 0.0, seed=4)
    monkeypatch.setattr(np.random, "uniform", lambda *_: places.flatten().numpy())
    monkeypatch.setattr(np.random, "choice", lambda *_: which.numpy())
    explained = captum.GradientShap(Plain().eval())
    expected = (
        explained.attribute(noise(), starts, n_samples=samples, stdevs=0.0, target=2)[0].detach().numpy()
    )
    # Pictures fit the network too, so more would be drawn from: here, from these two.
    monkeypatch.setattr("convscope.attribution.gradient_shap.PICTURES", INPUTS)
    found = convscope.gradient_shap(network, noise(), 2, samples=samples, seed=4).values.transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("make", [branches, Gated])
@pytest.mark.parametrize("baseline", ["zero", "white"])
def test_contributions_add_up_whatever_the_network_is_made_of(
    make: Callable[[], nn.Module], baseline: Any
) -> None:
    network, twin = opened(make()), make().eval()
    found = convscope.deep_lift(network, noise(), 3, baseline=baseline)
    start = baseline_input(found.target, baseline)
    with torch.no_grad():
        expected = float((twin(noise()) - twin(start))[0, 3])
    assert float(found.values.sum()) == pytest.approx(expected, rel=2e-4 if make is branches else 5e-3)
    assert "add up to the difference but for" in found.how and "large error" not in found.how
    plain = convscope.gradient_times_input(network, noise(), 3)
    assert np.abs(found.map - plain.map).max() > 0.05 * np.abs(plain.map).max()


def test_what_no_picture_goes_into_is_the_same_for_both() -> None:
    """A network's second input was cut in halves: an error of torch's, or numbers of another channel."""
    given, twin = torch.tensor([[1.7, -0.6]]), Weighed().eval().requires_grad_(False)
    network = convscope.open_network(Weighed().eval(), input_shape=(1, 3, 24, 24), inputs={"weights": given})
    found = convscope.deep_lift(network, noise(), 3, baseline="zero")
    weights = torch.tanh(given.reshape(2, 1, 1))
    own, nothing = (twin.first(x) * weights for x in (noise(), torch.zeros_like(noise())))
    slopes = (own.relu() - nothing.relu()) / (own - nothing) * weights
    slopes *= twin.scores.weight[3].reshape(2, 1, 1) / (22 * 22)
    expected = torch.nn.functional.conv_transpose2d(slopes, twin.first.weight) * noise()
    np.testing.assert_allclose(found.values.transpose(2, 0, 1), expected[0], atol=1e-7)


def test_a_slope_is_the_difference_of_the_outputs_by_that_of_the_inputs() -> None:
    own, baseline = torch.tensor([[-0.7, 1.3, 0.4, -2.0]]), torch.tensor([[0.5, -0.2, 0.4, -1.0]])
    both = torch.cat([own, baseline]).requires_grad_()
    (slopes,) = torch.autograd.grad(rescaled(both, of="relu").sum(), both)
    np.testing.assert_allclose(slopes[0], [0.5 / 1.2, 1.3 / 1.5, 1, 0], rtol=1e-6)
    np.testing.assert_array_equal(slopes[0], slopes[1])


def test_a_maximum_gives_to_both_its_places() -> None:
    """What the larger one is above the other goes to where the picture has it, or is taken from where the other was."""
    own, baseline = torch.tensor([0.0, 3.0, 0.5, 0.2]), torch.tensor([2.0, 1.0, 0.1, 0.2])
    both = torch.stack([own, baseline]).reshape(2, 1, 2, 2).requires_grad_()
    (slopes,) = torch.autograd.grad(rescaled_maximum(both, of="max_pool", kernel=2, stride=2).sum(), both)
    np.testing.assert_allclose(slopes[0].flatten() * (own - baseline), [0, 1, 0, 0], atol=1e-6)
    both = torch.stack([baseline, own]).reshape(2, 1, 2, 2).requires_grad_()
    (slopes,) = torch.autograd.grad(rescaled_maximum(both, of="max_pool", kernel=2, stride=2).sum(), both)
    np.testing.assert_allclose(slopes[0].flatten() * (baseline - own), [0, -1, 0, 0], atol=1e-6)


def test_a_product_shares_its_difference_by_the_means() -> None:
    a = torch.tensor([[2.0], [0.5]]).requires_grad_()
    b = torch.tensor([[-1.0], [3.0]]).requires_grad_()
    slopes = torch.autograd.grad(averaged_gradients(a, b, of="multiply").sum(), [a, b])
    np.testing.assert_allclose(slopes[0][0], [1.0], rtol=1e-6)  # the mean of b
    np.testing.assert_allclose(slopes[1][0], [1.25], rtol=1e-6)
    assert {"rescaled", "rescaled_maximum", "averaged_gradients"} <= OPERATIONS.keys()


def test_gradient_shap_is_the_mean_over_its_draws() -> None:
    network, twin = opened(Plain()), Plain().eval()
    found = convscope.gradient_shap(network, noise(), 1, samples=11, noise=0.1, baseline="zero", seed=3)
    total = torch.zeros(3, 24, 24)
    for which, ends, places in draws(noise(), 1, 11, 0.1, seed=3):
        assert not which.any()
        for end, place in zip(ends, places, strict=True):
            input = (place * end)[None].requires_grad_()
            (gradient,) = torch.autograd.grad(twin(input)[0, 1], input)
            total += gradient[0] * end / 11
    np.testing.assert_allclose(found.values.transpose(2, 0, 1), total.numpy(), atol=1e-6)
    with pytest.raises(InputError, match="samples is at least 1"):
        convscope.gradient_shap(network, noise(), 1, samples=0)
