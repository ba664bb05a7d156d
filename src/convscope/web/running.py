"""Run an application on this machine: in a thread, for a command that waits and for a notebook that does not."""

from __future__ import annotations

import secrets
import socket
from asyncio import TimerHandle, Transport
from dataclasses import dataclass
from threading import Thread
from time import monotonic, sleep
from urllib.parse import quote

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from convscope.errors import InputError
from convscope.web.guard import App, Guard

HERE = "127.0.0.1"
_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
_STARTS_WITHIN = 20.0  # seconds
_ENDS_WITHIN = 20.0  # on a busy machine: until then its port is taken
LARGEST_MESSAGE = 1024 * 1024  # bytes, on a socket
SLOWEST_HEAD = 20.0  # seconds for a request's first lines to arrive, or for a connection to ask anything


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
        self._thread.join(_ENDS_WITHIN)


class _Impatient(H11Protocol):
    """A connection that ends where no whole request comes: a few hundred silent ones would leave none for others."""

    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(SLOWEST_HEAD, self._give_up)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._waits() and self._deadline:
            self._deadline.cancel()
            self._deadline = None
        elif self._waits() and self._deadline is None:  # of a further request the first lines have begun
            self._deadline = self.loop.call_later(SLOWEST_HEAD, self._give_up)

    def _waits(self) -> bool:
        return self in self.connections and (self.cycle is None or self.cycle.response_complete)

    def _give_up(self) -> None:
        self._deadline = None
        if self._waits():
            self.transport.close()


def run(
    app: App,
    host: str = HERE,
    port: int = 0,
    token: str | None = None,
    *,
    proxied: bool = False,
    largest_message: int = LARGEST_MESSAGE,
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
        log_config=None,  # how things are logged is the process's own business
        log_level="error",
        lifespan="off",
        http=_Impatient,
        ws="websockets-sansio",
        ws_max_size=largest_message,  # of which a connection holds a few
        ws_per_message_deflate=not alone,  # on one machine packing takes longer than sending
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
            raise InputError("the page's server did not start; try another port (--port, port=)")
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
            f"cannot serve at {host} port {port}: {reason}; leave the port out (--port, port=) for a free one"
        ) from error
    listener.listen(128)
    return listener
