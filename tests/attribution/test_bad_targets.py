"""What cannot be explained is one line that says what to do, the same from every method."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import convscope
from convscope.attribution.registry import METHODS
from convscope.cli import main
from convscope.errors import ConvscopeError, InputError
from planted import ATTRIBUTIONS, plain_picture, planted_files, planted_network

SHORT: Mapping[str, dict[str, Any]] = {
    "occlusion": {"window": 16},
    "rise": {"samples": 4},
    "shapley": {"grid": 2, "samples": 2},
    "extremal_perturbation": {"steps": 2},
}
TARGETS = [
    ({}, "a target of nothing: give a class"),
    ({"red": float("nan")}, "the weight of 'red' is a number"),
    ({"red": "much"}, "the weight of 'red' is a number"),
    ({"red": 0}, "with these weights that is always 0"),
    ("red - red", "with these weights that is always 0"),
    ("data:0", "'data' is the picture itself"),
    ("purple", "none of the 3 classes is called 'purple'"),
    ("red - purple", "none of the 3 classes is called 'purple'"),
    (3, "there is no 3"),
    (-1, "there is no -1"),
    (1.5, "a class's label or number, or an address, not a float"),
    ("conv2:3", "there is no 3"),
    ("conv2:2@16,3", "conv2:2@16,3: the layer has 16 rows and 16 columns here"),
    ("conv2:2@3:17,1:3", "conv2:2@3:17,1:3 is no region of conv2, which has 16 rows and 16 columns here"),
    ("conv2:2@5:5,1:3", "conv2:2@5:5,1:3 is no region of conv2"),
    ("scores:1@0:1,0:1", "scores:1@0:1,0:1 is no region of scores, which has 0 rows"),
]
INPUTS = [
    (
        torch.zeros(2, 3, 32, 32),
        "one picture is explained at a time, not an input of (2, 3, 32, 32): give one of them, input[:1]",
    ),
    (torch.zeros(1, 3, 32, 32, dtype=torch.int64), "an input is a float tensor"),
    (torch.full((1, 3, 32, 32), float("nan")), "this input holds NaN or infinity"),
    (torch.full((1, 3, 32, 32), -float("inf")), "this input holds NaN or infinity"),
    (
        torch.zeros(1, 4, 32, 32),
        "has 4 channels; planted expects 3, in the order (1, channels, height, width)",
    ),
    (
        torch.zeros(2, 32, 32),
        "one picture is explained at a time, not an input of (2, 32, 32): network.preproc",
    ),
]


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_a_target_that_is_none_is_one_line(name: str) -> None:
    network = planted_network()
    for target, message in TARGETS:
        assert message in _line(name, network, plain_picture(), target), target


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_an_input_that_is_no_picture_is_one_line(name: str) -> None:
    network = planted_network()
    for input, message in INPUTS:
        assert message in _line(name, network, input, "red"), tuple(input.shape)


class Broken(nn.Module):
    """Its logarithm of what is negative is NaN, whose gradients are finite all the same."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.scores = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.scores(torch.log(torch.relu(self.conv(pixels)) - 0.05).mean((2, 3)))
        return scores


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_an_answer_that_is_no_number_has_no_map(name: str) -> None:
    """Saliency's was finite, and of nothing."""
    network = convscope.open_network(Broken().eval(), input_shape=(1, 3, 16, 16))
    picture = np.random.default_rng(4).integers(0, 256, (16, 16, 3), np.uint8)
    message = _line(name, network, picture, 1)
    assert "no rule for relevance" in message or ("NaN or infini" in message and "a layer before" in message)


class Fragile(nn.Module):
    """Its logarithm of what is dark is infinite: of a part that is covered, not of the picture."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.scores = nn.Conv2d(3, 4, 1), nn.Linear(4, 3)
        with torch.no_grad():
            self.conv.weight.abs_()
            self.conv.bias.zero_()  # type: ignore[union-attr]

    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.scores(torch.log(torch.relu(self.conv(pixels))).mean((2, 3)))
        return scores


COVERS = ("occlusion", "rise", "shapley", "score_cam", "extremal_perturbation")
COMPARES = ("integrated_gradients", "deep_lift", "gradient_shap")


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", (*COVERS, *COMPARES))
def test_a_cover_or_a_baseline_that_breaks_the_network_is_said(name: str) -> None:
    """Integrated gradients from a picture whose answer is no number were a map."""
    network = convscope.open_network(Fragile().eval(), input_shape=(1, 3, 16, 16), mean=0, input_scale=1.0)
    picture = np.random.default_rng(4).integers(60, 256, (16, 16, 3)).astype(np.uint8)
    options: dict[str, Any] = {"layer": "conv"} if name == "score_cam" else {"baseline": "zero"}
    short = {key: value for key, value in SHORT.get(name, {}).items() if key != "window"}
    if name == "extremal_perturbation":
        short, options = {"steps": 40, "area": 0.05}, {"baseline": "zero"}
    where = (
        "for the baseline"
        if name in COMPARES
        else r"where (parts of the picture are covered|the rest is hidden)"
    )
    with pytest.raises(InputError, match=f"infinite {where}: .*or try another baseline or method$") as caught:
        METHODS[name].function(network, picture, 1, progress=False, **options, **short)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("red - red", "with these weights that is always 0"),
        ("data:0", "'data' is the picture itself"),
        ("conv2:2@3:17,1:3", "is no region of conv2"),
    ],
)
def test_the_command_line_says_it_too(target: str, message: str, tmp_path: Path) -> None:
    planted = planted_files(tmp_path / "planted")
    picture = tmp_path / "red.png"
    convscope.Picture(plain_picture() / 255.0).save(picture)
    for method in ("grad-cam", "occlusion", "relevance"):
        run = CliRunner().invoke(main, ["evidence", str(planted), str(picture), target, "--method", method])
        assert run.exit_code == 1 and message in run.stderr.splitlines()[-1]


def _line(name: str, network: convscope.Network, picture: Any, target: Any) -> str:
    """Return the line that a method answers with."""
    with pytest.raises((InputError, ConvscopeError)) as caught:
        METHODS[name].function(network, picture, target, progress=False, **SHORT.get(name, {}))
    line = str(caught.value)
    assert "\n" not in line
    return line
