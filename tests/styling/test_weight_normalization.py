"""Weights for networks with larger or smaller answers: what is painted does not depend on how large they are."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import convscope
from convscope.errors import ConvscopeWarning
from convscope.network.network import Network
from convscope.styling.presets import STYLE_PRESETS
from convscope.styling.steps import StyleStep
from convscope.styling.style_transfer import transfer_of
from convscope.styling.targets import batch_of
from convscope.styling.weight_normalization import MeanAnswers, normalized

PICTURES = np.random.default_rng(5).random((2, 40, 48, 3)).astype(np.float32)
LAYERS = {"content_layers": "2", "style_layers": {"0": 1.0, "2": 0.3}}


def opened(times: float) -> Network:
    """Return a network whose answers are all so many times as large, and that does the same otherwise."""
    torch.manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(5, 6, 3, 2, padding=1, bias=False)
    )
    larger = copy.deepcopy(module)
    with torch.no_grad():
        larger[0].weight.mul_(times)
    return convscope.open_network(larger.eval(), input_shape=(1, 3, 40, 48), raw_scale=1.0)


def last(network: Network, preset: str) -> StyleStep:
    transfer = transfer_of(network, PICTURES[0], PICTURES[1], preset=preset, steps=3, size=48, **LAYERS)
    *_, step = transfer.steps()
    return step


@pytest.mark.parametrize("preset", [name for name, one in STYLE_PRESETS.items() if one.answers])
@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_how_large_a_network_s_answers_are_does_not_matter(preset: str) -> None:
    small, large = (last(opened(times), preset) for times in (1.0, 37.0))
    for name, loss in small.losses.items():
        assert large.losses[name] == pytest.approx(loss, rel=0.1), name  # L-BFGS rounds
    assert (small.picture() - large.picture()).abs().mean() < 2e-3


def test_answers_count_as_if_they_had_the_mean_and_that_is_said() -> None:
    network = opened(2.5)
    found = transfer_of(network, PICTURES[0], PICTURES[1], **LAYERS).restyling.settings
    content = torch.from_numpy(PICTURES[:1]).movedim(-1, 1)
    with pytest.warns(ConvscopeWarning, match="for a network that answers 10 or so"):
        made = normalized(found, network, content, MeanAnswers(20.0, 10.0))
    answers = batch_of(network, found).values(content)
    for name, value in answers.items():
        mean = float(value.abs().mean())
        if name in found.content_layers:
            assert made.content_layers[name] == pytest.approx(found.content_layers[name] * (20 / mean) ** 2)
        assert made.style_layers[name] == pytest.approx(found.style_layers[name] * (10 / mean) ** 4)
    assert made.style_weight == found.style_weight
