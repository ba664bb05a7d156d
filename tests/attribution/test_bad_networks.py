"""Networks and options that a method cannot take are one line with what to do, and every other method has its map."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope
from convscope.attribution.attribution import Attribution
from convscope.attribution.registry import ACTIVATION_MAPS, ATTENTION, METHODS
from convscope.errors import ConvscopeError

SHORT: dict[str, dict[str, Any]] = {
    "occlusion": {"window": 8},
    "rise": {"samples": 4},
    "shapley": {"grid": 2, "samples": 2},
    "smoothgrad": {"samples": 2},
    "gradient_shap": {"samples": 2},
    "integrated_gradients": {"steps": 4, "max_steps": 4},
    "extremal_perturbation": {"steps": 2},
}
BY_RELU = ("guided_backprop", "deconvnet", "guided_grad_cam")
NO_GRADIENTS = ("ablation_cam", "score_cam", "eigen_cam", "occlusion", "rise", "shapley")
NO_PLACES = "no layer with rows and columns lies between the picture and"
RULE = "there is no rule for relevance through"


class Model(nn.Module):
    """The layers that the networks here are made of, weighed at random."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.gate = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3)
        self.hidden, self.scores = nn.Linear(6, 8), nn.Linear(8, 3)
        self.flatten, self.pixels = nn.Flatten(), nn.Linear(3 * 16 * 16, 6)

    def end(self, features: Tensor) -> Tensor:
        """Return the scores of three classes."""
        scores: Tensor = self.scores(torch.relu(self.hidden(features)))
        return scores


class Plain(Model):
    """One convolution and two dense layers."""

    def forward(self, pixels: Tensor) -> Tensor:
        return self.end(torch.relu(self.conv(pixels)).mean((2, 3)))


class NanGradient(Model):
    """Its scores are finite, and the gradient of the root of 0 is none."""

    def forward(self, pixels: Tensor) -> Tensor:
        means = torch.relu(self.conv(pixels)).mean((2, 3))
        nothing = means - means
        return self.end(means + torch.sqrt(nothing * nothing))


class Divided(Model):
    """It divides a number by a value."""

    def forward(self, pixels: Tensor) -> Tensor:
        return self.end((torch.relu(self.conv(pixels)) + 1 / (1 + self.gate(pixels).sigmoid())).mean((2, 3)))


class Dense(Model):
    """None of its layers has rows and columns."""

    def forward(self, pixels: Tensor) -> Tensor:
        return self.end(torch.relu(self.pixels(self.flatten(pixels))))


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize("name", METHODS)
def test_a_gradient_that_is_no_number_is_said(name: str) -> None:
    """Extremal perturbation ended in an index of torch's."""
    answer = _answer(name, NanGradient())
    if METHODS[name].family == ATTENTION:
        assert "has no attention over the whole picture" in answer
    elif name in (*NO_GRADIENTS, "relevance"):  # what is 0 has no relevance to hand on
        assert answer == ""
    else:
        assert (
            "is NaN or infinite for this picture: explain a layer before, or use a method without" in answer
        )


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize("name", METHODS)
def test_an_operation_without_a_rule_stops_relevance_alone(name: str) -> None:
    answer = _answer(name, Divided())
    if name == "relevance":
        assert RULE in answer and "use another method, as grad_cam or occlusion" in answer
    else:
        assert answer == "" or METHODS[name].family == ATTENTION


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize("name", METHODS)
def test_a_network_without_positions_has_maps_of_pixels(name: str) -> None:
    answer = _answer(name, Dense())
    if METHODS[name].family == ACTIVATION_MAPS:
        assert NO_PLACES in answer and "use a method for pixels, as saliency or occlusion" in answer
    else:
        assert answer == "" or METHODS[name].family == ATTENTION


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if "layer" in method.options])
def test_a_layer_that_has_no_map_is_said(name: str) -> None:
    for layer, message in (
        ("hidden", "'hidden' answers (8,), without rows and columns; the last that has them is 'relu'"),
        ("scores", "'scores' answers (3,), without rows and columns; the last that has them is 'relu'"),
        ("conv:2", "'conv:2' is a unit: a class activation map is made of a whole layer, 'conv'"),
        ("covn", "has no layer 'covn'. Did you mean 'conv'?"),
        ("pixels", "is the picture itself: use a method for pixels, as saliency or occlusion"),
    ):
        assert message in _answer(name, Plain(), layer=layer), layer


def _bad_options() -> Iterator[tuple[str, str, Any, str]]:
    """Yield (method, option, value, message) of every method that has the option."""
    messages = (
        ("window", 17, "the window is 1 to 16 pixels, the picture's shorter side; not 17"),
        ("window", 0, "the window is 1 to 16 pixels"),
        ("window", "wide", "'wide'"),
        ("stride", 9, "the stride is 1 to 8 pixels"),
        ("grid", 17, "grid is 2 to 16 cells a side"),
        ("samples", 0, "samples"),
        ("steps", 0, "steps"),
        ("area", 1.5, "area is a share of the picture between 0 and 1"),
        ("noise", -1.0, "noise at least 0"),
        ("classes", 0, "classes is how many"),
        ("baseline", "night", "baseline cannot be 'night'. Possible: black, gray"),
        ("rule", "gold", "there is no rule 'gold'. Possible: epsilon_plus"),
        ("through", "conv:6", "'conv' has 6 channels, 0 to 5; there is no 6"),
    )
    for name, method in METHODS.items():
        for option, value, message in messages:
            if option in method.options:
                yield name, option, value, message


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize(("name", "option", "value", "message"), list(_bad_options()))
def test_an_option_that_is_out_of_range_is_said(name: str, option: str, value: Any, message: str) -> None:
    assert message in _answer(name, Plain(), **{option: value})


def _answer(name: str, model: nn.Module, **options: Any) -> str:
    """Return the line that a method answers with; empty where it has a map."""
    network = convscope.open_network(model.eval(), input_shape=(1, 3, 16, 16))
    picture = np.random.default_rng(4).integers(0, 256, (16, 16, 3), np.uint8)
    try:
        found = METHODS[name].function(
            network, picture, 1, progress=False, **{**SHORT.get(name, {}), **options}
        )
    except ConvscopeError as error:
        line = str(error)
        assert line and "\n" not in line
        return line
    assert isinstance(found, Attribution) and np.isfinite(found.map).all() and found.picture().caption
    return ""
