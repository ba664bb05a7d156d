"""Pictures on their way to the server: so many bytes at once, of all viewers together; the others wait unread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import BoundedSemaphore
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from convscope.network.engine.allocation import give_freed_memory_back
from convscope.web.guard import LARGEST_BODY

Answer = TypeVar("Answer")
MOST_ARRIVING = 4 * LARGEST_BODY
READ_AT_ONCE = 2  # pictures: a large one takes ten times its file's memory while it is read


class TooLarge(Exception):
    """More is sent than `LARGEST_BODY`; the message says so."""


class Arrivals:
    """Room for what is sent, and a turn for reading it.

    >>> async with arrivals.body(request) as body:
    ...     key = await arrivals.read(lambda: store.add(b"".join(body)))
    """

    def __init__(self) -> None:
        self._bytes = 0
        self._changed = asyncio.Condition()
        self._reading = BoundedSemaphore(READ_AT_ONCE)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[list[bytes]]:
        """Give what a request sends, in parts, once there is room for it, which it has until the block ends.

        TooLarge where it is more than `LARGEST_BODY`.
        """
        size = min(int(request.headers.get("content-length", LARGEST_BODY)), LARGEST_BODY)
        async with self._changed:
            await self._changed.wait_for(lambda: self._bytes + size <= MOST_ARRIVING)
            self._bytes += size
        try:
            yield await _parts(request)
        finally:
            async with self._changed:
                self._bytes -= size
                self._changed.notify_all()

    async def read(self, function: Callable[[], Answer]) -> Answer:
        """Call what reads a picture, in a thread, few at a time."""

        def in_turn() -> Answer:
            with self._reading:
                try:
                    return function()
                finally:
                    give_freed_memory_back()  # each thread would keep what a large one took

        return await asyncio.to_thread(in_turn)


async def _parts(request: Request) -> list[bytes]:
    parts, size = list[bytes](), 0
    with suppress(ClientDisconnect):
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > LARGEST_BODY:
                raise TooLarge(f"a picture of at most {LARGEST_BODY >> 20} MB")
    return parts
