"""The losses of a style transfer and their gradient window by window, as if there were no windows.

What is kept of a style is a sum over a layer's positions. A first pass through the windows adds up what the positions
of each put in; then the losses are known, and how they change with each sum. A second pass takes that back to the
picture from each window's own positions. It costs one forward pass more, and takes the memory of one window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.network.network import Network
from convscope.optimization.objective_batch import ObjectiveBatch
from convscope.optimization.tiling import Tile, Tiling, cut_out, require_no_position, tiling
from convscope.pictures.resizing import Size
from convscope.styling.loss_units import in_units
from convscope.styling.losses import ContentLoss, GramLoss, StyleLoss
from convscope.styling.settings import StyleSettings
from convscope.styling.targets import (
    Style,
    StyleTargets,
    batch_of,
    require_accepted,
    require_maps,
    weighted,
)

Sums: TypeAlias = dict[tuple[int, str], Tensor]
"""By style, counted from 0, and layer."""


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a picture of one size, and where in each the layers looked at have positions of their own."""

    batch: ObjectiveBatch
    cut: Tiling

    def answers(self, pictures: Tensor, tile: Tile) -> dict[str, Tensor]:
        """Return what a window's own positions answer to its part of a picture in 0..1, by address."""
        own_answers = {}
        for name, value in self.batch.values(pictures).items():
            own_answers[name] = self.cut.own(self.batch.targets[name].layer, value, tile)
        return own_answers

    def own(self, name: str, maps: Tensor, tile: Tile) -> Tensor:
        """Return the part of an address's whole maps that is a window's own: a view."""
        layer = self.batch.targets[name].layer
        return cut_out(maps, tile.rows.own[layer], tile.columns.own[layer])

    def counts(self, name: str) -> Size:
        """Return how many rows and columns of positions an address has."""
        rows, columns = self.cut.grids[self.batch.targets[name].layer]
        return rows.count, columns.count

    def region(self, name: str, mask: Tensor | None) -> Tensor:
        """Return how much each position of an address counts, (1, 1, rows, columns)."""
        counts = self.counts(name)
        return torch.ones(1, 1, *counts) if mask is None else F.interpolate(mask, counts, mode="area")


