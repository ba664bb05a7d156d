"""What dreams and styles have in common on the command line: where pictures go, what is told, what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from convscope.cli.runs import Reel, reel_options, show, watched
from convscope.pictures.picture import Picture
from convscope.presentation.animation import Frames


@dataclass
class _Run:
    interrupted: bool = False
    steps: int = 2
    told: dict[str, Any] = field(default_factory=lambda: {"losses": [1.5]})
    key: dict[str, Any] = field(default_factory=lambda: {"run": 1})

    def picture(self, frames: Frames | None, resume: bool) -> Picture:
        pixels = np.zeros((8, 8, 3), np.uint8)
        for index in (1, 2):
            if frames is not None:
                frames.keep(index, pixels + index)
        return Picture(pixels, "a picture")


def test_pictures_of_one_name_have_files_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(["a/cat.jpg", "b/cat.jpg", None], lambda _: _Run(), Reel(None, None, False, None), ("net", "dream"),
         output=str(tmp_path), as_json=False)  # fmt: skip
    printed = [Path(line).name for line in capsys.readouterr().out.split()]
    assert len(set(printed)) == 3 and {path.name for path in tmp_path.iterdir()} == set(printed)
    assert any("noise" in name for name in printed)


def test_ctrl_c_ends_a_batch_and_keeps_the_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film, begun = tmp_path / "film.gif", list[str | None]()

    def begin(source: str | None) -> _Run:
        begun.append(source)
        return _Run(interrupted=True)

    reel = Reel(None, str(film), False, f"{film}.frames")
    show(["one.jpg", "two.jpg"], begin, reel, ("net", "style"), output=f"{tmp_path}/out/", as_json=True)
    said = capsys.readouterr()
    assert begun == ["one.jpg"] and "--resume goes on" in said.err and '"losses"' in said.out
    assert film.exists() and len(list(Path(f"{film}.frames").glob("*.png"))) == 2


def test_a_film_that_cannot_be_made_ends_the_command_before_it_begins() -> None:
    @click.command()
    @reel_options
    def command(reel: Reel) -> None:
        click.echo(str(reel.folder))

    assert CliRunner().invoke(command, ["--film", "a.gif"]).output == "a.gif.frames\n"
    assert CliRunner().invoke(command, ["--film", "a.txt"]).exit_code != 0


def test_steps_are_watched_as_they_come() -> None:
    @dataclass
    class Step:
        index: int
        of: int = 3

    words = list[int]()
    assert [
        step.index for step in watched(map(Step, (1, 2, 3)), lambda step: words.append(step.index) or "")
    ] == words
