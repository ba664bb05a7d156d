"""Downloads against a real server on this machine, which also breaks off, lies and answers with web pages."""

import hashlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats.zoo import download
from convscope.formats.zoo.catalog import Download
from convscope.formats.zoo.download import downloaded, require_published

CONTENT = np.random.default_rng(0).bytes(900_000)


@dataclass
class Server:
    """What the server does, and what it was asked."""

    address: str
    content: bytes = CONTENT
    breaks_after: list[int] = field(
        default_factory=list
    )  # bytes sent before the connection is cut, per request
    kind: str = "application/octet-stream"
    status: int = 200
    ranges: bool = True
    elsewhere: str = ""  # where it sends those who ask
    slow: float = 0.0  # seconds before it answers
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "SCHEMES", ("https://", "http://127.0.0.1:"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            begin = int(asked[6:-1]) if asked and state.ranges else 0
            if begin and begin >= len(state.content):
                self.send_error(416)
                return
            if elsewhere := state.elsewhere:
                state.elsewhere = ""
                self.send_response(302)
                self.send_header("Location", elsewhere)
                self.end_headers()
                return
            if state.status != 200:
                self.send_error(state.status)
                return
            time.sleep(state.slow)
            self.send_response(206 if begin else 200)
            self.send_header("Content-Type", state.kind)
            self.send_header("Content-Length", str(len(state.content) - begin))
            self.end_headers()
            rest = state.content[begin:]
            self.wfile.write(rest[: state.breaks_after.pop(0)] if state.breaks_after else rest)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(f"http://127.0.0.1:{http.server_port}/net.caffemodel")
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield state
    http.shutdown()
    http.server_close()


def file_at(server: Server, content: bytes = CONTENT) -> Download:
    return Download("net.caffemodel", server.address, len(content) / 1e6, hashlib.sha256(content).hexdigest())


def test_a_file_comes_whole_and_only_once(server: Server, tmp_path: Path) -> None:
    assert downloaded(file_at(server), tmp_path).read_bytes() == CONTENT
    assert downloaded(file_at(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["net.caffemodel"]


def test_what_breaks_off_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [300_000, 100_000]
    assert downloaded(file_at(server), tmp_path).read_bytes() == CONTENT
    resumed = [int(asked[6:-1]) for asked in server.asked if asked]
    assert len(server.asked) == 3
    assert 0 < resumed[0] <= 300_000
    assert resumed[0] < resumed[1] <= 400_000


def test_a_later_try_goes_on_where_an_earlier_one_ended(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [200_000, 1, 1, 1]
    with pytest.raises(NetworkFileError, match=r"broke after .* Without a connection: bring the file"):
        downloaded(file_at(server), tmp_path)
    kept = (tmp_path / "net.caffemodel.part").stat().st_size
    assert kept > 100_000
    assert downloaded(file_at(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={kept}-"


def test_a_server_that_cannot_resume_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.breaks_after, server.ranges = [300_000], False
    assert downloaded(file_at(server), tmp_path).read_bytes() == CONTENT


def test_a_complete_part_is_only_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.caffemodel.part").write_bytes(CONTENT)
    assert downloaded(file_at(server), tmp_path).read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.content = b"x" * len(CONTENT)
    found = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(
        NetworkFileError, match=f"not the published net.caffemodel: SHA-256 {found}, published is"
    ):
        downloaded(file_at(server), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "text/html; charset=utf-8"}, "answers with a web page instead of net.caffemodel"),
        ({"status": 404}, "the server answers 404 Not Found. Without a connection: bring the file (0.9 MB)"),
        ({"content": CONTENT * 3}, "offers 3 MB; net.caffemodel has 0.9 MB"),
    ],
)
def test_anything_else_is_said(server: Server, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    for name, value in changes.items():
        setattr(server, name, value)
    with pytest.raises(NetworkFileError, match=re.escape(words)):
        downloaded(file_at(server), tmp_path)
    assert not (tmp_path / "net.caffemodel").exists()


def test_without_a_connection_it_says_what_to_put_where(server: Server, tmp_path: Path) -> None:
    away = replace(file_at(server), address="http://127.0.0.1:9/net.caffemodel")
    with pytest.raises(NetworkFileError) as error:
        downloaded(away, tmp_path)
    assert "cannot be reached" in str(error.value)
    assert str(tmp_path / "net.caffemodel") in str(error.value)


@pytest.mark.parametrize(
    "address", ["http://example.org/net.caffemodel", "ftp://example.org/net", "file:///etc/passwd"]
)
def test_nothing_comes_without_https(tmp_path: Path, address: str) -> None:
    file = Download("net.caffemodel", address, 1, "0" * 64)
    with pytest.raises(NetworkFileError, match="is not https, and nothing is downloaded otherwise"):
        downloaded(file, tmp_path)


def test_nor_where_the_server_sends_one_elsewhere(server: Server, tmp_path: Path) -> None:
    server.elsewhere = server.address.replace("127.0.0.1", "localhost") + "?2"
    with pytest.raises(NetworkFileError, match=r"localhost:\d+/net.caffemodel\?2 is not https"):
        downloaded(file_at(server), tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_lies_in_the_cache_is_checked_once_and_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(CONTENT)
    file = Download(path.name, "https://example.org/net", 0.9, hashlib.sha256(CONTENT).hexdigest())
    require_published(file, path)
    require_published(file, path)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(NetworkFileError, match=r"is not the published net.caffemodel: SHA-256 .*Delete it"):
        require_published(file, path)
    assert path.exists()
    (tmp_path / "net.caffemodel.checked").write_bytes(b"\xff\xfe nonsense")
    path.write_bytes(CONTENT)
    require_published(file, path)


WAITS = """
import sys, warnings
from pathlib import Path
from convscope.formats.zoo import download
from convscope.formats.zoo.catalog import Download
download.SCHEMES = ("http://127.0.0.1:",)
warnings.simplefilter("always")
file = Download("net.caffemodel", sys.argv[1], 0.9, sys.argv[2])
print(len(download.downloaded(file, Path(sys.argv[3])).read_bytes()))
"""


@pytest.mark.slow
def test_two_processes_download_it_once(server: Server, tmp_path: Path) -> None:
    server.slow = 2.0
    digest = hashlib.sha256(CONTENT).hexdigest()
    command = [sys.executable, "-c", WAITS, server.address, digest, str(tmp_path)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    answers = [process.communicate(timeout=120) for process in both]
    assert [answer[0].strip() for answer in answers] == [str(len(CONTENT))] * 2, answers
    assert server.asked == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["net.caffemodel"]
