"""Processes of this machine as an executor: one that dies takes no other's shard with it, and none outlives its end."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import torch

from convscope.errors import ConvscopeWarning

_Result = TypeVar("_Result")


@contextmanager
def process_executor(count: int) -> Iterator[Executor]:
    """Yield an executor of `count` processes that compute on one thread each.

    A process that dies fails what it was at, with `BrokenExecutor`, and is replaced. At the end of the context, as by
    Ctrl-C, or where this process is killed, they stop at once, whatever they are at.
    """
    executor = _Processes(count)
    try:
        yield executor
    finally:
        executor.shutdown()


class _Processes(Executor):
    """A pool for each process: a `ProcessPoolExecutor` ends all of its own when one dies."""

    def __init__(self, count: int) -> None:
        """Prepare `count` processes, which start with their first work."""
        self._ended, self._open = Pipe(duplex=False)
        self._threads = ThreadPoolExecutor(count)
        self._idle = SimpleQueue[ProcessPoolExecutor]()
        for _ in range(count):
            self._idle.put(self._process())

    def submit(self, function: Callable[..., _Result], /, *args: Any, **options: Any) -> Future[_Result]:
        """Give work to the next process that is idle."""
        return self._threads.submit(self._work, function, *args, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End the processes, in the middle of their work if need be."""
        self._open.close()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        while not self._idle.empty():
            self._idle.get().shutdown(wait)
        self._ended.close()

    def _work(self, function: Callable[..., _Result], /, *args: Any, **options: Any) -> _Result:
        process = self._idle.get()
        try:
            return process.submit(function, *args, **options).result()
        except BrokenExecutor:
            process.shutdown()
            process = self._process()
            raise
        finally:
            self._idle.put(process)

    def _process(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=(self._ended,))


def _begin(ended: Connection) -> None:
    """Prepare a process: the pipe says when the other one has ended it, or is gone; Ctrl-C is the other one's.

    What is to be known of a network has been said where it was opened first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore", ConvscopeWarning)
    torch.set_num_threads(1)
    Thread(target=_exit_with, args=(ended,), daemon=True).start()


def _exit_with(ended: Connection) -> None:
    ended.poll(None)
    os._exit(1)
