"""How much each unit of a layer matters: what is lost where it answers 0, for a class of one picture or over many.

Only the network behind the layer runs again, many units at a time, and exactly: as if a hook wrote the zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import sqrt
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.address import Address
from convscope.attribution.ablation_cam import losses
from convscope.attribution.target import AttributionTarget, TargetLike, TargetTerm, best_class, target_of
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.errors import InputError, PictureError, UnknownLayer, warn
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.picture_list import is_list, list_pictures
from convscope.network.given_input import center_input
from convscope.network.labels import find_label
from convscope.network.network import Network
from convscope.pictures.as_picture import AsPicture
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import recipe_function
from convscope.presentation.bar_charts import effect_chart
from convscope.presentation.style import ThemeName
from convscope.presentation.wording import title_of
from convscope.progress import Watch, bars, watching

_Make: TypeAlias = "partial[TargetAtLayer]"


@dataclass(frozen=True)
class _Wording:
    """What is measured: in a sentence, and in a title."""

    words: str
    title: str

    @classmethod
    def of(cls, target: AttributionTarget) -> _Wording:
        return cls(target.words, target.title.partition(" · ")[0])


@dataclass(frozen=True, eq=False)
class Importance(AsPicture):
    """What is lost without each unit of a layer, one left out at a time; it can be saved and shown as a chart.

    - ``effects`` is what is lost, (units,), a mean over the pictures, and ``intervals`` half its 95 % interval;
    - ``measured`` says of what: a class's score, or the share of pictures that are named rightly, and ``whole`` is
      that number while every unit answers;
    - ``count`` is how many pictures were measured; ``complete`` is false where it was interrupted.

    >>> found = convscope.importance(network, "mixed5b", "coffee", "espresso")
    >>> found.strongest(3)
    """

    network: Network
    layer: str
    measured: str
    whole: float
    effects: NDArray[np.float64]
    intervals: NDArray[np.float64]
    count: int
    complete: bool = True
    top: int = 16
    theme: ThemeName = "light"
    bare: bool = False
    title: str = ""
    name: str = ""
    recipe: Recipe | None = None

    def strongest(self, top: int | None = None) -> list[tuple[str, float]]:
        """Return the units whose absence changes most, as (address, what is lost), the strongest first."""
        order = np.argsort(-np.abs(self.effects), kind="stable")[: self.top if top is None else top]
        return [(f"{self.layer}:{unit}", float(self.effects[unit])) for unit in order]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        names = ("layer", "measured", "whole", "count", "complete")
        numbers = {"effects": self.effects.tolist(), "intervals": self.intervals.tolist()}
        strongest = [{"unit": unit, "effect": effect} for unit, effect in self.strongest()]
        return {**{name: getattr(self, name) for name in names}, "strongest": strongest, **numbers}

    def __str__(self) -> str:
        lines = [f"without it, {self.measured} loses (of {self.whole:.4g} in all)"]
        for address, effect in self.strongest():
            interval = self.intervals[int(address.rpartition(":")[2])]
            lines.append(f"{address:32}{effect:+10.4g}" + (f" ± {interval:.2g}" if self.count > 1 else ""))
        return "\n".join(lines)

    @cached_property
    def _picture(self) -> Picture:  # type: ignore[override]
        rows = [
            (unit, effect, float(self.intervals[int(unit.rpartition(":")[2])]))
            for unit, effect in self.strongest()
        ]
        title = "" if self.bare else title_of(self.title, self.network, self.name)
        measured = f"what {self.measured}, {self.whole:.4g}, loses where this unit alone answers 0"
        chart = effect_chart(rows, measured=measured, title=title, theme=self.theme)
        return replace(chart, caption=self._caption, recipe=self.recipe)

    @property
    def _caption(self) -> str:
        nonzero, shown = int((self.effects != 0).sum()), min(self.top, len(self.effects))
        over = f"; a mean over {self.count:,} pictures, with its 95 % interval" if self.count > 1 else ""
        interrupted = "" if self.complete else " It was interrupted."
        return (
            f"What {self.measured} loses ({self.whole:.4g} in all) where a unit of {self.layer} answers 0 everywhere, "
            f"one at a time{over}: the {shown} that change most of {len(self.effects):,}, of which {nonzero:,} change "
            f"anything. Red: it is less without the unit, blue: more.{interrupted} Units that can stand in for each "
            "other each seem worth little."
        )


@recipe_function("importance")
def importance(
    network: Network,
    layer: str,
    pictures: Any,
    target: TargetLike = None,
    *,
    top: int = 16,
    theme: ThemeName = "light",
    bare: bool = False,
    watch: Watch | None = None,
    progress: bool = True,
) -> Importance:
    """Show how much each unit of a layer matters: what is lost where it alone answers 0.

    `pictures` are one or many, whose answer the units of `layer` are left out of in turn. Of one picture, what the
    `target` loses (the score of the most probable class by default; see `saliency`). Of many, a folder, an archive,
    a .csv list or a list, the mean of what the target loses; without a target the share of pictures that are named
    rightly, where folders or a column name their classes, else of those that are named as before. The `top` units
    are drawn. `watch` is told how many pictures are done; Ctrl-C ends it with what there is.

    >>> convscope.importance(network, "mixed5b", "coffee", "espresso").save("importance.png")

    InputError for a layer without channels, or one that the target does not depend on.
    """
    if top < 1:
        raise InputError(f"top is how many units are drawn, at least 1; not {top}")
    layer = _checked(network, layer)
    many = is_list(pictures)
    name = "" if many else str(getattr(pictures, "name", "" if isinstance(pictures, Tensor) else pictures))
    what, makes = (_many if many else _one)(network, layer, pictures, target)
    measurements: list[tuple[float, NDArray[np.float64]]] = []
    complete = True
    with bars(progress), watching(watch, "picture") as tell, bars(not many):
        try:
            for done, make in enumerate(makes, 1):
                if place := _place_or_none(make, keeps_on=done < len(makes) or bool(measurements)):
                    measurements.append((place.score, losses(place).double().cpu().numpy()))
                tell(done, len(makes))
        except KeyboardInterrupt:
            if not measurements:
                raise
            complete = False
    changes = np.stack([one for _, one in measurements])
    error = changes.std(0, ddof=1) / sqrt(len(changes)) if len(changes) > 1 else np.zeros(changes.shape[1])
    whole = float(np.mean([score for score, _ in measurements]))
    return Importance(
        network,
        layer,
        what.words,
        whole,
        changes.mean(0),
        1.96 * error,
        len(changes),
        complete,
        top,
        theme,
        bare,
        what.title,
        Path(name).name,
    )


class TopClassAtLayer(TargetAtLayer):
    """Whether a picture is named as its class, 1 or 0, seen from a layer before: the target is that class."""

    def _channels_of(self, layer: str) -> list[int]:
        return []  # every class is computed, as any may win

    @cached_property
    def is_affine(self) -> bool:
        """False: which class wins is no sum."""
        return False

    @cached_property
    def score(self) -> float:
        """1 where the picture is named as its class while every unit answers."""
        with torch.no_grad():
            return float(self.number(self.tail.answer))

    def number(self, answers: Tensor) -> Tensor:
        """Return 1 for each of a batch of the layer's answers where the class wins, else 0."""
        return self._named(self.tail.run(answers))

    def number_from(self, value: str, answers: Tensor) -> Tensor:
        """Return the same for answers of a value behind the layer."""
        return self._named(self.tail.run_from(value, answers))

    def _named(self, values: dict[str, Tensor]) -> Tensor:
        (answer,) = values.values()
        means = answer.flatten(2).mean(2) if answer.dim() > 2 else answer
        right = torch.eq(means.argmax(1), int(self.target.address.channel or 0))
        return right.to(means.dtype)


