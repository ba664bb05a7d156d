"""What a method found: a number for each pixel or position, what it is of, and the picture that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.argument_errors import arguments_in_words
from convscope.attribution.panels import PANELS, PanelOptions, picture_of
from convscope.attribution.target import AttributionTarget
from convscope.attribution.target_check import require_finite_map
from convscope.pictures.as_picture import AsPicture
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import Recipe
from convscope.presentation.style import ThemeName


@dataclass(frozen=True, eq=False)
class Attribution(AsPicture):
    """Where the evidence for an answer lies, in numbers; it can be saved and shown as the picture of them, too.

    - ``target`` is what was explained; ``values`` the numbers as the method made them: (height, width, channels) in the
      input's size, colors in the order red, green, blue; of a class activation map, the layer's rows and columns; of a
      signal (positions, channels), of a volume (slices, rows, columns, channels);
    - ``map`` is one number a pixel, (height, width) of the input; of a signal one a position. A ``signed`` one speaks
      for the answer where it is positive, against it where it is negative; else it is 0 or more;
    - ``method`` is the method's name, ``how`` says how the numbers were made, ``notes`` what was measured of them, and
      ``caution`` what is known of such maps; ``lit`` is the words below the panel "overlay";
    - ``adds_up_to`` is what the values promise to add up to, where they do;
    - ``high`` is the number that is shown brightest; by default a percentile of the map's.

    >>> found = convscope.grad_cam(network, "coffee", "espresso")
    >>> found.values.shape, found.map.shape
    ((5, 5), (80, 80))
    >>> found.save("espresso.png")
    """

    target: AttributionTarget
    method: str
    map: NDArray[np.float64]
    values: NDArray[np.float64]
    how: str
    caution: str
    signed: bool = False
    lit: str = "what it depends on"
    notes: tuple[str, ...] = ()
    panels: Sequence[str] = PANELS
    high: float | None = None
    adds_up_to: float | None = None
    options: PanelOptions = field(default_factory=PanelOptions)
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        require_finite_map(self.target, self.method, self.map)

    @arguments_in_words
    def picture(
        self,
        panels: Sequence[str] | None = None,
        percentile: float | None = None,
        theme: ThemeName | None = None,
    ) -> Picture:
        """Return the panels beside each other, with the words for all of it: of picture, map, colors, overlay, heat.

        Values beyond the `percentile` are clipped; `theme` is "light" or "dark".

        >>> convscope.grad_cam(network, "coffee").picture(panels=["picture", "overlay"]).save("two.png")
        PosixPath('two.png')
        """
        if panels is None and percentile is None and theme is None:
            return self._picture
        keywords: dict[str, Any] = {"panels": panels, "percentile": percentile, "theme": theme}
        changes = {name: value for name, value in keywords.items() if value is not None}
        recipe = self.recipe and replace(self.recipe, arguments={**self.recipe.arguments, **changes})
        return replace(self, options=replace(self.options, **changes), recipe=recipe)._picture

    @cached_property
    def _picture(self) -> Picture:  # type: ignore[override]
        from convscope.attribution.worth import worth_in_words  # it measures attributions

        picture, worth = picture_of(self), worth_in_words(self)
        caption = f"{picture.caption} {worth}." if worth else picture.caption
        return replace(picture, caption=caption, recipe=self.recipe)

    def __repr__(self) -> str:
        return (
            f"Attribution({self.method!r} of {self.target}, values {self.values.shape}, map {self.map.shape})"
        )
