"""Settings changed by wish: an optimizer's in the preset's values, layers of the network's own."""

import pytest

import convscope
from convscope.styling.options import settings_for
from convscope.styling.presets import STYLE_PRESETS
from planted import planted_network

LAYERS = {"content_layers": "conv2", "style_layers": ["conv1", "conv2"]}


def test_adam_instead_of_the_preset_s_optimizer_steps_in_its_values() -> None:
    network = planted_network()
    wanted = {"neural-style": 10.0, "gatys": 5.1, "pytorch-tutorial": 0.02}
    for name, rate in wanted.items():
        settings = settings_for(network, STYLE_PRESETS[name], LAYERS | {"optimizer": "adam"})
        assert settings.rate == pytest.approx(rate)
    own = settings_for(network, STYLE_PRESETS["tf2"], LAYERS | {"optimizer": "adam"})
    assert own.optimizer == STYLE_PRESETS["tf2"].settings.optimizer
    assert settings_for(network, STYLE_PRESETS["gatys"], LAYERS | {"optimizer": "adam", "rate": 3}).rate == 3


def test_the_built_in_network_has_layers_for_both() -> None:
    settings = settings_for(convscope.open_network("builtin"), STYLE_PRESETS["wasserstein"], {})
    assert list(settings.content_layers) == ["mixed4c"]
    weights = [*settings.style_layers.values()]
    assert sum(weights) == pytest.approx(1)
    assert weights == sorted(weights, reverse=True)
