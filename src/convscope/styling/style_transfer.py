"""A picture in the style of another: its content as a network sees it, painted with the other's textures and colors.

Gatys, Ecker and Bethge, *Image style transfer using convolutional neural networks* (2016).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import InputError, PictureError, did_you_mean, warn
from convscope.jobs import State, last_step, steps_on_bar, steps_until
from convscope.network.network import Network
from convscope.network.rewriting import rewritten, with_average_pooling, with_edges
from convscope.optimization.memory_plan import MemoryPlan, bytes_of, memory_plan
from convscope.optimization.original_colors import with_colors_of
from convscope.optimization.own_pictures import picture_or_unit
from convscope.optimization.presets import warn_elsewhere
from convscope.optimization.size_limits import in_windows, network_bytes, picture_bytes, require_size_fits
from convscope.pictures.options import takes_options
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.pictures.picture_tensor import (
    opacity_of,
    picture_like,
    picture_tensor,
    require_size,
    scaled_size,
)
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import recipe_of, recordable, unrecordable_type, writes_recipe
from convscope.pictures.resizing import Size, resized
from convscope.pictures.rgb import PLAIN, Encoding
from convscope.presentation.animation import Frame
from convscope.preset_guide import STYLE_GUIDE
from convscope.progress import bars
from convscope.styling.colors import ONE_COLOR, in_the_styles_colors, matched
from convscope.styling.memory import style_bytes
from convscope.styling.options import STARTS, StyleKeywords, StyleOptions
from convscope.styling.scales import Restyling
from convscope.styling.settings import StyleSettings
from convscope.styling.steps import StyleStep
from convscope.styling.targets import Style, batch_of
from convscope.styling.weight_normalization import normalized

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from convscope.pictures.photograph import PictureLike

_SAME = 1e-4  # of a total: within it the steps were too short to change anything
_LARGEST = 4096  # pixels of a style picture's longer side; a transfer makes it smaller still
Styles: TypeAlias = "PictureLike | Sequence[PictureLike] | Mapping[str, float]"
"""A picture, several, or several with weights; a unit's address in a picture's place is what it wants to see."""


@dataclass(frozen=True, eq=False)
class StyleTransfer:
    """A style transfer that can be run and shown: how it runs, and what becomes of its pictures.

    `network` is the one that was given, before its poolings and edges were changed, `content` (1, 3, H, W) has the
    colors it was given in; `recipe` makes the picture again.
    """

    network: Network
    content: Tensor
    restyling: Restyling
    options: StyleOptions
    recipe: Recipe
    opacity: Tensor | None
    stored: Encoding = PLAIN

    def in_tiles(self, tile: int | None) -> StyleTransfer:
        """Return the same transfer computed in windows of about so many pixels; None: in one piece."""
        return replace(
            self,
            restyling=replace(self.restyling, tile=tile),
            options=replace(self.options, tile=tile),
            recipe=self.recipe.with_arguments(tile=tile),
        )

    def within(self, memory: int | None) -> tuple[StyleTransfer, MemoryPlan]:
        """Return the transfer computed in tiles that fit so many bytes, with the same result, and the plan.

        In one piece where that fits and no tile was asked for. InputError when no tile fits, with what the smallest
        would take.
        """
        needed = partial(style_bytes, self.restyling)
        plan = memory_plan(needed, self.restyling.sizes[-1], memory, self.restyling.tile)
        return self.in_tiles(plan.tile), plan

    def steps(self, resume: State | None = None) -> Iterator[StyleStep]:
        """Yield the steps, or those after an earlier step's `state`; the last one's picture is the result.

        Warns where only smoothness counts, and where the losses at the last size did not shrink.
        """
        if self.options.tile is None:
            require_size_fits("a style transfer", self.restyling.sizes[-1], self._bytes_at, in_windows())
        return steps_until(checked(self.restyling.steps(resume)), self.options.stop_after)

    def _bytes_at(self, size: Size) -> int:
        network = self.restyling.network
        layers = batch_of(network, self.restyling.settings).layers
        return picture_bytes(size) + network_bytes(network, layers, size)

    def picture(self, step: StyleStep) -> Picture:
        """Return a step as a picture with its caption and its recipe."""
        recipe = self.recipe if step.index == step.of else self.recipe.with_arguments(stop_after=step.index)
        shown = picture_like(self._array(step, step.size), self.stored, self._caption(step))
        return replace(shown, recipe=recipe)

    def frame(self, step: StyleStep) -> Frame:
        """Return a step as a film's frame: (H, W, 3 or 4), at the size the transfer ends in, in sRGB as all frames."""
        return picture_like(self._array(step, self.restyling.sizes[-1]), PLAIN, "").in_8_bits

    def _array(self, step: StyleStep, size: Size) -> NDArray[np.float32]:
        """Return what is shown of a step, (H, W, 3 or 4) in 0..1."""
        pixels = resized(step.picture().cpu(), size, "bicubic")
        if self.options.keep_colors:
            pixels = with_colors_of(resized(self.content, size, "bicubic"), pixels)
        if self.opacity is not None:
            pixels = torch.cat([pixels, resized(self.opacity, size, "bicubic")], 1)
        return pixels[0].movedim(0, -1).numpy()

    def _caption(self, step: StyleStep) -> str:
        settings = self.restyling.settings
        sizes = f"{step.scale[1]} sizes" if step.scale[1] > 1 else "one size"
        losses = ", ".join(f"{name} {loss:.3g}" for name, loss in step.losses.items())
        return (
            f"A style transfer by {self.restyling.network.name}: content from {', '.join(settings.content_layers)}, "
            f"style from {', '.join(settings.style_layers)}; {step.index:,} of {step.of:,} steps over {sizes} (preset "
            f"{self.options.preset}). Losses: {losses}."
        )


