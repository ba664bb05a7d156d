"""What a network's code decides by a size while it is traced, ``if x.shape[2] > 20``: noted, and checked elsewhere.

A trace is what the code did at one size. Where it would decide otherwise at another, the network is another one.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

_HOME = str(Path(__file__).parents[1])
_SKIPPED = (str(Path(torch.__file__).parent), __file__, str(Path(__file__).with_name("sizes.py")))


@dataclass(frozen=True)
class Decision:
    """One comparison of a number made of sizes: ``symbol`` of two expressions, and what came out.

    `step` is how many steps the trace had then; `place` the line of code, where it is known.
    """

    symbol: str
    left: Any
    right: Any
    outcome: bool
    step: int
    place: str

    @property
    def terms(self) -> tuple[str, Any, Any]:
        """What was compared, and how."""
        return self.symbol, self.left, self.right


@dataclass
class Decisions:
    """What a trace decided by sizes; `leaks` are the expressions that became numbers whose origin is not known."""

    steps: Sequence[Any] = ()
    made: list[Decision] = field(default_factory=list)
    leaks: list[Any] = field(default_factory=list)


_NOTED: ContextVar[Decisions | None] = ContextVar("decisions", default=None)


@contextmanager
def noted_in(decisions: Decisions) -> Iterator[None]:
    """Note there what is decided by sizes."""
    token = _NOTED.set(decisions)
    try:
        yield
    finally:
        _NOTED.reset(token)


def note_comparison(symbol: str, left: Any, right: Any, outcome: bool) -> None:
    """Note a comparison of two expressions, where decisions are noted."""
    if (decisions := _NOTED.get()) is not None and left != right:
        decisions.made.append(Decision(symbol, left, right, outcome, len(decisions.steps), _place()))


def note_leak(expression: Any) -> None:
    """Note that a size became a plain number, where decisions are noted."""
    if (decisions := _NOTED.get()) is not None:
        decisions.leaks.append(expression)


def _place() -> str:
    """Return the line of the network's code that runs, ``net.py, line 12: if h.shape[2] > 20:``."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_SKIPPED):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    if file.startswith(_HOME):  # a program that is followed, which has no lines
        return ""
    text = linecache.getline(file, number).strip()
    return f"{Path(file).name}, line {number}" + (f": {shorten(text, 90)}" if text else "")
