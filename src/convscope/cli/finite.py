"""A range of numbers, all of them finite."""

from __future__ import annotations

from math import isfinite
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """Click's, without NaN and infinity: NaN is in every range of click's, for it is neither below nor above it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; BadParameter where it is none, outside of the range or not finite."""
        number = float(super().convert(value, param, ctx))
        if not isfinite(number):
            upwards = f"{'above' if self.min_open else 'from'} {self.min:g}" if self.min is not None else ""
            to = f" to {self.max:g}" if self.max is not None else ""
            self.fail(f"{value} is not a finite number {upwards}{to}", param, ctx)
        return number
