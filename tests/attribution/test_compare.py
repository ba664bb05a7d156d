"""Several methods and targets in one figure: the right maps in the right places, on one scale a row."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import convscope
from convscope.attribution.measures import cell_losses, single_deletion
from convscope.attribution.registry import METHODS as METHODS_BY_NAME
from convscope.attribution.target import target_of
from convscope.attribution.trust import signed_map
from convscope.cli import main
from convscope.errors import InputError, UnknownLayer
from convscope.pictures.recipe import read_recipe
from planted import plain_picture, planted_files, planted_network

METHODS = ("grad_cam", "gradient_times_input")


def two_boxes() -> np.ndarray:
    picture = plain_picture((0, 0, 0)).copy()
    picture[18:28, 3:13], picture[4:12, 19:29] = (230, 20, 10), (10, 210, 30)
    return picture


def test_methods_are_rows_and_targets_columns() -> None:
    made = convscope.compare_methods(planted_network(), two_boxes(), ["red", "green"], methods=METHODS)
    assert [str(tile.address) for tile in made.tiles] == ["scores:0", "scores:1"] * 2
    tops = [tile.box[1] for tile in made.tiles]
    assert tops[0] == tops[1] < tops[2] == tops[3]
    for tile, (row, column) in zip(made.tiles, [(23, 8), (8, 24)] * 2, strict=True):
        left, top, right, bottom = tile.box
        shown = made.array[top:bottom, left:right].astype(float)
        glow = shown[..., 0] - shown[..., 2]  # gray has none
        place = np.unravel_index(glow.argmax(), glow.shape)
        scale = (bottom - top) / 32
        assert abs(place[0] / scale - row) < 7 and abs(place[1] / scale - column) < 7


def test_the_number_is_the_maps_own_single_deletion_and_the_blob_stands_beside() -> None:
    network = planted_network()
    made = convscope.compare_methods(network, two_boxes(), ["red"], methods=["grad_cam"])
    target = target_of(network, two_boxes(), "red")
    worth = single_deletion(signed_map(convscope.grad_cam(network, two_boxes(), target)), cell_losses(target))
    assert worth > 0.3 and "a blob in the middle" in made.caption
    other = convscope.compare_methods(network, two_boxes(), methods=["grad_cam"])
    assert len(other.tiles) == 3  # the most probable classes


def test_a_class_that_is_not_there_stays_dark() -> None:
    picture = plain_picture((0, 0, 0)).copy()
    picture[18:28, 3:13] = (230, 20, 10)
    made = convscope.compare_methods(planted_network(), picture, ["red", "blue"], methods=["grad_cam"])
    light = []
    for tile in made.tiles:
        left, top, right, bottom = tile.box
        shown = made.array[top:bottom, left:right].astype(float)
        light.append((shown[..., 0] - shown[..., 2]).max())
    assert light[0] > 50 > 5 > light[1]


@pytest.mark.parametrize("method", ["grad_cam", "gradient_times_input"])
def test_targets_on_one_scale_have_one_color_for_one_number(method: str) -> None:
    network, targets = planted_network(), ["red", "green - blue", "blue"]
    made = convscope.compare_targets(network, two_boxes(), targets, method, options={})
    alone = [METHODS_BY_NAME[method].function(network, two_boxes(), target) for target in targets]
    colors: dict[float, set[tuple[int, ...]]] = {}
    for tile, one, own in zip(made.tiles, made, alone, strict=True):
        np.testing.assert_array_equal(one.map, own.map)
        left, top, right, bottom = tile.box
        scale = (bottom - top) // 32
        shown = made.array[top:bottom:scale, left:right:scale]
        for number in (0.0, float(one.map.max())):
            row, column = np.argwhere(one.map == number)[0]
            colors.setdefault(number, set()).add(tuple(shown[row, column]))
    assert all(len(same) == 1 for same in colors.values()) and len(colors) > 2
    assert len({one.high for one in made}) == 1 and "all on one scale" in made.caption
    assert str(made[1].target) == "scores:1 - scores:2"


def test_targets_on_one_scale_from_the_command_line(tmp_path: Path) -> None:
    folder, path = planted_files(tmp_path / "planted"), tmp_path / "made.png"
    arguments = ["evidence", str(folder), "coffee", "red", "green", "--one-scale", "-o", str(path)]
    result = CliRunner().invoke(main, [*arguments, "--method", "layer-cam", "--layer", "conv1"])
    assert result.exit_code == 0, result.output
    network, options = convscope.open_network(folder), {"layer": "conv1"}
    found = convscope.compare_targets(network, "coffee", ["red", "green"], "layer-cam", options=options)
    assert read_recipe(path) == found.recipe
    assert convscope.rerun(path).save(tmp_path / "again.png").read_bytes() == path.read_bytes()
    for wrong in (["--sanity"], ["--compare", "saliency"], ["--method", "layers"], ["--panels", "map"]):
        assert CliRunner().invoke(main, [*arguments, *wrong]).exit_code == 2
    with pytest.raises(InputError, match="compare_targets"):
        convscope.grad_cam(network, "coffee", ["red", "green"])  # type: ignore[arg-type]


def test_the_command_writes_what_python_makes(tmp_path: Path) -> None:
    folder, path = planted_files(tmp_path / "planted"), tmp_path / "made.png"
    arguments = [
        "evidence",
        str(folder),
        "coffee",
        "red",
        "green",
        "--compare",
        "--methods",
        "grad-cam,saliency",
    ]
    result = CliRunner().invoke(main, [*arguments, "-o", str(path)])
    assert result.exit_code == 0, result.output
    network = convscope.open_network(folder)
    found = convscope.compare_methods(network, "coffee", ["red", "green"], methods=["grad-cam", "saliency"])
    assert read_recipe(path) == found.recipe
    bare = convscope.compare_methods(
        network, "coffee", ["red", "green"], methods=["grad-cam", "saliency"], bare=True
    )
    assert bare.height < found.height
    usual = CliRunner().invoke(
        main, ["evidence", str(folder), "coffee", "red", "--compare", "-o", str(tmp_path)]
    )
    assert usual.exit_code == 0, usual.output
    (made,) = tmp_path.glob("planted-*.png")
    recipe = convscope.compare_methods(network, "coffee", ["red"]).recipe
    assert recipe is not None
    ours = [name.replace("_", "-") for name in recipe.arguments["methods"]]
    assert read_recipe(made).arguments == recipe.arguments | {"methods": ours}
    assert convscope.rerun(path).save(tmp_path / "again.png").read_bytes() == path.read_bytes()
    wrong = CliRunner().invoke(main, [*arguments, "--window", "3", "-o", str(path)])
    assert wrong.exit_code == 2 and "--window is not for --compare" in wrong.output


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(InputError, match="Did you mean 'grad_cam'"):
        convscope.compare_methods(planted_network(), two_boxes(), methods=["grad_kam"])
    with pytest.raises(UnknownLayer):
        convscope.compare_methods(planted_network(), two_boxes(), ["purple"])
    with pytest.raises(InputError, match="no method to compare"):
        convscope.compare_methods(planted_network(), two_boxes(), methods=[])
