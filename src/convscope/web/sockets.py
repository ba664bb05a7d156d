"""The page's two sockets: long jobs, whose previews come back, and frames, each answered before the next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from threading import BoundedSemaphore, Event
from typing import Any

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from convscope.errors import ConvscopeError
from convscope.web.frames import photograph_of
from convscope.web.messages import packed
from convscope.web.renderings import JOBS, STOPPED, Message, Messages
from convscope.web.session import Session
from convscope.web.worker import Job, TooBusy

VIEWER = "convscope_viewer"  # a cookie
MOST_JOBS_OF_A_PAGE = 4
MOST_UNREAD = 256  # messages, and no further order is taken
MOST_WAITING = 32  # previews on their way to a page that reads slowly


async def jobs(session: Session, socket: WebSocket) -> None:
    """Run the jobs of one page: ``{"start": {"id", "kind", ...}}``, ``{"cancel": id}``; messages come back.

    ``{"stop": id}`` ends a dream or a style with the picture as it is.
    """
    await socket.accept()
    desk = _Desk(session, asyncio.get_running_loop(), viewer_of(socket))
    sender = asyncio.create_task(desk.send_to(socket))
    try:
        while True:
            await desk.is_read()
            order = json.loads(await socket.receive_text())
            if "cancel" in order:
                desk.cancel(str(order["cancel"]))
            elif "stop" in order:
                desk.stop(str(order["stop"]))
            elif "start" in order:
                desk.start(dict(order["start"]))
    except (WebSocketDisconnect, RuntimeError, ValueError, TypeError, KeyError):
        pass  # the page is closed, or is none of ours
    finally:
        desk.cancel_all()
        sender.cancel()


class _Desk:
    """The jobs of one page, and what is on its way to it. A page that reads slowly misses previews, never a result."""

    def __init__(self, session: Session, loop: asyncio.AbstractEventLoop, viewer: str) -> None:
        self._session, self._loop, self._viewer = session, loop, viewer
        self._running: dict[str, Job[Message | None]] = {}
        self._stopped: dict[str, Event] = {}
        self._outbox: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        # Taken by the worker itself: the queue's own length lags behind what the worker has given to the loop.
        self._room = BoundedSemaphore(MOST_WAITING)
        self._read = asyncio.Event()

    async def is_read(self) -> None:
        """Return once the page has read what it was told: one that only gives orders would fill the memory."""
        while self._outbox.qsize() > MOST_UNREAD:
            self._read.clear()
            await self._read.wait()

    async def send_to(self, socket: WebSocket) -> None:
        while True:
            message, is_preview = await self._outbox.get()
            await socket.send_bytes(message)
            self._read.set()
            if is_preview:
                self._room.release()

    def start(self, wanted: dict[str, Any]) -> None:
        name, kind = str(wanted.get("id")), JOBS.get(str(wanted.get("kind")))
        if self._session.permissions.read_only:
            self._put({"job": name, "kind": "error", "error": "this page only shows: nothing is made here"})
        elif kind is None:
            self._put(
                {"job": name, "kind": "error", "error": f"there is no such job; possible: {', '.join(JOBS)}"}
            )
        elif name in self._running:
            self._put({"job": name, "kind": "error", "error": "a job of that name runs already"})
        elif len(self._running) >= MOST_JOBS_OF_A_PAGE:
            self._put(
                {
                    "job": name,
                    "kind": "error",
                    "error": f"{MOST_JOBS_OF_A_PAGE} jobs of yours run: stop one first",
                }
            )
        else:
            self._running[name] = self._job(name, kind, wanted)
            try:
                self._session.worker.start(self._running[name])
            except TooBusy as error:
                self._end(name, error)

    def _job(self, name: str, kind: Callable[..., Messages], wanted: dict[str, Any]) -> Job[Message | None]:
        session, stopped = self._session, Event()
        self._stopped[name] = stopped

        def begin() -> Messages:
            network = session.with_units(wanted.get("units") or {})
            return kind(network, session.pictures, {**wanted, STOPPED: stopped.is_set})

        def on_step(message: Message | None) -> None:
            if name not in self._running:
                return  # cancelled
            if message is None:
                return
            is_preview = not message[0].get("final")
            if not is_preview or self._room.acquire(blocking=False):
                self._from_worker(self._put, {"job": name, **message[0]}, message[1], is_preview)

        return Job(begin, on_step, partial(self._from_worker, self._end, name), self._viewer)

    def cancel(self, name: str) -> None:
        """End a job at once: what its step of this moment still makes is nobody's."""
        if job := self._running.get(name):
            job.cancel()
            self._end(name, None)

    def stop(self, name: str) -> None:
        if name in self._stopped:
            self._stopped[name].set()

    def cancel_all(self) -> None:
        for job in self._running.values():
            job.cancel()

    def _end(self, name: str, error: Exception | None) -> None:
        if self._running.pop(name, None) is None:
            return  # it was cancelled, and that was said
        self._stopped.pop(name, None)
        words = {"kind": "end"} if error is None else {"kind": "error", "error": in_words(error)}
        self._put({"job": name, **words})

    def _put(self, header: Mapping[str, Any], body: bytes = b"", is_preview: bool = False) -> None:
        self._outbox.put_nowait((packed(header, body), is_preview))

    def _from_worker(self, function: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(function, *arguments)


async def live(session: Session, socket: WebSocket) -> None:
    """Answer camera frames: text says what to look at (``layer``, ``unit``, ``view``, ``units``), bytes are a frame.

    The text says what the frame's bytes are, too (`photograph_of`). One answer a frame, a grid with what the network
    says of it; the page sends the next frame after it.
    """
    await socket.accept()
    viewer, wanted = f"live {id(socket)}", dict[str, Any]()
    with suppress(WebSocketDisconnect, RuntimeError):
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            try:
                if message.get("text"):
                    wanted = dict(json.loads(message["text"]))
                    continue
                frame = await asyncio.to_thread(photograph_of, message["bytes"], wanted)
                answer = await asyncio.wrap_future(
                    session.worker.ask(viewer, partial(session.frame, frame, wanted))
                )
            except (ConvscopeError, TooBusy, KeyError, ValueError, TypeError) as error:
                answer = packed({"error": in_words(error)})
            await socket.send_bytes(answer)


def viewer_of(connection: HTTPConnection) -> str:
    """Return who asks: a browser, by its cookie, or a machine."""
    return connection.cookies.get(VIEWER) or (connection.client.host if connection.client else "")


def in_words(error: BaseException) -> str:
    """Return an error as a sentence for a viewer."""
    if isinstance(error, (ConvscopeError, TooBusy)):
        return str(error)
    return f"this went wrong inside convscope, which should not be: {type(error).__name__}: {error}"
