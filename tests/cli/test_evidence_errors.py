"""``convscope evidence`` with what cannot work: each is one line that says what to do, and nothing is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from convscope.attribution.registry import METHODS
from convscope.cli import main
from planted import planted_files

VALUES = {
    "sign": "both",
    "of": "square",
    "baseline": "blur",
    "rule": "gamma",
    "layer": "conv1",
    "through": "conv1:2",
}
OPTIONS = {
    option: VALUES.get(option, "3")
    for option in sorted({one for method in METHODS.values() for one in method.options})
}
NO_USE = [
    (["", "--method", "rise"], "it is empty; give a value, or leave the argument out"),
    (["red", " "], "a TARGET is empty"),
    (["--compare", "rise", "--method", "rise"], "--compare names its methods itself: leave out --method"),
    (["--compare", "rise", "--sanity"], "--sanity checks one map of an answer, not --compare"),
    (["--compare", "rise", "--samples", "8"], "--samples is not for --compare"),
    (["--method", "channels"], "--method channels needs the address of a layer as its TARGET"),
    (["--method", "grad-cma"], "Did you mean 'grad-cam'"),
    (["--method", "occlusion", "--window", "0"], "0 is not in the range x>=1"),
    (["--method", "occlusion", "--stride", "-3"], "-3 is not in the range x>=1"),
    (["--method", "occlusion", "--baseline", "pink"], "'pink' is not one of"),
    (["--method", "integrated-gradients", "--steps", "0"], "0 is not in the range x>=1"),
    (["--method", "integrated-gradients", "--steps", "1.5"], "'1.5' is not a valid integer."),
    (["--method", "shapley", "--grid", "1"], "1 is not in the range x>=2"),
    (["--method", "relevance", "--rule", "deep-taylor"], "'deep-taylor' is not one of"),
    (["--method", "finer-cam", "--classes", "0"], "0 is not in the range x>=1"),
    (["--method", "channels", "conv1", "--channels", "some"], "'some': give numbers separated by commas"),
]
NO_MAP = [
    (["purple"], "none of the 3 classes is called 'purple'"),
    (["conv2:9"], "there is no 9"),
    (["conv3:1"], "has no layer 'conv3'. Did you mean"),
    (["conv2:1@40,2"], "the layer has 16 rows and 16 columns here"),
    (["conv2:1@4:40,2:5"], "is no region of conv2, which has 16 rows and 16 columns here"),
    (["red - purple"], "none of the 3 classes is called 'purple'"),
    (
        ["red", "--layer", "pool2"],
        "'pool2' answers (3, 1, 1), without rows and columns; the last that has them is",
    ),
    (
        ["red", "--layer", "scores"],
        "'scores' answers (3,), without rows and columns; the last that has them is 'conv2'",
    ),
    (["red", "--layer", "prob"], "without rows and columns; the last that has them is 'conv2'"),
    (["red", "--layer", "data"], "'data' is the picture itself: use a method for pixels"),
    (
        ["red", "--layer", "conv1:3"],
        "'conv1:3' is a unit: a class activation map is made of a whole layer, 'conv1'",
    ),
    (["red", "--layer", "conv22"], "has no layer 'conv22'. Did you mean"),
    (["conv1:2", "--layer", "conv2"], "'conv1' does not depend on 'conv2': choose a layer before it"),
    (["conv2:2", "--layer", "conv2"], "'conv2' is what is explained: choose a layer before it"),
    (["--panels", "map,light"], "there is no panel 'light'"),
    (["--percentile", "20"], "percentile is between 50 and 100, not 20"),
    (["--percentile", "nan"], "percentile is between 50 and 100, not nan"),
    (
        ["--method", "occlusion", "--window", "33"],
        "the window is 1 to 32 pixels, the picture's shorter side; not 33",
    ),
    (["--method", "occlusion", "--window", "8", "--stride", "9"], "the stride is 1 to 8 pixels"),
    (["--method", "occlusion", "--stride", "20"], "the stride is 1 to 6 pixels"),
    (["--method", "rise", "--samples", "1"], "samples is how many masks are drawn, at least 2; not 1"),
    (["--method", "shapley", "--grid", "33"], "grid is 2 to 32 cells a side"),
    (["--method", "extremal-perturbation", "--area", "0"], "area is a share of the picture between 0 and 1"),
    (
        ["--method", "extremal-perturbation", "--area", "nan"],
        "area is a share of the picture between 0 and 1",
    ),
    (["--method", "smoothgrad", "--noise", "-1"], "noise at least 0"),
    (["--method", "smoothgrad", "--noise", "nan"], "noise at least 0"),
    (["--method", "gradient-shap", "--noise", "inf"], "noise at least 0"),
    (
        ["--method", "integrated-gradients", "--steps", "64", "--max-steps", "8"],
        "max_steps at least steps; not 64 and 8",
    ),
    (
        ["conv1:3", "--method", "finer-cam"],
        "Finer-CAM tells one class from others: give a class, not conv1:3",
    ),
    (
        ["red", "--method", "relevance", "--through", "prob:1"],
        "'prob' is not on the way from scores:0 to the picture",
    ),
    (["red", "--method", "relevance", "--through", "conv2:3"], "there is no 3"),
    (["red", "--method", "relevance-tree", "--layer", "prob"], "'prob'"),
    (["--method", "channels", "conv1", "--channels", "2,8"], "a list of numbers from 0 to 7"),
    (["--method", "layers", "conv9"], "has no layer 'conv9'"),
    (["--compare", "grad-cam, rice"], "there is no method 'rice'. Did you mean 'rise'?"),
    (["--compare", "saliency,"], "there is no method ''"),
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(planted_files(tmp_path_factory.mktemp("evidence") / "planted"))


def refused(planted: str, arguments: list[str], folder: Path) -> tuple[int, str]:
    """Return the exit code and the last line of what is said, where nothing else is."""
    result = CliRunner().invoke(
        main, ["evidence", planted, "coffee", *arguments, "-o", str(folder / "out.png")]
    )
    assert result.stdout == "" and not any(folder.iterdir())
    lines = result.stderr.strip().splitlines()
    assert "Traceback" not in result.stderr
    return result.exit_code, lines[-1]


@pytest.mark.parametrize(("arguments", "words"), NO_USE)
def test_what_is_no_command_is_said(arguments: list[str], words: str, planted: str, tmp_path: Path) -> None:
    code, line = refused(planted, arguments, tmp_path)
    assert (code, words in line) == (2, True), line


@pytest.mark.parametrize(("arguments", "words"), NO_MAP)
def test_what_has_no_map_is_said(arguments: list[str], words: str, planted: str, tmp_path: Path) -> None:
    code, line = refused(planted, arguments, tmp_path)
    assert (code, words in line) == (1, True), line


@pytest.mark.parametrize("name", METHODS)
def test_an_option_of_another_method_is_refused(name: str, planted: str, tmp_path: Path) -> None:
    for option, value in OPTIONS.items():
        if option in METHODS[name].options:
            continue
        flag, method = f"--{option.replace('_', '-')}", name.replace("_", "-")
        code, line = refused(planted, ["--method", method, flag, value], tmp_path)
        assert (code, f"{flag} is not for --method {method}" in line) == (2, True), line
