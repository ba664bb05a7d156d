"""Tuning curves of planted units: every number by hand from the filter, and the features they were planted with."""

import numpy as np
import pytest

from convscope import tuning_curves
from convscope.errors import InputError
from convscope.looking.stimuli import FAMILIES, HUES, ORIENTATIONS, stimuli
from convscope.looking.tuning import Tuning, measure_tuning, measure_tunings
from convscope.looking.tuning_curves import in_words
from planted import FEATURES, planted_network


@pytest.fixture(scope="module")
def tuning() -> Tuning:
    return measure_tuning(planted_network(channel_order="BGR"), "conv1", watch=lambda done, of: None)


def test_every_answer_is_the_filter_times_what_it_sees(tuning: Tuning) -> None:
    network = planted_network()
    weight, bias = (network.parameters[f"conv1.{part}"].numpy() for part in ("weight", "bias"))
    assert tuning.position == (16, 16) and tuning.box == (14, 14, 19, 19)
    expected = {family: np.full((8, *shape), -np.inf) for family, shape in FAMILIES.items()}
    for one in stimuli((32, 32), (16.0, 16.0)):
        seen = one.pixels[14:19, 14:19].transpose(2, 0, 1)
        answer = np.maximum(np.tensordot(weight, seen, 3) + bias, 0)
        if one.family == "gray":
            np.testing.assert_allclose(tuning.gray, answer, atol=1e-6)
        else:
            table = expected[one.family].reshape(8, -1)
            place = int(np.ravel_multi_index(one.place, FAMILIES[one.family]))
            table[:, place] = np.maximum(table[:, place], answer)
    for family, answers in expected.items():
        np.testing.assert_allclose(tuning.answers[family], answers, atol=2e-6)


def test_layers_that_look_at_several_points_are_each_as_alone() -> None:
    network = planted_network()
    together = measure_tunings(network, ["conv1", "pool1", "scores"])
    for layer, one in together.items():
        alone = measure_tuning(network, layer)
        assert (one.box, one.position) == (alone.box, alone.position)
        for family in FAMILIES:
            np.testing.assert_allclose(one.answers[family], alone.answers[family], atol=1e-6)
    assert len({one.middle for one in together.values()}) > 1


def test_planted_features_have_their_curves(tuning: Tuning) -> None:
    for color, hue in enumerate((0, 120, 240)):
        curve = tuning.answers["hue"][color]
        assert curve[HUES.index(hue)] == pytest.approx(1.0, abs=1e-6)
        assert curve[HUES.index((hue + 180) % 360)] == pytest.approx(0.0, abs=1e-6)
    lying, standing = (FEATURES.index(f"{name} edge") for name in ("horizontal", "vertical"))
    assert ORIENTATIONS[tuning.best("grating", lying)[0]] == 0
    assert ORIENTATIONS[tuning.best("grating", standing)[0]] == 90
    assert in_words(tuning, FEATURES.index("bright spot")).startswith(
        "most to a disk, light on dark, of radius 1"
    )
    assert in_words(tuning, FEATURES.index("dead")).startswith("nothing that was drawn")
    shown = tuning.stimulus("disk", FEATURES.index("bright spot"))
    assert shown[16, 16].tolist() == [1, 1, 1] and shown[16, 18].tolist() == [0.25] * 3  # the edge


def test_a_vector_has_curves_too_and_a_layer_is_refused() -> None:
    network = planted_network()
    picture = tuning_curves(network, "scores:0", theme="dark")
    assert picture.caption.startswith("Tuning of scores:0: most to a plain color, hue 0°")
    assert picture.array.shape[1] > 2000
    with pytest.raises(InputError, match="tuning curves are of a channel, as conv1:0, not conv1"):
        tuning_curves(network, "conv1")
