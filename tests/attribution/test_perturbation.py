"""Occlusion, RISE, Score-CAM, Shapley values: run again one picture at a time, in plain loops."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import convscope
from convscope.attribution.baselines import baseline_input
from convscope.attribution.rise import random_masks
from convscope.attribution.target import target_of
from convscope.errors import InputError
from convscope.network.network import Network
from planted import plain_picture, planted_network
from torch_cases import branches, noise


@pytest.fixture(scope="module")
def network() -> Network:
    return convscope.open_network(branches(), input_shape=(1, 3, 24, 24))


@pytest.mark.parametrize(("window", "stride"), [(7, 3), (24, 5), (5, 5)])
def test_occlusion_is_the_mean_loss_over_the_windows_on_a_pixel(
    window: int, stride: int, network: Network
) -> None:
    twin, input = branches(), noise()
    lost, covered = torch.zeros(24, 24), torch.zeros(24, 24)
    top = 0
    while True:
        left = 0
        while True:
            changed = input.clone()
            changed[:, :, top : top + window, left : left + window] = 0
            lost[top : top + window, left : left + window] += float((twin(input) - twin(changed))[0, 3])
            covered[top : top + window, left : left + window] += 1
            if left + window >= 24:
                break
            left += stride
        if top + window >= 24:
            break
        top += stride
    calls: list[tuple[int, int]] = []
    found = convscope.occlusion(
        network, input, 3, window=window, stride=stride, baseline="zero", watch=lambda *now: calls.append(now)
    )
    np.testing.assert_allclose(found.map, (lost / covered).numpy(), atol=1e-5)
    assert found.values.shape == (24, 24, 3) and calls[-1][0] == calls[-1][1]
    assert f"{calls[-1][1]} runs" in found.how


def test_captum_occludes_the_same(network: Network) -> None:
    captum = pytest.importorskip("captum.attr", reason="compares with captum, which is not installed")
    input = noise()
    expected = captum.Occlusion(branches()).attribute(input, (3, 7, 7), (3, 3, 3), target=3)[0]
    found = convscope.occlusion(network, input, 3, window=7, stride=3, baseline="zero")
    np.testing.assert_allclose(found.values.transpose(2, 0, 1), expected.numpy(), atol=1e-5)


def test_rise_is_the_mean_of_answer_times_mask(network: Network) -> None:
    twin, input = branches(), noise()
    masks = list(random_masks((24, 24), 40, torch.Generator().manual_seed(5)))
    answers = [float(twin(input * mask)[0, 2]) for mask in masks]
    expected = sum(answer * mask.numpy() for answer, mask in zip(answers, masks, strict=True)) / (40 * 0.5)
    found = convscope.rise(network, input, 2, samples=40, seed=5)
    np.testing.assert_allclose(found.values[..., 0], expected, atol=1e-5)
    np.testing.assert_allclose(found.map, found.values[..., 0] - np.mean(answers), atol=1e-5)
    assert (convscope.rise(network, input, 2, samples=40, seed=6).map != found.map).any()
    mean = torch.stack(list(random_masks((24, 24), 2000, torch.Generator().manual_seed(1)))).mean()
    assert float(mean) == pytest.approx(0.5, abs=0.01)


def test_rise_stops_when_its_interval_is_narrow() -> None:
    picture = plain_picture((0, 0, 0))
    picture = picture.copy()
    picture[4:14, 18:28] = (255, 0, 0)
    found = convscope.rise(planted_network(), picture, "red", samples=20_000, baseline="black")
    runs = int(found.how.split()[0].replace(",", ""))
    assert 256 <= runs < 20_000 and "at 95 %" in found.how


def test_score_cam_weighs_channels_by_their_masks(network: Network) -> None:
    twin, input = branches(), noise()
    answers = twin.last(input)[0]
    scores = []
    for one in answers:
        mask = (one - one.min()) / (one.max() - one.min() + 1e-8)
        mask = interpolate(mask[None, None], (24, 24), mode="bilinear", align_corners=True)
        scores.append(twin(input * mask)[0, 1])
    weights = torch.stack(scores).softmax(0)
    expected = (weights[:, None, None] * answers).sum(0)
    (layer,) = (operation.outputs[0] for operation in network.graph.operations if operation.kind == "concat")
    found = convscope.score_cam(network, input, 1, layer=layer)
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-5)


def test_shapley_values_are_exact_when_every_order_was_drawn(network: Network) -> None:
    """Of four cells there are 24 orders; the mean over all of them is the value that many samples come near."""
    twin, input = branches(), noise()
    cells = torch.arange(24) * 2 // 24
    cell = cells[:, None] * 2 + cells

    def answer(shown: frozenset[int]) -> float:
        mask = torch.zeros(24, 24)
        for one in shown:
            mask[cell == one] = 1
        return float(twin(input * mask)[0, 2])

    exact = np.zeros(4)
    for order in permutations(range(4)):
        for place, one in enumerate(order):
            exact[one] += (answer(frozenset(order[: place + 1])) - answer(frozenset(order[:place]))) / 24
    found = convscope.shapley(network, input, 2, grid=2, samples=60, baseline="zero")
    shares = [found.map[0, 0], found.map[0, -1], found.map[-1, 0], found.map[-1, -1]]
    np.testing.assert_allclose(shares, exact, atol=0.15 * np.abs(exact).max())
    whole = answer(frozenset(range(4))) - answer(frozenset())
    assert sum(shares) == pytest.approx(whole, abs=1e-5)


def test_what_cannot_be_covered_is_said(network: Network) -> None:
    for options, words in (
        ({"window": 25}, "the window is 1 to 24 pixels, the picture's shorter side; not 25"),
        ({"window": 4, "stride": 5}, "the stride is 1 to 4 pixels, or parts would never be covered; not 5"),
    ):
        with pytest.raises(InputError, match=words):
            convscope.occlusion(network, noise(), 1, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 2; not 1"):
        convscope.rise(network, noise(), 1, samples=1)
    with pytest.raises(InputError, match="grid is 2 to 24 cells a side"):
        convscope.shapley(network, noise(), 1, grid=1)


@pytest.mark.parametrize("last", [False, True])
def test_baselines_are_of_the_inputs_own_shape(last: bool) -> None:
    network = planted_network(channels_last=last)
    target = target_of(network, np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    input = target.pixels(target.input)
    np.testing.assert_allclose(
        target.pixels(baseline_input(target, "mean"))[3, 5], input.mean((0, 1)), atol=1e-6
    )
    blurred = target.pixels(baseline_input(target, "blur"))
    assert blurred.std() < 0.3 * input.std() and blurred.mean() == pytest.approx(input.mean(), abs=0.02)
    assert not baseline_input(target, "zero").any()
