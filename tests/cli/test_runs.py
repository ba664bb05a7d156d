"""What dreams and styles have in common on the command line: where pictures go, what is told, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from convscope import jobs
from convscope.cli.runs import FilmOptions, Technique, make_pictures, picture_options
from convscope.cli.settings import settings
from convscope.jobs import State, checkpoint_of
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import Recipe
from convscope.presentation import animation
from convscope.presentation.animation import Frame

NO_FILM = FilmOptions(None, None, False, None)


@dataclass
class _Step:
    index: int
    of: int = 2

    def state(self) -> State:
        return {"index": torch.tensor(self.index)}


@dataclass
class _Job:
    interrupted: bool = False
    network: Any = field(default_factory=lambda: SimpleNamespace(identity="a", device=torch.device("cpu")))
    recipe: Recipe = field(default_factory=lambda: Recipe("dream"))

    def steps(self, resume: State | None = None) -> Iterator[_Step]:
        yield _Step(1)
        if self.interrupted:
            raise KeyboardInterrupt
        yield _Step(2)

    def picture(self, step: _Step) -> Picture:
        return Picture(np.zeros((8, 8, 3), np.uint8), "a picture")

    def frame(self, step: _Step) -> Frame:
        return np.full((8, 8, 3), step.index, np.uint8)


def technique(begin: Callable[[str | None], _Job]) -> Technique[_Step]:
    return Technique("dream", begin, lambda step: {"loss": step.index}, lambda history: {"losses": history})


def test_pictures_of_one_name_have_files_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pictures(["a/cat.jpg", "b/cat.jpg", None], technique(lambda _: _Job()), NO_FILM,
                  network_name="net", output=str(tmp_path), as_json=False)  # fmt: skip
    printed = [Path(line).name for line in capsys.readouterr().out.split()]
    assert len(set(printed)) == 3 and {path.name for path in tmp_path.iterdir()} == set(printed)
    assert any("noise" in name for name in printed)


def test_ctrl_c_ends_a_batch_and_keeps_the_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film, begun = tmp_path / "film.gif", list[str | None]()

    def begin(source: str | None) -> _Job:
        begun.append(source)
        return _Job(interrupted=True)

    filming = FilmOptions(None, str(film), False, f"{film}.frames")
    with click.Context(click.Command("dream")):
        make_pictures(["one.jpg", "two.jpg"], technique(begin), filming,
                      network_name="net", output=f"{tmp_path}/out/", as_json=True)  # fmt: skip
        assert settings().interrupted and settings().told  # the command ends with status 130
    said = capsys.readouterr()
    assert begun == ["one.jpg"] and "--resume goes on" in said.err and '"losses"' in said.out
    assert (
        f"writing the film of 1 frame; Ctrl-C again ends at once, the frames stay in {film}.frames"
        in said.err
    )
    assert film.exists() and len(list(Path(f"{film}.frames").glob("*.png"))) == 1
    assert checkpoint_of(_Job().recipe, _Job().network).load() == {"index": torch.tensor(1)}


def test_a_run_is_kept_until_its_film_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill while the film is written loses nothing."""
    monkeypatch.setattr(jobs, "BETWEEN_SAVES", 0.0)
    filming = FilmOptions(None, str(tmp_path / "film.gif"), False, str(tmp_path / "frames"))
    arguments = {"network_name": "net", "output": str(tmp_path / "one.png"), "as_json": False}
    with monkeypatch.context() as patch:
        patch.setattr(animation, "write_film", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            make_pictures(["one.jpg"], technique(lambda _: _Job()), filming, **arguments)
    assert checkpoint_of(_Job().recipe, _Job().network).load() == {"index": torch.tensor(1)}
    assert (tmp_path / "one.png").is_file() and len(list((tmp_path / "frames").glob("*.png"))) == 2
    make_pictures(["one.jpg"], technique(lambda _: _Job()), replace(filming, resume=True), **arguments)
    assert (tmp_path / "film.gif").is_file() and not (tmp_path / "frames").exists()
    assert checkpoint_of(_Job().recipe, _Job().network).load() is None


def test_a_film_that_cannot_be_made_ends_the_command_before_it_begins() -> None:
    @click.command()
    @click.option("-o", "--output")
    @picture_options
    def command(filming: FilmOptions, bits: int | None, output: str | None) -> None:
        click.echo(str(filming.folder))

    assert CliRunner().invoke(command, ["--film", "a.gif"]).output == "a.gif.frames\n"
    assert CliRunner().invoke(command, ["--film", "a.txt"]).exit_code != 0
