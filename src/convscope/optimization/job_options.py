"""What dreams and styles have in common: the options of a picture that is worked on step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict, TypeVar

from convscope.errors import InputError
from convscope.pictures.options import updated

_Options = TypeVar("_Options", bound="JobOptions")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The options that dreams and styles share. None leaves a setting to the preset.

    - ``preset``: its name.
    - ``size``: the longer side in pixels; by default the picture's own, at most what the preset takes.
    - ``keep_colors``: only brightness changes.
    - ``steps``: steps at each size; ``rate``: how far each goes, in the preset's values.
    - ``fast``: compute in half precision (bfloat16), less exact.
    - ``tile``: compute in windows of about so many pixels, with the same result.
    - ``stop_after``: take the picture as it is after so many steps, over all sizes.
    - ``bits``: bits a channel of the picture, 8 or 16; by default those of the picture it is made from. Only a PNG
      keeps 16.
    - ``seed``: another seed, another picture.
    """

    what: ClassVar[str] = "a picture"
    preset: str = "default"
    size: int | None = None
    keep_colors: bool = False
    steps: int | None = None
    rate: float | None = None
    fast: bool = False
    tile: int | None = None
    stop_after: int | None = None
    bits: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.stop_after is not None and self.stop_after < 1:
            raise InputError(f"stop_after is a step from 1 on, not {self.stop_after}")
        if self.bits not in (None, 8, 16):
            raise InputError(f"bits, how many a channel has, is 8 or 16, not {self.bits!r}")

    def updated(self: _Options, keywords: Mapping[str, Any]) -> _Options:
        """Return the options with keywords changed; InputError with the closest name for one that is none."""
        return updated(self, keywords, self.what)


class JobKeywords(TypedDict, total=False):
    """The fields of `JobOptions` as keywords; ``changes`` is some of them in one mapping."""

    preset: str
    size: int | None
    keep_colors: bool
    steps: int | None
    rate: float | None
    fast: bool
    tile: int | None
    stop_after: int | None
    bits: int | None
    seed: int
    changes: Mapping[str, Any] | None


def require_reasonable(rate: float, reach: float, usual: float) -> None:
    """InputError for a rate that goes nowhere, or past all pictures: beyond `reach`, from black to white, in one step.

    Of steps that have the rate's length whatever the gradient's. Out there a network answers nothing, and has no
    gradient that would lead back.
    """
    if rate <= 0:
        raise InputError(f"rate is a number above 0, not {rate:g}: the preset's is {usual:g}")
    if rate > reach:
        raise InputError(
            f"a step of rate {rate:g} goes past all pictures, whose values reach {reach:g} from black to white: use a "
            f"smaller rate (the preset's is {usual:g})"
        )
