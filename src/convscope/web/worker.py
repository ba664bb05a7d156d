"""The one thread that runs the network: questions first, each viewer in turn; of long jobs a step at a time.

Where questions never end, as those of cameras, jobs get a quarter of the time.
"""

from __future__ import annotations

import atexit
import gc
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic
from typing import Any, Generic, TypeVar

from convscope.network.engine.allocation import give_freed_memory_back

Answer = TypeVar("Answer")
MOST_WAITING = 32  # questions of one viewer: a browser that asks for more has a fault, or is no browser
MOST_AT_WORK = 16  # jobs, of which each holds memory: further ones begin as others end
MOST_JOBS = 96  # a class of twenty, and some of what one page may ask for at once
MOST_JOBS_EACH = 12  # of one viewer, in several windows
PATIENCE = 3.0  # a job's step is due once questions took so many times as long as the step before
SHORTEST_STEP = 0.1  # seconds, as which a shorter one counts: what a key asks is answered first
REST = 10.0  # seconds without work, after which what was freed is given back: up to half a gigabyte is kept for more


class TooBusy(Exception):
    """A viewer has asked for more than is fair; the message says what to do."""


class Job(Generic[Answer]):
    """Long work of a `viewer`: `begin` gives its steps, `on_step` is told each, `on_end` once, with what went wrong.

    All three are called from the worker's thread; without an error `on_end` is told None.
    """

    def __init__(
        self,
        begin: Callable[[], Iterator[Answer]],
        on_step: Callable[[Answer], None],
        on_end: Callable[[Exception | None], None],
        viewer: str = "",
    ) -> None:
        self.viewer = viewer
        self._begin, self._on_step, self._on_end = begin, on_step, on_end
        self._steps: Iterator[Answer] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Take no further step; the one that runs at this moment ends first."""
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        """Whether it takes no further step."""
        return self._cancelled

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
        self._jobs: deque[Job[Any]] = deque()  # at work
        self._later_jobs: deque[Job[Any]] = deque()
        self._asked = self._stepped = 0.0  # seconds: of questions while a job waits, and of its last step
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
            viewers = [one.viewer for one in (*self._jobs, *self._later_jobs) if not one.cancelled]
            if (own := viewers.count(job.viewer)) >= MOST_JOBS_EACH:
                raise TooBusy(f"{own} jobs of yours run or wait: stop one first")
            if len(viewers) >= MOST_JOBS:
                raise TooBusy(f"{len(viewers)} jobs run or wait: try again later")
            self._later_jobs.append(job)
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
        for job in (*self._jobs, *self._later_jobs):
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
                job = self._next_job() if self._asked > PATIENCE * max(self._stepped, SHORTEST_STEP) else None
                question = None if job else self._next_question()
                spare, self._spare = (None, self._spare) if job or question else (self._spare, None)
                job = job if job or question or spare else self._next_job()
            rests, began = not works, monotonic()
            if rests:
                gc.collect()  # what a job leaves refers to itself, and holds tensors until Python looks for that
                give_freed_memory_back()
            elif question:
                _answer(*question)
                self._asked = self._asked + monotonic() - began if self._jobs or self._later_jobs else 0.0
            elif spare:
                with suppress(Exception):  # nobody asked: who does is told
                    spare()
            elif job:
                if not job.advance():
                    with self._changed:
                        self._jobs.remove(job)
                    give_freed_memory_back()  # every kind of job leaves holes of its own: an hour doubled the memory
                self._asked, self._stepped = 0.0, monotonic() - began
            del question, spare, job  # while it waits nothing of them is held

    def _is_wanted(self) -> bool:
        jobs = self._jobs or self._later_jobs
        return bool(self._ended or jobs or self._spare or any(self._questions.values()))

    def _next_job(self) -> Job[Any] | None:
        """Return the job whose turn it is, after those that wait have begun where there is room; None without any."""
        waiting, self._later_jobs = self._later_jobs, deque()
        for job in waiting:
            begins = job.cancelled or len(self._jobs) < MOST_AT_WORK  # a cancelled one has its end to tell
            (self._jobs if begins else self._later_jobs).append(job)
        self._jobs.rotate(-1)
        return self._jobs[-1] if self._jobs else None

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