def _one(network: Network, layer: str, picture: Any, target: TargetLike) -> tuple[_Wording, list[_Make]]:
    explained = target_of(network, picture, target)
    return _Wording.of(explained), [partial(_place, TargetAtLayer, explained, layer)]


def _many(network: Network, layer: str, pictures: Any, target: TargetLike) -> tuple[_Wording, list[_Make]]:
    listed = list_pictures(map(_input, pictures) if isinstance(pictures, (list, tuple)) else pictures)
    if target is not None:
        first = _Wording.of(target_of(network, listed[0].read(), target))
        return first, [partial(_of_target, network, layer, one, target) for one in listed]
    if not network.class_values:
        raise InputError(f"{network.name or 'this network'} names no classes: say a target, as conv1:3")
    how, numbers = "rightly", _classes(network, listed)
    if numbers is None:
        how, numbers = "as before", [None] * len(listed)
    makes = [
        partial(_named, network, layer, one, number) for one, number in zip(listed, numbers, strict=True)
    ]
    return _Wording(f"the share of pictures that are named {how}", f"named {how}"), makes


def _place_or_none(make: _Make, keeps_on: bool) -> TargetAtLayer | None:
    """Return a picture's place; None, with a warning, for one that cannot be read among others."""
    try:
        return make()
    except PictureError as error:
        if not keeps_on:
            raise
        warn(f"left out: {error}")
        return None


def _input(picture: Any) -> Any:
    """Return an input tensor as one of a list of pictures."""
    tensor = isinstance(picture, Tensor)
    return ListedPicture("input", "input", 0, 0, read=lambda: picture) if tensor else picture


def _of_target(network: Network, layer: str, picture: ListedPicture, target: TargetLike) -> TargetAtLayer:
    return _place(TargetAtLayer, target_of(network, picture.read(), target), layer)


def _place(kind: type[TargetAtLayer], target: AttributionTarget, layer: str) -> TargetAtLayer:
    if layer in target.layers:
        raise InputError(f"{layer!r} is what is explained: choose a layer before it")
    return kind(target, layer)


def _named(network: Network, layer: str, picture: ListedPicture, number: int | None) -> TargetAtLayer:
    pixels = picture.read()
    input = center_input(network, pixels)
    best, answers = (number, {}) if number is not None else best_class(network, input)
    explained = AttributionTarget(network, input, (TargetTerm(Address(network.class_scores, best)),), answers)
    return _place(TopClassAtLayer, explained, layer)


def _classes(network: Network, listed: Sequence[ListedPicture]) -> list[int | None] | None:
    """Return the class of each picture; None where the folders are no classes of the network."""
    names = {one.label for one in listed}
    if None in names:
        return None
    try:
        classes = {name: find_label(network.labels or (), str(name)) for name in names}
    except UnknownLayer:
        return None
    return [classes[one.label] for one in listed]


def _checked(network: Network, layer: str) -> str:
    address = network.resolve(layer)
    if address.channel is not None:
        raise InputError(
            f"{layer!r} is a unit: name its layer, {address.layer!r}, of which each is left out in turn"
        )
    return address.layer
