"""The page in a notebook: an iframe of a server that answers, through a hub's proxy where there is one."""

import pytest
import requests

from planted import plain_picture, planted_network


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
