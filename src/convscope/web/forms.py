"""What viewers may set of a dream or a style: the numbers and the switches of its options, by name, in a modest range.

Nothing else: an option that holds a picture (`guide`, `start`, `mask`) could name any file of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from convscope.errors import InputError

_KINDS = {
    "int | None": "whole",
    "float | None": "number",
    "bool": "switch",
    "int": "whole",
    "bool | None": "switch",
}
# What a slider goes from and to, and its step; a field's number may be another. The seed has none: any is as good.
RANGES = {
    "size": (64, 1024, 16),
    "steps": (1, 200, 1),
    "octaves": (1, 8, 1),
    "octave_scale": (1.05, 2.0, 0.05),
    "jitter": (0, 64, 1),
    "zoom": (0, 8, 1),
    "style_weight": (0.0, 20.0, 0.5),
    "content_weight": (0.0, 20.0, 0.5),
    "smoothness_weight": (0.0, 5.0, 0.1),
    "style_scale": (0.25, 2.0, 0.05),
    "coarsest": (16, 512, 16),
}
_COUNTED = ("size", "steps")  # whose limits are the page's own
_BEYOND = 4  # times the slider's end: the most that a field takes
_NOT_IN_FORMS = ("tile", "stop_after", "bits", "preset", "keep_colors_of")


def form_of(options: type[Any]) -> list[dict[str, Any]]:
    """Return the fields of an options dataclass that a form can hold: numbers, with a slider's range, and switches."""
    return [
        {"name": one.name, "kind": kind, "default": one.default, "range": RANGES.get(one.name)}
        for one in fields(options)
        if (kind := _KINDS.get(str(one.type))) and one.name not in _NOT_IN_FORMS
    ]


def viewers_options(options: type[Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a viewer asks for in the form of these options, and the preset; InputError for anything else.

    >>> viewers_options(DreamOptions, {"preset": "eyes", "steps": 20})
    {'preset': 'eyes', 'steps': 20}
    >>> viewers_options(DreamOptions, {"guide": "/home/ada/letter.png"})
    InputError: the page sets preset, size, …, not guide: use the command
    """
    kinds = {one["name"]: one["kind"] for one in form_of(options)}
    for name, value in wanted.items():
        if name == "preset":
            if not isinstance(value, str):
                raise InputError(f"a preset has a name, not {value!r}")
        elif name not in kinds:
            raise InputError(f"the page sets {', '.join(('preset', *kinds))}, not {name}: use the command")
        elif value is not None and kinds[name] != "switch":
            _require_modest(name, value)
    return dict(wanted)


def _require_modest(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{name} is a number, not {value!r}")
    if name in RANGES and name not in _COUNTED and not abs(value) <= _BEYOND * RANGES[name][1]:
        raise InputError(f"the page takes a {name} of at most {_BEYOND * RANGES[name][1]}, not {value}")
