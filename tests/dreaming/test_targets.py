"""A dream's terms: the layers meant, the pictures looked at, and gradients that are those of finite differences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import convscope
from convscope.dreaming.deep_dream import dream_of
from convscope.dreaming.gradients import gradient_of
from convscope.dreaming.objectives import DreamMeasure
from convscope.dreaming.presets import DREAM_PRESETS, DreamPreset
from convscope.dreaming.settings import DreamSettings
from convscope.dreaming.targets import chosen_addresses, middle, terms_of, with_channels
from convscope.errors import InputError
from planted import planted_network
from precision import in_double_precision

LECTURE = DREAM_PRESETS["cadl-decay"]
PICTURE, GUIDE = (
    torch.rand(1, 3, 24, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for seed in (0, 1)
)


def measured(measure: DreamMeasure) -> DreamPreset:
    return DreamPreset("", DreamSettings(), measure, {})


@pytest.mark.parametrize(
    ("preset", "weights", "wishes"),
    [
        (measured("mean"), {"conv1": 1.0, "conv2": -0.5}, {}),
        (measured("mean_square"), {"conv1": 1.0, "conv2": 0.5}, {}),
        (measured("maximum"), {"conv1": 1.0}, {}),
        (measured("mean_square"), {"data": 1.0}, {}),
        (measured("inner_mean_square"), {"conv2": 1.0}, {}),
        (measured("mean_square"), {"conv1": 1.0, "conv2:1": 0.5}, {"channels": (3, 5)}),
        (measured("mean"), {"conv2": 1.0}, {"guide": GUIDE}),
        (measured("mean"), {"prob:green": 1.0}, {}),
        (LECTURE, {"prob:green": 1.0, "conv1": 0.1}, {}),
    ],
)
def test_gradients_are_those_of_finite_differences(
    preset: DreamPreset, weights: Mapping[str, float], wishes: Mapping[str, Any]
) -> None:
    network = in_double_precision(planted_network())
    terms = terms_of(network, weights, preset, PICTURE, **wishes)
    gradient = gradient_of(network, terms, DreamSettings(black=-1.0, white=1.0))
    values = 2 * PICTURE - 1
    _, slope = gradient(values)
    for seed in range(3):
        way = torch.randn(values.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        above, below = (float(gradient(values + step * way)[0]) for step in (1e-6, -1e-6))
        expected = (above - below) / 2e-6
        assert abs(expected) > 1e-6
        assert float((slope * way).sum()) == pytest.approx(expected, rel=1e-4)


def test_a_guided_dream_has_layers_of_its_own() -> None:
    names = {"conv1": "inception_3b/output", "conv2": "inception_4c/output"}
    network, google = planted_network(layer_names=names), DREAM_PRESETS["google-2015"]
    assert chosen_addresses(network, None, google, guided=True) == {"inception_3b/output": 1.0}
    assert chosen_addresses(network, None, google, guided=False) == {"inception_4c/output": 1.0}
    assert chosen_addresses(network, "conv1", google, guided=True) == {"conv1": 1.0}


def test_one_channel_is_drawn_only_where_none_is_asked_for() -> None:
    network, picture = planted_network(), PICTURE.float()
    for address in ("conv1:3", "prob:green"):
        assert with_channels(network, {address: 0.5}, picture, 1) == {address: 0.5}
    drawn = {name for seed in range(12) for name in with_channels(network, {"conv1": 1.0}, picture, seed)}
    assert len(drawn) > 3 and drawn <= {f"conv1:{channel}" for channel in range(7)}  # the eighth is dead
    black = torch.zeros(1, 3, 32, 32)
    assert with_channels(network, {"conv2": 2.0}, black, 0) == with_channels(
        network, {"conv2": 2.0}, black, 0
    )


@pytest.mark.filterwarnings("ignore:the preset")  # they say what to expect on another network
def test_only_the_presets_of_one_channel_draw_it() -> None:
    def words(preset: str, **wishes: Any) -> str:
        picture = (PICTURE[0].movedim(0, -1) * 255).byte().numpy()
        made = dream_of(planted_network(), picture, "conv1", preset=preset, size=64, **wishes)
        return made.terms[0].words

    assert re.fullmatch("conv1:[0-6], mean", words("cadl-objective"))
    assert words("cadl-objective", seed=1) != words("cadl-objective", seed=2)
    assert words("cadl-objective", channels=(3, 4)) == "conv1, mean of channels 3, 4"
    assert words("cadl-objective", guide="coffee") == "conv1, guided"
    assert words("cadl-simplest") == "conv1, mean"


@pytest.mark.parametrize("channels", ["strongest:2", (1,)])
@pytest.mark.parametrize("address", ["prob:green", "conv1:3"])
def test_channels_are_of_a_layer(address: str, channels: Any) -> None:
    network, preset = planted_network(), DREAM_PRESETS["default"]
    picture = PICTURE.float()
    with pytest.raises(
        InputError, match=r"there is no layer to choose channels .* of: dream of a layer, or leave"
    ):
        terms_of(network, {address: 1.0}, preset, picture, channels=channels)
    found = terms_of(network, {address: 1.0, "conv1": 1.0}, preset, picture, channels=channels)
    assert any("conv1, mean square of channel" in term.words for term in found)


@pytest.mark.parametrize("wishes", [{"channels": "strongest:1"}, {"guide": torch.rand(1, 3, 40, 1500)}])
def test_pictures_are_looked_at_with_a_thousand_pixels(
    wishes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from convscope.optimization import objective_batch

    looked_at = list[tuple[int, ...]]()
    values = objective_batch.ObjectiveBatch.values

    def watched(self: objective_batch.ObjectiveBatch, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        looked_at.append(tuple(pictures.shape[2:]))
        return values(self, pictures)

    monkeypatch.setattr(objective_batch.ObjectiveBatch, "values", watched)
    start = torch.rand(1, 3, 40, 1500)
    terms_of(planted_network(), {"conv1": 1.0}, DREAM_PRESETS["default"], start, **wishes)
    assert looked_at == [(27, 1024)]


def test_the_default_layer_is_not_the_last(shared_data: Path) -> None:
    """The last stage's layers paint one and the same over every photograph."""
    assert middle(convscope.open_network("builtin")) == "mixed4b"
    assert middle(convscope.open_network(shared_data / "caffe/bvlc_googlenet")) == "inception_4c/output"
    assert middle(convscope.open_network(shared_data / "caffe/squeezenet_v1.1")) == "fire9/concat"
