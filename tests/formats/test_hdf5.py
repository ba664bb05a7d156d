"""HDF5 of strangers is looked through by a process of its own: neither its memory nor its time are this one's."""

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats import hdf5
from convscope.formats.hdf5 import OwnFile, opened_hdf5


def test_nothing_is_limited_in_this_process(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["x"] = np.arange(3)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with opened_hdf5(OwnFile(str(tmp_path / "net.h5"))) as opened:
        assert resource.getrlimit(resource.RLIMIT_AS) == before
        assert opened["x"][2] == 2


def test_a_link_is_looked_at_and_never_opened(tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for without end."""
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["model_weights"] = h5py.ExternalLink(str(tmp_path / "pipe"), "/x")
    begun = time.monotonic()
    with pytest.raises(NetworkFileError, match=r"net\.h5 has a link at '/model_weights'"):
        hdf5.require_sound(OwnFile(str(tmp_path / "net.h5")))
    assert time.monotonic() - begun < hdf5.SECONDS


def test_what_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = tmp_path / "check.py"
    check.write_text("while True: pass")
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setattr(hdf5, "CHECK", check)
    monkeypatch.setattr(hdf5, "SECONDS", 1)
    with pytest.raises(NetworkFileError, match="after 1 seconds it is not clear"):
        hdf5.require_sound(OwnFile(str(tmp_path / "net.h5")))


def test_one_object_that_never_ends_is_ended_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = tmp_path / "check.py"
    begin = f"import runpy; runpy.run_path({str(hdf5.CHECK)!r})['limit_next_object']()"
    check.write_text(f"{begin}\nwhile True: pass")
    (tmp_path / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setattr(hdf5, "CHECK", check)
    with pytest.raises(NetworkFileError, match="after 2 seconds it is not clear"):
        hdf5.require_sound(OwnFile(str(tmp_path / "net.h5")))


def test_a_byte_too_many_is_said(tmp_path: Path) -> None:
    """The HDF5 library then looks for its tables where they are not, and need not end."""
    with h5py.File(path := tmp_path / "net.h5", "w") as file:
        file.attrs["model_config"] = "x" * 1500
        for index in range(3):
            group = file.create_group(f"model_weights/layer{index}")
            group.attrs["weight_names"] = [b"a/kernel:0", b"a/bias:0"]
            group["a/kernel"], group["a/bias"] = np.arange(9.0), np.arange(3.0)
    content = path.read_bytes()
    place = content.index(b"x" * 1500) + 700
    path.write_bytes(content[:place] + b"y" + content[place:])
    with pytest.raises(NetworkFileError, match=r"net\.h5 is a damaged HDF5 file"):
        hdf5.require_sound(OwnFile(str(path)))


def test_it_is_looked_through_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["x"] = np.arange(3)
    own = OwnFile(str(tmp_path / "net.h5"))
    hdf5.require_sound(own)
    runs: list[object] = []
    run = hdf5.subprocess.run
    monkeypatch.setattr(hdf5.subprocess, "run", lambda *args, **more: runs.append(args) or run(*args, **more))
    hdf5.require_sound(own)
    assert not runs
    os.utime(tmp_path / "net.h5", ns=(1, 1))
    hdf5.require_sound(own)
    assert len(runs) == 1
