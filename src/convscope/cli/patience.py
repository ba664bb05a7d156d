"""Ctrl-C while a library computes: Python hears of it when the library comes back, which may be in hours.

A network may ask for one step of 10^13 multiplications. The system tells a thread here of the key at once, and where
Python has not heard of it after a while of computing, the process is ended by that thread.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_WATCHED: list[socket.socket] = []  # what the system tells of keys, one in a process
_SECONDS, _PROCESSOR_SECONDS = 0.8, 0.8  # both, so that a busy machine ends nothing that would soon be back


@contextmanager
def patience(heard: Callable[[], bool], end: Callable[[], None]) -> Iterator[None]:
    """Call `end`, in another thread, where Ctrl-C was pressed in this block and is not `heard` of while it computes."""
    told, tells = socket.socketpair()
    tells.setblocking(False)
    before = signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
    _WATCHED.append(tells)
    over = threading.Event()

    def watch() -> None:
        with told:
            while not over.is_set():
                if signal.SIGINT in told.recv(1) and _in_vain(heard, over):
                    end()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        _WATCHED.remove(tells)
        over.set()
        with tells, suppress(OSError):
            tells.send(b"\0")


def _in_vain(heard: Callable[[], bool], over: threading.Event) -> bool:
    """Wait until the key was heard of, or the block left; true where it was computed on for too long before that."""
    until, at_most = time.monotonic() + _SECONDS, time.process_time() + _PROCESSOR_SECONDS
    while time.monotonic() < until or time.process_time() < at_most:
        if heard() or over.wait(0.05):
            return False
    return not heard()


def _forget_in_a_child() -> None:
    """Let a forked process tell its parent of no keys of its own."""
    if _WATCHED:
        with suppress(ValueError):
            signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_a_child)