@writes_recipe("style_transfer")
@takes_options(StyleOptions, StyleKeywords)
def style_transfer(
    network: Network,
    picture: PictureLike,
    styles: Styles,
    *,
    options: StyleOptions | None = None,
    memory: str | None = None,
    progress: bool = True,
    **changes: Unpack[StyleKeywords],
) -> Picture:
    """Show a picture in the style of another, or of several.

    `styles` is a picture, several, or pictures with their weights; in a picture's place the address of a unit
    (``mixed4a:42``) stands for what it wants to see. `options` say how, and so do the same names as keywords
    (`StyleOptions` tells what each does; `changes` are single fields of a preset's settings): ``preset``, ``size``,
    ``style_weight``, ``steps``, ``keep_colors`` and more. `memory` ("2GB") computes a large picture in windows that
    fit, with the same result; with ``progress=False`` no bar shows the steps.

    What is transparent in the content stays so; the picture has the content's color profile and, where
    ``bits`` asks for no others, its bits a channel.

    >>> convscope.style_transfer(network, "coffee", "astronaut", size=128, steps=20).save("styled.png")

    InputError for settings, layers and sizes that cannot be, and for losses that no picture comes out of.
    """
    transfer = transfer_of(network, picture, styles, options, **changes)
    if memory is not None:
        transfer, _ = transfer.within(bytes_of(memory))
    with bars(progress):
        return transfer.picture(last_step(steps_on_bar(transfer.steps())))


def transfer_of(
    network: Network,
    picture: PictureLike,
    styles: Styles,
    options: StyleOptions | None = None,
    **changes: Unpack[StyleKeywords],
) -> StyleTransfer:
    """Return the style transfer that `style_transfer` shows, to be run step by step."""
    how = (options or StyleOptions()).updated(changes)
    recorded, settled = recordable({"styles": styles, **vars(how)})
    styles = settled.pop("styles")
    how = replace(how, **settled)
    settings = how.settings(network)
    photograph = open_photograph(picture)
    require_size(how.size)
    height, width = photograph.pixels.shape[:2]
    largest = how.source.longer_side((height, width))
    size = scaled_size((height, width), how.size or min(largest, max(height, width)))
    require_size_fits("a style transfer", size, picture_bytes)
    content = picture_tensor(photograph, how.size, largest)
    if (vgg_answers := how.source.answers) is not None and not how.source.is_for(network):
        settings = normalized(settings, network, content, vgg_answers)
        warn_elsewhere(how.preset, STYLE_GUIDE[how.preset], network)
    painted = _styles(network, styles, how)
    if how.match_colors:
        painted = [replace(style, picture=matched(style.picture, content)) for style in painted]
    restyling = Restyling(
        _prepared(network, settings),
        in_the_styles_colors(content, painted) if settings.recolor else content,
        painted,
        settings,
        start=_start(how.start) if how.starts_from_picture else None,
        seed=how.seed,
        tile=how.tile,
    )
    recorded["styles"] = _recorded_styles(recorded["styles"])
    arguments = {name: value for name, value in recorded.items() if name != "seed" and value is not None}
    recipe = recipe_of("style_transfer", arguments, network=network, picture=photograph, seed=how.seed)
    stored = photograph.stored.with_bits(how.bits)
    return StyleTransfer(network, content, restyling, how, recipe, opacity_of(photograph, content), stored)


def _prepared(network: Network, settings: StyleSettings) -> Network:
    """Return the network with the poolings and the edges that are wanted."""
    if settings.pooling == "average":
        network = rewritten(network, with_average_pooling)
    if settings.edges != "zeros":
        network = rewritten(network, with_edges(network, settings.edges, first_only=settings.first_edge_only))
    return network


