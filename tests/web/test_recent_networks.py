"""The networks that were explored lately: the start screen says what to type to open them again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import convscope.web.server
from convscope.cli import main
from convscope.web.recent_networks import MOST_KEPT, recent_networks, remember
from convscope.web.server import serve as serve_here
from convscope.web.session import Permissions
from planted import planted_network


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))


def test_the_last_one_is_first_and_none_stands_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a net.onnx").write_bytes(b"")
    Path("net.caffemodel").write_bytes(b"")
    remember("a net", "a net.onnx", {"weights": None, "labels": None})
    remember("builtin", "builtin", {})
    remember("net", "a net.onnx", {"weights": "net.caffemodel"})
    remember("a net", "a net.onnx", {"weights": None})
    assert recent_networks() == [
        {"name": "a net", "command": f"convscope explore '{tmp_path}/a net.onnx'"},
        {
            "name": "net",
            "command": f"convscope explore '{tmp_path}/a net.onnx' --weights={tmp_path}/net.caffemodel",
        },
        {"name": "builtin", "command": "convscope explore builtin"},
    ]
    for index in range(2 * MOST_KEPT):
        remember("one", f"timm:{index}", {})
    assert [one["command"][-2:] for one in recent_networks()][:3] == ["15", "14", "13"]
    assert len(recent_networks()) == MOST_KEPT


def test_explore_keeps_what_it_opens_and_says_it_to_nobody_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait() -> None:
        raise KeyboardInterrupt

    def serve(*given: Any, **options: Any) -> Any:
        return SimpleNamespace(address="http://127.0.0.1:1/", wait=wait, stop=lambda: None)

    monkeypatch.setattr(convscope.web.server, "serve", serve)
    runner = CliRunner()
    assert runner.invoke(main, ["explore", "builtin", "--no-browser"]).exit_code == 0
    scaled = ["explore", "builtin", "--no-browser", "--raw-scale", "255"]
    assert runner.invoke(main, scaled).exit_code == 0  # opened otherwise than the command would say: not kept
    kept = [{"name": "builtin", "command": "convscope explore builtin"}]
    assert recent_networks() == kept
    for permissions, told in ((Permissions(), kept), (Permissions(token="secret"), [])):
        served = serve_here(planted_network(), permissions=permissions)
        assert served.session.facts()["recent"] == told
        served.stop()
