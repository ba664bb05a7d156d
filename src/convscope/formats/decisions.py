"""What a network's code decides by a size while it is traced, ``if x.shape[2] > 20``: noted, and checked elsewhere.

A trace is what the code did at one size. Where it would decide otherwise at another, the network is another one. A
number that was made of sizes and that no comparison, operation or other number reads went where nobody sees it,
``heads[x.shape[2] // 64]``: that is a decision, too.
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
_SIZES = (Path(__file__).with_name("sizes.py"), Path(__file__).with_name("pytorch") / "sized_names.py")
_SKIPPED = (str(Path(torch.__file__).parent), __file__, *map(str, _SIZES))


@dataclass(frozen=True)
class Decision:
    """One comparison of a number made of sizes: ``symbol`` of two expressions, and what came out; or a number so made.

    `step` is how many steps the trace had then; `place` the line of code, where it is known.
    """

    symbol: str
    left: Any
    right: Any
    outcome: Any
    step: int
    place: str

    @property
    def terms(self) -> tuple[str, Any, Any]:
        """What was compared, and how."""
        return self.symbol, self.left, self.right


@dataclass
class Decisions:
    """What a trace decided by sizes, in order."""

    steps: Sequence[Any] = ()
    _noted: list[Decision] = field(default_factory=list)
    _unread: dict[int, tuple[Any, int]] = field(
        default_factory=dict
    )  # by the expression's id: it, and its place
    _handed: dict[int, Any] = field(default_factory=dict)

    @property
    def made(self) -> list[Decision]:
        """The comparisons, and the numbers that nothing was seen to read."""
        vanished = {place for _, place in self._unread.values()}
        comparing = (isinstance(decision.outcome, bool) for decision in self._noted)
        return [
            decision
            for place, (decision, compares) in enumerate(zip(self._noted, comparing, strict=True))
            if compares or place in vanished
        ]

    @property
    def unseen(self) -> list[Any]:
        """The sizes that code got and nothing was seen to read.

        Python's own arithmetic does so, ``100.0 > x.shape[2]`` or ``math.gcd(x.shape[2], 64)``.
        """
        return list(self._handed.values())

    def hand(self, expression: Any) -> None:
        """Note that the network's code gets a size."""
        self._handed[id(expression)] = expression

    def note(self, terms: tuple[str, Any, Any], outcome: Any) -> None:
        """Note a comparison, or a number; what it is made of is read now."""
        for expression in terms[1:]:
            self.read(expression)
        if not isinstance(outcome, bool):
            self._unread[id(terms)] = terms, len(self._noted)
        self._noted.append(Decision(*terms, outcome, len(self.steps), _place()))

    def read(self, expression: Any) -> None:
        """Note that a number was seen to be read."""
        self._unread.pop(id(expression), None)
        self._handed.pop(id(expression), None)


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
    if (decisions := _NOTED.get()) is None:
        return
    if left != right:
        decisions.note((symbol, left, right), outcome)
    decisions.read(left)
    decisions.read(right)


def note_number(expression: Any, number: Any) -> None:
    """Note a number that was made of sizes, where decisions are noted."""
    if (decisions := _NOTED.get()) is not None:
        decisions.note(expression, number)


def note_handed(expression: Any) -> None:
    """Note that the network's code gets a size, where decisions are noted."""
    if (decisions := _NOTED.get()) is not None:
        decisions.hand(expression)


def note_read(expression: Any) -> None:
    """Note that what reads a number made of sizes knows its origin: it is right at other sizes, too."""
    if (decisions := _NOTED.get()) is not None:
        decisions.read(expression)


def note_leak(expression: Any, number: Any) -> None:
    """Note that a size became a plain number, whose origin is not known from there on."""
    if (decisions := _NOTED.get()) is not None:
        decisions.read(expression)
        decisions.note(("+", expression, 0), number)


def _place() -> str:
    """Return the line of the network's code that runs, ``net.py, line 12: if h.shape[2] > 20:``."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_SKIPPED):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    if file.startswith(_HOME):  # a program that is followed, which has no lines
        return ""
    text = linecache.getline(file, number).strip()
    return f"{Path(file).name}, line {number}" + (f": {shorten(text, 90)}" if text else "")
