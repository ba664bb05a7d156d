"""A picture in the style of another: its content as a network sees it, painted with the other's textures and colors.

Gatys, Ecker and Bethge, *Image style transfer using convolutional neural networks* (2016).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args
from warnings import warn

import numpy as np
from torch import Tensor

from convscope.errors import ConvscopeWarning, InputError, PictureError, did_you_mean, require_one_of
from convscope.network.network import Network
from convscope.network.rewriting import rewritten, with_average_pooling, with_edges
from convscope.optimization.memory_plan import MemoryPlan, bytes_of, memory_plan
from convscope.optimization.octaves import Size
from convscope.optimization.original_colors import with_colors_of
from convscope.optimization.own_pictures import picture_or_unit
from convscope.optimization.picture_sizes import resized
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.pictures.picture_tensor import opacity_of, picture_like, picture_tensor
from convscope.pictures.recording import recipe_function, recipe_of
from convscope.pictures.rgb import PLAIN, Stored
from convscope.styling.colors import Colors, matched
from convscope.styling.memory import style_bytes
from convscope.styling.options import settings_for
from convscope.styling.presets import style_preset
from convscope.styling.scales import Restyling
from convscope.styling.settings import StyleSettings, StyleStart
from convscope.styling.steps import StyleStep
from convscope.styling.targets import Style

_LARGEST = 4096  # pixels of a style picture's longer side; a transfer makes it smaller still
_STARTS = get_args(StyleStart)


@dataclass(frozen=True, eq=False)
class StyleTransfer:
    """A style transfer that can be run and shown: how it runs, and what becomes of its pictures."""

    restyling: Restyling
    preset: str
    colors: Colors
    opacity: Tensor | None
    stored: Stored = PLAIN

    def within(self, memory: int | None) -> tuple[StyleTransfer, MemoryPlan]:
        """Return the transfer computed in tiles that fit so many bytes, with the same result, and the plan.

        In one piece where that fits and no tile was asked for. InputError when no tile fits, with what the smallest
        would take.
        """
        needed = partial(style_bytes, self.restyling)
        plan = memory_plan(needed, self.restyling.sizes[-1], memory, self.restyling.tile)
        return replace(self, restyling=replace(self.restyling, tile=plan.tile)), plan

    def shown(self, step: StyleStep, size: Size | None = None) -> Picture:
        """Return a step as a picture with its caption, at its own size or, as a film's frame, at another."""
        size = size or step.size
        pixels = resized(step.picture().cpu(), size)
        if self.colors == "kept":
            pixels = with_colors_of(resized(self.restyling.content, size), pixels)
        array = pixels[0].movedim(0, -1).cpu().numpy()
        if self.opacity is not None:
            alpha = resized(self.opacity, size)[0, 0, :, :, None]
            array = np.concatenate([array, alpha.numpy()], axis=2)
        return picture_like(array, self.stored, self._caption(step))

    def _caption(self, step: StyleStep) -> str:
        settings = self.restyling.settings
        sizes = f"{step.scale[1]} sizes" if step.scale[1] > 1 else "one size"
        losses = ", ".join(f"{name} {loss:.3g}" for name, loss in step.losses.items())
        return (
            f"A style transfer by {self.restyling.network.name}: content from {', '.join(settings.content_layers)}, "
            f"style from {', '.join(settings.style_layers)}; {step.index:,} of {step.of:,} steps over {sizes} (preset "
            f"{self.preset}). Losses: {losses}."
        )


@recipe_function("style_transfer")
def style_transfer(
    network: Network,
    picture: Any,
    styles: Any,
    *,
    preset: str = "default",
    size: int | None = None,
    start: Any = "",
    colors: Colors = "style",
    regions: Sequence[Any] = (),
    masks: Sequence[Any] = (),
    changes: Mapping[str, Any] | None = None,
    stop_after: int | None = None,
    tile: int | None = None,
    memory: str | None = None,
    seed: int = 0,
) -> Picture:
    """Show a picture in the style of another, or of several.

    - `styles` is a picture, several, or pictures with their weights; in a picture's place the address of a unit
      (``mixed4a:42``) stands for what it wants to see. `regions` (one for each style, or None) are gray
      pictures of where in the content each counts, `masks` of where in the style.
    - `preset` fixes how (`STYLE_PRESETS`), `changes` single settings of it: ``content_layers`` and ``style_layers``
      (addresses, perhaps with weights among each other), ``content_weight``, ``style_weight``,
      ``smoothness_weight``, ``iterations`` (at each size), ``rate``, ``optimizer`` ("adam", "lbfgs"),
      ``style_scale``, ``coarsest`` (pixels), ``pooling`` ("average"), ``edges`` ("reflect", "replicate"),
      ``precision`` ("bfloat16": faster, less exact).
    - `size` is the longer side in pixels, `start` "content", "noise", "style", "gray" or a picture.
    - `colors` "kept" are the content's under the new brightness; "matched" gives the style the content's beforehand.
    - `stop_after` so many steps, over all sizes, the picture is taken as it is.
    - `tile` computes a large picture in windows of so many pixels, with the same result; `memory` ("2GB") chooses the
      largest that fits, where one piece does not.

    What is transparent in the content stays so; the picture has the content's bits a channel and its color profile.

    >>> style_transfer(network, "tubingen.jpg", "starry_night.jpg").save("styled.png")

    InputError for settings, layers and sizes that cannot be, and for losses that no picture comes out of.
    """
    made = transfer_of(
        network,
        picture,
        styles,
        preset=preset,
        size=size,
        start=start,
        colors=colors,
        regions=regions,
        masks=masks,
        changes=changes,
        seed=seed,
        tile=tile,
    )
    if memory is not None:
        made, _ = made.within(bytes_of(memory))
    last = deque(until(made.restyling.steps(), stop_after), maxlen=1)
    chosen = recipe_of("style_transfer", {"tile": made.restyling.tile})
    return replace(made.shown(last[0]), recipe=chosen)


