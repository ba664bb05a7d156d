"""Saliency, gradient × input, SmoothGrad, integrated gradients, guided backpropagation, deconvnet: their numbers.

Each against an answer known beforehand, and against captum where it is installed: with 0.9.0 all six agree to 1e-10
in float64, integrated gradients to 1e-8.
"""

from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convscope.attribution.deconvnet import deconvnet_evidence
from convscope.attribution.gradient_times_input import gradient_times_input_evidence
from convscope.attribution.guided_backprop import guided_evidence, through_relus
from convscope.attribution.integrated_gradients import (
    ERROR,
    baseline_input,
    complete,
    gradient_sum,
    integrated_evidence,
    midpoints,
)
from convscope.attribution.saliency import saliency_evidence, strongest
from convscope.attribution.smoothgrad import Of, noisy, smoothed, smoothgrad_evidence
from convscope.attribution.target import Question, ask
from convscope.errors import InputError
from gradient_cases import random_input, same_network, torch_network
from planted import edge_picture, plain_picture, planted_network

TARGET = 2


@pytest.fixture
def question() -> Question:
    return ask(same_network(torch_network()), random_input(), f"scores:{TARGET}")


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
    question = ask(planted_network(), plain_picture(), "conv1:0@16,10")
    found = saliency_evidence(question).map
    expected = np.zeros((32, 32))
    expected[14:19, 8:13] = 1 / 25
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_on_a_linear_network_all_contributions_are_the_same() -> None:
    """Without ReLUs integrated gradients from zero are gradient × input, and add up in a single step."""
    question = ask(planted_network(), edge_picture(), "conv1@conv1:3")
    integrated = complete(question, baseline_input(question, "zero"), 1)
    assert integrated.steps == 1 and integrated.error < 1e-5
    np.testing.assert_allclose(
        question.pixels(integrated.values).sum(2), gradient_times_input_evidence(question).map, atol=1e-7
    )


def test_contributions_add_up_and_the_steps_grow_until_they_do(question: Question) -> None:
    found = complete(question, torch.zeros_like(question.input), 1)
    assert found.steps > 1 and found.error <= ERROR
    with torch.no_grad():
        difference = float(
            question.scores(question.input) - question.scores(torch.zeros_like(question.input))
        )
    assert abs(float(found.values.sum()) - difference) <= ERROR * abs(difference)
    assert f"{found.steps} steps" in integrated_evidence(question, "zero", 1).made


def test_three_times_the_steps_use_the_gradients_of_before(question: Question) -> None:
    baseline = torch.zeros_like(question.input)
    found = complete(question, baseline, 1)
    every = gradient_sum(question, baseline, question.input, midpoints(found.steps))
    torch.testing.assert_close(found.values, every * question.input / found.steps)


def test_what_does_not_add_up_is_said(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.attribution.integrated_gradients.MOST_STEPS", 1)
    assert "do not trust the details" in integrated_evidence(question, "zero", 1).made


@pytest.mark.parametrize("name", ["black", "gray", "white"])
def test_a_baseline_is_what_the_network_eats_of_one_color(name: str) -> None:
    network = planted_network(channels_last=True)
    question = ask(network, plain_picture())
    level = {"black": 0, "gray": 0.5, "white": 1}[name]
    found = baseline_input(question, name)  # type: ignore[arg-type]
    assert found.shape == question.input.shape and (found == level).all()


def test_impossible_settings_are_said(question: Question) -> None:
    with pytest.raises(InputError, match="baseline cannot be 'blue'"):
        baseline_input(question, "blue")  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match="eats no pictures, so a black one means nothing: use the baseline 'zero'"
    ):
        baseline_input(question, "black")
    with pytest.raises(InputError, match="steps is at least 1, not 0"):
        complete(question, torch.zeros_like(question.input), 0)
    with pytest.raises(InputError, match="samples is at least 1"):
        smoothed(question, 0, 0.1, "mean", 0)


