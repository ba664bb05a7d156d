"""The page in a notebook: an iframe of a server that answers, through a proxy where there is one."""

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests

from convscope.errors import InputError
from convscope.web.proxies import found_proxy
from planted import plain_picture, planted_network


class JupyterServer(BaseHTTPRequestHandler):
    """Answers what jupyter-server-proxy answers, to who knows the token; all else as a server without it does."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "token of ada"
        here = self.path == "/a%20b/server-proxy/servers-info"
        self.send_response(200 if known and here else 403 if here else 404)
        self.end_headers()
        self.wfile.write(b'{"server_processes": []}' if known else b"<html>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What a Jupyter server keeps of itself, which has started this process."""
    pytest.importorskip("jupyter_core")
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getppid()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), JupyterServer)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/a%20b/"
    yield {"url": url, "base_url": "/a%20b/", "token": "of ada"}
    server.shutdown()
    server.server_close()


def kept(jupyter: dict[str, str], tmp_path: Path, **other: str) -> None:
    (tmp_path / f"jpserver-{os.getppid()}.json").write_text(json.dumps(jupyter | other))


def test_a_jupyter_servers_own_proxy_is_found(jupyter: dict[str, str], tmp_path: Path) -> None:
    assert found_proxy() is None  # no Jupyter server started this
    kept(jupyter, tmp_path)
    assert found_proxy() == "/a%20b/proxy/{port}/"
    page = planted_network().explore()
    port = page.address.partition("/?")[0].rpartition(":")[2]
    token = page.address.partition("?token=")[2]
    shown = page._repr_html_()
    page.stop()
    assert f'src="/a%20b/proxy/{port}/?token={token}"' in shown and f'href="{page.address}"' in shown
    direct = planted_network().explore(proxy="")
    direct.stop()
    assert "token" not in direct.address and f'src="{direct.address}"' in direct._repr_html_()


@pytest.mark.parametrize(
    "other",
    [{"token": "wrong"}, {"token": ""}, {"base": "/"}, {"url": "http://127.0.0.1:9/"}, {"url": "of no kind"}],
)
def test_a_jupyter_server_without_such_a_proxy_is_gone_by(
    jupyter: dict[str, str], tmp_path: Path, other: dict[str, str]
) -> None:
    if "base" in other:  # a server below another path, and so one without the proxy
        other = {"url": jupyter["url"].replace("/a%20b/", "/"), "base_url": "/"}
    kept(jupyter, tmp_path, **other)
    assert found_proxy() is None


@pytest.mark.parametrize("damaged", ["", "[1]", "{", '{"url": 1}', '"' * 9])
def test_what_a_server_keeps_of_itself_may_be_damaged(
    jupyter: dict[str, str], tmp_path: Path, damaged: str
) -> None:
    (tmp_path / f"jpserver-{os.getppid()}.json").write_text(damaged)
    assert found_proxy() is None


def test_a_proxy_can_be_named() -> None:
    for proxy in ("https://ada-{port}.example.org", "https://ada-{port}.example.org/"):
        page = planted_network().explore(proxy=proxy)
        page.stop()
        port, _, token = page.address.rpartition(":")[2].partition("/?token=")
        assert f'src="https://ada-{port}.example.org/?token={token}"' in page._repr_html_()
    for wrong in ("javascript:alert(1)", "proxy/8000", "https:", "//", "/a?b", "/a#b", "ftp://a.example/"):
        with pytest.raises(InputError, match=r"an address or its path, such as .*not "):
            planted_network().explore(proxy=wrong)


def test_a_notebook_shows_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    page = planted_network().explore(plain_picture())
    try:
        assert f'<iframe src="{page.address}"' in page._repr_html_()
        assert requests.get(page.address, timeout=60).status_code == 200
    finally:
        page.stop()


def test_behind_a_hub_it_is_called_by_the_hubs_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """jupyter-server-proxy passes the browser's Host on; only the token tells its viewers from others."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    page = planted_network().explore(plain_picture())
    try:
        address, _, token = page.address.partition("?token=")
        port = address.rstrip("/").rpartition(":")[2]
        assert f'src="/user/ada/proxy/{port}/?token={token}"' in page._repr_html_()
        hub = {"Host": "hub.example.org", "X-Forwarded-Prefix": f"/user/ada/proxy/{port}"}
        assert requests.get(address, headers=hub, timeout=60).status_code == 401
        opened = requests.get(page.address, headers=hub, timeout=60)
        cookie = next(one for one in opened.cookies if one.name.startswith("convscope_token"))
        assert cookie.path == f"/user/ada/proxy/{port}/"
        sent = {"Cookie": f"{cookie.name}={cookie.value}", "Origin": "https://hub.example.org"}
        answer = requests.post(f"{address}api/sample/coffee", headers=hub | sent, timeout=60)
        assert answer.status_code == 200
        odd = requests.get(page.address, headers=hub | {"X-Forwarded-Prefix": "/a; Domain=x"}, timeout=60)
        assert "Domain" not in odd.headers["set-cookie"]
    finally:
        page.stop()


def test_a_network_displays_as_a_folded_table() -> None:
    shown = planted_network(name="<b>")._repr_html_()
    assert shown.startswith("<details><summary>&lt;Network") and "conv2" in shown
