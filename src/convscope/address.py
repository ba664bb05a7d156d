"""The one idea: everything a person can point at has one text form.

    mixed4a            a layer
    mixed4a:42         a channel of it (a unit)
    mixed4a:42@3,5     one neuron: that channel at row 3, column 5
    boxes:4@1200       one number of a list of boxes or tokens: as many numbers as there are axes beside the channels
    prob:tabby         a class by its label (prob:281 by index)

The same text serves Python, the command line, file names, captions and caches. Layer names are the names the
network's own format uses, so they may themselves hold ``:``, ``@`` or ``/`` (``conv1@conv1`` is an earlier
version of the blob ``conv1`` that a later layer wrote over); a name the network has always wins over a split.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

from convscope.errors import UnknownLayer

_NEURON = re.compile(r"^(?P<rest>.+)@(?P<position>\d+(?:,\d+)*)$", re.DOTALL)
_LONGEST_NUMBER = 18


@dataclass(frozen=True)
class Address:
    """A layer, a channel of it, or one neuron of that channel.

    `channel` is an index, or the label of a class. `position` is (row, column) in the layer's own grid; where a value
    has another number of axes beside its channels, a number for each of them.

    >>> str(convscope.Address("mixed4a", 42, (3, 5)))
    'mixed4a:42@3,5'
    """

    layer: str
    channel: int | str | None = None
    position: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.position is not None and (not self.position or min(self.position) < 0):
            raise UnknownLayer(f"a position is (row, column), counted from 0; not {self.position}")

    def __str__(self) -> str:
        channel = "" if self.channel is None else f":{self.channel}"
        return f"{self.layer}{channel}{'' if self.position is None else position_text(self.position)}"


def position_text(position: Iterable[int]) -> str:
    """Return a position as addresses have it.

    >>> position_text((3, 5))
    '@3,5'
    """
    return f"@{','.join(map(str, position))}"


def parse_address(text: str, names: Container[str] = ()) -> Address:
    """Read an address; `names` are the layers the network has, which settles names that hold ``:`` or ``@``.

    >>> parse_address("mixed4a:42@3,5")
    Address(layer='mixed4a', channel=42, position=(3, 5))
    >>> parse_address("prob:tabby").channel
    'tabby'
    """
    if text in names:
        return Address(text)
    position = None
    if neuron := _NEURON.match(text):
        text, position = neuron["rest"], tuple(map(_number, neuron["position"].split(",")))
        if text in names:
            return Address(text, None, position)
    layer, colon, unit = text.rpartition(":")
    if not colon:
        layer, unit = text, ""
    elif ":" in layer and layer not in names:
        # A label may hold a colon too: take the longest prefix that is a layer.
        starts = [i for i, letter in enumerate(text) if letter == ":" and text[:i] in names]
        if starts:
            layer, unit = text[: starts[-1]], text[starts[-1] + 1 :]
    if not layer or (colon and not unit):
        raise UnknownLayer(
            f"{text!r} is not an address: write LAYER, LAYER:CHANNEL, LAYER:CHANNEL@ROW,COLUMN or LAYER:LABEL"
        )
    channel = _number(unit) if unit.isdecimal() else (unit or None)
    return Address(layer, channel, position)


def _number(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise UnknownLayer(f"no layer has as many channels, rows or columns as {digits[:_LONGEST_NUMBER]}…")
    return int(digits)
