"""``convscope see`` and ``convscope sheet`` from outside."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from convscope.cli import main
from convscope.pictures.picture import Picture
from planted import planted_files


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return str(planted_files(tmp_path / "planted"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


SMALL = ("--size=32", "--steps=4")


def test_see_prints_the_paths_of_its_pictures(network: str) -> None:
    result = run("see", network, "conv1:0", "prob:blue", *SMALL, "-o", "out")
    assert result.exit_code == 0, result.output
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert [path.name for path in paths] == ["planted-conv1_0-feature.png", "planted-prob_blue-feature.png"]
    picture = Picture.open(paths[1])
    assert picture.caption.startswith("What blue (logit) wants to see: activation")
    assert picture.recipe is not None and picture.recipe.function == "feature_visualization"
    again = run("rerun", str(paths[1]))
    assert "the same bytes" in again.stderr


def test_see_tells_machines_the_verdict(network: str) -> None:
    result = run("see", network, "conv1:0", "conv1:7", *SMALL, "--json")
    rows = json.loads(result.stdout)
    assert rows[0]["address"] == "conv1:0"
    assert rows[0]["reached"] > rows[0]["plain"]
    assert "could not be activated" in rows[1]["caption"]


def test_photographs_are_the_yardstick(network: str, tmp_path: Path) -> None:
    (tmp_path / "photographs").mkdir()
    for index in range(3):
        Image.fromarray(np.full((40, 40, 3), 60 * index, np.uint8)).save(
            tmp_path / f"photographs/{index}.png"
        )
    result = run("see", network, "conv1:0", *SMALL, "--photographs", "photographs", "--json")
    assert "note: measured on 3 photographs" in result.stderr
    (row,) = json.loads(result.stdout)
    assert row["strongest"] == pytest.approx(120 / 255, abs=0.05)
    assert "× the strongest of 3 photographs" in row["caption"]
    again = run("see", network, "conv1:0", *SMALL, "--seed=1", "--photographs", "photographs", "--json")
    assert "measured" not in again.stderr
    assert json.loads(again.stdout)[0]["strongest"] == row["strongest"]


def test_sheet_shows_a_layer(network: str) -> None:
    result = run("sheet", network, "conv1", "--channels=3", *SMALL, "--columns=3", "-o", "sheet.png")
    assert result.exit_code == 0, result.output
    assert result.stdout == "sheet.png\n"
    assert len(Picture.open("sheet.png").tiles) == 3
    assert not list(Path().glob("*preview*"))
    rows = json.loads(run("sheet", network, "conv1", "--channels=3", *SMALL, "--json").stdout)
    assert [row["address"] for row in rows["channels"]] == ["conv1:0", "conv1:1", "conv1:2"]


def test_wrong_use_is_one_line(network: str) -> None:
    assert run("see", network, "conv9:0").exit_code == 1
    assert "Did you mean 'conv2' or 'conv1'" in run("see", network, "conv9:0").stderr
    assert run("see", network).exit_code == 2
    assert run("see", network, "conv1:0", "--size=2").exit_code == 2
