"""When a long job shows how far it is."""

from __future__ import annotations

from math import inf
from time import monotonic

BETWEEN_PREVIEWS = 0.5  # seconds


class Pace:
    """Says after each step whether it is shown: the first one, and then one every half second at the latest.

    A step that takes as long as the one before it would end later than that: then this one is shown.

    >>> pace = Pace()
    >>> pace.is_due()
    True
    """

    def __init__(self) -> None:
        self._shown, self._step_before = -inf, inf

    def is_due(self) -> bool:
        """Tell whether the step that has just ended is shown."""
        now = monotonic()
        step = max(0.0, now - self._step_before)
        self._step_before = now
        if now + step <= self._shown + BETWEEN_PREVIEWS:
            return False
        self._shown = now
        return True
