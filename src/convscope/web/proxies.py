"""Where a browser reaches this machine's ports when it reaches a Jupyter server alone: through that one's proxy."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from convscope.errors import InputError

PORT = "{port}"
ANSWERS_WITHIN = 3.0  # seconds
_PASSED_ON = "proxy/" + PORT + "/"  # as jupyter-server-proxy has it


def found_proxy() -> str | None:
    """Return where a browser reaches the port `{port}`, below its own address; None where there is no such proxy.

    JupyterHub names its prefix; of a Jupyter server without a hub, the one that runs this kernel is asked whether it
    has jupyter-server-proxy.
    """
    if hub := os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):
        return _below(hub)
    server = _server_of_this_kernel()
    return _below(str(server["base_url"])) if server and _passes_ports_on(server) else None


def checked_proxy(proxy: str) -> str:
    """Return a proxy's address as a person gave it, as one that a page can be put below; InputError for another."""
    parts = urlsplit(proxy)
    whole = parts.scheme in ("http", "https") and bool(parts.netloc)
    path = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    if not (whole or path) or parts.query or parts.fragment:
        raise InputError(
            f"proxy is where a browser finds this machine's ports, an address or its path, such as "
            f"'/jupyter/{_PASSED_ON}' or 'https://name-{PORT}.example.org/', not {proxy!r}"
        )
    return f"{proxy.rstrip('/')}/"


def _below(prefix: str) -> str:
    return f"{prefix.rstrip('/')}/{_PASSED_ON}"


def _server_of_this_kernel() -> Mapping[str, Any] | None:
    """Return what the Jupyter server that started this process keeps of itself for others of its user to read."""
    parent = os.environ.get("JPY_PARENT_PID", "")
    if not parent.isdecimal():
        return None
    with suppress(ImportError, OSError, ValueError):
        from jupyter_core.paths import jupyter_runtime_dir

        server = json.loads(Path(jupyter_runtime_dir(), f"jpserver-{parent}.json").read_text("utf-8"))
        if isinstance(server, dict) and {"url", "base_url"} <= server.keys():
            return server
    return None


def _passes_ports_on(server: Mapping[str, Any]) -> bool:
    """Ask a Jupyter server for what jupyter-server-proxy alone answers; not through a proxy of the environment's."""
    with suppress(OSError, ValueError, HTTPException):
        asked = Request(f"{str(server['url']).rstrip('/')}/server-proxy/servers-info")
        if server.get("token"):
            asked.add_header("Authorization", f"token {server['token']}")
        answer = build_opener(ProxyHandler({})).open(asked, timeout=ANSWERS_WITHIN)
        with closing(answer):
            return "server_processes" in json.load(answer)
    return False
