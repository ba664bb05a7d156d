"""Serve a network's page on this machine, or an atlas without any network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from convscope.atlas.manifest import AtlasManifest
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.web.app import make_app
from convscope.web.network_facts import frame_size
from convscope.web.recent_networks import recent_networks
from convscope.web.running import HERE, LARGEST_MESSAGE, Running, run
from convscope.web.session import Permissions, Photographs, Session

PAGES = (".html", ".css", ".js", ".json")  # of an atlas that a browser asks for
WORK = "work"  # its folder with the network and the shards, which nobody is served


@dataclass(frozen=True, eq=False)
class Server:
    """A page that is being served: open its `address`; `stop` ends it.

    >>> server = serve(network, ["cat.jpg"])
    >>> server.address
    'http://127.0.0.1:41923/'
    """

    session: Session
    running: Running

    @property
    def address(self) -> str:
        """Where the page is, with the token where there is one."""
        return self.running.address

    def wait(self) -> None:
        """Return when it has ended, or raise KeyboardInterrupt."""
        self.running.wait()

    def stop(self) -> None:
        """End it: running jobs keep their state."""
        self.session.worker.end()
        self.running.stop()


def serve(
    network: Network,
    pictures: Sequence[Any] = (),
    *,
    host: str = HERE,
    port: int = 0,
    permissions: Permissions | None = None,
    photographs: Photographs | None = None,
    beside: Network | None = None,
    proxied: bool = False,
) -> Server:
    """Serve a network's page with some pictures to begin with, and return it once it answers.

    `photographs` are real pictures that were measured: each unit's strongest are shown; `beside` is another network to
    be shown next to this one. Port 0 is a free one. On any host but this machine's own, and behind a proxy (`proxied`),
    viewers need a token; the address has it. InputError where the port is taken.
    """
    permissions = permissions or Permissions()
    alone = (
        host == HERE and not proxied and permissions.token is None
    )  # where files lie is nobody else's to read
    session = Session(network, permissions, photographs, recent=recent_networks() if alone else ())
    if beside is not None:
        session = session.with_beside(beside)
    for picture in pictures:
        session.pictures.add(picture, pinned=True)
    session.worker.later(session.look_first)
    app, token = make_app(session), session.permissions.token
    largest = max(LARGEST_MESSAGE, *(_frame_bytes(one) for one in (network, beside) if one))
    return Server(session, run(app, host, port, token, proxied=proxied, largest_message=largest))


def _frame_bytes(network: Network) -> int:
    """Return the size of a camera's frame as the page sends it at most, 4 bytes a pixel."""
    return 0 if network.input_spec is None else 4 * prod(frame_size(network.input_spec)) + 1024


def serve_atlas(
    folder: str | os.PathLike[str], *, host: str = HERE, port: int = 0, token: str | None = None
) -> Running:
    """Serve the atlas in a folder, its page and its pictures alone: no network is opened.

    >>> serve_atlas("atlas/").address
    'http://127.0.0.1:41923/'

    InputError for a folder without an atlas, or with one that is not merged yet.
    """
    place = Path(folder)
    AtlasManifest.open(place)
    if not (place / "index.html").is_file():
        raise InputError(f"{place} has no page yet: convscope atlas-merge {place}")
    # A stranger's folder may have links that lead out of it.
    files = [path for path in sorted(place.iterdir()) if path.resolve().is_relative_to(place.resolve())]
    pages = [path for path in files if path.suffix in PAGES and path.is_file()]
    folders = [path for path in files if path.is_dir() and path.name != WORK]
    routes: list[BaseRoute] = [Route("/", partial(_file, place / "index.html"))]
    routes += [Route(f"/{path.name}", partial(_file, path)) for path in pages]
    routes += [Mount(f"/{path.name}", StaticFiles(directory=path)) for path in folders]
    return run(Starlette(routes=routes), host, port, token)


async def _file(path: Path, request: Request) -> Response:
    return FileResponse(path)
