"""Folders and patterns in a picture's place, charts as lines, what JSON says, one name an idea, the Tab key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.shell_completion import CompletionItem, ShellComplete
from click.testing import CliRunner, Result
from torch import nn

from convscope.cli import main
from convscope.cli.completion import BashWithColons
from convscope.formats.opening import open_network
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import read_recipe
from planted import edge_picture, plain_picture, planted_files


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    planted_files(tmp_path / "planted")
    for kind, pixels in (("plain", plain_picture()), ("edge", edge_picture())):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        Picture(pixels).save(f"photos/{kind}/{kind}.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"\x89PNG and nothing else")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path


def run(*words: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, list(words), prog_name="convscope")


def test_a_folder_stands_for_its_pictures_and_a_broken_one_blocks_nothing(here: Path) -> None:
    result = run("classify", "planted", "photos", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [Path(row["picture"]).name for row in rows] == ["edge.png", "plain.png"]
    assert "left out: photos" in result.stderr and "broken.png" in result.stderr
    assert all(any("broken.png" in words for words in row["notes"]) for row in rows)


def test_a_folder_says_which_photographs_it_cannot_read(here: Path) -> None:
    (here / "photos" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(300))
    assert (
        "IMG_1.HEIC is not a picture convscope can read, but a HEIC"
        in run("classify", "planted", "photos").stderr
    )
    measured = run("examples", "planted", "conv1:0", "--photographs", "photos", "-o", "found.png")
    assert "2 of 4 pictures cannot be read" in measured.stderr and "IMG_1.HEIC" in measured.stderr


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (" ", "a PICTURE is empty"),
        ("https://example.org/cat.jpg", "an address on the web, and nothing is fetched"),
        ("photos/empty.png", "an empty file (0 bytes)"),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(picture: str, words: str, here: Path) -> None:
    (here / "photos" / "empty.png").touch()
    result = run("classify", "planted", picture)
    assert result.exit_code == 1 and words in result.stderr and len(result.stderr.splitlines()) == 1


def test_a_pattern_stands_for_what_it_matches(here: Path) -> None:
    rows = json.loads(run("classify", "planted", "photos/*/pl*.png", "--json").stdout)
    assert [Path(row["picture"]).name for row in rows] == ["plain.png"]
    nothing = run("classify", "planted", "photos/*.jpg")
    assert nothing.exit_code == 1 and "holds no picture" in nothing.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("activations", "planted", "photos", "conv1", "conv2"),
        ("values", "planted", "photos", "prob", "scores"),
        ("evidence", "planted", "photos", "prob:0", "prob:1", "--method", "saliency"),
    ],
)
def test_each_picture_is_looked_at_at_each_address(words: tuple[str, ...], here: Path) -> None:
    result = run(*words, "-o", "out/", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [(Path(row["picture"]).stem, row["address"]) for row in rows] == [
        (picture, address) for picture in ("edge", "plain") for address in words[3:5]
    ]
    assert len({row["path"] for row in rows}) == 4 == len(list(Path("out").iterdir()))
    for row in rows:
        assert Path(row["picture"]).stem in row["path"]


def test_a_report_of_each_picture_of_a_folder(here: Path) -> None:
    result = run("report", "planted", "photos", "--sections", "filters, values", "-o", "pages/")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in Path("pages").iterdir()) == [
        "report-edge.png.html",
        "report-plain.png.html",
    ]


def test_a_chart_is_saved_as_lines_and_an_svg_makes_itself_again(here: Path) -> None:
    for ending, start in ((".svg", b"<?xml"), (".pdf", b"%PDF")):
        result = run("classify", "planted", "photos/edge/edge.png", "-o", f"bars{ending}")
        assert result.exit_code == 0, result.output
        assert Path(f"bars{ending}").read_bytes().startswith(start)
    assert run("values", "planted", "photos/edge/edge.png", "prob", "-o", "v.svg").exit_code == 0
    assert read_recipe("bars.svg").function == "predictions"
    again = json.loads(run("rerun", "bars.svg", "--json").stdout)
    assert again["same_bytes"] and Path(again["path"]).read_bytes() == Path("bars.svg").read_bytes()


def test_a_picture_of_pixels_is_not_made_for_a_file_of_lines(here: Path) -> None:
    late = run("filters", "planted", "-o", "f.svg")
    assert late.exit_code == 1 and "made of pixels, not of lines" in late.stderr
    for words in (("see", "planted", "conv1:0"), ("sheet", "planted", "conv1"), ("dream", "planted")):
        early = run(*words, "-o", "x.pdf")
        assert early.exit_code == 2 and "possible: .png" in early.stderr


def test_rerun_says_in_numbers_how_far_a_picture_is(here: Path) -> None:
    run("filters", "planted", "-o", "f.png")
    same = json.loads(run("rerun", "f.png", "--json").stdout)
    assert same["same_bytes"] is True and same["recipe"]["function"] == "filters"
    made = Picture.open("f.png")
    changed = made.array.copy()
    changed[0, 0] = changed[0, 0] ^ 3
    Picture(changed, made.caption, made.recipe).save("other.png")
    other = json.loads(run("rerun", "other.png", "--json").stdout)
    assert other["same_bytes"] is False and 0 < other["differ"] <= 3 and other["by_up_to"] == 3
    two = json.loads(run("rerun", "f.png", "other.png", "-o", "again/", "--json").stdout)
    assert [row["same_bytes"] for row in two] == [True, False]


def test_fine_tune_gives_its_numbers(here: Path) -> None:
    (here / "photos" / "broken.png").unlink()
    words = ("fine-tune", "planted", "photos", "--steps", "2", "--batch", "2", "--rate", "0.01")
    row = json.loads(run(*words, "--json").stdout)
    assert row["steps"] == 2 and row["labels"] == ["edge", "plain"] and row["loss"] >= 0
    assert all(Path(name).exists() for name in row["files"])
    said = run(*words, "-v")
    assert "2 steps; the last: loss" in said.stderr


def test_fine_tune_leaves_nothing_in_the_temporary_folder(here: Path) -> None:
    """Torch makes a folder there as one of its optimizers imports its compiler."""
    temporary = here / "temporary"
    temporary.mkdir()
    words = ("fine-tune", "planted", "photos", "--steps", "1", "--batch", "2")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"},
        "TMPDIR": str(temporary),
        "TMP": str(temporary),
        "CONVSCOPE_CACHE": str(here / "cache"),
    }
    subprocess.run(
        [sys.executable, "-m", "convscope", *words], env=environment, check=True, capture_output=True
    )
    assert not list(temporary.iterdir()) and not list((here / "cache").rglob("compiled"))


def test_a_page_and_a_table_say_what_they_show_with_v(here: Path) -> None:
    words = ("report", "planted", "photos/edge/edge.png", "--sections", "filters")
    assert "What planted does with edge.png: " in run(*words, "-v").stderr
    assert "What planted does" not in run(*words).stderr
    assert json.loads(run(*words, "--json").stdout)["caption"].startswith("What planted does with edge.png: ")
    words = (
        "trust",
        "planted",
        "photos/edge/edge.png",
        "--methods",
        "saliency",
        "--measures",
        "completeness",
    )
    assert "for 1 pictures, by completeness and 2 grids at most" in run(*words, "--grids", "2", "-v").stderr


@pytest.mark.parametrize(
    ("command", "now", "before"),
    [
        ("dream", "--steps", "--iterations"),
        ("style", "--steps", "--iterations"),
        ("fine-tune", "--rate", "--learning-rate"),
        ("fine-tune", "--batch", "--batch-size"),
        ("filters", "--channels", "--first"),
    ],
)
def test_earlier_names_work_and_are_not_shown(command: str, now: str, before: str, here: Path) -> None:
    shown = run(command, "--help").stdout
    assert now in shown and before not in shown
    words = {"dream": ["planted"], "style": ["planted"], "fine-tune": ["planted"], "filters": ["planted"]}
    wrong = [run(command, *words[command], name, "none").stderr for name in (now, before)]
    assert all(f"Invalid value for '{now}" in one for one in wrong)


def test_colors_where_they_are_wanted(here: Path) -> None:
    words = ("classify", "planted", "none.png")
    assert "\x1b[" not in run(*words).stderr
    runner = CliRunner(env={"FORCE_COLOR": "1"})
    assert runner.invoke(main, list(words), color=True).stderr.startswith("\x1b[31mError:")
    runner = CliRunner(env={"FORCE_COLOR": "1", "NO_COLOR": "1"})
    assert "\x1b[" not in runner.invoke(main, list(words), color=True).stderr


def completed(*words: str) -> list[str]:
    shell = ShellComplete(main, {}, "convscope", "_CONVSCOPE_COMPLETE")
    *before, begun = words
    return [item.value for item in shell.get_completions(before, begun)]


def test_tab_offers_networks_layers_classes_and_presets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "builtin" in completed("layers", "bu")
    assert "zoo:vgg16" in completed("layers", "zoo:v")
    assert completed("activations", "planted", "chelsea", "con") == ["conv1", "conv2"]
    assert completed("filters", "planted", "conv1") == ["conv1"]
    assert completed("evidence", "planted", "chelsea", "re") == ["red"]
    assert "chelsea" in completed("classify", "planted", "ch")
    assert "chelsea" in completed("style", "planted", "ch")
    assert completed("importance", "planted", "conv2", "chelsea", "re") == ["red"]
    assert completed("classify", "planted", "--device", "c") == ["cpu", "cuda"]
    monkeypatch.setenv("COMP_WORDS", "convscope dream planted --layer conv2")  # as every shell's script does
    assert completed("dream", "planted", "--layer", "conv2") == ["conv2"]
    assert "google-2015" in completed("dream", "planted", "--preset", "goo")
    assert completed("activations", "nowhere.pth", "chelsea", "con") == []


@pytest.mark.parametrize(
    ("line", "breaks", "expected"),
    [
        ("layers zoo:squeeze", " :=", "plain,squeezenet_v1.1"),
        ("layers zoo:squeeze", " =", "plain,zoo:squeezenet_v1.1"),
        ("evidence planted chelsea prob:re", " :=", "plain,red"),
        ("dream planted --layer=prob:re", " :=", "plain,red"),
        ("dream planted --preset goo", " :=", "plain,google-2015"),
        ("dream planted  ", " :=", "file,"),
    ],
)
def test_bash_gets_what_comes_after_its_colon(
    here: Path, monkeypatch: pytest.MonkeyPatch, line: str, breaks: str, expected: str
) -> None:
    monkeypatch.setenv("COMP_WORDS", f"convscope {line}")
    monkeypatch.setenv("COMP_WORDBREAKS", breaks)
    offered = BashWithColons(main, {}, "convscope", "_CONVSCOPE_COMPLETE").complete().splitlines()
    assert expected in offered


def test_bash_gets_spaces_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    bash, item = BashWithColons(main, {}, "convscope", "_"), CompletionItem("prob:school bus")
    for begun, expected in (("prob:s", r"school\ bus"), ('"prob:s', "prob:school bus")):
        monkeypatch.setenv("COMP_WORDS", f"convscope evidence builtin coffee {begun}")
        assert bash.format_completion(item) == f"plain,{expected}"


def test_tab_offers_something_for_every_argument() -> None:
    plain = [
        f"{name} {argument.name}"
        for name, command in main.commands.items()
        for argument in command.params
        if isinstance(argument, click.Argument) and argument.type is click.STRING
    ]
    assert plain == ["samples names"]  # which has a function of its own


def test_tab_leaves_files_to_the_shell(here: Path) -> None:
    shell = ShellComplete(main, {}, "convscope", "_CONVSCOPE_COMPLETE")
    for before in (
        ["layers"],
        ["classify", "planted"],
        ["classify", "planted", "--labels"],
        ["report", "-o"],
    ):
        assert "file" in [item.type for item in shell.get_completions(before, "p")], before


def test_quiet_means_no_bars_and_no_notes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tqdm.auto

    disabled: list[object] = []

    class Seen(tqdm.auto.tqdm):  # type: ignore[type-arg,misc]
        def __init__(self, *given: object, **options: object) -> None:
            disabled.append(options.get("disable"))
            super().__init__(*given, **options)

    monkeypatch.setattr(tqdm.auto, "tqdm", Seen)
    small = ("--size", "32", "--steps", "1")
    for words in (
        ("see", "planted", "conv1:0", *small),
        ("sheet", "planted", "conv1", "--channels", "1", *small),
        ("dream", "planted", "photos/edge/edge.png", "--layer", "conv1", *small),
        ("style", "planted", "photos/edge/edge.png", "--style", "photos/plain/plain.png", *small),
        ("fine-tune", "planted", "photos", "--steps", "1"),
        ("evidence", "planted", "photos/edge/edge.png", "--method", "occlusion"),
    ):
        disabled.clear()
        (here / "photos" / "broken.png").unlink(missing_ok=True)
        result = run(*words, "-q")
        assert result.exit_code == 0, result.output
        assert not result.stderr and disabled and all(one is True for one in disabled)
    assert os.environ.get("TQDM_DISABLE") is None


def test_a_network_of_signals_takes_them_out_of_a_numpy_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With axes of size 1 left out or not; another shape is refused, and so is a signal where pictures are seen."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Conv1d(1, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    module.append(nn.Softmax(1)).eval()
    open_network(module, input_shape=(1, 1, 40)).save("signals.convscope")
    signal = torch.randn(40)
    expected = module(signal[None, None])[0].detach()
    for number, shape in enumerate(((40,), (1, 40), (1, 1, 40), (40, 1))):
        np.save(f"{number}.npy", signal.reshape(shape).numpy())
        told = run("classify", "signals.convscope", f"{number}.npy", "--top", "1", "--json")
        (best,) = json.loads(told.stdout)[0]["predictions"]
        assert best["address"].endswith(f":{int(expected.argmax())}")
        assert best["probability"] == pytest.approx(float(expected.max()), rel=1e-5)
    np.save("other.npy", np.zeros((2, 41)))
    assert "cannot take 'input' 1x2x41" in run("classify", "signals.convscope", "other.npy").stderr
    assert run("activations", "signals.convscope", "0.npy", "1", "-o", "curves.png").exit_code == 0
    assert read_recipe("curves.png").function == "activations"
    told = run("values", "signals.convscope", "0.npy", "3", "--json", "-o", "values.png")
    assert json.loads(told.stdout)[0]["values"] == pytest.approx(
        module[:4](signal[None, None])[0].tolist(), rel=1e-4
    )
    planted_files(tmp_path / "planted")
    told = run("activations", "planted", "0.npy").stderr
    assert "an array of shape (40,) is not a picture" in told and "a network of signals takes one" in told
