"""The examples of a unit: what is cropped is what the unit sees, and what is shown is what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from convscope import examples, measure, open_network
from convscope.cli import main
from convscope.errors import UnknownLayer
from convscope.measuring.example_sheet import _is_most, _with_place
from convscope.measuring.plan import MeasuredLayer
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from planted import planted_files, planted_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty gray pictures, each with one red square: larger and larger, at another place."""
    for index in range(20):
        pixels = np.full((32, 32, 3), 100, np.uint8)
        row, column = 3 + index % 5 * 4, 2 + index % 7 * 3
        pixels[row : row + 5, column : column + 5] = (60 + 10 * index, 0, 0)
        place = tmp_path / "pictures" / ("few", "much")[index > 9]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index:02}.png")
    return tmp_path / "pictures"


def influence(
    network: Network, layer: str, channel: int, position: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the box of input pixels that change a neuron, by finite differences on a random picture."""
    spec = network.picture_spec
    random = torch.Generator().manual_seed(0)
    found = np.zeros(spec.size, bool)
    for _ in range(2):
        picture = torch.rand(1, 3, *spec.size, generator=random)
        before = network.activations(picture, layer)[layer][0, channel, position[0], position[1]]
        for row in range(spec.size[0]):
            batch = picture.repeat(spec.size[1], 1, 1, 1)
            for column in range(spec.size[1]):
                batch[column, :, row, column] += 3.0
            after = network.activations(batch, layer)[layer][:, channel, position[0], position[1]]
            found[row] |= ((after - before).abs() > 1e-6).numpy()
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize("layer", ["conv1@conv1", "pool1", "conv2@conv2"])
@pytest.mark.parametrize("place", [(0, 0), (5, 9)])
def test_boxes_are_what_the_unit_sees(folder: Path, layer: str, place: tuple[int, int]) -> None:
    network = planted_network()
    weights = {
        key: torch.rand(value.shape) + 0.1 for key, value in network.parameters.items() if "conv" in key
    }
    network = network.with_parameters(weights)  # every weight counts
    found = measure(network, folder, [layer])
    box = found.layers[layer].box(place, (32, 32))
    seen = influence(network, layer, 0, place)
    if layer == "conv1@conv1":
        assert box == seen
    else:  # of a maximum, two random pictures show the most of what is seen
        assert (
            box is not None
            and box[0] <= seen[0]
            and box[1] <= seen[1]
            and box[2] >= seen[2]
            and box[3] >= seen[3]
        )
        assert (box[2] - box[0]) * (box[3] - box[1]) <= 1.8 * (seen[2] - seen[0]) * (seen[3] - seen[1])


def test_the_strongest_is_cropped_to_its_square(folder: Path) -> None:
    network = planted_network()
    (best, *_) = measure(network, folder, ["conv2"]).strongest("conv2:0", top=3)
    assert best.path.endswith("much/19.png") and best.label == "much"
    left, top, right, bottom = best.box or (0, 0, 0, 0)
    row, column = 3 + 19 % 5 * 4, 2 + 19 % 7 * 3
    assert left <= column and top <= row and right >= column + 5 and bottom >= row + 5
    assert right - left <= 10 and bottom - top <= 10


def test_the_picture_says_what_it_shows(folder: Path) -> None:
    network = planted_network()
    picture = examples(network, "conv2:0", folder, top=4)
    assert "The pictures that conv2:0 answers most to, of 20: " in picture.caption
    assert "Classes: much (4)." in picture.caption
    shown = [tile.address for tile in picture.tiles]
    assert len(shown) == len(set(shown)), "one crop a picture"
    assert [Path(path).stem for path in shown[:4]] == ["19", "18", "17", "16"]
    assert picture.recipe is not None and picture.recipe.function == "examples"
    left, top, right, bottom = picture.tiles[0].box
    crop = picture.array[top:bottom, left : (left + right) // 2].astype(int)
    assert ((crop[..., 0] > 200) & (crop[..., 1] < 60)).mean() > 0.15  # the red square fills much of it
    plain = examples(network, "conv2:0", folder, top=4, overlay=True)
    assert (plain.array != picture.array).any()


def test_where_the_crop_is_the_whole_picture_the_place_of_its_position_is_framed() -> None:
    layer = MeasuredLayer("late", 4, 3, 4)
    assert layer.cell((0, 0), (90, 80)) == (0, 0, 20, 30)
    assert layer.cell((2, 3), (90, 80)) == (60, 60, 80, 90)
    assert _is_most(None, (90, 80)) and _is_most((0, 0, 80, 46), (90, 80))
    assert not _is_most((0, 0, 80, 45), (90, 80))
    framed = _with_place(np.full((90, 80, 3), 9, np.uint8), (20, 30, 40, 60))
    blue = np.argwhere((framed == (36, 96, 184)).all(2))
    assert blue.min(0).tolist() == [30, 20] and blue.max(0).tolist() == [59, 39]
    assert (framed[31:59, 21:39] == 9).all() and (framed[:28] == 9).all()


def test_a_dead_unit_says_so(folder: Path) -> None:
    picture = examples(planted_network(), "conv1:7", folder)
    assert (
        picture.caption == "None of 20 pictures makes conv1:7 answer above zero (maximum over its positions)."
    )
    assert picture.tiles == ()


def test_classes_are_units_too_and_positions_are_refused(folder: Path) -> None:
    network = planted_network()
    assert "prob:red answers most to" in examples(network, "prob:red", folder, overlay=True).caption
    with pytest.raises(UnknownLayer, match="no single positions"):
        examples(network, "conv1:0@3,3", folder)


def test_the_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    network = str(planted_files(tmp_path / "planted"))
    words = ["examples", network, "conv1:0", "conv2:1", "--photographs", str(folder), "-o", "out/"]
    refused = CliRunner().invoke(main, [*words[:2], "conv1", *words[4:]])
    assert refused.stderr.endswith("Error: conv1 is a layer: name a channel of it, as conv1:0\n")
    assert "on 20 pictures" not in refused.stderr  # nothing was measured for it
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "11 units of 2 layers on 20 pictures" in result.stderr
    names = [Path(line).name for line in result.stdout.splitlines()]
    assert names == ["planted-conv1_0-examples.png", "planted-conv2_1-examples.png"]
    assert Picture.open(tmp_path / "out" / names[0]).caption.startswith("The pictures that conv1:0")
    again = CliRunner().invoke(main, [*words[:3], *words[4:6], "--json"])
    (row,) = json.loads(again.stdout)
    assert [len(row["bands"][share]) for share in ("0.9", "0.5", "0.0")] == [3, 3, 3]
    wanted = measure(open_network(network), folder, ["conv1"]).strongest("conv1:0")
    assert [one["path"] for one in row["strongest"]] == [one.path for one in wanted]
