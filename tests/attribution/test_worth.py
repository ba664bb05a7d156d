"""What a caption says that a map is worth: against the correlation worked out by hand, and its interval's table."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import convscope
from convscope.attribution import worth
from convscope.attribution.measures import cell_losses, single_deletion
from convscope.attribution.target import target_of
from convscope.attribution.trust import blob, signed_map
from convscope.attribution.worth import interval, worth_in_words
from convscope.network.network import Network
from torch_cases import branches, noise


@pytest.fixture(scope="module")
def network() -> Network:
    return convscope.open_network(branches(), input_shape=(1, 3, 24, 24))


def test_it_is_how_the_maps_order_goes_with_what_is_lost(network: Network) -> None:
    twin, x = branches(), noise()
    found = convscope.gradient_times_input(network, x, 3)
    gray = network.preprocess(np.full((24, 24, 3), 0.5))
    lost, own, middle = [], [], []
    for top in range(0, 24, 6):
        for left in range(0, 24, 6):
            covered = x.clone()
            part = (slice(None), slice(None), slice(top, top + 6), slice(left, left + 6))
            covered[part] = gray[part]
            lost.append(float(twin(x)[0, 3] - twin(covered)[0, 3]))
            own.append(found.map[top : top + 6, left : left + 6].sum())
            middle.append(-np.hypot(top - 9, left - 9))
    expected = spearmanr(own, lost).statistic
    assert abs(expected) > 0.1
    value, low, high, control = map(float, re.findall(r"-?\d\.\d\d", worth_in_words(found)))
    assert value == pytest.approx(expected, abs=0.006)
    assert low < value < high
    assert control == pytest.approx(spearmanr(middle, lost).statistic, abs=0.006)
    assert found.caption.endswith(f"{worth_in_words(found)}.")


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Pairs of normal numbers whose rank correlation is 0.6 (Pearson's 2 sin(pi rho / 6)), 16 of them, 2,000 times."""
    random = np.random.default_rng(0)
    pearson, hits = 2 * np.sin(np.pi * 0.6 / 6), 0
    for _ in range(2000):
        a, b = random.standard_normal((2, 16))
        low, high = interval(spearmanr(a, pearson * a + np.sqrt(1 - pearson**2) * b).statistic, 16)
        hits += low <= 0.6 <= high
    assert 0.93 < hits / 2000 < 0.98


def test_what_takes_long_is_not_measured_and_a_flat_map_says_nothing(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worth, "_MOST", 1)
    assert "was not measured here" in convscope.saliency(network, noise(), 3).caption
    assert worth_in_words(convscope.occlusion(network, noise() * 0, 3, window=12, baseline="zero")) == ""


@pytest.mark.slow
def test_grad_cam_of_photographs_tells_what_squeezenet_uses(shared_data: Path) -> None:
    """Single deletion of the first 40 of the list is 0.67, and a blob's 0.23; of these 20, 0.69 and 0.26."""
    network = convscope.open_network(shared_data / "caffe/squeezenet_v1.1")
    with (shared_data / "photographs/index.csv").open(encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file)][:20]
    worths = []
    for name in names:
        target = target_of(network, str(shared_data / "photographs" / name))
        maps = signed_map(convscope.grad_cam(network, target.input, target)), blob(target)
        worths.append([single_deletion(map, cell_losses(target)) for map in maps])
    own, control = np.mean(worths, axis=0)
    assert own > 0.65 and control < 0.35
