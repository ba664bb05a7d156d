"""``convscope dream`` and ``convscope dream-film`` from outside."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from convscope.cli import main
from convscope.dreaming import steps as dreaming
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import read_recipe
from convscope.presentation.animation import Frame, Frames
from killed import in_another_process
from planted import planted_files

SMALL = ("--layer=conv2", "--octaves=2", "--steps=3")
FILM = ("--layer=conv2", "--octaves=1", "--steps=1", "--size=40", "--fps=4")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        noise = np.random.default_rng(len(name)).integers(0, 256, (48, 64, 3)).astype(np.uint8)
        Image.fromarray(noise).save(f"{name}.png")
    planted_files(tmp_path / "planted")
    return "planted"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_dream_can_be_made_again(network: str) -> None:
    result = run("dream", network, "one.png", "--layer=conv1=0.5", *SMALL, "-o", "dream.png")
    assert result.exit_code == 0, result.output
    assert result.stdout == "dream.png\n"
    assert "0.5 × conv1, mean square + conv2, mean square" in Picture.open("dream.png").caption
    assert "the same bytes" in run("rerun", "dream.png").stderr


def test_a_changed_guide_is_named(network: str) -> None:
    result = run("dream", network, "one.png", *SMALL, "--guide=two.png", "-o", "dream.png")
    assert result.exit_code == 0, result.output
    assert "the same bytes" in run("rerun", "dream.png").stderr
    Image.new("RGB", (20, 20), "red").save("two.png")
    changed = run("rerun", "dream.png")
    assert (changed.exit_code, changed.stdout) == (1, "")
    assert "Error: the picture two.png has changed since: SHA-256 was " in changed.stderr


def test_several_pictures_and_json(network: str) -> None:
    result = run("dream", network, "one.png", "two.png", *SMALL, "-o", "out", "--json")
    rows = json.loads(result.stdout)
    assert [Path(row["path"]).name for row in rows] == ["planted-one-dream.png", "planted-two-dream.png"]
    assert all(Path(row["path"]).is_file() and len(row["objectives"]) == 6 for row in rows)


def test_frames_and_film_of_the_steps(network: str) -> None:
    result = run("dream", network, "one.png", *SMALL, "--frames=frames", "--film=steps.gif", "-o", "d.png")
    assert result.exit_code == 0, result.output
    assert len(list(Path("frames").glob("*.png"))) == 6
    with Image.open("steps.gif") as film:
        assert (film.size, film.n_frames) == ((64, 48), 6)  # type: ignore[attr-defined]
    assert run("dream", network, "one.png", "two.png", "--film=steps.gif").exit_code == 2


def test_json_is_alone_on_stdout(network: str) -> None:
    result = run("dream", network, "one.png", *SMALL, "--film=steps.gif", "-o", "d.png", "--json")
    assert [row["path"] for row in json.loads(result.stdout)] == ["d.png"]


def test_frames_of_another_run_are_in_no_film(network: str) -> None:
    first = ("dream", network, "one.png", "--layer=conv2", "--octaves=1", "-o", "dream.png")
    assert run(*first, "--steps=3", "--frames=frames").exit_code == 0
    again = run(*first, "--steps=2", "--frames=frames", "--film=steps.gif")
    assert (again.exit_code, again.stderr) == (
        1,
        "Error: frames holds frames: go on with --resume, or delete them\n",
    )
    other = run(*first, "--steps=2", "--frames=frames", "--film=steps.gif", "--resume")
    assert other.exit_code == 1
    assert "of another run (steps was 3, is 2)" in other.stderr
    assert not Path("steps.gif").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("dream-film", "--seconds=nan"), "'--seconds': nan is not a finite number above 0"),
        (("dream-film", "--seconds=inf"), "'--seconds': inf is not a finite number above 0"),
        (("dream-film", "--fps=nan"), "'--fps': nan is not a finite number from 1 to 60"),
        (("dream", "--octave-scale=nan"), "'--octave-scale': nan is not a finite number above 1"),
        (("style", "--style=two.png", "--style-weight=nan"), "nan is not a finite number from 0"),
        (("fine-tune", "--rate=nan"), "'--rate': nan is not a finite number above 0"),
    ],
)
def test_what_is_no_finite_number_is_said(network: str, command: tuple[str, ...], said: str) -> None:
    result = run(command[0], network, "one.png", *command[1:])
    assert result.exit_code == 2
    assert said in result.stderr


@contextmanager
def interrupted_after(steps: int) -> Iterator[None]:
    step, calls = dreaming.step, iter(range(100))

    def interrupted(*arguments: object) -> object:
        if next(calls) == steps:
            raise KeyboardInterrupt
        return step(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dreaming, "step", interrupted)
        yield


def test_an_interrupt_keeps_what_there_is(network: str) -> None:
    with interrupted_after(2):
        result = run("dream", network, "one.png", *SMALL, "-o", "dream.png")
    assert result.exit_code == 130 and "this is the picture as it was; --resume goes on" in result.stderr
    assert "2 steps over size 1 of 2" in Picture.open("dream.png").caption


def test_an_interrupted_dream_goes_on_and_its_film_is_whole(network: str) -> None:
    whole = run("dream", network, "one.png", *SMALL, "--film=whole.webp", "-o", "whole.png", "--json")
    wish = ("dream", network, "one.png", *SMALL, "--film=parts.webp", "-o", "parts.png", "--json")
    with interrupted_after(4):
        first = run(*wish)
    second = run(*wish, "--resume")
    assert second.exit_code == 0 and second.stderr == "", second.stderr
    values = [json.loads(one.stdout)[0]["objectives"] for one in (first, second, whole)]
    assert [len(one) for one in values] == [4, 2, 6]
    assert values[0] + values[1] == values[2]
    assert Path("whole.webp").read_bytes() == Path("parts.webp").read_bytes()
    assert Path("whole.png").read_bytes() == Path("parts.png").read_bytes()
    assert not Path("parts.webp.frames").exists()
    assert not list((Path("cache") / "unfinished").iterdir())


def test_a_frame_that_was_interrupted_is_made_again(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = ("dream", network, "one.png", *SMALL, "--film=steps.webp", "-o", "dream.png")
    keep, interruptions = Frames.keep, list[int]()

    def interrupted(self: Frames, index: int, frame: Frame) -> None:
        if index == 3 and not interruptions:
            interruptions.append(index)
            raise KeyboardInterrupt
        keep(self, index, frame)

    with monkeypatch.context() as patch:
        patch.setattr(Frames, "keep", interrupted)
        assert "interrupted" in run(*wish).stderr
    assert run(*wish, "--resume").stderr == ""
    with Image.open("steps.webp") as film:
        assert film.n_frames == 6  # type: ignore[attr-defined]


def test_nothing_to_go_on_from_is_said(network: str) -> None:
    result = run("dream", network, "one.png", *SMALL, "--resume", "-o", "dream.png")
    assert result.exit_code == 0
    assert result.stderr == (
        "note: no interrupted run of one.png with these settings is kept: this one starts from the beginning\n"
    )


def test_a_picture_is_there_though_its_film_is_not(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = dreaming.step

    def meanwhile(*arguments: object) -> object:
        Path("steps.gif").mkdir(exist_ok=True)
        return step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(dreaming, "step", meanwhile)
    result = run("dream", network, "one.png", *SMALL, "--film=steps.gif", "-o", "dream.png")
    assert (result.exit_code, result.stdout) == (1, "dream.png\n")
    assert result.stderr.startswith("Error: steps.gif is a folder") and result.stderr.count("\n") == 1
    assert Path("dream.png").is_file()


def test_the_picture_is_read_once(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes during the dream is not what was dreamed of, so its hash is not the recipe's."""
    hashed = hashlib.sha256(Path("one.png").read_bytes()).hexdigest()
    step = dreaming.step

    def changing(*arguments: object) -> object:
        Image.new("RGB", (64, 48), "red").save("one.png")
        return step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(dreaming, "step", changing)
    assert run("dream", network, "one.png", *SMALL, "-o", "dream.png").exit_code == 0
    assert read_recipe("dream.png").picture_sha256 == hashed


