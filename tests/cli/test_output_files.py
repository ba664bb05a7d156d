"""Nothing is written over: files that are there stay, files that a command reads stay even when it is forced."""

import json
import os
import resource
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import convscope
from convscope.cli import main
from convscope.errors import PictureError
from convscope.network.engine.runner import Runner
from convscope.pictures.picture import Picture
from planted import edge_picture, plain_picture, planted_files

# Every command that writes, without its -o, as NETWORK, PICTURE and FOLDER are; and what it writes.
WRITING = {
    "classify": (["classify", "NETWORK", "PICTURE"], ".png"),
    "filters": (["filters", "NETWORK", "conv1"], ".png"),
    "activations": (["activations", "NETWORK", "PICTURE", "conv1"], ".png"),
    "values": (["values", "NETWORK", "PICTURE", "prob"], ".png"),
    "evidence": (["evidence", "NETWORK", "PICTURE", "--method", "saliency"], ".png"),
    "gradients": (["gradients", "NETWORK", "PICTURE"], ".png"),
    "importance": (["importance", "NETWORK", "conv1", "PICTURE"], ".png"),
    "see": (["see", "NETWORK", "conv1:0", "--size", "32", "--steps", "1"], ".png"),
    "sheet": (["sheet", "NETWORK", "conv1", "--size", "32", "--steps", "1", "--channels", "1"], ".png"),
    "dream": (["dream", "NETWORK", "PICTURE", "--size", "32", "--steps", "1"], ".png"),
    "dream-film": (
        ["dream-film", "NETWORK", "PICTURE", "--size", "32", "--steps", "1", "--seconds", ".04"],
        ".webp",
    ),
    "style": (
        [
            "style",
            "NETWORK",
            "PICTURE",
            "--style",
            "photos/edge/one.png",
            "--size",
            "32",
            "--steps",
            "1",
        ],
        ".png",
    ),
    "examples": (["examples", "NETWORK", "conv1:0", "--photographs", "FOLDER"], ".png"),
    "survey": (["survey", "NETWORK", "--photographs", "FOLDER", "--layers", "conv1"], ".html"),
    "tuning-curves": (["tuning-curves", "NETWORK", "conv1:0"], ".png"),
    "report": (["report", "NETWORK", "PICTURE", "--sections", "filters"], ".html"),
    "fine-tune": (["fine-tune", "NETWORK", "FOLDER", "--steps", "1"], ".convscope"),
}
NOT_HERE = {"layers", "trust", "rerun", "demo", "doctor", "lessons"}  # write nothing; have tests of their own
NOT_HERE |= {"atlas", "atlas-check", "atlas-merge", "explore", "samples"}  # serve, or make folders


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    planted_files(tmp_path / "planted")
    Picture(plain_picture()).save("photo.png")
    for kind, pixels in (("plain", plain_picture()), ("edge", edge_picture())):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        Picture(pixels).save(f"photos/{kind}/one.png")
    return tmp_path


def run(words: Sequence[str], *more: str) -> Result:
    stand = {"NETWORK": "planted", "PICTURE": "photo.png", "FOLDER": "photos"}
    return CliRunner().invoke(main, [*(stand.get(word, word) for word in words), *more])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_command_is_here() -> None:
    assert set(main.commands) - NOT_HERE <= set(WRITING)


@pytest.mark.parametrize("name", WRITING)
def test_a_file_that_is_there_stays_unless_forced(name: str, here: Path) -> None:
    words, ending = WRITING[name]
    mine = here / f"mine{ending}"
    mine.write_bytes(b"years of work")
    before = everything(here)
    result = run(words, "-o", mine.name)
    assert result.exit_code == 0, result.output
    assert f"mine-2{ending}" in result.stdout
    assert f"note: {mine.name} is there already" in result.stderr
    assert everything(here).items() >= before.items()
    forced = run(words, "-o", mine.name, "--force")
    assert forced.exit_code == 0, forced.output
    assert mine.read_bytes() != b"years of work"


@pytest.mark.parametrize("name", sorted(WRITING.keys() - {"dream-film", "report", "fine-tune"}))
def test_an_input_stays_even_when_forced(name: str, here: Path) -> None:
    words, _ = WRITING[name]
    before = everything(here)
    target = "photo.png" if "PICTURE" in words else "planted/labels.png"
    if "PICTURE" not in words:  # the picture of a mean, say: read with the network
        shutil.copy("photo.png", target)
        words = [*words, "--labels", target]
        Path(target).write_text("".join(f"class {number}\n" for number in range(10)))
        before = everything(here)
    result = run(words, "-o", target, "--force")
    assert everything(here).items() >= before.items(), result.output
    if result.exit_code == 0:
        assert "is read here" in result.stderr


