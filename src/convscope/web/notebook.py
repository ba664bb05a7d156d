"""A network's page inside a notebook: an iframe of the server that runs beside it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from convscope.network.network import Network
from convscope.web.proxies import PORT, checked_proxy, found_proxy
from convscope.web.server import Server, serve


@dataclass(frozen=True, eq=False)
class Explorer:
    """A page that is being served; a notebook shows it, and `address` opens it in a tab of its own. `stop` ends it.

    `proxy` is where a browser on another machine finds the port `{port}` of this one, if it does.
    """

    server: Server
    height: int = 760
    proxy: str | None = None

    @property
    def address(self) -> str:
        """Where the page is, on this machine."""
        return self.server.address

    def stop(self) -> None:
        """End the server."""
        self.server.stop()

    def _repr_html_(self) -> str:
        shown = self._through_proxy()
        here = "" if shown == self.address else f", and on the kernel's own machine at {_link(self.address)}"
        return (
            f'<iframe src="{html.escape(shown)}" width="100%" height="{self.height}" style="border:0" '
            'title="convscope" allow="camera; clipboard-write"></iframe>'
            f"<p>Also at {_link(shown)}{here}. It ends with this notebook's kernel: "
            "where nothing is shown any more, run the cell again.</p>"
        )

    def __repr__(self) -> str:
        return f"Explorer({self.address!r})"

    def _through_proxy(self) -> str:
        """Return the address as the user's browser reaches it."""
        if self.proxy is None:
            return self.address
        parts = urlsplit(self.address)
        return self.proxy.replace(PORT, str(parts.port)) + (f"?{parts.query}" if parts.query else "")


def explore(
    network: Network, pictures: Sequence[Any] = (), *, port: int = 0, proxy: str | None = None
) -> Explorer:
    """Serve a network's page from here, and return what a notebook shows of it; see `Network.explore`."""
    through = found_proxy() if proxy is None else checked_proxy(proxy) if proxy else None
    return Explorer(serve(network, pictures, port=port, proxied=through is not None), proxy=through)


def _link(address: str) -> str:
    quoted = html.escape(address)
    return f'<a href="{quoted}" target="_blank" rel="noopener">{quoted}</a>'
