"""Settings changed by wish: an optimizer's in the preset's values, layers of the network's own."""

import dataclasses

import pytest

import convscope
from convscope.styling.options import StyleKeywords, StyleOptions
from convscope.styling.presets import STYLE_PRESETS
from planted import planted_network

LAYERS = {"content_layers": "conv2", "style_layers": ["conv1", "conv2"]}


def test_adam_instead_of_the_preset_s_optimizer_steps_in_its_values() -> None:
    network = planted_network()
    wanted = {"neural-style": 10.0, "gatys": 5.1, "pytorch-tutorial": 0.02}
    for name, rate in wanted.items():
        settings = StyleOptions(preset=name, optimizer="adam", **LAYERS).settings(network)
        assert settings.rate == pytest.approx(rate)
    own = StyleOptions(preset="tf2", optimizer="adam", **LAYERS).settings(network)
    assert own.optimizer == STYLE_PRESETS["tf2"].settings.optimizer
    faster = StyleOptions(preset="gatys", optimizer="adam", rate=3, **LAYERS)
    assert faster.settings(network).rate == 3


def test_the_built_in_network_has_layers_for_both() -> None:
    settings = StyleOptions(preset="wasserstein").settings(convscope.open_network("builtin"))
    assert list(settings.content_layers) == ["mixed4c"]
    weights = [*settings.style_layers.values()]
    assert sum(weights) == pytest.approx(1)
    assert weights == sorted(weights, reverse=True)


def test_keywords_are_the_options_fields() -> None:
    fields = {field.name for field in dataclasses.fields(StyleOptions)}
    assert StyleKeywords.__annotations__.keys() - {"changes"} == fields
