"""The table of methods says what their functions take, and one way gives the same picture as another."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import convscope
from convscope.attribution.attribution import Attribution
from convscope.attribution.method import PANEL_KEYWORDS
from convscope.attribution.registry import METHODS
from convscope.cli import main
from convscope.pictures.recipe import read_recipe
from planted import ATTRIBUTIONS, planted_files, planted_network

NOT_ON_THE_COMMAND_LINE = {"watch", "progress"}
QUICK = {"extremal_perturbation": {"steps": 3}}


@pytest.mark.parametrize("name", METHODS)
def test_the_table_has_every_option_of_the_function(name: str) -> None:
    method = METHODS[name]
    first, second, third, *keywords = inspect.signature(method.function).parameters
    assert (first, second, third) == ("network", "picture", "target")
    assert {*keywords} - {*PANEL_KEYWORDS} - NOT_ON_THE_COMMAND_LINE == {*method.options}
    assert getattr(convscope, name) is method.function
    for option, said in method.options.items():
        default = inspect.signature(method.function).parameters[option].default
        assert default is None or said == (
            f"{default:g}" if type(default) is float else str(default).replace("_", "-")
        )
    assert method.caution and method.sentence[0].islower() and not method.sentence.endswith(".")


def test_methods_go_into_a_set() -> None:
    assert len({*METHODS.values()}) == len(METHODS)


def test_the_table_needs_no_torch() -> None:
    code = "import sys, convscope.cli.evidence; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_the_command_line_writes_the_recipe_that_python_writes(name: str, tmp_path: Path) -> None:
    folder = planted_files(tmp_path / "planted")
    path = tmp_path / "made.png"
    arguments = [
        "evidence",
        str(folder),
        "coffee",
        "green",
        "--method",
        name.replace("_", "-"),
        "-o",
        str(path),
        *(text for key, value in QUICK.get(name, {}).items() for text in (f"--{key}", str(value))),
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    found = METHODS[name].function(convscope.open_network(folder), "coffee", "green", **QUICK.get(name, {}))
    assert read_recipe(path) == found.recipe
    assert found.save(tmp_path / "python.png").read_bytes() == path.read_bytes()
    assert convscope.rerun(path).save(tmp_path / "again.png").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_an_attribution_is_numbers_and_a_picture(name: str) -> None:
    network = planted_network()
    found = METHODS[name].function(network, network.preprocess("coffee"), 1, **QUICK.get(name, {}))
    assert isinstance(found, Attribution) and str(found.target).startswith("scores:1")
    assert found.map.shape == (32, 32) and np.isfinite(found.map).all()
    assert found.signed or found.map.min() >= 0
    picture = found.picture()
    assert found.caption == picture.caption and found.width == picture.width and found.data_uri()
    assert np.array_equal(np.asarray(found), picture.array) and "<img" in found._repr_html_()
    only = found.picture(panels=["map"], theme="dark")
    assert only.width < picture.width and only.recipe is not None
    assert only.recipe.arguments["panels"] == ["map"] and only.recipe.arguments["theme"] == "dark"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = found.nothing
