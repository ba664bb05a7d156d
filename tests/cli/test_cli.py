"""The command line: what comes out where, what is written, and how everything that goes wrong is said."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import convscope
from convscope.cli import main
from convscope.cli.result_paths import file_name
from convscope.pictures.picture import Picture
from planted import edge_picture, plain_picture, planted_files

COMMANDS = ("layers", "classify", "filters", "activations", "values", "report", "rerun", "demo")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(planted_files(tmp_path_factory.mktemp("networks") / "planted"))


@pytest.fixture
def red(here: Path) -> str:
    Picture(plain_picture()).save("red.png")
    return "red.png"


@pytest.fixture
def edge(here: Path) -> str:
    Picture(edge_picture()).save("edge.png")
    return "edge.png"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def done(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def failed(*arguments: str, status: int = 1) -> str:
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if status == 1:
        assert len(result.stderr.splitlines()) == 1
    return result.stderr


def names(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_layers_as_a_table_and_as_json(network: str, here: Path) -> None:
    table = done("layers", network)
    assert "conv1   Convolution + ReLU  1×8×32×32  8×3×5×5, 8" in table.stdout
    assert table.stderr == ""
    found = json.loads(done("layers", network, "--json").stdout)
    rows = found["layers"]
    assert found["parameters"] == sum(row["parameters"] for row in rows)
    assert [row["name"] for row in rows] == ["data", "conv1", "pool1", "conv2", "pool2", "scores", "prob"]
    assert [row["receptive_field"] for row in rows[:4]] == [[1, 1], [5, 5], [6, 6], [10, 10]]


def test_classify_names_the_color(network: str, red: str, edge: str) -> None:
    result = done("classify", network, red, "--top", "2")
    assert [line.split()[2] for line in result.stdout.splitlines()] == ["red", "green"]
    both = json.loads(done("classify", network, red, edge, "--json").stdout)
    assert [answer["picture"] for answer in both] == [red, edge]
    best = both[0]["predictions"][0]
    assert best["address"] == "prob:0" and best["label"] == "red" and best["probability"] > 0.99


def test_labels_can_be_given(network: str, red: str) -> None:
    Path("farben.txt").write_text("rot\ngrün\nblau\n", encoding="utf-8")
    result = done("classify", network, red, "--labels", "farben.txt", "--top", "1")
    assert result.stdout.split()[2:] == ["rot", "(prob:0)"]


def test_classify_draws_when_asked(network: str, red: str, edge: str) -> None:
    result = done("classify", network, red, "-o", "bars.png")
    assert result.stdout.splitlines()[-1] == "bars.png"
    done("classify", network, red, "-o", "plot.png", "--every-class")
    recipe = Picture.open("plot.png").recipe
    assert recipe is not None and recipe.function == "probabilities"
    done("classify", network, red, edge, "-o", "charts")
    assert names("charts") == [
        "planted-edge.png-predictions.png",
        "planted-red.png-predictions.png",
    ]


def test_preprocessing_can_be_overruled(network: str, red: str) -> None:
    result = json.loads(done("classify", network, red, "--channel-order", "BGR", "--json").stdout)
    assert result[0]["predictions"][0]["address"] == "prob:2"  # red read as blue


def test_filters_go_where_they_are_asked_to(network: str, here: Path) -> None:
    assert done("filters", network).stdout == "planted-conv1-filters.png\n"
    done("filters", network, "conv2", "-o", "new/folder/second.png")
    done("filters", network, "conv2:1", "-o", "new")
    done("filters", network, "conv1", "conv2", "-o", "both", "--theme", "dark", "--scale", "tile")
    found = {str(path.relative_to(here)) for path in here.rglob("*.png")}
    assert found == {
        "planted-conv1-filters.png",
        "new/folder/second.png",
        "new/planted-conv2_1-filters.png",
        "both/planted-conv1-filters.png",
        "both/planted-conv2-filters.png",
    }
    before = Path("planted-conv1-filters.png").read_bytes()
    done("filters", network, "--first", "2", "--force")
    assert Path("planted-conv1-filters.png").read_bytes() != before


def test_activations_of_layers_channels_and_vectors(network: str, edge: str) -> None:
    result = done("activations", network, edge, "conv1:3", "scores", "-o", "looks", "--json")
    first, second = json.loads(result.stdout)
    assert first["caption"].startswith("Channel conv1:3")
    assert second["caption"].startswith("scores: 3 values")
    assert all(Path(one["path"]).is_file() for one in (first, second))
    assert done("activations", network, edge).stdout.split() == [
        "planted-conv1-edge.png-activations.png",
        "planted-conv2-edge.png-activations.png",
    ]
    listed = done("activations", network, edge, "conv1", "--channels", "5,1", "--json", "-o", "two.webp")
    assert json.loads(listed.stdout)[0]["caption"].startswith("2 of the 8 channels")
    counted = done("activations", network, edge, "conv1", "--channels", "2", "--order", "strongest", "--json")
    assert json.loads(counted.stdout)[0]["caption"].startswith("The 2 strongest of 8 channels")


def test_report_is_one_page(network: str, red: str) -> None:
    result = done(
        "report", "--quick", network, red, "-o", "pages/red.html", "--labels", f"{network}/labels.txt"
    )
    assert result.stdout == "pages/red.html\n"
    assert result.stderr.count("\n") <= 1
    page = Path("pages/red.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert names("pages") == ["red.html"]
    done("report", "--quick", network, red)
    assert Path("report.html").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("filters", "conv1", "--percentile", "100"),
        ("activations", "conv1", "--channels", "3", "--order", "strongest", "--palette", "viridis"),
        ("activations", "conv1", "--channel-order", "BGR", "--mean", "0.1,0.2,0.3"),
        ("activations", "conv1:3@15,9", "--theme", "dark"),
        ("activations", "scores"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_rerun_makes_the_same_bytes(network: str, edge: str, arguments: tuple[str, ...], suffix: str) -> None:
    command, *rest = arguments
    done(command, network, *([edge] if command != "filters" else []), *rest, "-o", f"made{suffix}")
    result = done("rerun", f"made{suffix}", "--trust")
    assert result.stdout == f"made.again{suffix}\n"
    assert f"the same bytes as made{suffix}" in result.stderr
    assert Path(f"made.again{suffix}").read_bytes() == Path(f"made{suffix}").read_bytes()


def test_rerun_of_charts(network: str, red: str) -> None:
    done("classify", network, red, "-o", "bars.png", "--labels", f"{network}/labels.txt")
    assert "the same bytes" in done("rerun", "bars.png", "--trust").stderr


def test_rerun_says_what_changed(tmp_path: Path, edge: str) -> None:
    network = planted_files(tmp_path / "changing")
    done("activations", str(network), edge, "conv1", "-o", "made.png")
    Picture(plain_picture()).save(edge)
    assert "the picture edge.png has changed since" in failed_after_note("rerun", "made.png")
    Picture(edge_picture()).save("moved.png")
    assert "the same pixels as made.png" in done("rerun", "made.png", "--picture", "moved.png").stderr
    description = network / "planted.prototxt"
    description.write_text(description.read_text().replace("pool: MAX", "pool: AVE"))
    changed = failed_after_note("rerun", "made.png", "--picture", "moved.png")
    assert "(its layers and weights) has changed since" in changed


def failed_after_note(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 1 and result.stdout == ""
    note, error = result.stderr.splitlines()
    assert note.startswith("note: activations(")
    return error


def test_rerun_writes_over_nothing_and_reads_nothing_elsewhere(network: str, edge: str) -> None:
    done("activations", network, edge, "conv1", "-o", "made.png")
    refused = failed_after_note("rerun", "made.png")
    assert f"files read outside its folder: {network}/planted.prototxt, {network}" in refused
    assert done("rerun", "made.png", "--trust").stdout == "made.again.png\n"
    Path("made.again.png").write_bytes(b"mine")
    assert done("rerun", "made.png", "--trust").stdout == "made.again-2.png\n"
    assert Path("made.again.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "command", [("classify",), ("dream", "--steps", "1"), ("style", "--style", "red.png")]
)
def test_every_picture_is_looked_at_before_the_work_begins(
    network: str, red: str, command: tuple[str, ...]
) -> None:
    name, *options = command
    before = names(".")
    assert "there is no picture 'rad.png'" in failed(name, network, red, "rad.png", *options, "-o", "made")
    assert names(".") == before
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save("cut.jpg")
    Path("cut.jpg").write_bytes(Path("cut.jpg").read_bytes()[:2000])
    assert "cut.jpg is damaged or incomplete" in failed(name, network, red, "cut.jpg", *options, "-o", "made")
    assert names(".") == sorted([*before, "cut.jpg"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("classify", "red.png", "planted"), "red.png is a picture, and NETWORK stands first"),
        (("classify", "coffee", "builtin"), "coffee is a picture, and NETWORK stands first"),
        (("layers", ""), "the NETWORK is empty"),
        (("--vesion",), "no such option here: --vesion; Did you mean '--version'?"),
        (("-v", "layers", "builtin"), "options stand behind the command: convscope COMMAND -v"),
        (("style", "planted", "red.png"), "--style painting.jpg"),
    ],
)
def test_what_stands_in_the_wrong_place_is_told_its_own(
    red: str, arguments: tuple[str, ...], words: str
) -> None:
    assert words in " ".join(failed(*arguments, status=2).split())


def test_help_may_stand_before_a_command() -> None:
    assert done("help", "see").output == done("see", "--help").output
    assert done("help").output == done("--help").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("activations", "red.png", "conv1", "nonsense"), "no layer 'nonsense'"),
        (("values", "red.png", "conv1", "nonsense"), "no layer 'nonsense'"),
        (("evidence", "red.png", "0", "nonsense"), "no layer 'nonsense'"),
        (("evidence", "red.png", "--method", "layers", "conv1", "nonsense"), "no layer 'nonsense'"),
        (("filters", "conv1", "nonsense"), "no layer 'nonsense'"),
        (("tuning-curves", "conv1:0", "nonsense:1"), "no layer 'nonsense'"),
        (("tuning-curves", "conv1:0", "conv1"), "of a channel, as conv1:0"),
    ],
)
def test_every_address_is_looked_up_before_the_work_begins(
    network: str, red: str, here: Path, arguments: tuple[str, ...], words: str
) -> None:
    command, *rest = (red if one == "red.png" else one for one in arguments)
    before = set(here.rglob("*"))
    result = CliRunner().invoke(main, [command, network, *rest, "-o", "made/"])
    assert result.exit_code == 1 and words in result.stderr and result.stdout == ""
    assert set(here.rglob("*")) == before


def test_rerun_of_a_stranger(red: str, here: Path) -> None:
    Image.fromarray(plain_picture()).save("stranger.png")
    assert "carries no recipe" in failed("rerun", "stranger.png")
    assert "there is no file" in failed("rerun", "nothing.png")
    Path("text.png").write_text("no picture")
    assert "no whole PNG, JPEG, WebP or SVG picture" in failed("rerun", "text.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("layers", "nowhere/"), "there is no such file or folder"),
        (("filters", "NETWORK", "conv3"), "Did you mean"),
        (("filters", "NETWORK", "pool1"), "which has no filters"),
        (("filters", "NETWORK", "conv1", "-o", "x.gif"), "its ending says no format"),
        (("filters", "NETWORK", "conv1", "--palette", "grey!"), "no palette"),
        (("filters", "NETWORK", "conv1", "--percentile", "7"), "between 50 and 100"),
        (("activations", "NETWORK", "nothing.jpg", "conv1"), "there is no picture 'nothing.jpg'"),
        (("activations", "NETWORK", "red.png", "conv1:99"), "8 channels, 0 to 7"),
        (("activations", "NETWORK", "red.png", "conv1", "--channels", "9,10"), "numbers from 0 to 7"),
        (("classify", "NETWORK", "red.png", "--mean", "1,2"), "mean has shape (2,)"),
        (("classify", "NETWORK", "red.png", "--labels", "none.txt"), "cannot be read"),
        (
            ("report", "NETWORK", "red.png", "-o", "red.png/page.html"),
            "cannot make the folder red.png: red.png is there, and is no folder",
        ),
        (("dream", "NETWORK", "red.png", "-o", "/dev/null"), "cannot write /dev/null: it is a device"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    network: str, red: str, arguments: tuple[str, ...], words: str, here: Path
) -> None:
    assert words in failed(*(network if argument == "NETWORK" else argument for argument in arguments))
    assert names(here) == ["red.png"]


def test_an_input_shape_may_be_written_as_notes_print_it(network: str) -> None:
    shapes = ("1,3,32,32", "1x3x32x32", "1×3×32×32")
    tables = {done("layers", network, "--input-shape", shape, "--json").stdout for shape in shapes}
    assert len(tables) == 1 and "32" in tables.pop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lairs",), "Did you mean 'layers'"),
        (("layers",), "Missing argument 'NETWORK'. Give a network's file, its folder, or a name: builtin"),
        (
            ("classify", "x"),
            "Missing argument 'PICTURE...'. Give a picture's file, a folder of them, or a sample: ",
        ),
        (("see", "x"), "Missing argument 'ADDRESS...'. Give a layer, conv1, or a channel of it, conv1:42: "),
        (("layers", "x", "--wrong"), "No such option"),
        (("layers", "x", "--input-shape", "1,a"), "give numbers separated by commas"),
        (("layers", "x", "--input-shape", "1x"), "give numbers separated by commas"),
        (("classify", "x", "y", "--top", "0"), "not in the range"),
        (("layers", "NETWORK", "--device", "abacus"), "cannot be used here"),
        (("filters", "x", "--scale", "loud"), "'tile', 'sheet'"),
    ],
)
def test_wrong_usage_exits_with_two(network: str, here: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in failed(*(network if one == "NETWORK" else one for one in arguments), status=2)


def test_a_failed_write_leaves_the_old_file(
    network: str, red: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("page.html").write_text("old")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert "No space left on device" in failed(
        "report", "--quick", network, red, "-o", "page.html", "--force"
    )
    assert Path("page.html").read_text() == "old"
    assert names(here) == ["page.html", "red.png"]


def test_notes_are_one_line_on_stderr(tmp_path: Path, here: Path) -> None:
    folder = planted_files(tmp_path / "weightless")
    (folder / "planted.caffemodel.h5").unlink()
    result = done("layers", str(folder / "planted.prototxt"))
    (note,) = result.stderr.splitlines()
    assert note.startswith("note: ") and "random" in note
    Picture(plain_picture()).save("red.png")
    result = done("report", "--quick", str(folder / "planted.prototxt"), "red.png")
    assert [line for line in result.stderr.splitlines() if "random" in line] == [note]
    assert note.removeprefix("note: ") in Path("report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (MemoryError(), 1)])
def test_interruptions(
    network: str, red: str, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("convscope.looking.classify.classify", stop)
    result = run("classify", network, red)
    assert result.exit_code == status
    assert result.stdout == "" and "Traceback" not in result.stderr


def test_a_strangers_names_never_steer_the_terminal(tmp_path: Path, here: Path) -> None:
    folder = planted_files(tmp_path / "hostile")
    description = folder / "planted.prototxt"
    description.write_text(description.read_text().replace('"pool1"', '"pool\\033[2J1"'))
    result = done("layers", str(folder))
    assert "pool\ufffd[2J1" in result.stdout and "\033" not in result.stdout
    assert "\033" not in failed("filters", str(folder), "pool\033[2J1")


@pytest.mark.slow
def test_the_demo_needs_no_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(here / "cache"))
    result = run("demo")
    assert result.exit_code == 0, result.output
    assert "espresso" in (here / "out" / "report.html").read_text(encoding="utf-8")
    assert "zoo:bvlc_googlenet" in result.stderr


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_there(command: str | None) -> None:
    text = done(*([command] if command else []), "--help").stdout
    if command is None:
        assert all(name in text for name in COMMANDS)
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("GoogLeNet", "conv1/7x7_s2:42", "filters"), "GoogLeNet-conv1_7x7_s2_42-filters.png"),
        (("../../etc", "a b", ""), "etc-a_b.png"),
        (("x" * 500, "y"), "x" * 80 + "-y.png"),
        (("<script>", "猫:1"), "script-猫_1.png"),
    ],
)
def test_file_names_are_safe(words: tuple[str, ...], name: str) -> None:
    assert file_name(*words) == name


def shell(*arguments: str, code: str = "from convscope.cli import main; main()", **options: Any) -> Any:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)


@pytest.mark.slow
def test_a_real_process_and_a_pipe(network: str, red: str) -> None:
    result = shell("classify", network, red, "--json")
    assert result.returncode == 0 and result.stderr == ""
    assert json.loads(result.stdout)[0]["picture"] == red
    broken = shell("layers", "nowhere")
    assert (broken.returncode, broken.stdout) == (1, "")
    assert broken.stderr == "Error: nowhere: there is no such file or folder. 'builtin' is always there\n"


@pytest.mark.skipif(os.name == "nt", reason="needs a shell with pipes")
def test_a_reader_that_leaves_early_is_no_error(network: str, here: Path) -> None:
    code = "from convscope.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "layers", network, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(60)


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; from convscope.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += (
        "heavy = {'torch', 'numpy', 'matplotlib', 'PIL', 'tqdm'} & set(sys.modules)\nassert not heavy, heavy"
    )
    result = shell("--help", code=code)
    assert (result.returncode, result.stderr) == (0, "")


def test_pictures_are_written_as_they_are(network: str, edge: str) -> None:
    opened: Callable[[str], Picture] = Picture.open
    done("activations", network, edge, "conv1", "-o", "sheet.png")
    picture = opened("sheet.png")
    assert [tile.address for tile in picture.tiles] == [f"conv1:{index}" for index in range(8)]
    assert picture.recipe is not None and picture.recipe.function == "activations"
    assert np.asarray(Image.open("sheet.png")).shape == picture.array.shape


def test_pictures_of_one_name_are_numbered(network: str, here: Path) -> None:
    for folder, color in (("a", (1, 0, 0)), ("b", (0, 1, 0)), ("c", (0, 0, 1))):
        Path(folder).mkdir()
        Picture(plain_picture(color)).save(f"{folder}/cat.png")
    result = done("classify", network, "a/cat.png", "b/cat.png", "c/cat.png", "-o", "charts")
    expected = ["predictions", "predictions-2", "predictions-3"]
    assert set(names("charts")) == {f"planted-cat.png-{name}.png" for name in expected}
    assert all(f"charts/planted-cat.png-{name}.png" in result.stdout for name in expected)
    done("filters", network, "conv1", "conv1", "-o", "twice")
    assert names("twice") == ["planted-conv1-filters-2.png", "planted-conv1-filters.png"]


def test_values_of_any_layer(network: str, red: str) -> None:
    assert done("values", network, red, "scores").stdout == "planted-scores-red.png-values.png\n"
    both = json.loads(
        done("values", network, red, "conv1", "conv1:0", "--bins", "7", "--json", "-o", "v").stdout
    )
    assert [one["caption"].split(":")[0] for one in both] == ["conv1", "conv1"]
    net = convscope.open_network(network)
    maps = net.activations(net.preprocess(red), "conv1")["conv1"][0].numpy()
    for one, numbers in zip(both, (maps, maps[:1]), strict=True):
        assert one["values"] == numbers.ravel().tolist()
        assert (one["count"], one["positive"]) == (numbers.size, (numbers > 0).sum())
        assert [top["value"] for top in one["top"]] == sorted(one["values"], reverse=True)[:10]
        for top in one["top"]:
            unit = net.resolve(top["address"])
            assert unit.position is not None
            assert maps[int(unit.channel or 0)][unit.position] == top["value"]
    (one,) = json.loads(
        done("values", network, red, f"{net.class_output}:2", "--json", "-o", "class.png").stdout
    )
    assert one["top"] == [
        {"address": f"{net.class_output}:2", "label": net.class_label(2), "value": one["values"][0]}
    ]
    assert "the same bytes" in done("rerun", "planted-scores-red.png-values.png", "--trust").stderr


def test_a_mean_picture_can_be_a_file(network: str, red: str) -> None:
    np.save("mean (1).npy", np.stack([np.full((32, 32), value, np.float32) for value in (1, 0, 0)]))
    by_file = done("activations", network, red, "conv1", "--mean", "mean (1).npy", "-o", "file.png")
    by_number = done("activations", network, red, "conv1", "--mean", "1,0,0", "-o", "numbers.png")
    assert (by_file.exit_code, by_number.exit_code) == (0, 0)
    assert np.array_equal(Picture.open("file.png").array, Picture.open("numbers.png").array)
    assert "the same bytes" in done("rerun", "file.png", "--trust").stderr
    np.save("mean (1).npy", np.zeros((3, 32, 32), np.float32))
    assert "(its input_spec) has changed since" in failed_after_note("rerun", "file.png", "--trust")
    assert "missing.npy" in failed("classify", network, red, "--mean", "missing.npy")


def test_every_field_of_the_input_has_an_option(network: str, red: str) -> None:
    options = (
        "--input-size=16,16",
        "--layout=NCHW",
        "--no-antialias",
        "--input-scale=1,2,3",
        "--resize=direct",
    )
    result = done("activations", network, red, "conv1", *options, "-o", "small.png")
    assert result.stdout == "small.png\n"
    recipe = Picture.open("small.png").recipe
    assert recipe is not None
    assert recipe.options == {
        "size": [16, 16],
        "layout": "NCHW",
        "antialias": False,
        "input_scale": [1.0, 2.0, 3.0],
        "resize": "direct",
    }


def test_rerun_opens_a_moved_network_as_it_was(tmp_path: Path, red: str) -> None:
    folder = planted_files(tmp_path / "before")
    done("activations", str(folder), red, "conv1", "--channel-order", "BGR", "-o", "made.png")
    moved = folder.rename(tmp_path / "after")
    assert "the same pixels" in done("rerun", "made.png", "--network", str(moved)).stderr


@pytest.mark.slow
def test_what_is_not_drawn_does_not_wait_for_matplotlib() -> None:
    code = "import sys; from convscope.cli import main; main(['classify', 'builtin', 'coffee'], standalone_mode=False)"
    command = [
        sys.executable,
        "-c",
        f"{code}; print(any(name.startswith('matplotlib.') for name in sys.modules))",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] == "False"
