"""The survey, on networks whose faults are planted."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from convscope import measure
from convscope.cli import main
from convscope.measuring.example_sheet import ExampleOptions, example_sheet
from convscope.measuring.picture_list import list_pictures
from convscope.measuring.survey import (
    LayerSurvey,
    Survey,
    _saturated,
    _twins,
    class_of,
    effective_rank,
    survey,
)
from planted import planted_files, planted_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Noise in three colors, nine pictures each; two red ones are called blue."""
    random = np.random.default_rng(5)
    for index in range(27):
        color = index % 3
        pixels = random.integers(0, 90, (40, 36, 3), dtype=np.uint8)
        pixels[:, :, color] = random.integers(100, 256, (40, 36), dtype=np.uint8)
        label = "blue" if index in (3, 9) else ("red", "green", "blue")[color]
        place = tmp_path / "pictures" / label
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index:02}.png")
    return tmp_path / "pictures"


def layer_of(found: Survey, name: str) -> LayerSurvey:
    return next(one for one in found.layers if one.layer == name)


def test_a_dead_unit_is_found_and_a_sound_network_has_no_other_fault(folder: Path) -> None:
    network = planted_network()
    found = survey(measure(network, folder), network)
    conv1 = layer_of(found, "conv1")
    assert conv1.dead == (7,) and conv1.channels == 8
    assert conv1.broken == conv1.overflow == conv1.saturated == ()
    assert found.pictures == 27 and found.silent_bound == pytest.approx(3 / 27)
    assert layer_of(found, "pool1").dead == (7,)
    assert found == measure(network, folder).survey(network)


def test_twins_overflow_and_nan(folder: Path) -> None:
    network = planted_network()
    weight, bias = (network.parameters[f"conv1.{name}"].clone() for name in ("weight", "bias"))
    weight[4] = weight[3] * 2.5  # the same filter, louder
    weight[6] = weight[6] * 1e6
    bias[5] = float("nan")
    faulty = network.with_parameters({"conv1.weight": weight, "conv1.bias": bias})
    conv1 = layer_of(survey(measure(faulty, folder, ["conv1"]), faulty), "conv1")
    (twins,) = [one for one in conv1.twins if one.channels == (3, 4)]
    assert conv1.twin_pairs == len(conv1.twins)
    assert twins.correlation == pytest.approx(1, abs=1e-4)
    assert twins.cosine == pytest.approx(1, abs=1e-6)
    assert conv1.overflow == (6,) and conv1.broken == (5,)
    flat = network.parameters["conv1.weight"].flatten(1).double()
    wanted = torch.nn.functional.cosine_similarity(flat[0], flat[5], dim=0).item()
    sound = layer_of(survey(measure(network, folder, ["conv1"]), network), "conv1")
    for one in sound.twins:
        if one.channels == (0, 5):
            assert one.cosine == pytest.approx(wanted, abs=1e-6)


def test_more_pairs_than_are_listed_are_counted() -> None:
    """Twenty were said of whatever more there were."""
    answers = np.random.default_rng(4).random((30, 1)).astype(np.float32)
    means = answers * np.arange(1, 9, dtype=np.float32)
    listed, count = _twins(means, None, np.arange(8) != 5)
    assert len(listed) == 20 and count == 21 and all(5 not in one.channels for one in listed)


def test_rare_and_always(tmp_path: Path) -> None:
    """One picture of 120 is red; a channel with a bias fires everywhere."""
    (tmp_path / "pictures").mkdir()
    for index in range(120):
        color = (200, 0, 0) if index == 60 else (0, index, 100)
        Image.fromarray(np.full((32, 32, 3), color, np.uint8)).save(tmp_path / "pictures" / f"{index:03}.png")
    network = planted_network()
    bias = network.parameters["conv1.bias"].clone()
    bias[3] = 0.5
    network = network.with_parameters({"conv1.bias": bias})
    conv1 = layer_of(survey(measure(network, tmp_path / "pictures", ["conv1"]), network), "conv1")
    assert conv1.rare == (0,)
    assert 3 in conv1.always and 0 not in conv1.always


def test_saturated_units_stay_at_a_bound_that_others_reach_too() -> None:
    random = np.random.default_rng(0)
    means = random.uniform(-0.7, 0.7, (200, 6)).astype(np.float32)
    highest, lowest = np.full((200, 6), 0.9999, np.float32), np.full(6, -0.9999, np.float32)
    means[:, 2], means[:, 4] = 0.998, -0.999
    assert np.flatnonzero(_saturated(highest, means, lowest)).tolist() == [2, 4]
    relu = np.abs(random.normal(size=(200, 6))).astype(np.float32)
    assert not _saturated(relu, relu, np.zeros(6, np.float32)).any()


def test_the_effective_rank_is_its_papers_formula() -> None:
    random = np.random.default_rng(1)
    means = random.normal(size=(50, 3)) @ random.normal(size=(3, 12))
    values = np.sqrt(np.clip(np.linalg.eigvalsh(np.cov(means, rowvar=False)), 0, None))
    shares = values[values > values.max() * 1e-6] / values[values > values.max() * 1e-6].sum()
    assert effective_rank(means) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-4)
    assert 1 < effective_rank(means) <= 3.0001
    assert effective_rank(np.ones((5, 4))) == 0


def test_classes_that_are_confused(folder: Path) -> None:
    network = planted_network()
    found = survey(measure(network, folder), network)
    assert found.judged == 27 and found.accuracy == pytest.approx(25 / 27)
    (wrong,) = found.confusions
    assert (wrong.of, wrong.taken_for, wrong.count) == ("blue", "red", 2)
    surest = max(
        (network.predict(folder / "blue" / name, top=1)[0][1], name) for name in ("03.png", "09.png")
    )
    assert wrong.surest.path.endswith(surest[1]) and wrong.surest.value == pytest.approx(surest[0], abs=1e-5)
    assert [class_of(label, network) for label in ("1", "blue", "7", "cat", None)] == [1, 2, None, None, None]


def test_classes_that_are_called_numbers_go_by_their_names(folder: Path) -> None:
    """Folders 1, 10, 100 ... in their order are classes 0, 1, 2 ..."""
    names = {"red": "2", "green": "0", "blue": "1"}
    for color, name in names.items():
        (folder / color).rename(folder / name)
    network = planted_network(labels=list(names.values()))
    found = survey(measured := measure(network, folder), network)
    assert found.judged == 27 and found.accuracy == pytest.approx(25 / 27)
    (wrong,) = found.confusions
    assert (wrong.of, wrong.taken_for) == ("1", "2")
    sheet = example_sheet(network, list_pictures(folder), measured, "prob:2", ExampleOptions(top=5))
    assert "Classes: 1 (5)." in sheet.caption


def test_the_command_writes_a_page_and_json(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    network = str(planted_files(tmp_path / "planted"))
    result = CliRunner().invoke(main, ["survey", network, "--photographs", str(folder), "-o", "survey.html"])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "survey.html"
    assert "units dead: 2, in conv1 (1), pool1 (1)" in result.stderr
    page = (tmp_path / "survey.html").read_text()
    assert "conv1:7" in page and "<b>blue</b> taken for <b>red</b>, 2 times" in page
    assert "http" not in page.split("</style>")[1] and "<script" not in page
    told = CliRunner().invoke(
        main, ["survey", network, "--photographs", str(folder), "--layers", "conv1", "--json"]
    )
    data = json.loads(told.stdout)
    assert [one["layer"] for one in data["layers"]] == ["conv1"] and data["layers"][0]["dead"] == [7]
    assert data["findings"][0] == "units dead: 1, in conv1 (1)"
