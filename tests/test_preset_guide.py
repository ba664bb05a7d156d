"""Every preset has its line of help, and what it does elsewhere is said before the start."""

from __future__ import annotations

import re

import numpy as np
import pytest
from click.testing import CliRunner

from convscope.cli import main
from convscope.dreaming.deep_dream import dream_of
from convscope.dreaming.presets import DREAM_PRESETS
from convscope.errors import ConvscopeWarning
from convscope.optimization.presets import PRESETS
from convscope.preset_guide import DREAM_GUIDE, FEATURE_GUIDE, STYLE_GUIDE
from convscope.styling.presets import STYLE_PRESETS
from convscope.styling.style_transfer import transfer_of
from planted import planted_network

PICTURE = np.random.default_rng(0).random((48, 64, 3))


def test_every_preset_has_a_line() -> None:
    for guide, presets in (
        (DREAM_GUIDE, DREAM_PRESETS),
        (STYLE_GUIDE, STYLE_PRESETS),
        (FEATURE_GUIDE, PRESETS),
    ):
        assert list(guide) == list(presets)


@pytest.mark.parametrize("command", ["dream", "dream-film", "style", "see", "sheet"])
def test_the_lines_stand_in_the_help(command: str) -> None:
    guide = {"style": STYLE_GUIDE, "see": FEATURE_GUIDE, "sheet": FEATURE_GUIDE}.get(command, DREAM_GUIDE)
    said = CliRunner().invoke(main, [command, "--help"]).output
    for name, one in guide.items():
        assert re.search(rf"^ +{name} +{re.escape(one.summary)}$", said, re.MULTILINE), name


@pytest.mark.filterwarnings("ignore:the preset's weights are for a network that answers")
def test_what_to_expect_elsewhere_is_said_before_the_start() -> None:
    network = planted_network()
    with pytest.warns(ConvscopeWarning, match=r"than planted: expect static over the picture: google-2015"):
        dream_of(network, PICTURE, "conv2", preset="cadl-simplest")
    layers = {"content_layers": "conv2", "style_layers": "conv1"}
    with pytest.warns(
        ConvscopeWarning, match=r"than planted: expect grain and glaring colors: pytorch-tutor"
    ):
        transfer_of(network, PICTURE, PICTURE, preset="tf2", **layers)
    dream_of(
        network, PICTURE, "conv2", preset="cadl-simplest", rate=5.0
    )  # a rate of one's own is no surprise
    dream_of(network, PICTURE, "conv2", preset="tf-deepdream", octaves=1)
