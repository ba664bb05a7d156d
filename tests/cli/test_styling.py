"""``convscope style``: pictures and their paths, several contents, frames, an interrupted run gone on with."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convscope.cli import main
from convscope.errors import PictureError
from convscope.pictures.picture import Picture
from convscope.presentation import animation
from convscope.styling import steps as styling
from killed import in_another_process
from planted import planted_files

SETTINGS = [
    "--content-layer",
    "conv2",
    "--style-layer",
    "conv1=2",
    "--style-layer",
    "conv2",
    "--steps",
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
    assert result.exit_code == (130 if "interrupted:" in result.stderr else 0), result.output
    return result.stdout


def interrupt_after(steps: int, monkeypatch: pytest.MonkeyPatch, command: Callable[[], str]) -> str:
    """Run a command, interrupted by Ctrl-C in the step after so many."""
    sensible, calls = styling._require_sense, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == steps + 1:
            raise KeyboardInterrupt
        return sensible(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(styling, "_require_sense", interrupted)
        return command()


def test_a_picture_with_its_recipe(given: list[str]) -> None:
    assert run([*given, "-o", "styled.png"]) == "styled.png\n"
    made = Picture.open("styled.png")
    assert made.recipe.arguments["style_layers"] == {"conv1": 2.0, "conv2": 1.0}
    run(["rerun", "styled.png", "-o", "again.png"])
    assert np.array_equal(Picture.open("again.png").array, made.array)


def test_sixteen_bits_where_they_are_asked_for(given: list[str]) -> None:
    cv2 = pytest.importorskip("cv2")
    run([*given, "-o", "plain.png"])
    run([*given, "--bits", "16", "-o", "deep.png"])
    plain, deep = (cv2.imread(path, cv2.IMREAD_UNCHANGED) for path in ("plain.png", "deep.png"))
    assert (plain.dtype, deep.dtype) == (np.uint8, np.uint16)
    assert np.abs(deep / 257 - plain).max() < 0.51
    assert len(np.unique(deep)) > 300  # finer than 8 bits
    run(["rerun", "deep.png", "-o", "again.png"])
    assert Path("again.png").read_bytes() == Path("deep.png").read_bytes()
    failed = CliRunner().invoke(main, [*given, "--bits", "16", "-o", "deep.jpg"])
    assert failed.exit_code == 2
    assert "16 bits a channel cannot be saved so; possible: .png" in failed.output


def test_several_contents_with_one_network(given: list[str]) -> None:
    rows = json.loads(run([*given, "two.png", "--json", "--keep-colors", "-o", "folder"]))
    assert [row["path"] for row in rows] == ["folder/planted-one-style.png", "folder/planted-two-style.png"]
    assert {*rows[0]["losses"]} == {"content", "style", "smoothness"}
    failed = CliRunner().invoke(main, [*given, "two.png", "--frames", "frames"])
    assert failed.exit_code == 2
    assert "of one picture" in failed.output


def test_frames_and_film(given: list[str]) -> None:
    run([*given, "--frames", "frames", "--film", "steps.gif", "-o", "styled.png"])
    assert len([*Path("frames").glob("*.png")]) == 4
    with Image.open("steps.gif") as film:
        assert film.n_frames == 4


@pytest.mark.parametrize("film", ["steps.webp", "steps.gif"])
def test_a_film_s_frames_are_all_as_large_as_the_picture(given: list[str], film: str) -> None:
    sizes_of = ("--size", "128", "--coarsest", "64")
    said = run([*given, *sizes_of, "--frames", "frames", "--film", film, "-o", "styled.png"])
    assert said.split() == ["styled.png", film]
    sizes = [Image.open(path).size for path in Path("frames").glob("*.png")]
    assert sizes == [(128, 102)] * 8  # the first four steps were at half of that
    with Image.open("styled.png") as picture, Image.open(film) as made:
        assert made.size == picture.size == (128, 102)
        assert made.n_frames > 1  # WebP takes frames that hardly differ for one


def test_a_picture_is_kept_when_its_film_cannot_be_made(given: list[str], monkeypatch) -> None:
    def refused(*_):
        raise PictureError("no room for a film")

    monkeypatch.setattr(animation, "write_film", refused)
    failed = CliRunner().invoke(main, [*given, "--film", "steps.gif", "-o", "styled.png"])
    assert failed.exit_code == 1
    assert Path("styled.png").is_file()
    assert len([*Path("steps.gif.frames").glob("*.png")]) == 4


def test_an_interrupted_film_goes_on_with_its_own_frames(given: list[str], monkeypatch) -> None:
    wish = [*given, "--film", "steps.gif", "-o", "styled.png"]
    interrupt_after(2, monkeypatch, lambda: run(wish))
    with Image.open("steps.gif") as film:
        assert film.n_frames == 2
    other = CliRunner().invoke(main, [*wish, "--style-weight", "3", "--resume"])
    assert "are of another run" in other.stderr
    run([*wish, "--resume"])
    with Image.open("steps.gif") as film:
        assert film.n_frames == 4
    assert not Path("steps.gif.frames").exists()


def test_a_frame_that_was_interrupted_is_kept_nevertheless(given: list[str], monkeypatch) -> None:
    wish, keep, calls = [*given, "--film", "steps.gif", "-o", "styled.png"], animation.Frames.keep, []

    def interrupted(self, *arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        keep(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(animation.Frames, "keep", interrupted)
        run(wish)
    run([*wish, "--resume"])
    with Image.open("steps.gif") as film:
        assert film.n_frames == 4


def test_several_contents_go_on_where_they_were(given: list[str], monkeypatch) -> None:
    several = [*given, "two.png", "-o"]
    run([*several, "whole"])
    interrupt_after(6, monkeypatch, lambda: run([*several, "half"]))  # of four steps each
    assert Picture.open("half/planted-two-style.png").recipe.arguments["stop_after"] == 2
    resumed = CliRunner().invoke(main, [*several, "rest", "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stderr.count("starts from the beginning") == 1
    assert "no interrupted run of one.png" in resumed.stderr
    for name in ("one", "two"):
        whole, rest = (Picture.open(f"{folder}/planted-{name}-style.png") for folder in ("whole", "rest"))
        assert np.array_equal(whole.array, rest.array)


def test_every_wish_reaches_the_transfer(given: list[str]) -> None:
    Image.fromarray(np.repeat([[255, 0]], 20, axis=1).repeat(32, axis=0).astype(np.uint8)).save("left.png")
    wishes = ["--smoothness-weight=3", "--rate=0.01", "--coarsest=20", "--match-colors"]
    regions = ["--style", "two.png", "--region=left.png", "--region=everywhere"]
    run([*given, *wishes, *regions, "-o", "styled.png"])
    made = Picture.open("styled.png")
    found = made.recipe.arguments
    assert found.items() >= {"smoothness_weight": 3.0, "rate": 0.01, "coarsest": 20}.items()
    assert (found["match_colors"], found["regions"]) == (True, ["left.png", None])
    assert "over 2 sizes" in made.caption
    run(["rerun", "styled.png", "-o", "again.png"])
    assert np.array_equal(Picture.open("again.png").array, made.array)
    refused = CliRunner().invoke(main, [*given, "--region=left.png", "--region=everywhere"])
    assert "regions given: 2, for styles: 1." in refused.stderr
    assert "no picture 'right.png'" in CliRunner().invoke(main, [*given, "--region=right.png"]).stderr


def test_ctrl_c_keeps_what_there_is_and_resume_goes_on(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run([*given, "-o", "whole.png"])
    interrupt_after(2, monkeypatch, lambda: run([*given, "-o", "half.png"]))
    half = Picture.open("half.png")
    assert half.recipe.arguments["stop_after"] == 2
    run(["rerun", "half.png", "-o", "again.png"])
    assert np.array_equal(Picture.open("again.png").array, half.array)
    run([*given, "--resume", "-o", "rest.png"])
    assert np.array_equal(Picture.open("rest.png").array, Picture.open("whole.png").array)
    afresh = CliRunner().invoke(main, [*given, "--resume", "-o", "afresh.png"])
    assert afresh.exit_code == 0, afresh.output
    assert "note: no interrupted run of one.png with these settings is kept" in afresh.stderr
    assert np.array_equal(Picture.open("afresh.png").array, Picture.open("whole.png").array)


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


SCRIPT = """
import sys
from convscope.styling import steps as styling
from convscope import jobs
jobs.BETWEEN_SAVES = 0.0
sensible = styling._require_sense
def told(*arguments):
    print("step", file=sys.stderr, flush=True)
    return sensible(*arguments)
styling._require_sense = told
from convscope.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_killed_and_gone_on_with_equals_undisturbed(given: list[str]) -> None:
    wish = [*given, "--steps", "12", "--coarsest", "20", "-o"]
    assert in_another_process(SCRIPT, *wish, "whole.png") == 24
    in_another_process(SCRIPT, *wish, "parts.png", kill_after=15)
    time.sleep(0.1)
    assert not Path("parts.png").exists()
    assert in_another_process(SCRIPT, *wish, "parts.png", "--resume") <= 10
    assert Path("whole.png").read_bytes() == Path("parts.png").read_bytes()
    left = {file.suffix for file in Path("cache/unfinished").iterdir()}
    assert left <= {".convscope-partial"}  # what was being written when it was killed
