"""``convscope evidence``: what is saved where, and which options go together."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from convscope.attribution.registry import METHODS
from convscope.cli import main
from convscope.pictures.recipe import read_recipe
from planted import planted_files


@pytest.fixture
def planted(tmp_path: Path) -> str:
    return str(planted_files(tmp_path / "planted"))


@pytest.mark.parametrize(
    ("arguments", "function"),
    [
        ([], "grad_cam"),
        (
            ["green", "--method", "integrated-gradients", "--steps", "4", "--baseline", "gray"],
            "integrated_gradients",
        ),
        (["conv2:1", "--method", "guided-backprop", "--panels", "colors"], "guided_backprop"),
        (["--method", "layers"], "layer_gradients"),
        (["conv1", "--method", "channels", "--channels", "2,3"], "channel_gradients"),
        (
            ["--method", "relevance-tree", "--channels", "1", "--steps", "1", "--layer", "conv2"],
            "relevance_tree",
        ),
        (["--sanity", "--method", "deconvnet"], "sanity_check"),
    ],
)
def test_each_method_makes_its_picture(
    arguments: list[str], function: str, planted: str, tmp_path: Path
) -> None:
    path = tmp_path / "made.png"
    result = CliRunner().invoke(main, ["evidence", planted, "coffee", *arguments, "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(path)
    assert read_recipe(path).function == function


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--samples", "3"], "--samples is not for --method grad-cam"),
        (["--method", "channels"], "needs the address of a layer as its TARGET"),
        (["--method", "layers", "--sanity"], "--sanity checks one map of an answer"),
        (["--sanity", "--sign", "both"], "--sign is not for --method grad-cam with --sanity"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], words: str, planted: str) -> None:
    result = CliRunner().invoke(main, ["evidence", planted, "coffee", *arguments])
    assert result.exit_code == 2
    assert words in result.output


def test_the_old_name_still_works(planted: str, tmp_path: Path) -> None:
    path = tmp_path / "made.png"
    result = CliRunner().invoke(main, ["gradients", planted, "coffee", "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert read_recipe(path).function == "saliency"


def test_help_names_every_method_by_family() -> None:
    text = CliRunner().invoke(main, ["evidence", "--help"]).output
    for method in METHODS.values():
        assert f"Methods: {method.family}" in text and method.name.replace("_", "-") in text
