"""How often something may be done: a slip of the keyboard would never end."""

from __future__ import annotations

from convscope.errors import InputError

MOST = 1_000_000  # hundreds of times what any paper takes
_NAMES = frozenset({"steps", "first_steps", "max_steps", "samples", "maps", "iterations", "trials", "grids"})


def require_an_end(name: str, value: object, function: str = "") -> None:
    """InputError where `value` is how often something would be done, and more than anyone can wait for."""
    if name in _NAMES and isinstance(value, int | float) and value > MOST:
        number = str(value) if value < 1e15 or value == float("inf") else f"{value:.4g}"
        prefix = f"{function}: " if function else ""
        raise InputError(f"{prefix}{name} is {number}, not a whole number of at most {MOST:,}")
