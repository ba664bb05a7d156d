"""How many numbers a file may make of its own: a few bytes can ask for more than any machine holds."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convscope.errors import NetworkFileError
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Shape

LEAST_BUDGET = 24 * 2**20
"""So many numbers any file may make of its own (100 MB), however small it is."""
_TIMES_STORED = 8  # a file with weights may make so many times as many
_LEAST_WORK = 2**34  # multiply-adds, a second or two
_WORK_STORED = (
    4096  # for each number that the file holds: factors of weights are multiplied, as large as they may be
)
_FEW_AXES = 64


@dataclass
class FoldingBudget:
    """How many numbers may still be made of those that a network's file holds; one for the whole network.

    And by how many multiply-adds.
    """

    numbers: float = LEAST_BUDGET
    work: float = _LEAST_WORK

    @classmethod
    def of_stored(cls, count: int) -> FoldingBudget:
        """Return the budget of a file that holds so many numbers."""
        budget = cls()
        budget.add_stored(count)
        return budget

    def add_stored(self, count: int) -> None:
        """Allow for numbers that the file holds."""
        self.numbers += _TIMES_STORED * count
        self.work += _WORK_STORED * count

    def spend(self, name: str, shape: Shape) -> None:
        """Take what a node makes off; NetworkFileError where that is more than is left."""
        if len(shape) > _FEW_AXES:
            raise NetworkFileError(f"node {name!r} makes {len(shape)} axes, more than any network has")
        self.numbers -= prod(map(float, shape))
        if self.numbers < 0:
            raise NetworkFileError(
                f"node {name!r} makes {dimensions(shape)} of the file's own numbers, more than such a small file "
                "deserves: store them in the file instead"
            )

    def spend_work(self, name: str, multiply_adds: float) -> None:
        """Take the work of a node off; NetworkFileError where that is more than is left."""
        self.work -= multiply_adds
        if self.work < 0:
            raise NetworkFileError(
                f"node {name!r} takes {multiply_adds:,.0f} multiply-adds of the file's own numbers, more than such a "
                "small file deserves: store what it makes in the file instead"
            )