def test_a_film_goes_on_and_removes_its_frames(network: str) -> None:
    result = run(
        "dream-film", network, "one.png", *FILM, "--seconds=0.5", "--frames=frames", "-o", "film.gif"
    )
    assert result.exit_code == 0, result.output
    more = ("dream-film", network, "one.png", *FILM, "--seconds=1", "--frames=frames", "-o", "film.gif")
    assert "holds frames: go on with --resume" in run(*more).stderr
    assert run(*more, "--resume").exit_code == 0
    with Image.open("film.gif") as film:
        assert film.n_frames == 4  # type: ignore[attr-defined]
    assert run("dream-film", network, *FILM, "--seconds=0.5", "-o", "other.webp").stdout == "other.webp\n"
    assert not Path("other.webp.frames").exists()


def test_a_film_is_of_one_run(network: str) -> None:
    wish = ("dream-film", network, "one.png", *FILM, "--seconds=1", "--frames=frames", "-o", "film.gif")
    assert run(*wish).exit_code == 0
    other = run(*wish, "--layer=conv1", "--resume")
    assert other.exit_code == 1 and "layers was {'conv2': 1.0}, is {'conv1': 1.0, 'conv2'" in other.stderr
    slower = run(*wish, "--zoom=1.1", "--steps=2", "--resume")
    assert "(steps was 1, is 2, zoom was '1.5', is '1.1')" in slower.stderr
    assert run(*wish, "--seconds=0.5", "--resume").exit_code == 0
    with Image.open("film.gif") as film:
        assert film.n_frames == 2  # type: ignore[attr-defined]
    Image.new("RGB", (64, 48), "red").save("one.png")
    assert "are of another run (picture_sha256 was '" in run(*wish, "--resume").stderr


