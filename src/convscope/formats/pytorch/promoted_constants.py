"""Constants that a module writes into with what depends on its input, ``grid[:] = x``: values from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from convscope.errors import UnsupportedLayer
from convscope.formats.pytorch.coding import coded_subscript
from convscope.formats.pytorch.constants import constant_step, places_in
from convscope.formats.pytorch.twins import Twins
from convscope.formats.pytorch.values import Values, memory_of


@dataclass
class PromotedConstants:
    """The constants of a trace that became values, by their memory."""

    values: Values
    twins: Twins
    _wholes: dict[int, Tensor] = field(default_factory=dict)

    def promote(self, written: Sequence[Tensor], kept: UnsupportedLayer | None = None) -> None:
        """A constant that is about to be written into with what depends on the input is a value from now on.

        Raises `kept`, where it is given, for a part of what torch keeps to itself.
        """
        for constant in self.twins.leaves(written):
            whole = constant if constant._base is None else constant._base
            if constant not in self.values and whole not in self.values:
                if (
                    whole not in self.twins
                    and whole.nbytes < whole.untyped_storage().nbytes()
                    and kept is not None
                ):
                    raise kept
                self.values.hold(whole, self.values.add(constant_step(whole))[0])
                self._wholes[memory_of(whole)] = whole
        self.look_again(written)

    def look_again(self, arguments: Any) -> None:
        """What shows the memory of a constant that is a value now is one too."""
        if not self._wholes:
            return
        for leaf in self.twins.leaves(arguments):
            whole = None if leaf.is_meta or leaf in self.values else self._wholes.get(memory_of(leaf))
            if whole is not None:
                step = coded_subscript(self.values, whole, places_in(whole, leaf) or (...,))
                if step is not None:
                    self.values.hold_view(leaf, self.values.add(step)[0], whole, (step, 0))
