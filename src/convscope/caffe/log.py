"""pycaffe's log and its stopwatch.

Caffe logs with glog; here it is Python's own logging, under the name ``caffe``.
"""

from __future__ import annotations

import logging
import sys
from time import perf_counter

_LOGGER = logging.getLogger("caffe")
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)  # glog's, from 0 on


def init_log(level: int = 0, stderr: bool = False) -> None:
    """Log what is at least of a level (0 tells all, 1 warnings, 2 errors); on standard error where asked."""
    _LOGGER.setLevel(_LEVELS[min(max(level, 0), len(_LEVELS) - 1)])
    if stderr and not _LOGGER.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname).1s%(asctime)s %(message)s", "%m%d %H:%M:%S"))
        _LOGGER.addHandler(handler)


def log(message: str) -> None:
    """Log a line at the lowest level."""
    _LOGGER.info("%s", message)


class Timer:
    """A stopwatch: `start`, `stop`, and `ms`, the milliseconds between the two.

    >>> timer = caffe.Timer()
    >>> timer.start(); net.forward(); timer.stop()
    >>> timer.ms
    12.8
    """

    def __init__(self) -> None:
        self._begun, self._ms = perf_counter(), 0.0

    def start(self) -> None:
        """Begin to measure."""
        self._begun = perf_counter()

    def stop(self) -> None:
        """Take the time since `start`."""
        self._ms = (perf_counter() - self._begun) * 1e3

    @property
    def ms(self) -> float:
        """Milliseconds."""
        return self._ms
