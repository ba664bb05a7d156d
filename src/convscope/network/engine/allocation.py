"""Memory that was freed is kept for the next run, instead of being given back and asked for again page by page.

A forward pass makes and frees the same tensors every time. With the C library's defaults the large ones go back to
the system at once, and the next pass waits for it to hand out and clear each page: a third of the time on CaffeNet.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

KEPT_BYTES = 512 * 2**20
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc refuses more


@cache
def keep_freed_memory() -> bool:
    """Let this process keep up to half a gigabyte of freed memory; whether that could be arranged.

    It is for the whole process, and for glibc (Linux) alone. Whoever set the allocator up themselves, by
    ``MALLOC_TRIM_THRESHOLD_`` or ``MALLOC_MMAP_THRESHOLD_`` in the environment, keeps their settings.
    """
    if {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}.intersection(os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD) and mallopt(_TRIM_THRESHOLD, KEPT_BYTES))


def give_freed_memory_back() -> None:
    """Give what was freed back to the system, holes between what is still held included; for glibc (Linux) alone.

    Between the windows of a large picture that costs little beside them. Without it the holes that one leaves, into
    which the tensors of the next fit badly, add up to half as much memory again.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
