"""The cache: where it is told to be, else where the operating system has such things."""

import sys
from pathlib import Path

import pytest

from convscope.cache import cache_folder


def test_the_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "mine"))
    assert cache_folder("zoo", "vgg16") == tmp_path / "mine" / "zoo" / "vgg16"
    assert (tmp_path / "mine" / "zoo" / "vgg16").is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="the place differs by operating system")
def test_the_usual_place_on_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVSCOPE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "convscope"
