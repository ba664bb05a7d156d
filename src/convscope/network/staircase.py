"""A border of what positions see: a whole number for every position, which grows by the same each period.

Behind an enlarging layer neighbors see steps of the smaller map before, not one pixel more each: 0, 0, 2, 2, 4, 4 ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

_LONGEST = 2**16  # positions until a border repeats; ratios of odd sizes multiply


@dataclass(frozen=True)
class Staircase:
    """Position ``i + len(values)`` sees `advance` pixels further than position i; ``values`` are the first ones."""

    values: tuple[int, ...]
    advance: int

    @property
    def slope(self) -> Fraction:
        """How much further the next position sees, on average."""
        return Fraction(self.advance, len(self.values))

    def __getitem__(self, at: int) -> int:
        periods, phase = divmod(at, len(self.values))
        return self.values[phase] + periods * self.advance

    def at_steps(self, stride: Fraction, place: Callable[[int], int]) -> Staircase | None:
        """Return the border of positions that see up to ``place(i)`` here, growing by `stride`; None: too long."""
        period = (stride / len(self.values)).denominator
        if period > _LONGEST:
            return None
        return Staircase(tuple(self[place(at)] for at in range(period)), int(stride * period * self.slope))


def outermost(borders: Sequence[Staircase], choose: Callable[[Sequence[int]], int]) -> Staircase:
    """Return the outermost of several borders at each position, by `choose`, which is min or max.

    Where one is the same everywhere, all are; of others that grow differently the steepest is moved to hold them all at
    the first position.
    """
    slopes = [border.slope for border in borders]
    slope = min(slopes) and max(slopes)
    period = lcm(*(len(border.values) for border in borders))
    if len(set(slopes)) == 1 and period <= _LONGEST:
        values = (choose([border[at] for border in borders]) for at in range(period))
        return Staircase(tuple(values), int(slope * period))
    base = borders[slopes.index(slope)]
    move = choose([border[0] for border in borders]) - base[0]
    return Staircase(tuple(value + move for value in base.values), base.advance)
