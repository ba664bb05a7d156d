"""The thread that owns the network: every viewer in turn, jobs a step at a time, and what is too much refused."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from threading import Event, Thread

import pytest

from convscope.web.worker import MOST_AT_WORK, MOST_JOBS, MOST_JOBS_EACH, MOST_WAITING, Job, TooBusy, Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.end()


def held(worker: Worker) -> Event:
    """Keep the worker busy until the event is set."""
    free, begun = Event(), Event()

    def wait() -> None:
        begun.set()
        free.wait(60)

    worker.ask("first", wait)
    begun.wait(60)
    return free


def test_viewers_take_turns(worker: Worker) -> None:
    free, order = held(worker), list[str]()
    answers: list[Future[None]] = [
        worker.ask(viewer, lambda name=f"{viewer}{index}": order.append(name))  # type: ignore[misc]
        for viewer in ("a", "b", "c")
        for index in range(3)
    ]
    free.set()
    for answer in answers:
        answer.result(60)
    assert order == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_what_nobody_waits_for_is_done_when_no_question_is_left_and_may_fail(worker: Worker) -> None:
    free, order = held(worker), list[str]()
    for name in ("left out", "spare"):  # the last one alone
        worker.later(lambda name=name: (order.append(name), 1 / 0))  # type: ignore[misc]
    answers = [worker.ask("a", lambda index=index: order.append(f"a{index}")) for index in range(2)]  # type: ignore[misc]
    free.set()
    for answer in answers:
        answer.result(60)
    assert worker.ask("b", lambda: None).result(60) is None
    until_spare = time.monotonic() + 60
    while "spare" not in order:
        assert time.monotonic() < until_spare
    assert order == ["a0", "a1", "spare"]
    assert worker.ask("b", lambda: "alive").result(60) == "alive"


def test_what_was_freed_is_given_back_once_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back = Event()
    monkeypatch.setattr("convscope.web.worker.give_freed_memory_back", given_back.set)
    monkeypatch.setattr("convscope.web.worker.REST", 0.0)
    worker = Worker()
    assert worker.ask("me", lambda: 42).result(60) == 42
    assert given_back.wait(60)
    assert worker.ask("me", lambda: 43).result(60) == 43  # and it works on
    worker.end()


def test_a_question_does_not_wait_for_the_end_of_a_job(worker: Worker) -> None:
    steps, ended, asked = list[int](), Event(), Event()

    def long() -> Iterator[int]:
        for step in range(1000):
            if step == 2:
                asked.wait(60)
            yield step

    worker.start(Job(long, steps.append, lambda error: ended.set()))
    answer = worker.ask("me", lambda: len(steps))
    asked.set()
    assert answer.result(60) < 1000
    assert ended.wait(60)
    assert steps == list(range(1000))


def test_jobs_go_on_under_questions_that_never_end(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cameras always have a frame that waits: what a unit wants to see was made once they were closed."""
    monkeypatch.setattr("convscope.web.worker.SHORTEST_STEP", 0.0)
    steps, asked, told = list[int](), list[None](), Event()

    def frame() -> None:  # the next one is there before this one is answered
        if not told.is_set():
            asked.append(None)
            worker.ask("camera", frame)
            time.sleep(0.001)

    free = held(worker)
    worker.ask("camera", frame)
    worker.start(Job(lambda: iter(range(5)), steps.append, lambda error: told.set()))
    free.set()
    assert told.wait(300)
    assert steps == list(range(5)) and len(asked) >= 5


