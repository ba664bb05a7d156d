"""Every method of every kind of target, on a network with three outputs: a map of classes, a list of it, and scores."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import convscope
from convscope.attribution.attribution import Attribution
from convscope.attribution.registry import METHODS
from convscope.errors import InputError
from convscope.network.network import Network
from planted import ATTRIBUTIONS

LABELS = ["road", "tree", "sky", "car"]
QUICK: dict[str, dict[str, Any]] = {
    "occlusion": {"window": 7, "stride": 5, "baseline": "zero"},
    "rise": {"samples": 12},
    "shapley": {"grid": 3, "samples": 2, "baseline": "zero"},
    "extremal_perturbation": {"steps": 2},
    "smoothgrad": {"samples": 2},
    "gradient_shap": {"samples": 4},
    "integrated_gradients": {"steps": 6, "max_steps": 6, "baseline": "zero"},
}
LINEAR = (
    *(
        "gradient_times_input",
        "integrated_gradients",
        "gradient_shap",
        "grad_cam",
        "hires_cam",
        "ablation_cam",
    ),
    *("occlusion", "rise", "shapley"),
)
"""Their numbers of a sum of targets are the sum of those of each."""


class Scene(nn.Module):
    """Maps of four classes, 9 x 13, a list of three of them, and scores of the same classes from another branch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.body = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.more, self.maps = nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 4, 1)
        self.beside, self.scores, self.listed = nn.Conv2d(6, 7, 3), nn.Linear(7, 4), nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = torch.relu(self.body(x))
        maps = self.maps(torch.relu(self.more(x)))
        listed = self.listed(maps.flatten(2).transpose(1, 2)[:, :, 1:])
        return maps, self.scores(torch.relu(self.beside(x)).mean((2, 3))), listed


@pytest.fixture(scope="module")
def network() -> Network:
    return convscope.open_network(
        Scene().eval().requires_grad_(False), input_shape=(1, 3, 18, 26), labels=LABELS
    )


def input() -> Tensor:
    return torch.rand(1, 3, 18, 26, generator=torch.Generator().manual_seed(4))


def made(name: str, network: Network, target: Any) -> Attribution:
    return METHODS[name].function(network, input(), target, progress=False, **QUICK.get(name, {}))


def raw(name: str, network: Network, target: Any) -> NDArray[np.float64]:
    return made(name, network, target).values


TARGETS: dict[str, Any] = {
    "scores:2": lambda maps, scores: scores[0, 2],
    "maps:1": lambda maps, scores: maps[0, 1].mean(),
    "maps:1@3,11": lambda maps, scores: maps[0, 1, 3, 11],
    "maps:3@1:7,2:9": lambda maps, scores: maps[0, 3, 1:7, 2:9].mean(),
    "scores:0 - scores:3": lambda maps, scores: scores[0, 0] - scores[0, 3],
    "maps:2@0:4,0:5 - scores:1": lambda maps, scores: maps[0, 2, :4, :5].mean() - scores[0, 1],
}


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_each_kind_is_the_number_that_torch_computes(name: str, network: Network) -> None:
    maps, scores, _ = Scene().eval()(input())
    for target, number in TARGETS.items():
        if name == "finer_cam" and target != "scores:2":
            with pytest.raises(InputError, match="Finer-CAM tells one class from others: give a class"):
                made(name, network, target)
            continue
        found = made(name, network, target)
        explained = (
            found.target if name != "finer_cam" else convscope.grad_cam(network, input(), target).target
        )
        assert explained.score == pytest.approx(float(number(maps, scores).detach()), abs=1e-5)
        assert found.map.shape == (18, 26) and np.isfinite(found.map).all()


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_a_class_is_the_same_by_label_number_and_address(name: str, network: Network) -> None:
    layer = network.class_scores
    expected = raw(name, network, f"{layer}:2")
    for target in ("sky", 2, "2", {"sky": 1.0}):
        np.testing.assert_array_equal(raw(name, network, target), expected, err_msg=str(target))


@pytest.mark.parametrize("name", [one for one in ATTRIBUTIONS if one != "finer_cam"])
def test_one_place_is_the_same_as_a_region_and_in_a_list(name: str, network: Network) -> None:
    expected = raw(name, network, "maps:1@3,11")
    for same in ("maps:1@3:4,11:12", f"listed:{3 * 13 + 11}@0"):
        found = raw(name, network, same)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * abs(expected).max(), err_msg=same)


@pytest.mark.parametrize("name", LINEAR)
def test_a_sum_of_targets_has_the_sum_of_their_numbers(name: str, network: Network) -> None:
    """Of two outputs, whose branches part behind the first ReLU: the map is made where both go through."""
    options = {**QUICK.get(name, {}), **({"layer": "relu"} if "layer" in METHODS[name].options else {})}

    def of(target: Any) -> NDArray[np.float64]:
        function = METHODS[name].function
        return function(network, input(), target, progress=False, **options).values

    whole = of({"maps:2@0:4,0:5": 1.0, "scores:1": -0.5})
    expected = of("maps:2@0:4,0:5") - 0.5 * of("scores:1")
    np.testing.assert_allclose(whole, expected, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_an_input_may_lack_the_axis_of_the_batch(name: str, gray: bool) -> None:
    """Of half precision, with gradients, and a gray one without its channel too: the same map as of all axes."""
    torch.manual_seed(5)
    channels = 1 if gray else 3
    model = nn.Sequential(
        *(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    )
    network = convscope.open_network(model.eval(), input_shape=(1, channels, 18, 26))
    whole = input()[:, :channels].half().float()

    def of(given: Tensor) -> NDArray[np.float64]:
        return METHODS[name].function(network, given, 2, progress=False, **QUICK.get(name, {})).values

    expected = of(whole)
    for given in (whole[0], whole.half(), whole.clone().requires_grad_(), *([whole[0, 0]] if gray else [])):
        np.testing.assert_array_equal(of(given), expected, err_msg=str(tuple(given.shape)))
    if gray:  # two gray pictures, one behind the other
        with pytest.raises(InputError, match=r"an input of \(2, 1, 18, 26\): give one of them, input\[:1\]"):
            of(torch.cat([whole[0], whole[0]]))


class Joined(nn.Module):
    """Scores of a picture and of five numbers beside it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.first, self.scores = nn.Conv2d(3, 5, 3), nn.Linear(5, 4)

    def forward(self, x: Tensor, more: Tensor) -> Tensor:
        scores: Tensor = self.scores(self.first(x).relu().mean((2, 3)) + more.sigmoid())
        return scores


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_an_input_that_has_its_value_is_no_path(name: str) -> None:
    """Class activation maps found no layer that every path goes through, though there was one."""
    beside = {"more": torch.linspace(-1, 1, 5)[None]}
    network = convscope.open_network(Joined().eval(), input_shape=(1, 3, 18, 26), inputs=beside)
    found = made(name, network, 2)
    assert found.map.any() and np.isfinite(found.map).all()
    assert found.values.ndim == 3 or found.values.shape == (16, 24)
