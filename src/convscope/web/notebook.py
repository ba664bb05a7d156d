"""A network's page inside a notebook: an iframe of the server that runs beside it."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from convscope.network.network import Network
from convscope.web.server import Server, serve


@dataclass(frozen=True, eq=False)
class Explorer:
    """A page that is being served; a notebook shows it, and `address` opens it in a tab of its own. `stop` ends it."""

    server: Server
    height: int = 760

    @property
    def address(self) -> str:
        """Where the page is."""
        return self.server.address

    def stop(self) -> None:
        """End the server."""
        self.server.stop()

    def _repr_html_(self) -> str:
        address = html.escape(_through_proxy(self.address), quote=True)
        return (
            f'<iframe src="{address}" width="100%" height="{self.height}" style="border:0" title="convscope" '
            'allow="camera; clipboard-write"></iframe>'
            f'<p>Also at <a href="{address}" target="_blank" rel="noopener">{address}</a>.</p>'
        )

    def __repr__(self) -> str:
        return f"Explorer({self.address!r})"


def explore(network: Network, pictures: Sequence[Any] = (), *, port: int = 0) -> Explorer:
    """Serve a network's page from here, and return what a notebook shows of it."""
    return Explorer(serve(network, pictures, port=port, proxied=_prefix() is not None))


def _through_proxy(address: str) -> str:
    """Return the address as the user's browser reaches it: through JupyterHub's proxy, where there is one."""
    prefix, parts = _prefix(), urlsplit(address)
    query = f"?{parts.query}" if parts.query else ""
    return address if prefix is None else f"{prefix}proxy/{parts.port}/{query}"


def _prefix() -> str | None:
    return os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