@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(name: str, here: Path) -> None:
    words, ending = WRITING[name]
    before = everything(here)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (128, limits[1])
    )  # a disk that takes no more than that of each file
    try:
        result = run(words, "-o", f"mine{ending}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    *notes, error = result.stderr.splitlines()
    assert result.exit_code == 1 and "mine" not in result.stdout
    assert error.startswith("Error: cannot write ") and "File too large" in error
    assert not any("Traceback" in note for note in notes)
    assert everything(here) == before


def test_a_fine_tuned_network_never_replaces_the_one_it_began_with(here: Path) -> None:
    convscope.open_network("planted").save(here / "net.convscope")
    before = everything(here)
    result = run(["fine-tune", "net.convscope", "photos", "--steps", "1"], "-o", "net.convscope", "--force")
    assert result.exit_code == 0, result.output
    assert everything(here).items() >= before.items()
    assert {"net-2.convscope", "net-2.labels.txt", "net-2.json"} <= everything(here).keys()


def test_what_is_written_beside_a_network_replaces_nothing_either(here: Path) -> None:
    Path("tuned.labels.txt").write_text("mine")
    assert run(WRITING["fine-tune"][0]).exit_code == 0
    assert Path("tuned.labels.txt").read_text() == "mine"
    assert {"tuned-2.convscope", "tuned-2.labels.txt"} <= everything(here).keys()


@pytest.mark.parametrize("mine", ["hard.png", "soft.png", "./photos/../photo.png", "copy.png"])
def test_an_input_by_another_name_stays_too(mine: str, here: Path) -> None:
    os.link("photo.png", "hard.png")
    Path("soft.png").symlink_to("photo.png")
    shutil.copy("photo.png", "copy.png")
    before = everything(here)
    result = run(WRITING["activations"][0], "-o", mine, "--force")
    assert result.exit_code == 0, result.output
    assert everything(here).items() >= before.items()
    assert f"{Path(mine)} is read here" in result.stderr


@pytest.mark.parametrize("folder", ["photos", "photos/*/*.png", "photos/plain"])
def test_photographs_in_inner_folders_and_behind_patterns_stay(folder: str, here: Path) -> None:
    before = everything(here)
    words = [*WRITING["see"][0], "--photographs", folder, "-o", "photos/plain/one.png", "--force"]
    result = run(words)
    assert result.exit_code == 0, result.output
    assert everything(here).items() >= before.items()


def test_a_rerun_never_replaces_the_picture_it_repeats(here: Path) -> None:
    assert run(WRITING["filters"][0], "-o", "made.png").exit_code == 0
    before = everything(here)
    for _ in range(2):
        assert run(["rerun", "made.png"], "-o", "made.png", "--force").exit_code == 0
    assert everything(here).items() >= before.items()


def test_a_forced_rerun_replaces_the_last_one(here: Path) -> None:
    """It is a copy of the picture to the byte: that was called an input, and never replaced."""
    assert run(WRITING["filters"][0], "-o", "made.png").exit_code == 0
    assert "made.again.png" in run(["rerun", "made.png"]).stdout
    assert "made.again.png is there already; --force would replace it" in run(["rerun", "made.png"]).stderr
    assert run(["rerun", "made.png", "--force"]).stdout.splitlines() == ["made.again.png"]


def test_a_rerun_of_a_folder_takes_what_convscope_made(here: Path) -> None:
    assert run(WRITING["filters"][0], "-o", "photos/made.png").exit_code == 0
    result = run(["rerun", "FOLDER", "-o", "again/"])
    assert result.exit_code == 0 and result.stdout.splitlines() == ["again/made.again.png"]
    assert "left out: photos/edge/one.png carries no recipe" in result.stderr
    result = run(["rerun", "photos/edge"])
    assert result.exit_code == 1 and "photos/edge holds no picture that convscope made" in result.stderr


def test_a_rerun_refuses_a_format_before_the_work_and_knows_another(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(WRITING["filters"][0], "-o", "made.png").exit_code == 0
    assert run(WRITING["see"][0], "-o", "seen.png").exit_code == 0
    assert (
        "the same pixels as made.png, in another format" in run(["rerun", "made.png", "-o", "a.webp"]).stderr
    )
    monkeypatch.setattr("convscope.rerunning.rerun", None)  # no work is begun
    for name, output, possible in (("made", "a.html", ".pdf"), ("seen", "a.svg", ".webp")):
        result = run(["rerun", f"{name}.png", "-o", output])
        assert result.exit_code == 2
        assert f"-o {output}: a picture" in result.stderr and result.stderr.endswith(f"{possible}\n")


@pytest.mark.parametrize("name", ["classify", "filters", "activations", "values", "gradients", "see"])
def test_one_file_for_several_pictures_is_refused(name: str, here: Path) -> None:
    words = WRITING[name][0]
    more = ["PICTURE"] if name == "classify" else ["conv1:0", "conv1:1"]
    result = run([*words, *more], "-o", "both.png")
    assert result.exit_code == 2
    assert "give a folder" in result.stderr
    assert not Path("both.png").exists()


@pytest.mark.parametrize("name", ["evidence", "examples", "see", "sheet", "dream", "style"])
def test_a_picture_of_pixels_is_refused_as_lines_before_the_work(name: str, here: Path) -> None:
    words = {"evidence": ("coffee",), "style": ("coffee", "--style", "coffee"), "dream": ()}.get(
        name, ("conv1:0",)
    )
    photographs = ("--photographs", "photos") if name == "examples" else ()
    answer = CliRunner().invoke(main, [name, "planted", *words, *photographs, "-o", "map.svg"])
    assert answer.exit_code == 2
    assert "-o map.svg: a picture of pixels cannot be saved so; possible: .png, .jpg" in answer.stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("report", "planted", "coffee"), "page.png"),
        (("survey", "planted", "--photographs", "photos"), "page.PDF"),
        (("demo",), "page.webp"),
    ],
)
def test_a_page_is_not_saved_under_a_pictures_name(words: tuple[str, ...], name: str, here: Path) -> None:
    answer = CliRunner().invoke(main, [*words, "-o", name], prog_name="convscope")
    assert answer.exit_code == 2
    assert f"-o {name}: a page cannot be saved so; possible: .html, .htm" in answer.stderr
    assert not Path(name).exists()


