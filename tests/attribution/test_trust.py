"""What maps are worth: the measures on cases whose answer is known, and the table."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import convscope
from convscope.attribution.target import target_of
from convscope.attribution.trust import CELLS, _by_method, blob, cell_losses, single_deletion, trust
from convscope.cli import main
from convscope.errors import InputError
from planted import plain_picture, planted_files, planted_network


def test_single_deletion_is_1_of_the_truth_and_0_of_nothing() -> None:
    random = np.random.default_rng(0)
    lost = random.normal(size=(CELLS, CELLS))
    map = np.kron(lost, np.ones((5, 3)))
    assert single_deletion(map, lost) == pytest.approx(1)
    assert single_deletion(-map, lost) == pytest.approx(-1)
    assert single_deletion(np.ones((35, 21)), lost) == 0
    assert abs(single_deletion(random.normal(size=(35, 21)), lost)) < 0.4


def test_losses_are_those_of_a_picture_grayed_by_hand() -> None:
    network = planted_network()
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    target = target_of(network, picture, "red")
    found = cell_losses(target)
    edges = np.linspace(0, 32, CELLS + 1).round().astype(int)
    for row, column in ((0, 0), (3, 5), (6, 6)):
        changed = network.preprocess(picture).clone()
        changed[:, :, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = 0.5
        score = float(network.activations(changed, "scores:0")["scores:0"])
        assert found[row, column] == pytest.approx(target.score - score, abs=1e-5)
    assert np.ptp(found) > 0


def test_what_speaks_against_counts_too() -> None:
    """Grad-CAM shows nothing of a map that is all negative; its worth is that of the numbers, which tell the truth."""
    network, picture = planted_network(), boxes(1)[0]
    target = target_of(network, picture, {"red": -1})
    assert not convscope.grad_cam(network, picture, target).map.any()
    assert single_deletion(_by_method("grad_cam")(target), cell_losses(target)) > 0.4


def boxes(count: int) -> list[np.ndarray]:
    """Return pictures that are black but for a colored box somewhere off the middle."""
    random, found = np.random.default_rng(2), []
    for index in range(count):
        picture = plain_picture((0, 0, 0)).copy()
        top, left = random.integers(0, 6), random.integers(18, 22)
        picture[top : top + 10, left : left + 10, index % 3] = 255
        found.append(picture)
    return found


def test_methods_that_look_at_the_network_beat_the_blob() -> None:
    table = trust(planted_network(), boxes(6), methods=["grad-cam", "occlusion", "saliency"])
    assert table.pictures == 6 and table.grids == 0 and "no grids" in table.words
    worth = {row.method: row.deletion for row in (*table.rows, *table.controls)}
    assert worth["occlusion"] > 0.5 and worth["grad_cam"] > 0.4 > worth["centered blob"]
    assert [row.deletion for row in table.rows] == sorted((row.deletion for row in table.rows), reverse=True)
    assert blob(target_of(planted_network(), boxes(1)[0])).argmax() // 32 in (15, 16)


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, picture in enumerate(boxes(3)):
        Image.fromarray(picture).save(folder / f"{index}.png")
    network = str(planted_files(tmp_path / "planted"))
    arguments = ["trust", network, str(folder), "--methods", "grad-cam,saliency"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "grad_cam" in result.stdout and "centered blob" in result.stdout and "3 pictures" in result.stdout
    data = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert [row["method"] for row in data["controls"]] == ["centered blob", "grad_cam, weights shuffled"]


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(InputError, match="no picture to measure on"):
        trust(planted_network(), [])
    with pytest.raises(InputError, match="Did you mean 'grad_cam'"):
        trust(planted_network(), boxes(1), methods=["grad_kam"])
    assert convscope.trust is trust
