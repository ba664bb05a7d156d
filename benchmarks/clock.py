"""The seconds a benchmark counts: on one thread the processor's, which other programs spoil less; else the clock's."""

from __future__ import annotations

from time import perf_counter, process_time

import torch


def seconds() -> float:
    """Return a time whose differences count."""
    return process_time() if torch.get_num_threads() == 1 else perf_counter()
