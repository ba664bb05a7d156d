"""A trace that has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from convscope.formats.decisions import Decisions
from convscope.formats.pytorch.naming import Names
from convscope.formats.pytorch.values import TraceStep
from convscope.formats.sizes import Axis
from convscope.network.cut import CutLayer
from convscope.network.parameters import Shape


@dataclass(frozen=True)
class Traced:
    """The steps of a trace, what everything is called, and the values that came out, by their places.

    `cut` are the modules that were not followed to their end, where the trace had to stop. `decisions` are what the
    code decided by sizes, `measured` the sizes that it read; `autocast` the precision that it asked torch for, if any.
    """

    inputs: Mapping[str, Shape]
    steps: Sequence[TraceStep]
    names: Names
    outputs: Mapping[str, int]
    cut: Mapping[str, CutLayer] = field(default_factory=dict)
    decisions: Decisions = field(default_factory=Decisions)
    measured: Mapping[Axis, int] = field(default_factory=dict)
    autocast: torch.dtype | None = None