def test_wrong_use_is_one_line(network: str) -> None:
    assert "Did you mean 'conv2'" in run("dream", network, "one.png", "--layer=conv9").stderr
    assert run("dream", network, "one.png", "--layer=conv2=much").exit_code == 2
    assert "says no film" in run("dream-film", network, "-o", "film.mov").stderr


SCRIPT = """
import sys
from convscope.dreaming import steps as dreaming
from convscope import jobs
jobs.BETWEEN_SAVES = 0.0
begin = dreaming.step
def step(*arguments):
    print("step", file=sys.stderr, flush=True)
    return begin(*arguments)
dreaming.step = step
from convscope.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_killed_film_goes_on_with_the_same_frames(network: str) -> None:
    wish = ("dream-film", network, "one.png", *FILM, "--seconds=3")
    assert in_another_process(SCRIPT, *wish, "--frames=whole", "-o", "whole.webp") == 13  # one is timed
    in_another_process(SCRIPT, *wish, "--frames=parts", "-o", "parts.webp", kill_after=6)
    assert not Path("parts.webp").exists()
    assert 0 < len(list(Path("parts").glob("*.png"))) < 12
    assert in_another_process(SCRIPT, *wish, "--frames=parts", "--resume", "-o", "parts.webp") < 12
    for path in Path("whole").glob("*.png"):
        assert path.read_bytes() == (Path("parts") / path.name).read_bytes()
    assert Path("whole.webp").read_bytes() == Path("parts.webp").read_bytes()


@pytest.mark.slow
def test_killed_and_gone_on_with_equals_undisturbed(network: str) -> None:
    wish = ("dream", network, "one.png", "--layer=conv2", "--octaves=2", "--steps=15")
    assert in_another_process(SCRIPT, *wish, "-o", "whole.png") == 30
    in_another_process(SCRIPT, *wish, "-o", "parts.png", kill_after=20)
    time.sleep(0.1)
    assert not Path("parts.png").exists()
    assert in_another_process(SCRIPT, *wish, "--resume", "-o", "parts.png") <= 11
    assert Path("whole.png").read_bytes() == Path("parts.png").read_bytes()
    left = {file.suffix for file in (Path("cache") / "unfinished").iterdir()}
    assert left <= {".convscope-partial"}  # what was being written when it was killed


STUCK = """
import signal, sys, threading, torch
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from convscope.dreaming import steps as dreaming
from convscope import jobs
jobs.BETWEEN_SAVES = 0.0
sys.setswitchinterval(1000)  # others run when torch computes, and not before
begin, computes, taken = dreaming.step, threading.Event(), 0
def said():
    computes.wait()
    print("stuck", file=sys.stderr, flush=True)
threading.Thread(target=said, daemon=True).start()
def step(*arguments):
    global taken
    taken += 1
    if taken == 4:
        large = torch.zeros(1, 3, 600, 600)
        computes.set()  # the other thread goes on when torch begins with what follows
        torch.nn.functional.max_pool2d(large, 999, 1, 499)
    return begin(*arguments)
dreaming.step = step
from convscope.__main__ import main
main()
"""


@pytest.mark.slow
def test_ctrl_c_in_a_step_without_end_keeps_the_steps_before_it(network: str) -> None:
    wish = ("dream", network, "one.png", "--layer=conv2", "--octaves=1", "--steps=6")
    command = [sys.executable, "-c", STUCK, *wish, "-o", "parts.png"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        while process.stderr.readline() != "stuck\n":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    kept = "interrupted: nothing was finished; --resume goes on from the last steps whose state was kept\n"
    assert (process.returncode, said) == (130, kept)
    assert in_another_process(SCRIPT, *wish, "--resume", "-o", "parts.png") == 3
    assert in_another_process(SCRIPT, *wish, "-o", "whole.png") == 6
    assert Path("whole.png").read_bytes() == Path("parts.png").read_bytes()