def transfer_of(
    network: Network,
    picture: Any,
    styles: Any,
    *,
    preset: str = "default",
    size: int | None = None,
    start: Any = "",
    colors: Colors = "style",
    regions: Sequence[Any] = (),
    masks: Sequence[Any] = (),
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
    tile: int | None = None,
) -> StyleTransfer:
    """Return the style transfer that `style_transfer` shows, to be run step by step."""
    require_one_of("colors", colors, get_args(Colors))
    found = style_preset(preset)
    settings = settings_for(network, found, changes or {})
    kind = start if isinstance(start, str) and start in _STARTS else None
    if kind:
        settings = replace(settings, start=kind)  # type: ignore[arg-type]
    picture = open_photograph(picture)
    content = picture_tensor(picture, size, found.size)
    wanted = _styles(network, styles, regions, masks)
    if colors == "matched":
        wanted = [replace(style, picture=matched(style.picture, content)) for style in wanted]
    restyling = Restyling(
        _prepared(network, settings),
        content,
        wanted,
        settings,
        start=None if kind or (isinstance(start, str) and not start) else _start(start),
        seed=seed,
        tile=tile,
    )
    return StyleTransfer(restyling, preset, colors, opacity_of(picture, content), picture.stored)


def _prepared(network: Network, settings: StyleSettings) -> Network:
    """Return the network with the poolings and the edges that are wanted."""
    if settings.pooling == "average":
        network = rewritten(network, with_average_pooling)
    if settings.edges != "zeros":
        network = rewritten(network, with_edges(network, settings.edges, first_only=settings.first_edge_only))
    return network


def _styles(network: Network, styles: Any, regions: Sequence[Any], masks: Sequence[Any]) -> list[Style]:
    weighted = _weighted(styles)
    for what, given in (("regions", regions), ("masks", masks)):
        if given and len(given) != len(weighted):
            raise InputError(
                f"there are {len(given)} {what} for {len(weighted)} styles: give one each, or None"
            )
    found = []
    for index, (source, weight) in enumerate(weighted):
        region, mask = (_gray(given[index]) if given else None for given in (regions, masks))
        pixels = _whole(picture_or_unit(network, source))
        if float(pixels.std((2, 3)).max()) < 1e-3:
            warn(
                "a style picture is of one color: all it can give is that color",
                ConvscopeWarning,
                stacklevel=4,
            )
        found.append(Style(pixels, weight, mask, region))
    return found


def _weighted(styles: Any) -> list[tuple[Any, float]]:
    """Return style pictures with their weights: one picture, several, or a mapping."""
    if isinstance(styles, Mapping):
        found = [(source, float(weight)) for source, weight in styles.items()]
    else:
        # Rows of numbers are an array, as a recipe holds a small one.
        several = isinstance(styles, (list, tuple)) and not isinstance(
            next(iter(styles), None), (list, tuple)
        )
        found = [(source, 1.0) for source in (styles if several else [styles])]
    if (
        not found
        or any(not 0 <= weight < float("inf") for _, weight in found)
        or not sum(w for _, w in found)
    ):
        raise InputError("give at least one style picture; weights are numbers from 0 on, and not all are 0")
    return found


def _gray(source: Any) -> Tensor | None:
    return None if source is None else _whole(source).mean(1, keepdim=True)


def _start(source: Any) -> Tensor:
    """Return the picture to start from; InputError for a word that is neither a picture's nor a kind of start."""
    try:
        return _whole(source)
    except PictureError as error:
        if isinstance(source, str) and not Path(source).suffix and not Path(source).exists():
            possible = f"{', '.join(_STARTS)}, a picture"
            raise InputError(
                f"there is no start {source!r}.{did_you_mean(source, _STARTS)} Possible: {possible}"
            ) from error
        raise


def _whole(source: Any) -> Tensor:
    """Return a picture as (1, 3, H, W) in 0..1, not resized where it is not huge."""
    if isinstance(source, Tensor) and source.dim() == 4:
        return source.float()
    return picture_tensor(source, None, _LARGEST)


def until(steps: Iterator[StyleStep], stop_after: int | None) -> Iterator[StyleStep]:
    """Yield steps up to one; warn where only smoothness counts, and where the last size's losses did not shrink."""
    if stop_after is not None and stop_after < 1:
        raise InputError(f"stop_after is a step from 1 on, not {stop_after}")
    first: StyleStep | None = None
    for step in steps:
        if first is None:
            _warn_of_smoothness(step)
        first = step if first is None or first.scale != step.scale else first
        yield step
        if stop_after is not None and step.index >= stop_after:
            return
        if step.index == step.of and step is not first and step.total >= first.total:
            warn(
                f"the losses did not become smaller at {step.size[0]} x {step.size[1]} (from {first.total:.4g} to "
                f"{step.total:.4g}): use a smaller rate, or more iterations",
                ConvscopeWarning,
                stacklevel=2,
            )


def _warn_of_smoothness(step: StyleStep) -> None:
    """Warn where a preset's weights are so wrong for this network that it would only blur the picture."""
    smoothness, style = step.losses.get("smoothness", 0.0), step.losses["style"]
    if style and smoothness > 1e3 * (style + step.losses["content"]):
        weight = step.settings.style_weight * smoothness / style
        warn(
            f"only smoothness counts here (its loss is {smoothness:.2g}, the style's {style:.2g}): these weights are "
            f"for a network with larger answers; use the preset default, or a style_weight of {weight:.0e} and more",
            ConvscopeWarning,
            stacklevel=3,
        )