def _styles(network: Network, styles: Styles, options: StyleOptions) -> list[Style]:
    weighted, regions, masks = _weighted(styles), options.regions, options.masks
    for what, given in (("regions", regions), ("masks", masks)):
        if given and len(given) != len(weighted):
            raise InputError(
                f"{what} given: {len(given)}, for styles: {len(weighted)}. Give each style one in order, or None "
                "(on the command line: everywhere)"
            )
    weighted_styles = []
    for index, (source, weight) in enumerate(weighted):
        region, mask = (
            _gray(given[index], what) if given else None
            for what, given in (("regions", regions), ("masks", masks))
        )
        pixels = _whole(picture_or_unit(network, source))
        if float(pixels.std((2, 3)).max()) < ONE_COLOR:
            warn("a style picture is of one color: all it can give is that color")
        weighted_styles.append(Style(pixels, weight, mask, region))
    return weighted_styles


def _weighted(styles: Any) -> list[tuple[Any, float]]:
    """Return style pictures with their weights: one picture, several, or a mapping."""
    if isinstance(styles, Mapping):
        weighted = [(source, float(weight)) for source, weight in styles.items()]
    else:
        # Rows of numbers are an array, as a recipe holds a small one.
        several = isinstance(styles, (list, tuple)) and not isinstance(
            next(iter(styles), None), (list, tuple)
        )
        weighted = [(source, 1.0) for source in (styles if several else [styles])]
    if (
        not weighted
        or any(not 0 <= weight < float("inf") for _, weight in weighted)
        or not sum(w for _, w in weighted)
    ):
        raise InputError("give at least one style picture; weights are numbers from 0 on, and not all are 0")
    return weighted


def _recorded_styles(styles: Any) -> Any:
    """Return style pictures by name with their weights, however they were given, where each has a name of its own."""
    if unrecordable_type(styles):
        return styles
    several = _weighted(styles)
    names = [source for source, _ in several]
    are_names = all(isinstance(name, str) for name in names) and len({*names}) == len(names)
    return dict(several) if are_names else styles


def _gray(source: Any, what: str) -> Tensor | None:
    """Return where a style counts, (1, 1, H, W) in 0..1; InputError where that is nowhere."""
    if source is None:
        return None
    gray = _whole(source).mean(1, keepdim=True)
    if float(gray.max()) < 0.5 / 255:
        raise InputError(
            f"one of the {what} is black everywhere, and its style would count nowhere: white counts"
        )
    return gray


def _start(source: Any) -> Tensor:
    """Return the picture to start from; InputError for a word that is neither a picture's nor a kind of start."""
    try:
        return _whole(source)
    except PictureError as error:
        if isinstance(source, str) and not Path(source).suffix and not Path(source).exists():
            possible = f"{', '.join(STARTS)}, a picture"
            raise InputError(
                f"there is no start {source!r}.{did_you_mean(source, STARTS)} Possible: {possible}"
            ) from error
        raise


def _whole(source: Any) -> Tensor:
    """Return a picture as (1, 3, H, W) in 0..1, not resized where it is not huge."""
    if isinstance(source, Tensor) and source.dim() == 4:
        return source.float()
    return picture_tensor(source, None, _LARGEST)


def checked(steps: Iterator[StyleStep]) -> Iterator[StyleStep]:
    """Yield steps; warn where only smoothness counts, and where the last size's losses did not shrink."""
    first: StyleStep | None = None
    for step in steps:
        if first is None:
            _warn_of_smoothness(step)
        first = step if first is None or first.scale != step.scale else first
        yield step
        if step.index == step.of and step is not first and step.total >= first.total:
            rate = "smaller" if step.total > (1 + _SAME) * first.total else "larger"
            warn(
                f"the losses did not become smaller at {step.size[0]} x {step.size[1]} (from {first.total:.4g} to "
                f"{step.total:.4g}): use a {rate} rate, or more steps"
            )


def _warn_of_smoothness(step: StyleStep) -> None:
    """Warn where a preset's weights are so wrong for this network that it would only blur the picture."""
    smoothness, style = step.losses.get("smoothness", 0.0), step.losses["style"]
    # counted in how far the pictures are from each other, a small loss of style is a style that is there already
    if not step.settings.in_units and style and smoothness > 1e3 * (style + step.losses["content"]):
        weight = step.settings.style_weight * smoothness / style
        warn(
            f"only smoothness counts here (its loss is {smoothness:.2g}, the style's {style:.2g}): these weights are "
            f"for a network with larger answers; use the preset default, or a style_weight of {weight:.0e} and more"
        )
