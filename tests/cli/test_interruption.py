"""Ctrl-C at any moment: the command ends soon with status 130, what is kept is whole, and stderr says what it is."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from convscope.cli import main
from convscope.cli.settings import Settings, settings
from convscope.errors import InputError
from convscope.files import write_text
from convscope.pictures.picture import Picture
from convscope.report.page import UnfinishedReport
from planted import edge_picture, plain_picture, planted_files

COMMANDS = {
    "report": ["report", "planted", "edge.png", "-o", "out.html"],
    "see": ["see", "planted", "conv1:0", "conv2:1", "--steps", "4000", "--size", "64", "-o", "out"],
    "dream": ["dream", "planted", "red.png", "--steps", "3000", "-o", "out.png"],
}
SCRIPT = """
import signal, sys, torch
from convscope.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.stderr.write("begun\\n"); sys.stderr.flush()
main(sys.argv[1:])
"""
LONGEST = (
    20.0  # seconds from Ctrl-C to the end, on a machine that does much else; idle it is a fraction of one
)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["report", *COMMANDS])
def test_ctrl_c_at_a_random_moment(command: str, tmp_path: Path) -> None:
    planted_files(tmp_path / "planted")
    Picture(edge_picture()).save(tmp_path / "edge.png")
    Picture(plain_picture((0.8, 0.3, 0.2))).save(
        tmp_path / "red.png"
    )  # in gray nothing of color would be dreamed
    chance, interrupted = random.Random(str(tmp_path)), 0
    while not interrupted:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *COMMANDS[command], "--force"],
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(sys.path), "CONVSCOPE_CACHE": str(tmp_path / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        time.sleep(chance.uniform(0.05, 3))
        process.send_signal(signal.SIGINT)
        pressed = time.monotonic()
        output, said = process.communicate(timeout=60)
        if process.returncode == 0:  # it was done before
            continue
        interrupted += 1
        assert time.monotonic() - pressed < LONGEST
        assert process.returncode == 130, said
        assert "Traceback" not in said and "interrupted" in said
        for path in output.split():
            written = tmp_path / path
            assert written.is_file(), said
            if written.suffix == ".png":
                Picture.open(written)
            else:  # where it came last of all, the page is whole
                whole = said.endswith(f"interrupted: kept {path}\n")
                assert whole != ("Stopped by Ctrl-C" in written.read_text(encoding="utf-8"))
        assert not list(tmp_path.glob(".*"))


PRESSED_AT_AN_IMPORT = """
import signal, sys; sys.stderr.write('begun\\n'); sys.stderr.flush()
signal.signal(signal.SIGINT, signal.default_int_handler)
class Pressed:
    def find_spec(self, name, *_):
        if name == sys.argv[1]: del sys.argv[1]; signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Pressed())
from convscope.__main__ import main; main()
"""


def test_ctrl_c_while_the_commands_are_imported() -> None:
    command = [sys.executable, "-c", PRESSED_AT_AN_IMPORT, "convscope.cli.looking"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "begun\ninterrupted: nothing was begun\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no shell there asks so, and signals end nothing")
@pytest.mark.parametrize("where", ["convscope.cli.looking", "convscope.formats.zoo.catalog"])
def test_ctrl_c_while_the_tab_key_is_answered_writes_nothing_into_the_line(where: str) -> None:
    asked = {"_CONVSCOPE_COMPLETE": "bash_complete", "COMP_WORDS": "convscope layers zoo"}
    ended = subprocess.run(
        [sys.executable, "-c", PRESSED_AT_AN_IMPORT, where],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | asked,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "begun\n")


def test_ctrl_c_while_the_arguments_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "parse_args", pressed)
    result = CliRunner().invoke(main, ["layers", "builtin"])
    assert (result.exit_code, result.stderr) == (130, "interrupted: nothing was finished\n")


def test_ctrl_c_while_torch_is_imported_raises_nothing_in_it(tmp_path: Path) -> None:
    """Its C++ code calls Python meanwhile, and ends the process with a core dump where that raises."""
    (tmp_path / "torch.py").write_text(
        "import signal, sys\n"
        "try: signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt: sys.stderr.write('raised in torch\\n'); raise\n"
    )
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from convscope.__main__ import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "layers", "builtin"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )
    assert (ended.returncode, ended.stderr) == (130, "interrupted: nothing was finished\n")


def test_ctrl_c_where_python_ignores_what_is_raised_comes_again() -> None:
    code = (
        "import signal, sys, time\n"
        "import convscope.cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Dropped:\n"
        "    def __del__(self): signal.raise_signal(signal.SIGINT)\n"
        "@convscope.cli.main.command('wait')\n"
        "def wait():\n"
        "    Dropped()\n"
        "    time.sleep(30)\n"
        "    print('went on')\n"
        "convscope.cli.main(['wait'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == "interrupted: nothing was finished\n"


def test_ctrl_c_that_what_is_called_keeps_for_itself_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of a report's last section, when nothing of the page is missing."""

    @contextmanager
    def pressed_at_the_end() -> Iterator[None]:
        yield
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("convscope.report.content.shared_targets", pressed_at_the_end)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    made = tmp_path / "out.html"
    try:
        words = ["report", "builtin", "coffee", "--sections", "predictions", "-o", str(made)]
        result = CliRunner().invoke(main, words)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == 130
    assert result.stderr.endswith(f"interrupted: kept {made}\n")
    assert "Stopped by Ctrl-C" not in made.read_text(encoding="utf-8")


