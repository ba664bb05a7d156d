"""Several targets, or several methods, in one figure and on one scale: what they share, and what each map is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from convscope.address import Address
from convscope.attribution.attribution import Attribution
from convscope.attribution.attributions import Attributions
from convscope.attribution.measures import CELLS, cell_losses, single_deletion
from convscope.attribution.panels import (
    PERCENTILE,
    LookOptions,
    PanelOptions,
    brightness,
    glowing,
    scale_in_words,
    scaled_map,
)
from convscope.attribution.registry import method_named
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.attribution.trust import blob, signed_map
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.panels import Panel, panels
from convscope.presentation.style import ThemeName
from convscope.presentation.title import with_title
from convscope.presentation.wording import title_of
from convscope.progress import bars, progress_bar

METHODS = ("grad_cam", "occlusion", "relevance", "integrated_gradients")
_CLASSES = 3  # the most probable ones, where no target is given


@recipe_function("compare_methods")
def compare_methods(
    network: Network,
    picture: Any,
    targets: Sequence[TargetLike] | None = None,
    *,
    methods: Sequence[str] = METHODS,
    percentile: float = PERCENTILE,
    theme: ThemeName = "light",
    bare: bool = False,
    progress: bool = True,
) -> Picture:
    """Show several methods' maps of several targets: methods in rows, targets in columns, glowing on the picture.

    A row has one scale, so a class that is not there stays dark. Below each map stands what it is worth on this
    picture: its single deletion, how its order of the picture's parts goes with what is lost without each (1 is best,
    about 0 says nothing). `targets` are as in `saliency`, the three most probable classes by default; `methods` are
    names in `METHODS`.

    InputError where no method is named, or one that there is not; UnknownLayer for such a target.

    >>> convscope.compare_methods(network, "coffee", ["espresso", "monarch"]).save("compared.png")
    """
    LookOptions(percentile=percentile, theme=theme)  # says now what it cannot be
    entries = [method_named(name) for name in methods]
    if not entries:
        raise InputError("there is no method to compare: name at least one")
    explained = _targets(network, picture, targets)
    with bars(progress):
        losses_of_cells = [cell_losses(target) for target in explained]
        rows = [
            [method.function(network, target.input, target) for target in explained]
            for method in progress_bar(iterable=entries, unit="method")
        ]
    tiles: list[Panel] = []
    for row in rows:
        high = max(float(np.percentile(one.map, percentile)) for one in row) or max(
            float(one.map.max()) for one in row
        )
        for attribution, losses in zip(row, losses_of_cells, strict=True):
            worth = single_deletion(signed_map(attribution), losses)
            words = f"{attribution.method} · {_short(attribution)} · {worth:.2f}"
            tiles.append(
                Panel(glowing(attribution, high), words, smooth=True, address=str(attribution.target))
            )
    controls = np.mean(
        [single_deletion(blob(target), one) for target, one in zip(explained, losses_of_cells, strict=True)]
    )
    title = f"Numbers: worth, 1 is best, a blob {controls:.2f}"
    figure = with_title(
        panels(tiles, columns=len(explained), theme=theme),
        "" if bare else title_of(title, network, explained[0].picture_name),
        theme,
    )
    return replace(figure, caption=_caption(explained, rows, float(controls), percentile))


@recipe_function("compare_targets")
def compare_targets(
    network: Network,
    picture: Any,
    targets: Sequence[TargetLike] | None = None,
    method: str = "grad_cam",
    *,
    options: Mapping[str, Any] | None = None,
    percentile: float = PERCENTILE,
    theme: ThemeName = "light",
    bare: bool = False,
    progress: bool = True,
) -> Attributions:
    """Show one method's maps of several targets on one scale, side by side; below each map, it glows on the picture.

    What is bright for one is as much for every other, so that a class with little evidence stays dark. `targets` are as
    in `saliency`, the three most probable classes by default; `method` is a name in `METHODS`, and `options` are its
    own.

    InputError for a method that there is not; UnknownLayer for such a target.

    >>> convscope.compare_targets(network, "coffee", ["espresso", "monarch"]).save("two.png")
    >>> maps = convscope.compare_targets(network, "coffee", None, "layer_cam", options={"layer": "mixed4c"})
    >>> len(maps), maps[1].map.shape
    (3, (80, 80))
    """
    entry = method_named(method)
    explained = _targets(network, picture, targets)
    with bars(progress):
        every = progress_bar(iterable=explained, unit="target")
        each = [entry.function(network, target.input, target, **(options or {})) for target in every]
    high = max(map(brightness, (replace(one, map=abs(one.map)) for one in each)))
    look = PanelOptions(percentile=percentile, theme=theme, bare=bare)
    items = tuple(replace(one, high=high or None, options=look, recipe=None) for one in each)
    scaled = [scaled_map(one) for one in items]
    maps = [
        Panel(colors.colors[0], f"{_short(one)} · up to {one.map.max():.3g}", address=str(one.target))
        for one, colors in zip(items, scaled, strict=True)
    ]
    glows = [Panel(glowing(one, high), one.lit, smooth=True) for one in items]
    figure = panels([*maps, *glows], columns=len(items), theme=theme)
    title = "" if bare else title_of(items[0].method, network, explained[0].picture_name)
    caption = (
        f"{items[0].method} of {'; '.join(target.words for target in explained)}, from left to right, all on one "
        f"scale: {items[0].how}. {scale_in_words(items[0], scaled[0])}. Below, what speaks for each glows on the "
        f"picture, on the same scale. {items[0].caution}."
    )
    return Attributions(items, replace(with_title(figure, title, theme), caption=caption))


def _targets(network: Network, picture: Any, targets: Sequence[TargetLike] | None) -> list[AttributionTarget]:
    if targets:
        return [target_of(network, picture, target) for target in targets]
    best = target_of(network, picture)
    scores = best.network.activations(best.input, Address(network.class_scores))[network.class_scores]
    values = network.channels_first(network.class_scores, scores)[0]
    values = values.flatten(1).mean(1) if values.dim() > 1 else values
    order = values.argsort(descending=True, stable=True)[:_CLASSES].tolist()
    classes = [target_of(network, best.input, Address(network.class_scores, number)) for number in order]
    return [replace(one, picture_name=best.picture_name) for one in classes]


def _short(attribution: Attribution) -> str:
    """Return a target's name below a panel: a class's label up to its first comma."""
    target, (term, *others) = attribution.target, attribution.target.terms
    address, network = term.address, target.network
    if others or term.region or address.channel is None or address.layer not in network.class_values:
        return str(target)
    return network.class_label(int(address.channel)).partition(",")[0]


def _caption(
    targets: Sequence[AttributionTarget],
    rows: Sequence[Sequence[Attribution]],
    control: float,
    percentile: float,
) -> str:
    methods = ", ".join(row[0].method for row in rows)
    return (
        f"{methods}, from top to bottom, of {'; '.join(target.words for target in targets)}, from left to right. What "
        f"speaks for each glows on the picture; a row has one scale, clipped at percentile {percentile:g}. The number "
        f"is the map's single deletion on this picture (Spearman's correlation, over {CELLS} × {CELLS} cells, of a "
        "cell's share of the map with what is lost where it alone is gray): 1 is best, and a blob in the middle, made "
        f"without any network, has {control:.2f} on average. One picture says little: convscope trust measures many."
    )
