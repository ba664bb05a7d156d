"""The lessons as notebooks; that their code runs and prints what it says is the documentation's test."""

import ast
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from convscope import open_network
from convscope.cli import main
from convscope.lessons import lessons


def test_the_command_writes_notebooks_that_hold_every_cell(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["lessons", str(tmp_path / "course")])
    assert result.exit_code == 0, result.output
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert [path.stem for path in paths] == [text.stem for text in lessons()]
    assert len(paths) == 5
    for path, text in zip(paths, lessons(), strict=True):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert cells[0]["source"][0].startswith("# ")
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        assert len(code) == text.read_text(encoding="utf-8").count("```{code-cell}")
        for source in code:
            compile(source, path.name, "exec")
        prose = "".join(line for cell in cells if cell["cell_type"] == "markdown" for line in cell["source"])
        assert "```" not in prose
        assert ".md" not in prose
        assert len({cell["id"] for cell in cells}) == len(cells)


def test_a_notebook_that_is_there_stays(tmp_path: Path) -> None:
    runner = CliRunner()
    runner.invoke(main, ["lessons", str(tmp_path)])
    mine = tmp_path / "1-imagenet-features.ipynb"
    mine.write_text("my own notes")
    again = runner.invoke(main, ["lessons", str(tmp_path), "-q", "--json"])
    assert again.stderr == ""
    first = json.loads(again.stdout)[0]
    assert first["title"] == "Lesson 1: ImageNet features and filters"
    assert first["path"] == str(tmp_path / "1-imagenet-features-2.ipynb")
    assert first["notes"][0] == f"{mine} is there already; --force would replace it"
    assert mine.read_text() == "my own notes"
    assert Path(first["path"]).is_file()


def test_what_to_type_next_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["lessons", "my course"])
    assert "jupyter lab 'my course'   (pip" in result.stderr


def test_an_installation_without_the_texts_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lessons").mkdir()
    monkeypatch.setattr("convscope.lessons.__file__", str(tmp_path / "lessons.py"))
    result = CliRunner().invoke(main, ["lessons", str(tmp_path / "course")])
    assert result.exit_code == 1
    assert "the lessons' texts are not in this installation" in result.stderr
    assert not (tmp_path / "course").exists()


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
@pytest.mark.parametrize(
    ("number", "classic", "names"),
    [
        (1, "old_formats/bvlc_reference_caffenet_deploy.prototxt", 7),
        (2, "old_formats/bvlc_reference_caffenet_deploy.prototxt", 2),
        (3, "old_formats/bvlc_reference_caffenet_deploy.prototxt", 2),
        (5, "bvlc_googlenet/deploy.prototxt", 13),
    ],
)
def test_a_lesson_names_layers_that_its_classic_has(
    number: int, classic: str, names: int, shared_data: Path
) -> None:
    text = lessons()[number - 1].read_text(encoding="utf-8")
    cell = next(
        one for one in re.findall(r"^```{code-cell} python$(.*?)^```$", text, re.M | re.S) if "zoo:" in one
    )
    lines = re.findall(r"^# ([A-Z]\w*(?:, [A-Z]\w*)* = .*)$", cell, re.M)
    said = [node.value for node in ast.walk(ast.parse("\n".join(lines))) if isinstance(node, ast.Constant)]
    (network,) = [one for one in said if isinstance(one, str) and one.startswith("zoo:")]
    assert network.removeprefix("zoo:").removeprefix("bvlc_") in classic
    addresses = [one for one in said if isinstance(one, str) and one != network]
    assert len(addresses) == names
    opened = open_network(str(shared_data / "caffe" / classic))
    for address in addresses:
        opened.resolve(address)