@dataclass(frozen=True, eq=False)
class TiledTargets:
    """What `StyleTargets` is, for a picture that is looked at window by window."""

    whole: StyleTargets
    windows: Windows

    @property
    def settings(self) -> StyleSettings:
        """Everything but the network and the pictures."""
        return self.whole.settings

    def under(self, settings: StyleSettings) -> TiledTargets:
        """Return the same under other weights."""
        return replace(self, whole=self.whole.under(settings))

    @torch.no_grad()
    def losses(self, values: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of values (1, 3, H, W), by name."""
        if len(self.windows.cut.tiles) == 1:
            return self.whole.losses(values)
        content, sums = self._sums(values)
        descriptions = {key: described(self.settings.style, total) for key, total in sums.items()}
        style, _ = self._style_loss(descriptions, pixels=values.shape[2] * values.shape[3])
        return {"content": content.to(values), "style": style.to(values), **self.whole.smoothness(values)}

    def gradient(self, values: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the weighted losses of values (1, 3, H, W), by name, and the gradient of their sum."""
        if len(self.windows.cut.tiles) == 1:
            return self.whole.gradient(values)
        content, sums = self._sums(values)
        descriptions = {key: described(self.settings.style, total) for key, total in sums.items()}
        style, directions = self._style_loss(descriptions, pixels=values.shape[2] * values.shape[3])
        smoothness, slope = self.whole.smoothness_gradient(values)
        self._add_slopes(values, slope, descriptions, directions)
        return {"content": content.to(values), "style": style.to(values), **smoothness}, slope

    @torch.no_grad()
    def _sums(self, values: Tensor) -> tuple[Tensor, Sums]:
        """Return the weighted content loss, and what all windows put into each style's sums."""
        content, sums = values.new_zeros((), dtype=torch.float64), Sums()
        for tile in self.windows.cut.one_by_one():
            answers = self.windows.answers(self.settings.pictures(tile.part_of(values)), tile)
            content += self._content_loss(answers, tile)
            for key, part in self._parts(answers, tile, {}):
                sums[key] = sums[key] + part if key in sums else part
            del answers  # not held beside the next tile's
        return content, sums

    def _style_loss(self, descriptions: Sums, *, pixels: int) -> tuple[Tensor, Sums]:
        """Return the weighted style loss, and how it changes with each description."""
        settings, leaves = self.settings, [value.requires_grad_() for value in descriptions.values()]
        with torch.enable_grad():
            losses = [
                share
                * weight
                * settings.style.distance(descriptions[number, name], targets[name], pixels).sum()
                for number, (share, _, targets) in enumerate(self.whole.styles)
                for name, weight in settings.style_layers.items()
            ]
            loss = settings.style_weight * torch.stack(losses).sum()
            slopes = torch.autograd.grad(loss, leaves)
        return loss.detach(), dict(zip(descriptions, slopes, strict=True))

    def _add_slopes(self, values: Tensor, slope: Tensor, descriptions: Sums, directions: Sums) -> None:
        """Add to the gradient of the picture what each window's own positions hand back."""
        for tile in self.windows.cut.one_by_one():
            part = self._slope_of(tile.part_of(values), tile, descriptions, directions)
            tile.part_of(slope).add_(part)

    # A function of its own: what one window's answers held is let go before the next is looked at.
    def _slope_of(self, values: Tensor, tile: Tile, descriptions: Sums, directions: Sums) -> Tensor:
        leaf = values.detach().requires_grad_()
        with torch.enable_grad():
            answers = self.windows.answers(self.settings.pictures(leaf), tile)
            score = self._content_loss(answers, tile)
            for key, part in self._parts(answers, tile, descriptions):
                score = score + (directions[key] * part).sum()
            (slope,) = torch.autograd.grad(score, leaf)
        return slope

    def _content_loss(self, answers: Mapping[str, Tensor], tile: Tile) -> Tensor:
        """Return what a window's own positions add to the weighted content loss."""
        return torch.stack(
            [
                share
                * (answers[name] - self.windows.own(name, self.whole.content[name], tile))
                .square()
                .sum()
                .double()
                for name, share in self._content_shares.items()
            ]
        ).sum()

    def _parts(
        self, answers: Mapping[str, Tensor], tile: Tile, centers: Sums
    ) -> Iterator[tuple[tuple[int, str], Tensor]]:
        """Yield what a window's own positions add to each style's sums."""
        for (number, name), region in self._regions.items():
            own = self.windows.own(name, region, tile)
            yield (
                (number, name),
                part_of_sums(self.settings.style, answers[name], own, centers.get((number, name))),
            )

    @cached_property
    def _regions(self) -> Sums:
        return {
            (number, name): shares(self.settings.style, self.windows.region(name, region))
            for number, (_, region, _) in enumerate(self.whole.styles)
            for name in self.settings.style_layers
        }

    @cached_property
    def _content_shares(self) -> dict[str, float]:
        settings = self.settings
        return {
            name: settings.content_weight
            * weight
            * _of_each_square(settings.content, self.whole.content[name])
            for name, weight in settings.content_layers.items()
        }


@torch.no_grad()
def tiled_targets_of(
    network: Network, content: Tensor, styles: Sequence[Style], settings: StyleSettings, tile: int
) -> TiledTargets:
    """Look at content and styles as `targets_of` does, in windows whose own parts are about `tile` pixels a side."""
    batch = batch_of(network, settings)
    require_no_position(batch.targets.values())
    windows = _windows(batch, content, tile, "content")
    described_styles = []
    total = sum(style.weight for style in styles)
    for style in styles:
        descriptions = _described_in_tiles(batch, style, settings, tile)
        described_styles.append((style.weight / total, style.region, descriptions))
    answers = _content_in_tiles(windows, content, settings)
    targets = TiledTargets(StyleTargets(batch, settings, answers, described_styles), windows)
    return in_units(targets, content, weighted(styles)) if settings.in_units else targets


def _windows(batch: ObjectiveBatch, picture: Tensor, tile: int, what: str) -> Windows:
    require_accepted(batch, picture, what)
    size = (int(picture.shape[2]), int(picture.shape[3]))
    return Windows(batch, tiling(batch.network, batch.layers, size, tile))


def _content_in_tiles(windows: Windows, content: Tensor, settings: StyleSettings) -> dict[str, Tensor]:
    """Return the content's whole answers."""
    content_answers = dict[str, Tensor]()
    for tile in windows.cut.one_by_one():
        answers = windows.answers(tile.part_of(content), tile)
        for name in settings.content_layers:
            if name not in content_answers:
                content_answers[name] = answers[name].new_zeros(
                    1, answers[name].shape[1], *windows.counts(name)
                )
            windows.own(name, content_answers[name], tile).copy_(answers[name])
        del answers  # not held beside the next tile's
    for name, value in content_answers.items():
        require_maps(name, value, content, "content")
    return content_answers


def _described_in_tiles(
    batch: ObjectiveBatch, style: Style, settings: StyleSettings, tile: int
) -> dict[str, Tensor]:
    """Return what a style picture is compared by, at each layer."""
    windows = _windows(batch, style.picture, tile, "style")
    regions = {
        name: shares(settings.style, windows.region(name, style.mask)) for name in settings.style_layers
    }
    sums = dict[str, Tensor]()
    for window in windows.cut.one_by_one():
        answers = windows.answers(window.part_of(style.picture), window)
        for name, region in regions.items():
            part = part_of_sums(settings.style, answers[name], windows.own(name, region, window))
            sums[name] = sums[name] + part if name in sums else part
        del answers
    for name, value in sums.items():
        require_maps(name, value[:, None], style.picture, "style")
    return {name: settings.style.target(described(settings.style, total)) for name, total in sums.items()}


def shares(style: StyleLoss, region: Tensor) -> Tensor:
    """Return what share of the whole each position is, where a style's description is an average."""
    if isinstance(style, GramLoss) and style.divisor == "nothing":
        return region
    region = region.double()  # shares that are not 1 in all would count as covariance
    return region / region.sum().clamp_min(1e-12)


def part_of_sums(style: StyleLoss, value: Tensor, region: Tensor, center: Tensor | None = None) -> Tensor:
    """Return what some positions add to the sums that a style is, in float64.

    `region` (1, 1, H, W) is their part of the `shares`. The sums of a Gram matrix are its own; those
    of a distribution are the mean, and the second moments around the mean of the description `center` (around 0
    without), which around the very mean are what the covariance changes by.
    """
    share = region.sum().double()
    description = style.describe(value, region).double()
    if isinstance(style, GramLoss):
        return description if style.divisor == "nothing" else share * description
    away = description[:, :1] if center is None else description[:, :1] - center[:, :1].detach()
    return share * torch.cat([description[:, :1], description[:, 1:] + away.mT @ away], 1)


def described(style: StyleLoss, sums: Tensor) -> Tensor:
    """Return the description that all positions' sums around 0 are."""
    if isinstance(style, GramLoss):
        return sums
    mean = sums[:, :1]
    return torch.cat([mean, sums[:, 1:] - mean.mT @ mean], 1)


def _of_each_square(content: ContentLoss, target: Tensor) -> float:
    """Return what one squared difference counts: every content loss is their sum times a factor."""
    away = float(target.abs().max()) or 1.0
    return float(content(target + away, target).double().sum()) / (away**2 * target.numel())
