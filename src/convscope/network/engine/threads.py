"""On how many threads to compute: beside other work several are slower than one, for each waits for the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.nn.functional import conv2d

MOST_THREADS = 1024
_ROUNDS = 3


@contextmanager
def computing_on(threads: int) -> Iterator[None]:
    """Compute on so many threads in this block, then on as many as before: another number rounds otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def faster_threads(clock: Callable[[], float] = time.perf_counter) -> int:
    """Return 1, or torch's own number of threads where that many are faster now: measured, some 20 ms.

    What is timed is a convolution as large as those in the middle of a classic. Each number is tried in turn, and its
    best time counts. Where both take as long it is one, which takes less from whatever else runs.
    """
    several = torch.get_num_threads()
    if several == 1:
        return 1
    maps, filters = torch.ones(1, 64, 56, 56), torch.ones(64, 64, 3, 3)
    times: dict[int, list[float]] = {1: [], several: []}
    for _ in range(_ROUNDS):
        for threads, taken in times.items():
            with computing_on(threads), torch.no_grad():
                start = clock()
                conv2d(maps, filters, padding=1)
                taken.append(clock() - start)
    return several if min(times[several]) < 0.9 * min(times[1]) else 1
