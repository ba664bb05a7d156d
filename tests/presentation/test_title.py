"""Titles above pictures, and what --bare leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import convscope
from convscope.cli import main
from convscope.pictures.picture import Picture, Tile
from convscope.presentation.title import with_title
from planted import edge_picture, planted_files, planted_network


def test_the_picture_is_whole_below_its_title_and_tiles_move_along() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 300, 3)).astype(np.uint8)
    titled = with_title(
        Picture(pixels, "words", tiles=(Tile("conv1:3", (10, 5, 30, 25)),)), "what · net · cat.jpg"
    )
    added = titled.height - 40
    assert added > 10 and titled.width == 300 and titled.caption == "words"
    assert (titled.array[added:] == pixels).all()
    assert (titled.array[:added] < 128).any()  # letters
    left, top, right, bottom = titled.tiles[0].box
    assert (titled.array[top:bottom, left:right] == pixels[5:25, 10:30]).all()


def test_a_long_title_stays_inside() -> None:
    plain = Picture(np.full((40, 200), 255, np.uint8))
    titled = with_title(plain, "a very long title " * 20)
    assert (titled.array[:, -4:] == titled.array[0, 0]).all()


@pytest.mark.parametrize(
    ("look", "target"),
    [
        (convscope.saliency, "red"),
        (convscope.grad_cam, "red"),
        (convscope.sanity_check, "red"),
        (convscope.channel_gradients, "conv1"),
        (convscope.layer_gradients, None),
    ],
)
def test_bare_is_the_same_without_the_line(look: object, target: str | None) -> None:
    network = planted_network()
    titled = look(network, edge_picture(), target)  # type: ignore[operator]
    bare = look(network, edge_picture(), target, bare=True)  # type: ignore[operator]
    assert titled.array.shape[0] > bare.array.shape[0]
    assert (titled.array[-bare.array.shape[0] :] == bare.array).all()
    assert bare.recipe.arguments["bare"] is True and titled.caption == bare.caption


def test_a_title_names_class_network_and_photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planted_files(tmp_path / "planted")
    Picture(edge_picture()).save("fence.png")
    network = convscope.open_network("planted")
    found = convscope.saliency(network, "fence.png", "red")
    assert found.target.title == f"red · {network.name} · fence.png"
    assert convscope.saliency(network, "fence.png", "conv1:2").target.title.startswith("conv1:2 · ")
    words = ["evidence", "planted", "fence.png", "red", "--method", "saliency", "--bare", "-o", "bare.png"]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert Picture.open("bare.png").height < found.array.shape[0]