def test_smoothgrad_averages_the_gradients_of_its_noisy_inputs(question: Question) -> None:
    inputs = torch.cat([*noisy(question.input, 11, 0.2, 5)])
    assert len(inputs) == 11
    spread = float(question.input.max() - question.input.min())
    assert float((inputs - question.input).std()) == pytest.approx(0.2 * spread, rel=0.05)
    gradients = torch.cat([question.gradients(input[None])[1] for input in inputs])
    for of, expected in (
        ("mean", gradients.mean(0)),
        ("square", gradients.square().mean(0)),
        ("variance", gradients.var(0, correction=0)),
    ):
        torch.testing.assert_close(smoothed(question, 11, 0.2, of, 5)[0], expected)  # type: ignore[arg-type]


def test_without_noise_smoothgrad_is_the_saliency_and_a_seed_is_a_picture(question: Question) -> None:
    np.testing.assert_allclose(smoothgrad_evidence(question, 3, 0).map, saliency_evidence(question).map)
    first, again, other = (smoothgrad_evidence(question, 3, 0.2, "mean", seed).map for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(("kind", "passes"), [("guided_relu", True), ("deconvnet_relu", False)])
def test_the_rules_by_hand(question: Question, kind: str, passes: bool) -> None:
    """The backward pass written out, ReLU by ReLU, for modules of torch."""
    twin, value, inputs = torch_network(), question.input, list[Tensor]()
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
    torch.testing.assert_close(through_relus(question, kind).gradient(), gradient)


def test_the_network_is_left_as_it_was(question: Question) -> None:
    before, graph = question.gradient(), question.network.graph
    guided_evidence(question), deconvnet_evidence(question)
    assert question.network.graph is graph
    assert torch.equal(question.gradient(), before)
    copy = through_relus(question, "guided_relu").network
    assert all(copy.parameters[key] is question.network.parameters[key] for key in copy.parameters)


def test_without_a_relu_on_the_way_it_says_so() -> None:
    with pytest.raises(
        InputError, match="no ReLU between the picture and conv1@conv1:0, so this is the plain"
    ):
        guided_evidence(ask(planted_network(), plain_picture(), "conv1@conv1:0"))


def test_captum_finds_the_same(captum: ModuleType, question: Question) -> None:
    twin, x = torch_network(), question.input
    same = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(
        question.gradient(), captum.Saliency(twin).attribute(x, target=TARGET, abs=False), **same
    )
    torch.testing.assert_close(
        question.gradient() * x, captum.InputXGradient(twin).attribute(x, target=TARGET), **same
    )
    integrated = captum.IntegratedGradients(twin).attribute(
        x, target=TARGET, n_steps=27, method="riemann_middle"
    )
    mine = gradient_sum(question, torch.zeros_like(x), x, midpoints(27)) * x / 27
    torch.testing.assert_close(mine, integrated, rtol=1e-7, atol=1e-8)  # captum's step sizes are float32
    for kind, rule in (("guided_relu", captum.GuidedBackprop), ("deconvnet_relu", captum.Deconvolution)):
        theirs = rule(torch_network()).attribute(x.clone(), target=TARGET)
        torch.testing.assert_close(through_relus(question, kind).gradient(), theirs, **same)


@pytest.mark.parametrize(
    ("of", "kind"), [("mean", "smoothgrad"), ("square", "smoothgrad_sq"), ("variance", "vargrad")]
)
def test_captum_smooths_the_same(
    captum: ModuleType, question: Question, of: Of, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captum draws its noise from the global generator: what it drew is given to us instead."""
    noise_tunnel = captum.NoiseTunnel(captum.Saliency(torch_network()))
    torch.manual_seed(3)
    theirs = noise_tunnel.attribute(
        question.input,
        nt_type=kind,
        nt_samples=6,
        nt_samples_batch_size=6,
        stdevs=0.3,
        target=TARGET,
        abs=False,
    )
    torch.manual_seed(3)
    drawn = torch.normal(0, torch.full((6, *question.input.shape[1:]), 0.3))
    monkeypatch.setattr("convscope.attribution.smoothgrad.noisy", lambda *_: iter([question.input + drawn]))
    torch.testing.assert_close(smoothed(question, 6, 0.3, of, 0), theirs, rtol=1e-10, atol=1e-10)
