"""Run an application on this machine: in a thread, for a command that waits and for a notebook that does not."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from threading import Thread
from time import monotonic, sleep
from urllib.parse import quote

import uvicorn

from convscope.errors import InputError
from convscope.web.guard import App, Guard

HERE = "127.0.0.1"
_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
_STARTS_WITHIN = 20.0  # seconds


@dataclass(frozen=True, eq=False)
class Running:
    """An application that is being served: open its `address`; `stop` ends it."""

    address: str
    _uvicorn: uvicorn.Server
    _thread: Thread

    def wait(self) -> None:
        """Return when it has ended, or raise KeyboardInterrupt."""
        while self._thread.is_alive():
            self._thread.join(timeout=0.5)

    def stop(self) -> None:
        """End it."""
        self._uvicorn.should_exit = True
        self._thread.join(timeout=5)


def run(
    app: App, host: str = HERE, port: int = 0, token: str | None = None, *, proxied: bool = False
) -> Running:
    """Serve an application behind a `Guard`, and return it once it answers.

    Port 0 is a free one. On any host but this machine's own, and behind a proxy (`proxied`), which calls the server by
    whatever name the viewer's address has, viewers need a token; the address has it. InputError where the port is
    taken.
    """
    own = host in _OWN_NAMES
    alone = own and not proxied
    token = token or (None if alone else secrets.token_urlsafe(16))
    listening = _listening(host, port)
    config = uvicorn.Config(
        Guard(app, _OWN_NAMES if alone else ("*",), token),
        log_level="error",
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=32 * 1024 * 1024,
        limit_concurrency=256,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, name="convscope-page", daemon=True)
    thread.start()
    began = monotonic()
    while not server.started:
        if not thread.is_alive() or monotonic() - began > _STARTS_WITHIN:
            raise InputError("the page's server did not start; try another --port")
        sleep(0.01)
    shown = host if own or host != "0.0.0.0" else socket.gethostname()
    query = f"?token={quote(token, safe='')}" if token else ""
    return Running(f"http://{shown}:{listening.getsockname()[1]}/{query}", server, thread)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot serve at {host} port {port}: {reason}; leave --port out for a free one"
        ) from error
    listener.listen(128)
    return listener
