"""What is done to a picture before a network expects it, in words: a table with reasons, or one line."""

from __future__ import annotations

import math
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
    parts = _steps(spec)
    return "; ".join(text for name, text in parts.items() if text and (name != "mean" or np.size(spec.mean)))


def _steps(spec: InputSpec) -> dict[str, str]:
    """Return field to what it does to a picture's numbers; nothing for a scale of 1."""
    return {
        "channel_order": _channels(spec),
        "raw_scale": f"0..{spec.raw_scale:g}",
        "mean": f"minus {_mean(spec.mean)}" if np.size(spec.mean) else "no mean",
        "input_scale": f"times {_numbers(spec.input_scale)}" if spec.input_scale != 1 else "",
    }


def note(spec: InputSpec) -> str | None:
    """Return what is guessed of a picture's size and numbers, and how to say it; None where no guess counts."""
    steps = {"size": f"{spec.size[0]} x {spec.size[1]}", **_steps(spec)}
    guessed = {name: text for name, text in steps.items() if text and name in spec.guesses}
    if not guessed.keys() - ({"channel_order"} if spec.channel_order == "GRAY" else set()):
        return None
    arguments = [_ARGUMENTS.get(name, name) for name in guessed]
    options = _listed([f"--{name.replace('_', '-')}" for name in arguments])
    in_python = _listed([f"{name}=" for name in arguments])
    known = any(name not in spec.guesses for name, text in _steps(spec).items() if text)
    begun = "how a picture becomes its input is guessed in part" if known else f"{_NOTHING}; guessed"
    say = "say" if arguments[1:] else "says"
    return f"{begun}: {'; '.join(guessed.values())} ({options} {say} it, {in_python} in Python)"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


_NOTHING = "nothing says how a picture becomes its input"
_ARGUMENTS = {"size": "input_shape"}
_NAMES_ELSEWHERE = {
    "input_size": "size",
    "image_size": "size",
    "img_size": "size",
    "color_order": "channel_order",
}


def own_name(name: str, value: object) -> str:
    """Return what to say of a setting that other libraries have under another name; nothing for an unknown one.

    >>> own_name("std", (0.5, 0.25))
    ' It divides, and input_scale multiplies: input_scale=(2, 4), 1 / std.'
    """
    if name in _NAMES_ELSEWHERE:
        return f" Here it is {_NAMES_ELSEWHERE[name]!r}."
    if name not in ("std", "stdev", "deviation", "image_std"):
        return ""
    try:
        divisors = np.ravel(np.asarray(value, np.float64)).tolist()  # None is NaN
    except (TypeError, ValueError):
        divisors = []
    usable = divisors and all(0 < abs(number) < math.inf for number in divisors)
    scale = f"input_scale=({', '.join(f'{1 / number:.6g}' for number in divisors)}), " if usable else ""
    return f" It divides, and input_scale multiplies: {scale}1 / {name}."


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
