"""On a planted network it is known where the evidence lies: each method has to find it there."""

import numpy as np
import pytest

from convscope.attribution.registry import METHODS
from planted import ATTRIBUTIONS, plain_picture, planted_network

BOX = (slice(18, 28), slice(3, 13))
REACH = 8  # pixels that a position of conv2 sees beyond its own, and the smoothing of what covers the picture
OPTIONS = {
    "occlusion": {"window": 6},
    "rise": {"samples": 1500},
    "shapley": {"grid": 8},
    "extremal_perturbation": {"area": 0.08, "baseline": "black"},
}
FLOORS = {
    "rise": 0.7,
    "score_cam": 0.7,
    "extremal_perturbation": 0.85,
}  # masks let neighbors through; a softmax of like scores weighs all alike
NOT_BY_CLASS = {
    "deconvnet": "draws whatever comes back, wherever the network answered",
    "eigen_cam": "asks for no class",
    "smoothgrad": "its noise makes colors everywhere",
}


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_the_evidence_is_found_where_it_was_planted(name: str) -> None:
    """Black, a red square and a green one: what speaks for red is at the red one."""
    picture = plain_picture((0, 0, 0)).copy()
    picture[BOX], picture[4:12, 19:29] = (230, 20, 10), (10, 210, 30)
    found = METHODS[name].function(planted_network(), picture, "red", **OPTIONS.get(name, {}))
    shown = found.map.clip(min=0)
    near = np.zeros((32, 32), bool)
    near[BOX[0].start - REACH : BOX[0].stop + REACH, max(0, BOX[1].start - REACH) : BOX[1].stop + REACH] = (
        True
    )
    share = shown[near].sum() / shown.sum()
    if name in NOT_BY_CLASS:
        assert share > 0.2
        return
    floor = FLOORS.get(name, 0.95)
    assert share > floor, f"{share:.2f}"
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    assert near[row, column]