def test_ctrl_c_at_the_very_end_leaves_at_once() -> None:
    code = (
        "import atexit, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Importing:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'convscope.cli':\n"
        "            atexit.register(lambda: (signal.raise_signal(signal.SIGINT), time.sleep(60)))\n"
        "sys.meta_path.insert(0, Importing())\n"
        "from convscope.__main__ import main; main()"
    )
    for arguments, status, said in (
        (["--version"], 130, "interrupted: all was done\n"),
        (["nope"], 2, "nope"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=50
        )
        assert ended.returncode == status
        assert said in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("command", ["examples", "lessons"])
def test_ctrl_c_after_something_was_written_says_what_is_kept(
    command: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes when a file is whole, before the command goes on to say so."""
    written: list[Path] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

    def pressed_after(write: Callable[..., Any]) -> Callable[..., Any]:
        def then(content: Any, path: Path) -> None:
            write(content, path)
            os.utime(path, (10**9, 10**9))  # as a file server may date it, whose clock is another one
            written.append(path)
            if len(written) == after:
                signal.raise_signal(signal.SIGINT)

        return then

    if command == "examples":
        monkeypatch.setattr(Picture, "save", pressed_after(Picture.save))
        planted, photographs = planted_files(tmp_path / "planted"), tmp_path / "photographs"
        photographs.mkdir()
        Image.fromarray(edge_picture()).save(photographs / "edge.png")
        rest = [str(planted), "conv1:0", "conv1:1", "--photographs", str(photographs), "-o"]
    else:
        monkeypatch.setattr("convscope.files.write_text", pressed_after(write_text))
        rest = []
    several = "1 of 2 pictures are kept" if command == "examples" else "1 of 5 lessons are kept"
    try:
        result = CliRunner().invoke(main, [command, *rest, f"{tmp_path}/out/"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == 130
    said = [line for line in result.stderr.splitlines() if "interrupted" in line]
    assert said == [f"interrupted: {f'kept {written[0]}' if after == 1 else several}"]
    assert len(written) == after and all(path.is_file() for path in written)


@pytest.mark.parametrize(("where", "kept"), [("making.make_shards", 0), ("merging.merge_atlas", 1)])
def test_ctrl_c_anywhere_in_an_atlas_says_how_much_of_it_is_kept(
    where: str, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(f"convscope.atlas.{where}", pressed)
    words = ["atlas", str(planted_files(tmp_path / "planted")), "-o", str(folder := tmp_path / "atlas")]
    result = CliRunner().invoke(main, [*words, "--layers", "conv1", "--steps", "1", "--size", "16"])
    assert result.exit_code == 130
    said = f"interrupted: {kept} of 1 shards are made and kept in {folder}"
    assert result.stderr.splitlines()[-2:] == [said, "the same command goes on from there"]


def test_the_process_ends_without_taking_python_apart_but_does_what_others_left_for_the_end(
    tmp_path: Path,
) -> None:
    code = (
        "import sys\n"
        "class Slow:\n"
        "    def __del__(self): sys.stderr.write('taken apart')\n"
        "slow = Slow()\n"
        "class Importing:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'convscope.cli':\n"
        "            import atexit; atexit.register(print, 'for the end')\n"
        "sys.meta_path.insert(0, Importing())\n"
        "from convscope.__main__ import main; main()"
    )
    for arguments, status in ((["--version"], 0), (["nope"], 2), (["layers", "nope"], 1)):
        ended = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        assert ended.returncode == status
        assert ended.stdout.endswith("for the end\n")
        assert "taken apart" not in ended.stderr


def started(code: str, wish: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """Begin a command in a folder, in a process that runs some code before it."""
    return subprocess.Popen(
        [sys.executable, "-c", code + SCRIPT, *wish],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CONVSCOPE_CACHE": str(folder / "cache")},
        stderr=subprocess.PIPE,
        text=True,
    )


ENDLESS = """
name: "endless" input: "data" input_dim: 1 input_dim: 3 input_dim: 600 input_dim: 600
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
        pooling_param { pool: MAX kernel_size: 999 stride: 1 pad: 500 } }
"""


@pytest.mark.slow
def test_ctrl_c_in_one_step_that_takes_hours(tmp_path: Path) -> None:
    (tmp_path / "endless.prototxt").write_text(ENDLESS)
    Picture(edge_picture()).save(tmp_path / "edge.png")
    allowed = "from convscope.network.engine import work; work._ALWAYS = 2**70\n"  # refused otherwise
    wish = ("activations", "endless.prototxt", "edge.png", "-o", "made.png")
    process = started(allowed, wish, tmp_path)
    wait_for("guessed", process)  # which is said before the network runs
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert (process.returncode, said) == (130, "interrupted: nothing was finished\n")


def test_a_page_that_has_nothing_yet_is_not_written_and_nothing_is_said_to_be_missing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sections were named as missing from the page before it, which is whole."""
    said = list[str]()

    def interrupted(*_: Any) -> None:
        rescue = settings().rescue
        assert rescue is not None
        said.append(rescue())
        raise KeyboardInterrupt

    monkeypatch.setattr(UnfinishedReport, "made", interrupted)
    CliRunner().invoke(main, ["report", "builtin", "coffee", "-o", str(tmp_path / "page.html")])
    assert said == [""] and not [*tmp_path.iterdir()]


def test_nothing_is_rescued_of_a_page_that_ended_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    during = list[Settings]()

    def refused(*_: Any) -> None:
        during.append(settings())
        raise InputError("too large")

    monkeypatch.setattr(UnfinishedReport, "made", refused)
    assert "too large" in CliRunner().invoke(main, ["report", "builtin", "coffee"]).stderr
    assert during[0].rescue is None


def wait_for(word: str, process: subprocess.Popen[str]) -> None:
    """Read what a process says up to a line with a word; fail where it ends before."""
    assert process.stderr is not None
    said = ""
    while word not in said:
        line = process.stderr.readline()
        assert line, f"it ended with {process.wait()} and said: {said}"
        said += line


ENDLESS_SECTION = """
import dataclasses, sys, threading, time, torch, convscope.report.content as content
def tell():
    begun = time.process_time()
    while time.process_time() < begun + 0.5:
        time.sleep(0.05)
    print("endless", file=sys.stderr, flush=True)
def endless(*_):
    threading.Thread(target=tell, daemon=True).start()
    yield torch.nn.functional.max_pool2d(torch.zeros(1, 3, 600, 600), 999, 1, 499)
content._ALL = tuple(
    dataclasses.replace(one, make=endless) if one.name == "features" else one for one in content._ALL
)
"""


def test_ctrl_c_in_a_step_that_takes_hours_keeps_what_there_is_of_a_report(tmp_path: Path) -> None:
    planted_files(tmp_path / "planted")
    Picture(edge_picture()).save(tmp_path / "edge.png")
    wish = ("report", "planted", "edge.png", "--sections", "filters,features", "-o", "page.html")
    process = started(ENDLESS_SECTION, wish, tmp_path)
    wait_for("endless", process)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert (process.returncode, said) == (130, "interrupted: kept page.html, without What it wants to see\n")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<figure") > 1 and page.rstrip().endswith("</html>")
    assert "not whole, or not here: What it wants to see" in page
