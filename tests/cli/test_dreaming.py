"""``convscope dream`` and ``convscope dream-film`` from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from convscope.cli import main
from convscope.optimization import dreaming
from convscope.picture import Picture
from planted import planted_files

SMALL = ("--layer=conv2", "--octaves=2", "--iterations=3")
FILM = ("--layer=conv2", "--octaves=1", "--iterations=1", "--size=40", "--fps=4")


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
    assert len(list(Path("frames").iterdir())) == 6
    with Image.open("steps.gif") as film:
        assert (film.size, film.n_frames) == ((64, 48), 6)  # type: ignore[attr-defined]
    assert run("dream", network, "one.png", "two.png", "--film=steps.gif").exit_code == 2


def test_an_interrupt_keeps_what_there_is(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step, calls = dreaming.step, iter(range(100))

    def interrupted(*arguments: object) -> object:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(dreaming, "step", interrupted)
    result = run("dream", network, "one.png", *SMALL, "-o", "dream.png")
    assert result.exit_code == 0 and "this is the dream as it was" in result.stderr
    assert "2 steps over size 1 of 2" in Picture.open("dream.png").caption


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


def test_wrong_use_is_one_line(network: str) -> None:
    assert "Did you mean 'conv2'" in run("dream", network, "one.png", "--layer=conv9").stderr
    assert run("dream", network, "one.png", "--layer=conv2=much").exit_code == 2
    assert "says no film" in run("dream-film", network, "-o", "film.mov").stderr


SCRIPT = """
import sys
from convscope.optimization import dreaming
from convscope.techniques import dream_keeping
dream_keeping._BETWEEN_SAVES = 0.0
begin = dreaming.step
def step(*arguments):
    print("step", file=sys.stderr, flush=True)
    return begin(*arguments)
dreaming.step = step
from convscope.cli import main
main(sys.argv[1:])
"""


def in_another_process(*arguments: str, kill_after: int | None = None) -> int:
    """Run a command, killed (as by kill -9) in the step after so many; return how many steps it made."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    count = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        for line in process.stderr:
            count += line == "step\n"
            if kill_after is not None and count > kill_after:
                process.send_signal(signal.SIGKILL)
                break
    return count


@pytest.mark.slow
def test_killed_and_gone_on_with_equals_undisturbed(network: str) -> None:
    wish = ("dream", network, "one.png", "--layer=conv2", "--octaves=2", "--iterations=15")
    assert in_another_process(*wish, "-o", "whole.png") == 30
    in_another_process(*wish, "-o", "parts.png", kill_after=20)
    time.sleep(0.1)
    assert not Path("parts.png").exists()
    assert in_another_process(*wish, "--resume", "-o", "parts.png") <= 11
    assert Path("whole.png").read_bytes() == Path("parts.png").read_bytes()
    assert not list((Path("cache") / "dreams").iterdir())
