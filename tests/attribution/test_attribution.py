"""Saliency, gradient × input, SmoothGrad, integrated gradients, guided backpropagation, deconvnet: their numbers.

Each against an answer known beforehand, and against captum where it is installed: with 0.9.0 all six agree to 1e-10
in float64, integrated gradients to 1e-8.
"""

from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convscope.attribution.baselines import baseline_input
from convscope.attribution.completeness import ERROR
from convscope.attribution.deconvnet import deconvnet
from convscope.attribution.gradient_times_input import gradient_times_input
from convscope.attribution.guided_backprop import guided_backprop, through_relus
from convscope.attribution.integrated_gradients import (
    complete,
    integrated_gradients,
    midpoints,
    weighted_sum,
    whole,
)
from convscope.attribution.saliency import saliency, strongest
from convscope.attribution.smoothgrad import Of, noisy, smoothed, smoothgrad
from convscope.attribution.target import AttributionTarget, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from gradient_cases import random_input, same_network, torch_network
from planted import edge_picture, plain_picture, planted_network

TARGET = 2


def of(target: AttributionTarget) -> tuple[Network, Tensor, AttributionTarget]:
    """What a method is given to explain this very target."""
    return target.network, target.input, target


@pytest.fixture
def target() -> AttributionTarget:
    return target_of(same_network(torch_network()), random_input(), f"scores:{TARGET}")


@pytest.fixture(scope="module")
def captum() -> ModuleType:
    return pytest.importorskip("captum.attr", reason="compares with captum, which is not installed")


def test_saliency_keeps_the_largest_channel_of_the_sign_that_is_asked_for() -> None:
    values = np.array([[[1.0, -3.0, 2.0]], [[-1.0, -2.0, -0.5]]])
    assert strongest(values).tolist() == [[3], [2]]
    assert strongest(values, "positive").tolist() == [[2], [0]]
    assert strongest(values, "negative").tolist() == [[3], [2]]
    assert strongest(values, "both").tolist() == [[-3], [-2]]
    with pytest.raises(InputError, match="sign is one of absolute, positive, negative, both, not 'up'"):
        strongest(values, "up")  # type: ignore[arg-type]


def test_saliency_of_a_neuron_is_its_filter_where_it_looks() -> None:
    target = target_of(planted_network(), plain_picture(), "conv1:0@16,10")
    found = saliency(*of(target)).map
    expected = np.zeros((32, 32))
    expected[14:19, 8:13] = 1 / 25
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_on_a_linear_network_all_contributions_are_the_same() -> None:
    """Without ReLUs integrated gradients from zero are gradient × input, and add up in a single step."""
    target = target_of(planted_network(), edge_picture(), "conv1@conv1:3")
    integrated, steps = complete(target, baseline_input(target, "zero"), 1)
    assert steps == 1 and integrated.error < 1e-5
    np.testing.assert_allclose(
        target.pixels(integrated.values).sum(2), gradient_times_input(*of(target)).map, atol=1e-7
    )


def test_contributions_add_up_and_the_steps_grow_until_they_do(target: AttributionTarget) -> None:
    found, steps = complete(target, torch.zeros_like(target.input), 1)
    assert steps > 1 and found.error <= ERROR
    with torch.no_grad():
        difference = float(target.scores(target.input) - target.scores(torch.zeros_like(target.input)))
    assert abs(float(found.values.sum()) - difference) <= ERROR * abs(difference)
    assert f"{steps} steps" in integrated_gradients(*of(target), baseline="zero", steps=1).how


def test_three_times_the_steps_use_the_gradients_of_before(target: AttributionTarget) -> None:
    baseline = torch.zeros_like(target.input)
    found, steps = complete(target, baseline, 1)
    every = weighted_sum(target, baseline, target.input, midpoints(steps))
    torch.testing.assert_close(found.values, every * target.input / whole(steps))


def test_the_rule_is_the_integral() -> None:
    """Along the way u³ with weights 3u², the midpoint rule of t⁴ goes to 1/5 as the square of the step."""
    for steps in (7, 21, 63):
        u = midpoints(steps)
        found = float((3 * u**2 * (u**3) ** 4).sum() / whole(steps))
        assert 1 / steps**2 < abs(found - 1 / 5) < 2 / steps**2


def test_what_does_not_add_up_is_said(target: AttributionTarget) -> None:
    said = integrated_gradients(*of(target), baseline="zero", steps=1, max_steps=2).how
    assert "do not rely on details" in said and "raise the steps" in said


@pytest.mark.parametrize("name", ["black", "gray", "white"])
def test_a_baseline_is_what_the_network_eats_of_one_color(name: str) -> None:
    network = planted_network(channels_last=True)
    target = target_of(network, plain_picture())
    level = {"black": 0, "gray": 0.5, "white": 1}[name]
    found = baseline_input(target, name)  # type: ignore[arg-type]
    assert found.shape == target.input.shape and (found == level).all()


def test_impossible_settings_are_said(target: AttributionTarget) -> None:
    with pytest.raises(InputError, match="baseline cannot be 'blue'"):
        baseline_input(target, "blue")  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match="expects no pictures, so a black one means nothing: use the baseline 'zero'"
    ):
        baseline_input(target, "black")
    with pytest.raises(InputError, match="steps is at least 1, max_steps at least steps; not 0 and"):
        complete(target, torch.zeros_like(target.input), 0)
    with pytest.raises(InputError, match="samples is at least 1"):
        smoothed(target, 0, 0.1, "mean", 0)