def test_a_class_has_a_job_each_and_no_viewer_all_of_them(worker: Worker) -> None:
    """The seventeenth viewer of twenty was refused: a unit's picture begins by itself on each page."""
    free, ended = held(worker), list[str]()
    begun, at_work, most = Counter[str](), set[object](), list[int]()

    def job(name: str) -> Job[int]:
        def steps() -> Iterator[int]:
            begun[name] += 1
            at_work.add(me := object())
            most.append(len(at_work))
            yield from range(3)
            at_work.remove(me)

        return Job(steps, lambda step: None, lambda error: ended.append(name), name)

    class_ = [job(f"viewer {index}") for index in range(20)]
    greedy = [job("greedy") for _ in range(MOST_JOBS_EACH)]
    for one in (*class_, *greedy):
        worker.start(one)
    with pytest.raises(TooBusy, match="jobs of yours"):
        worker.start(job("greedy"))
    for one in greedy[1:]:
        one.cancel()
    worker.start(job("greedy"))  # those that are cancelled count no more, though they wait
    with pytest.raises(TooBusy, match="try again later"):
        for index in range(MOST_JOBS):
            worker.start(job(f"another {index}"))
    free.set()
    while len(ended) < MOST_JOBS + len(greedy) - 1:
        worker.ask("me", lambda: None).result(60)
    assert {f"viewer {index}" for index in range(20)} <= set(ended)
    assert begun["greedy"] == 2 and max(most) == MOST_AT_WORK


def test_the_end_tells_who_waits_and_leaves_out_who_has_gone() -> None:
    worker = Worker()
    free = held(worker)
    gone, waits = worker.ask("gone", int), worker.ask("waits", int)
    gone.cancel()
    ending = Thread(target=worker.end)
    ending.start()
    with pytest.raises(TooBusy, match="ending"):
        while True:  # until the end has begun
            worker.ask("late", int).cancel()
            time.sleep(0.001)
    free.set()
    ending.join(10)
    assert not ending.is_alive()
    with pytest.raises(TooBusy, match="ending"):
        waits.result(60)


def test_a_cancelled_job_closes_its_generator_and_ends_once(worker: Worker) -> None:
    closed, ends = Event(), list[Exception | None]()
    begun = Event()

    def long() -> Iterator[int]:
        try:
            while True:
                begun.set()
                yield 1
        finally:
            closed.set()

    job = Job(long, lambda step: None, ends.append)
    worker.start(job)
    begun.wait(60)
    job.cancel()
    assert closed.wait(60)
    worker.ask("me", lambda: None).result(60)
    assert ends == [None]


def test_what_goes_wrong_is_told_and_stops_nobody_else(worker: Worker) -> None:
    ends = list[Exception | None]()

    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("by zero")

    worker.start(Job(broken, lambda step: None, ends.append))
    with pytest.raises(KeyError):
        worker.ask("me", lambda: {}["missing"]).result(60)
    while not ends:
        worker.ask("me", lambda: None).result(60)
    assert isinstance(ends[0], ZeroDivisionError)
    assert worker.ask("me", lambda: 42).result(60) == 42


def test_one_viewer_cannot_fill_the_line(worker: Worker) -> None:
    free = held(worker)
    for _ in range(MOST_WAITING):
        worker.ask("greedy", lambda: None)
    with pytest.raises(TooBusy, match="wait for an answer"):
        worker.ask("greedy", lambda: None)
    other = worker.ask("modest", lambda: 7)
    free.set()
    assert other.result(60) == 7


def test_whoever_waits_when_it_ends_is_told(worker: Worker) -> None:
    free = held(worker)
    waiting = worker.ask("second", lambda: "never")
    ending = Thread(target=worker.end)
    ending.start()
    while not worker._ended:
        time.sleep(0.01)
    free.set()
    ending.join(10)
    with pytest.raises(TooBusy, match="is ending"):
        waiting.result(60)
    with pytest.raises(TooBusy, match="is ending"):
        worker.ask("third", lambda: "never")


def test_python_may_end_while_the_network_runs() -> None:
    """Without waiting for the step, C++ ended the process: "terminate called without an active exception"."""
    script = (
        "import torch; from convscope.web.worker import Worker; from threading import Event\n"
        "square, begun = torch.rand(600, 600), Event()\n"
        "def work():\n"
        "    begun.set()\n"
        "    for _ in range(400): square @ square\n"
        "    print('the step is done', flush=True)\n"
        "Worker().ask('me', work); begun.wait()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the step is done\n", "")
