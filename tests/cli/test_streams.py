"""stdout and stderr as they are in the worst of shells: closed, full, a pipe that nobody reads."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest

from convscope.cli import main

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def ended(arguments: list[str]) -> int:
    """Run a command in this process; return how it ended."""
    with pytest.raises(SystemExit) as exit:
        main(arguments, prog_name="convscope")
    return int(exit.value.code or 0)


@FULL
@pytest.mark.parametrize("arguments", [["layers", "builtin"], ["layers", "builtin", "--json"]])
def test_a_full_disk_under_stdout_is_one_line(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    notes = StringIO()
    monkeypatch.setattr(sys, "stderr", notes)
    full = Path("/dev/full").open("w")  # noqa: SIM115 (its closing fails too)
    monkeypatch.setattr(sys, "stdout", full)
    assert ended(arguments) == 1
    assert notes.getvalue().splitlines()[-1] == "Error: cannot write to stdout: No space left on device"
    assert "Traceback" not in notes.getvalue()
    with suppress(OSError):
        full.close()


def test_a_closed_stdout_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = StringIO()
    monkeypatch.setattr(sys, "stderr", notes)
    monkeypatch.setattr(sys, "stdout", None)
    assert ended(["layers", "builtin"]) == 1
    assert notes.getvalue().splitlines()[-1] == "Error: cannot write to stdout: it is closed"


def closed(_: Path) -> None:
    return None


@FULL
@pytest.mark.parametrize("stream", [closed, lambda _: Path("/dev/full").open("w")], ids=["closed", "full"])  # noqa: SIM115
def test_without_stderr_the_work_is_done(
    stream: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = StringIO()
    monkeypatch.setattr(sys, "stdout", results)
    monkeypatch.setattr(sys, "stderr", stream(tmp_path))
    assert ended(["filters", "builtin", "-o", str(tmp_path / "filters.png")]) == 0
    assert (tmp_path / "filters.png").is_file()
    assert results.getvalue().strip() == str(tmp_path / "filters.png")
    assert ended(["layers", "nothing.onnx"]) == 1


def test_a_pipe_that_is_closed_ends_the_command_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    notes = StringIO()
    monkeypatch.setattr(sys, "stderr", notes)
    with open(writing, "w", closefd=False) as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert ended(["layers", "builtin"]) == 1
        monkeypatch.undo()
    assert notes.getvalue() == ""
    os.close(writing)


@pytest.mark.slow
def test_in_a_process_of_its_own() -> None:
    """What Python itself says at its end is silent too."""
    code = "from convscope.cli import main; main(['layers', 'builtin'], prog_name='convscope')"
    for shell, status in (
        (f'"{sys.executable}" -c "{code}" >&-', 1),
        (f'"{sys.executable}" -c "{code}" | true', 0),
    ):
        ended = subprocess.run(shell, shell=True, capture_output=True, text=True, timeout=120)
        assert ended.returncode == status
        assert "Traceback" not in ended.stderr
        assert "Exception ignored" not in ended.stderr


def test_a_fault_of_convscope_is_one_line_unless_its_place_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    from convscope.cli import looking

    def broken(_: object) -> None:
        raise KeyError("a\x1b[31mb")

    monkeypatch.setattr("convscope.looking.layer_table.layer_table", broken)
    assert looking is not None
    notes = StringIO()
    monkeypatch.setattr(sys, "stderr", notes)
    assert ended(["layers", "builtin"]) == 1
    (line,) = notes.getvalue().splitlines()
    assert line.startswith("Error: KeyError: ")
    assert "CONVSCOPE_TRACEBACK=1" in line
    assert "\x1b" not in line
    monkeypatch.setenv("CONVSCOPE_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["layers", "builtin"], prog_name="convscope")
