"""Whether contributions add up: what the pixels are given against the difference between two answers.

Sundararajan et al., *Axiomatic attribution for deep networks* (2017), call it completeness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from convscope.attribution.attribution import Attribution
from convscope.attribution.target import AttributionTarget

ERROR = 0.01  # of the difference between the two answers
LARGE = 0.05  # from here on the picture itself is not to be relied on


@dataclass(frozen=True, eq=False)
class Contributions:
    """Contributions in the input's shape, and the answers ``before`` (to nothing) and ``after`` (to the picture)."""

    values: Tensor
    before: float
    after: float

    @property
    def error(self) -> float:
        """How far they are from adding up to the difference of the answers, as a share of it."""
        missing = float(self.values.double().sum()) - (self.after - self.before)
        return abs(missing) / max(abs(self.after - self.before), 1e-6 * abs(self.after), 1e-12)

    @property
    def words(self) -> str:
        """Say how nearly they add up, and not to rely on them where they do not."""
        large = ", a large error: do not rely on details" if self.error > LARGE else ""
        return f"The contributions add up to the difference but for {100 * self.error:.2g} %{large}"

    def attribution(self, target: AttributionTarget, method: str, how: str, caution: str) -> Attribution:
        """Return them as an Attribution that adds up to the difference."""
        whole = signed_attribution(target, self.values, method, how, caution)
        return replace(whole, adds_up_to=self.after - self.before)


def signed_attribution(
    target: AttributionTarget, values: Tensor, method: str, how: str, caution: str
) -> Attribution:
    """Return the Attribution of numbers in the input's shape that speak for the answer, or against it."""
    pixels = target.pixels(values)
    return Attribution(
        target, method, pixels.sum(-1), pixels, how, caution, signed=True, lit="what speaks for it"
    )
