"""The one thread that runs the network: questions first, each viewer in turn; of long jobs a step at a time."""

from __future__ import annotations

import atexit
import gc
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

from convscope.network.engine.allocation import give_freed_memory_back

Answer = TypeVar("Answer")
MOST_WAITING = 32  # questions of one viewer: a browser that asks for more has a fault, or is no browser
MOST_JOBS = 16
REST = 10.0  # seconds without work, after which what was freed is given back: up to half a gigabyte is kept for more


class TooBusy(Exception):
    """A viewer has asked for more than is fair; the message says what to do."""


class Job(Generic[Answer]):
    """Long work: `begin` gives its steps, `on_step` is told each, `on_end` once, with what went wrong or None.

    All three are called from the worker's thread.
    """

    def __init__(
        self,
        begin: Callable[[], Iterator[Answer]],
        on_step: Callable[[Answer], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self._begin, self._on_step, self._on_end = begin, on_step, on_end
        self._steps: Iterator[Answer] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Take no further step; the one that runs at this moment ends first."""
        self._cancelled = True

    def advance(self) -> bool:
        """Take one step; False once there is none."""
        try:
            if self._cancelled:
                self._close()
                self._on_end(None)
                return False
            if self._steps is None:
                self._steps = self._begin()
            self._on_step(next(self._steps))
        except StopIteration:
            self._on_end(None)
            return False
        except Exception as error:  # whatever it is, it is this job's end and its viewer's to read
            self._on_end(error)
            return False
        return True

    def _close(self) -> None:
        """Close a generator: it keeps its state on disk as it ends."""
        if isinstance(self._steps, Generator):
            self._steps.close()


class Worker:
    """A thread that owns a network: `ask` it a question, or `start` a job.

    >>> worker = Worker()
    >>> worker.ask("me", lambda: network.predict("cat.jpg", top=1)).result()
    [('tiger cat', 0.375...)]
    """

    def __init__(self) -> None:
        self._questions: OrderedDict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()
        self._jobs: deque[Job[Any]] = deque()
        self._spare: Callable[[], object] | None = None
        self._changed = Condition()
        self._ended = False
        self._thread = Thread(target=self._run, name="convscope-worker", daemon=True)
        self._thread.start()
        atexit.register(self._leave)

    def ask(self, viewer: str, question: Callable[[], Answer]) -> Future[Answer]:
        """Return the future answer to a question; TooBusy where this viewer has too many waiting."""
        future: Future[Answer] = Future()
        with self._changed:
            if self._ended:
                raise TooBusy("the page is ending")
            waiting = self._questions.setdefault(viewer, deque())
            live = sum(not one.cancelled() for one, _ in waiting)
            if live >= MOST_WAITING:
                raise TooBusy(f"{live} questions of yours are waiting: wait for an answer before the next")
            waiting.append((future, question))
            self._changed.notify()
        return future

    def later(self, work: Callable[[], object]) -> None:
        """Do something once no question waits, in place of what was to be done so before: it may be left out."""
        with self._changed:
            self._spare = work
            self._changed.notify()

    def start(self, job: Job[Any]) -> None:
        """Run a job, a step at a time in turn with the others; TooBusy where there are too many."""
        with self._changed:
            if len(self._jobs) >= MOST_JOBS:
                raise TooBusy(f"{len(self._jobs)} jobs are running: stop one, or try again later")
            self._jobs.append(job)
            self._changed.notify()

    def end(self) -> None:
        """Stop after the step that runs now; jobs keep their state, and whoever waits is told."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(timeout=10)
        if not self._thread.is_alive():
            atexit.unregister(self._leave)
        while question := self._next_question():
            if question[0].set_running_or_notify_cancel():  # else nobody waits for it any more
                question[0].set_exception(TooBusy("the page is ending"))
        for job in self._jobs:
            job.cancel()
            with suppress(Exception):
                job.advance()

    def _leave(self) -> None:
        """Let the step end before Python does, which would abort with torch in it; a second Ctrl-C is quicker."""
        with suppress(KeyboardInterrupt):
            self.end()
            self._thread.join()

    def _run(self) -> None:
        rests = True
        while True:
            with self._changed:
                works = self._changed.wait_for(self._is_wanted, None if rests else REST)
                if self._ended:
                    return
                question = self._next_question()
                spare, self._spare = (self._spare, None) if question is None else (None, self._spare)
                job = self._jobs.popleft() if works and not question and not spare else None
            rests = not works
            if rests:
                gc.collect()  # what a job leaves refers to itself, and holds tensors until Python looks for that
                give_freed_memory_back()
            elif question:
                _answer(*question)
            elif spare:
                with suppress(Exception):  # nobody asked: who does is told
                    spare()
            elif job and job.advance():
                with self._changed:
                    self._jobs.append(job)
            elif job:  # every kind of job leaves holes of its own: an hour of them doubled the memory
                del job
                give_freed_memory_back()

    def _is_wanted(self) -> bool:
        return bool(self._ended or self._jobs or self._spare or any(self._questions.values()))

    def _next_question(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """Return the oldest question of the viewer who has waited longest, who is the last to be next again."""
        for viewer in list(self._questions):
            waiting = self._questions.pop(viewer)
            if waiting:
                question = waiting.popleft()
                if waiting:
                    self._questions[viewer] = waiting
                return question
        return None


def _answer(future: Future[Any], question: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(question())
    except Exception as error:
        future.set_exception(error)
