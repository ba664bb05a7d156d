"""The page in a notebook: an iframe of a server that answers, through a hub's proxy where there is one."""

import pytest
import requests

from planted import plain_picture, planted_network


def test_a_notebook_shows_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    page = planted_network().explore(plain_picture())
    try:
        assert f'<iframe src="{page.address}"' in page._repr_html_()
        assert requests.get(page.address, timeout=20).status_code == 200
        monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
        port = page.address.rstrip("/").rpartition(":")[2]
        assert f'src="/user/ada/proxy/{port}/"' in page._repr_html_()
    finally:
        page.stop()


def test_a_network_displays_as_a_folded_table() -> None:
    shown = planted_network(name="<b>")._repr_html_()
    assert shown.startswith("<details><summary>&lt;Network") and "conv2" in shown
