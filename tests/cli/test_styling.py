"""``convscope style``: pictures and their paths, several contents, frames, an interrupted run gone on with."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convscope.cli import main
from convscope.optimization import styling
from convscope.picture import Picture
from planted import planted_files

SETTINGS = [
    "--content-layer",
    "conv2",
    "--style-layer",
    "conv1=2",
    "--style-layer",
    "conv2",
    "--iterations",
    "4",
]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A network, two contents and a style, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    planted_files(tmp_path / "planted")
    for name in ("one", "two", "painting"):
        blocks = np.random.default_rng(len(name)).integers(0, 255, (4, 5, 3), np.uint8)
        Image.fromarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8))).save(f"{name}.png")
    return ["style", "planted", "one.png", "--style", "painting.png", *SETTINGS]


def run(arguments: list[str]) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_picture_with_its_recipe(given: list[str]) -> None:
    assert run([*given, "-o", "styled.png"]) == "styled.png\n"
    made = Picture.open("styled.png")
    assert made.recipe.arguments["changes"]["style_layers"] == {"conv1": 2.0, "conv2": 1.0}
    run(["rerun", "styled.png", "-o", "again.png"])
    assert np.array_equal(Picture.open("again.png").array, made.array)


def test_several_contents_with_one_network(given: list[str]) -> None:
    rows = json.loads(run([*given, "two.png", "--json", "--keep-colors", "-o", "folder"]))
    assert [row["path"] for row in rows] == ["folder/planted-one-style.png", "folder/planted-two-style.png"]
    assert {*rows[0]["losses"]} == {"content", "style", "smoothness"}
    failed = CliRunner().invoke(main, [*given, "two.png", "--frames", "frames"])
    assert failed.exit_code == 2
    assert "of one picture" in failed.output


def test_frames_and_film(given: list[str]) -> None:
    run([*given, "--frames", "frames", "--film", "steps.gif", "-o", "styled.png"])
    assert len([*Path("frames").iterdir()]) == 4
    with Image.open("steps.gif") as film:
        assert film.n_frames == 4


def test_ctrl_c_keeps_what_there_is_and_resume_goes_on(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run([*given, "-o", "whole.png"])
    sensible, calls = styling._require_sense, []

    def third_time_interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sensible(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(styling, "_require_sense", third_time_interrupted)
        assert run([*given, "-o", "half.png"]) == "half.png\n"
    half = Picture.open("half.png")
    assert half.recipe.arguments["stop_after"] == 2
    run(["rerun", "half.png", "-o", "again.png"])
    assert np.array_equal(Picture.open("again.png").array, half.array)
    run([*given, "--resume", "-o", "rest.png"])
    assert np.array_equal(Picture.open("rest.png").array, Picture.open("whole.png").array)
    assert CliRunner().invoke(main, [*given, "--resume"]).exit_code == 1


def test_memory_is_said_kept_to_and_recorded_as_a_tile(given: list[str]) -> None:
    said = CliRunner().invoke(main, [*given, "--tile", "32", "--memory", "99GB", "-o", "styled.png"])
    assert said.exit_code == 0, said.output
    assert "B in one piece" in said.stderr  # of the whole process, other tests included
    assert "in tiles of 32" in said.stderr
    arguments = Picture.open("styled.png").recipe.arguments
    assert arguments["tile"] == 32
    assert "memory" not in arguments
    refused = CliRunner().invoke(main, [*given, "--memory", "1MB"])
    assert refused.exit_code == 1
    assert "1 MB is too little" in refused.output
