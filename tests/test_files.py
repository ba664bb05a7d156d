"""A file is written whole or not at all, and nothing is left beside it."""

import errno
import math
import os
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import save_file

from convscope import open_network, unfinished
from convscope.errors import ConvscopeError, PictureError
from convscope.files import parsed_json, write_text, written_first, written_whole
from planted import planted_files


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 60 + ".txt")
    with written_whole(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert path.stat().st_mode == ordinary.stat().st_mode


def test_the_umask_holds_and_is_never_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a moment: another thread may be making a file."""
    set_umask = os.umask
    before = set_umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)
        with written_whole(tmp_path / "file") as partial:
            partial.write_text("new")
    finally:
        set_umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(os.fspath(path)) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_of_several_that_begin_together_one_is_first(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands with other settings would each think that the folder is theirs."""
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", Mock(side_effect=PermissionError))
    path, ready = tmp_path / "file", Barrier(6)

    def write(number: int) -> bool:
        ready.wait()
        return written_first(str(number) * 1000, path)

    with ThreadPoolExecutor(6) as pool:
        first = list(pool.map(write, range(6)))
    if links:
        assert path.read_text() == str(first.index(True)) * 1000 and sum(first) == 1
    assert list(tmp_path.iterdir()) == [path] and len(path.read_text()) == 1000
    assert not written_first("later", path)


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("old")
    (tmp_path / "link").symlink_to("folder/file")
    with written_whole(tmp_path / "link") as partial:
        partial.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_text() == "new"
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["file"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_never_replaced_by_a_file(linked: bool, tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "pipe")
    if linked:
        (path := tmp_path / "link").symlink_to("pipe")
    with pytest.raises(OSError, match="it is a pipe, not a file"), written_whole(path):
        pass
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1 + linked


@pytest.mark.parametrize(
    ("number", "written"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)]
)
def test_a_disk_that_cannot_wait_is_written_to_and_a_broken_one_is_not(
    number: int, written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with nullcontext() if written else pytest.raises(PictureError, match=os.strerror(number)):
        write_text("all of it", tmp_path / "page.html")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["all of it"] * written


def test_a_file_that_a_library_replaces_has_an_ordinary_files_permissions(tmp_path: Path) -> None:
    """Safetensors writes a private file of its own, and renames it."""
    with written_whole(tmp_path / "tensors") as partial:
        save_file({"one": torch.ones(3)}, partial)
    (ordinary := tmp_path / "ordinary").touch()
    assert (tmp_path / "tensors").stat().st_mode == ordinary.stat().st_mode


WRITES = """
import sys
from pathlib import Path
from convscope.files import written_whole
with written_whole(sys.argv[1]) as partial:
    partial.write_text("half")
    partial.with_name(".tmp-of-a-library").touch()
    print("half", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no folder can be locked: what is left goes after a day")
def test_what_a_killed_process_left_goes_at_the_next_start_and_what_is_being_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def next_start() -> set[str]:
        unfinished._SWEPT.clear()
        write_text("whole", tmp_path / "other")
        return {path.name for path in tmp_path.iterdir()} - {"other"}

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITES, str(tmp_path / "file")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"half\n"
        (left,) = next_start()
        process.send_signal(signal.SIGKILL)
    os.utime(tmp_path / left, (4e9, 4e9))  # as a clock that was set back leaves it
    monkeypatch.setattr(unfinished, "_HERE", "other machine")  # which sees no locks of this one
    assert next_start() == {left}
    monkeypatch.undo()
    assert next_start() == set()


@pytest.mark.parametrize("folder", [True, False])
def test_what_nobody_can_tell_of_goes_after_a_day(folder: bool, tmp_path: Path) -> None:
    """What another machine left on a file server, and what earlier versions left, which were files."""
    for name, hours in ((".old.1.convscope-partial", 25), (".new.1.convscope-partial", 1)):
        (tmp_path / name).mkdir() if folder else (tmp_path / name).touch()
        changed = (tmp_path / name).stat().st_mtime - hours * 3600
        os.utime(tmp_path / name, (changed, changed))
    write_text("whole", tmp_path / "file")
    assert {path.name for path in tmp_path.iterdir()} == {".new.1.convscope-partial", "file"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("[" * 100_000, "lies too deep in itself"),
        ('{"a":' * 100_000, "lies too deep in itself"),
        (f"[{'1' * 5000}]", "a whole number in it has thousands of digits"),
        ("[1", "Expecting ',' delimiter"),
        (b"\xff\xff", "can't decode byte"),
    ],
)
def test_what_is_wrong_with_a_strangers_json_is_said_in_words(text: str | bytes, words: str) -> None:
    """Python's own are RecursionError, and "use sys.set_int_max_str_digits() to increase the limit"."""
    with pytest.raises(ValueError, match=words) as caught:
        parsed_json(text)
    assert "sys." not in str(caught.value)
    assert parsed_json('{"a": [1, 1e999]}') == {"a": [1, math.inf]}


@pytest.mark.parametrize("name", ["net.json", "net.labels.json", "net.keras"])
def test_a_bomb_of_digits_in_json_of_a_network_is_one_line(name: str, tmp_path: Path) -> None:
    bomb = '{"class_name": "Model", "config": [' + "1" * 5000 + "]}"
    path = tmp_path / name
    if name == "net.keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", bomb)
    else:
        path.write_text(bomb)
    source = str(path) if name in ("net.json", "net.keras") else str(planted_files(tmp_path))
    options = {"labels": path} if name == "net.labels.json" else {}
    with pytest.raises(ConvscopeError, match="a whole number in it has thousands of digits"):
        open_network(source, **options)
