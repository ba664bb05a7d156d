"""Processes as an executor: what their deaths and their end cost."""

import os
import time
from concurrent.futures import BrokenExecutor

import pytest

from convscope.atlas.process_executor import process_executor
from convscope.errors import InputGuess, warn

pytestmark = pytest.mark.slow  # each process imports torch


def test_a_process_that_dies_fails_its_own_work_and_none_outlives_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with process_executor(2) as pool:
        death, others = pool.submit(os._exit, 3), [pool.submit(abs, -number) for number in range(7)]
        assert [one.result() for one in others] == list(range(7))
        with pytest.raises(BrokenExecutor):
            death.result()
        pool.submit(warn, "its input is a guess", InputGuess).result()
        processes = {pool.submit(os.getpid).result() for _ in range(4)} - {os.getpid()}
        asleep = [pool.submit(time.sleep, 3600) for _ in range(5)]
    assert processes
    assert "is a guess" not in capfd.readouterr().err  # the process that opened the network first says it
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert all(one.cancelled() or isinstance(one.exception(), BrokenExecutor) for one in asleep)
