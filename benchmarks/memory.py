"""How much memory this process holds, and how much more some work takes; in bytes, on Linux.

It needs nothing but the standard library: the owner of a format may live in an interpreter without convscope.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path

PROCESS = Path("/proc/self")


def resident() -> int:
    """Return the bytes this process holds."""
    return int((PROCESS / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(work: Callable[[], object]) -> int:
    """Return how many bytes more than now this process holds at its highest while the work is done."""
    # What was freed and not given back would be taken again unseen: with glibc it can be hundreds of megabytes.
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", lambda kept: None)(0)
    before = resident()
    (PROCESS / "clear_refs").write_text("5")  # Linux counts the highest resident set anew
    kept = work()
    found = _highest() - before
    del kept
    return found


def _highest() -> int:
    lines = (PROCESS / "status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
