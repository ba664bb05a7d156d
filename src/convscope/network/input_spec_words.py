"""What is done to a picture before a network expects it, in words: a table with reasons, or one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from convscope.network.input_spec import InputSpec


def table(spec: InputSpec) -> str:
    """Return one line a field: its name, its value, where it was found."""
    rows = spec.rows()
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:<{first}}  {text:<{second}}  ({reason})" for name, text, reason in rows)


def line(spec: InputSpec) -> str:
    """Return the steps in order, and which parts of them are guesses."""
    guessed = f" (guessed: {', '.join(spec.guesses)})" if spec.guesses else ""
    return f"{_resize(spec)} {spec.size[0]} x {spec.size[1]}; {numbers(spec)}{guessed}"


def numbers(spec: InputSpec) -> str:
    """Return what becomes of a picture's numbers, in order."""
    parts = [_channels(spec), f"0..{spec.raw_scale:g}"]
    parts += [f"minus {_mean(spec.mean)}"] if np.size(spec.mean) else []
    parts += [f"times {_numbers(spec.input_scale)}"] if spec.input_scale != 1 else []
    return "; ".join(parts)


def values(spec: InputSpec) -> list[tuple[str, str]]:
    """Return (field, its value) for what is done to a picture, in order."""
    return [
        ("size", f"{spec.size[0]} x {spec.size[1]} (height x width)"),
        ("channel_order", _channels(spec)),
        ("layout", spec.layout),
        ("raw_scale", f"0..1 becomes 0..{spec.raw_scale:g}"),
        ("mean", _mean(spec.mean)),
        ("input_scale", _numbers(spec.input_scale)),
        ("resize", _resize(spec)),
        ("crops", {1: "1 (center)", 10: "10 (corners, center, mirrored)"}[spec.crops]),
    ]


def _channels(spec: InputSpec) -> str:
    return f"{spec.bands} bands" if spec.bands else spec.channel_order


def _resize(spec: InputSpec) -> str:
    if spec.transform is not None:
        return "as your transform does"
    how = {
        "direct": "direct to its size",
        "squash": f"squash to {spec.resize_size} x {spec.resize_size}, then crop",
        "shorter_side": f"shorter side to {spec.resize_size}, then crop",
    }[spec.resize]
    return f"{how}, bilinear {'with' if spec.antialias else 'without'} antialiasing"


def _mean(mean: tuple[float, ...] | NDArray[np.float32]) -> str:
    if not np.size(mean):
        return "none"
    if np.ndim(mean) == 1:
        return _numbers(tuple(mean))
    averages = _numbers(tuple(np.asarray(mean).mean(axis=(1, 2))))
    return f"a picture {' x '.join(map(str, np.shape(mean)))}, on average {averages}"


def _numbers(values: float | tuple[float, ...]) -> str:
    return f"{values:g}" if isinstance(values, (int, float)) else ", ".join(f"{value:g}" for value in values)