@pytest.mark.parametrize("output", ["/proc/", "/proc/x", "/proc/new/x", None])
@pytest.mark.parametrize("name", ["report", "dream", "see"])
def test_where_nothing_can_be_written_is_told_before_the_work(
    name: str, output: str | None, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own folder takes no file, whoever asks. A demo took its minute, and was lost."""
    words, ending = WRITING[name]
    words = [
        {"NETWORK": str(here / "planted"), "PICTURE": str(here / "photo.png")}.get(one, one) for one in words
    ]
    if output is None:
        monkeypatch.chdir("/proc")
    else:
        words += ["-o", output if output.endswith("/") else output + ending]
    monkeypatch.setattr(Runner, "run", None)
    monkeypatch.setattr(Runner, "module", None)  # no work is begun
    result = run(words)
    assert result.exit_code == 1 and "Error: cannot " in result.stderr, result.output


def test_what_only_prints_needs_no_place_to_write(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    assert run(["classify", str(here / "planted"), str(here / "photo.png")]).exit_code == 0


@pytest.mark.parametrize("name", ["survey", "report", "dream", "see", "filters"])
def test_a_name_without_a_format_is_refused_before_the_work(name: str, here: Path) -> None:
    """A page was written under it, which no program opens; a dream was made, and lost."""
    before, (words, ending) = everything(here), WRITING[name]
    result = run(words, "--quiet", "-o", "nan")
    assert result.exit_code == 2
    assert f"-o nan: its ending says no format; give one, as nan{ending}, or a folder, nan/" in result.stderr
    assert everything(here) == before
    assert run(words, "--quiet", "-o", "nan/").exit_code == 0
    assert [path.suffix for path in Path("nan").iterdir()] == [ending]


def test_two_pictures_of_one_run_never_share_a_name(here: Path) -> None:
    result = run(["filters", "NETWORK", "conv1:1", "conv1:1", "-o", "out", "--force"])
    assert result.exit_code == 0, result.output
    assert len(list(Path("out").iterdir())) == 2
    assert "note" not in result.stderr


def test_in_python_a_photograph_is_not_replaced_by_what_is_made_of_it(here: Path) -> None:
    network = convscope.open_network("planted")
    made = convscope.activations(network, "photo.png", "conv1")
    before = Path("photo.png").read_bytes()
    with pytest.raises(PictureError, match=r"photo\.png is what this picture was made from"):
        made.save("photo.png")
    assert Path("photo.png").read_bytes() == before
    made.save("activations.png")
    made.save("activations.png")  # one's own result may be made again


@pytest.mark.parametrize("name", ["classify", "survey", "report", "dream-film"])
def test_a_device_or_a_pipe_is_no_place_for_a_file(name: str, here: Path) -> None:
    os.mkfifo(here / f"pipe{WRITING[name][1]}")
    result = run(WRITING[name][0], "--force", "-o", f"pipe{WRITING[name][1]}")
    assert result.exit_code == 1
    assert "it is a pipe, not a file" in result.stderr
    assert (here / f"pipe{WRITING[name][1]}").is_fifo()


@pytest.mark.parametrize("option", ["--weights", "--architecture", "--labels", "--theme"])
def test_an_options_empty_text_is_refused(option: str, here: Path) -> None:
    """As a variable that is not set gives: two of these were as if they were not there."""
    result = run(["classify", "NETWORK", "PICTURE"], option, "")
    assert result.exit_code == 2 and f"Invalid value for '{option}'" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["importance", "NETWORK", "conv1", ""],
        ["importance", "NETWORK", "", "PICTURE"],
        ["classify", "NETWORK", "PICTURE", ""],
        ["dream", "NETWORK", ""],
        ["samples", ""],
    ],
)
def test_an_arguments_empty_text_is_refused(words: list[str], here: Path) -> None:
    """As a path it was the folder that one is in, whose pictures were measured."""
    before = everything(here)
    result = run(words)
    assert result.exit_code == 2 and "it is empty; give a value" in result.stderr
    assert everything(here) == before


def test_an_empty_name_is_refused(here: Path) -> None:
    before = everything(here)
    for words in (WRITING["see"][0], WRITING["report"][0], ["atlas", "NETWORK"]):
        result = run(words, "-o", "")
        assert result.exit_code == 2
        assert "the name is empty; give a file or a folder" in result.stderr
        assert run(words, "-o", "a\0b.png").exit_code == 2
    assert everything(here) == before


def test_a_name_that_is_a_link_to_itself_or_no_text_is_no_fault(here: Path) -> None:
    (here / "loop.png").symlink_to("loop.png")
    result = run(WRITING["filters"][0], "-o", "loop.png")
    assert "fault of convscope" not in result.stderr and len(result.stderr.splitlines()) <= 1
    odd = os.fsdecode(b"\xff\xfe.png")
    shutil.copy("photo.png", odd)
    result = run(["values", "NETWORK", odd, "prob"], "-o", "chart.png")
    assert result.exit_code == 0, result.stderr


def test_names_that_are_no_text_of_one_line_go_through_every_file_and_stream(here: Path) -> None:
    """A folder whose pictures' names are no UTF-8, a network's name as long as a file system takes, a new line."""
    odd = os.fsdecode(b"\xff\xfe.png")
    (here / "odd").mkdir()
    for name in (odd, "plain.png", "new\nline.png"):
        shutil.copy("photo.png", here / "odd" / name)
    for words in (
        ["survey", "NETWORK", "--photographs", "odd", "-o", "survey.html"],
        ["examples", "NETWORK", "conv1:0", "--photographs", "odd", "-o", "examples.png"],
    ):
        result = run(words)
        assert result.exit_code == 0, result.stderr
    answers = json.loads(run(["classify", "NETWORK", f"odd/{odd}", "--json"]).stdout)
    assert [answer["picture"] for answer in answers] == [f"odd/{odd}"]
    result = run(["values", "NETWORK", f"odd/{odd}", "prob"], "-o", "two\nlines.png")
    assert result.exit_code == 0 and result.stdout.splitlines() == ["two\\nlines.png"]
    network = "鳥" * 80 + ".onnx"
    convscope.open_network("planted").save(network)
    result = run(["see", network, "conv2:0", "--steps=1", "--size=32", "-o", "seen.png"])
    assert result.exit_code == 0, result.stderr


@pytest.mark.skipif(os.name == "nt", reason="a folder in use is never removed there")
def test_a_folder_that_is_gone_is_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "gone").mkdir()
    monkeypatch.chdir(here / "gone")
    (here / "gone").rmdir()
    result = run(["classify", str(here / "planted"), str(here / "photo.png")])
    assert result.exit_code == 1
    assert result.stderr.strip().endswith("is gone (No such file or directory): cd to another")
