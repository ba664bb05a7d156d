"""The lessons as notebooks; that their code runs and prints what it says is the documentation's test."""

import json
from pathlib import Path

from click.testing import CliRunner

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
