"""The planted network has the same maps by every method from all five formats, whose networks are read apart."""

from typing import Any

import numpy as np
import pytest

from convscope.attribution.registry import METHODS
from convscope.network.network import Network
from planted import ATTRIBUTIONS, CLASSES, planted_network
from test_formats import WRITERS, opened

OPTIONS: dict[str, dict[str, Any]] = {
    "occlusion": {"window": 13, "stride": 7},
    "rise": {"samples": 16},
    "shapley": {"grid": 3, "samples": 4},
    "extremal_perturbation": {"steps": 2},
    "smoothgrad": {"samples": 3},
    "gradient_shap": {"samples": 3, "noise": 0.1},
    "integrated_gradients": {"steps": 8, "max_steps": 8},
}
TARGETS = {"finer_cam": ("red",)}  # it tells one class from others


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Network]:
    return {name: opened(name, tmp_path_factory.mktemp(name)) for name in WRITERS}


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_every_format_has_the_same_maps(name: str, networks: dict[str, Network]) -> None:
    picture = np.random.default_rng(5).integers(0, 256, (32, 32, 3), np.uint8)
    picture[6:17, 9:23, 1:] //= 3
    for target in TARGETS.get(name, ("red", "red - blue", "conv2:2@1:15,2:13")):
        maps = METHODS[name].function
        expected = maps(planted_network(labels=CLASSES), picture, target, progress=False, **_options(name))
        assert target != "red" or np.ptp(expected.map) > 0
        for format, network in networks.items():
            found = maps(network, picture, target, progress=False, **_options(name))
            assert found.target.score == pytest.approx(expected.target.score, abs=1e-5)
            for one, other in ((found.map, expected.map), (found.values, expected.values)):
                np.testing.assert_allclose(
                    one, other, rtol=1e-5, atol=1e-5 * abs(other).max() + 1e-9, err_msg=format
                )


def _options(name: str) -> dict[str, Any]:
    return OPTIONS.get(name, {})