def test_smoothgrad_averages_the_gradients_of_its_noisy_inputs(target: AttributionTarget) -> None:
    inputs = torch.cat([*noisy(target.input, 11, 0.2, 5)])
    assert len(inputs) == 11
    spread = float(target.input.max() - target.input.min())
    assert float((inputs - target.input).std()) == pytest.approx(0.2 * spread, rel=0.05)
    gradients = torch.cat([target.gradients(input[None])[1] for input in inputs])
    for of, expected in (
        ("mean", gradients.mean(0)),
        ("square", gradients.square().mean(0)),
        ("variance", gradients.var(0, correction=0)),
    ):
        torch.testing.assert_close(smoothed(target, 11, 0.2, of, 5)[0], expected)  # type: ignore[arg-type]


def test_without_noise_smoothgrad_is_the_saliency_and_a_seed_is_a_picture(target: AttributionTarget) -> None:
    np.testing.assert_allclose(smoothgrad(*of(target), samples=3, noise=0).map, saliency(*of(target)).map)
    first, again, other = (smoothgrad(*of(target), samples=3, noise=0.2, seed=seed).map for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(("kind", "passes"), [("guided_relu", True), ("deconvnet_relu", False)])
def test_the_rules_by_hand(target: AttributionTarget, kind: str, passes: bool) -> None:
    """The backward pass written out, ReLU by ReLU, for modules of torch."""
    twin, value, inputs = torch_network(), target.input, list[Tensor]()
    for module in twin:
        inputs.append(value)
        value = module(value).detach()
    gradient = nn.functional.one_hot(torch.tensor([TARGET]), value.shape[1]).double()
    for module, before in zip(reversed(twin), reversed(inputs), strict=True):
        if isinstance(module, nn.ReLU):
            gradient = gradient.clamp(min=0) * ((before > 0) if passes else 1)
        else:
            before = before.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(module(before), before, gradient)
    torch.testing.assert_close(through_relus(target, kind).gradient(), gradient)


def test_the_network_is_left_as_it_was(target: AttributionTarget) -> None:
    before, graph = target.gradient(), target.network.graph
    guided_backprop(*of(target)), deconvnet(*of(target))
    assert target.network.graph is graph
    assert torch.equal(target.gradient(), before)
    copy = through_relus(target, "guided_relu").network
    assert all(copy.parameters[key] is target.network.parameters[key] for key in copy.parameters)


def test_without_a_relu_on_the_way_it_says_so() -> None:
    with pytest.raises(
        InputError, match="no ReLU between the picture and conv1@conv1:0, so this is the plain"
    ):
        guided_backprop(planted_network(), plain_picture(), "conv1@conv1:0")


def test_captum_finds_the_same(
    captum: ModuleType, target: AttributionTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin, x = torch_network(), target.input
    same = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(
        target.gradient(), captum.Saliency(twin).attribute(x, target=TARGET, abs=False), **same
    )
    torch.testing.assert_close(
        target.gradient() * x, captum.InputXGradient(twin).attribute(x, target=TARGET), **same
    )
    # Captum's own rule has steps of one length: its code gets ours.
    weights, places = 3 * midpoints(27) ** 2 / whole(27), midpoints(27) ** 3
    rule = (lambda _: weights.tolist(), lambda _: places.tolist())
    monkeypatch.setattr("captum.attr._core.integrated_gradients.approximation_parameters", lambda _: rule)
    integrated = captum.IntegratedGradients(twin).attribute(x, target=TARGET, n_steps=27)
    mine = weighted_sum(target, torch.zeros_like(x), x, midpoints(27)) * x / whole(27)
    torch.testing.assert_close(mine, integrated, rtol=1e-6, atol=1e-8)  # captum's step sizes are float32
    for kind, rule in (("guided_relu", captum.GuidedBackprop), ("deconvnet_relu", captum.Deconvolution)):
        theirs = rule(torch_network()).attribute(x.clone(), target=TARGET)
        torch.testing.assert_close(through_relus(target, kind).gradient(), theirs, **same)


@pytest.mark.parametrize(
    ("of", "kind"), [("mean", "smoothgrad"), ("square", "smoothgrad_sq"), ("variance", "vargrad")]
)
def test_captum_smooths_the_same(
    captum: ModuleType, target: AttributionTarget, of: Of, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captum draws its noise from the global generator: what it drew is given to us instead."""
    noise_tunnel = captum.NoiseTunnel(captum.Saliency(torch_network()))
    torch.manual_seed(3)
    theirs = noise_tunnel.attribute(
        target.input,
        nt_type=kind,
        nt_samples=6,
        nt_samples_batch_size=6,
        stdevs=0.3,
        target=TARGET,
        abs=False,
    )
    torch.manual_seed(3)
    drawn = torch.normal(0, torch.full((6, *target.input.shape[1:]), 0.3))
    monkeypatch.setattr("convscope.attribution.smoothgrad.noisy", lambda *_: iter([target.input + drawn]))
    torch.testing.assert_close(smoothed(target, 6, 0.3, of, 0), theirs, rtol=1e-10, atol=1e-10)
