"""Several attributions of one picture, shown together on one sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

from convscope.attribution.attribution import Attribution
from convscope.pictures.as_picture import AsPicture
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Attributions(AsPicture, Sequence[Attribution]):
    """A sequence of attributions; it can be saved and shown as the sheet of them all, too.

    Each is an `Attribution` with its own ``values``, ``map``, caption and recipe.

    >>> found = convscope.channel_gradients(network, "chelsea", "conv2", channels=36)
    >>> found.save("channels.png")
    >>> found[3].values.shape
    (80, 80, 3)
    >>> found[3].save("channel 3.png")
    """

    items: tuple[Attribution, ...]
    sheet: Picture
    recipe: Recipe | None = None

    @overload
    def __getitem__(self, index: int) -> Attribution: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Attribution]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return one attribution, or several as a tuple."""
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Attribution]:
        return iter(self.items)

    def picture(self) -> Picture:
        """Return the sheet of them all, with its caption and recipe."""
        return self._picture

    @cached_property
    def _picture(self) -> Picture:  # type: ignore[override]
        return replace(self.sheet, recipe=self.recipe)

    def __repr__(self) -> str:
        return f"Attributions({', '.join(str(one.target) for one in self.items)})"
