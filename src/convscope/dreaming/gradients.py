"""The gradient of a dream: of the whole picture at once, or window by window with the same result."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.dreaming.objectives import DreamTerm, objective_of
from convscope.dreaming.settings import DreamSettings
from convscope.dreaming.steps import Gradient
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.diagnosis import diagnose_nonfinite
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.tiling import Tile, Tiling, require_no_position, tiling
from convscope.pictures.resizing import Size

_SANE = 2.0  # a picture of 0..1 that went further has come to NaN by its steps, not by the network


def gradient_of(network: Network, terms: tuple[DreamTerm, ...], settings: DreamSettings) -> Gradient:
    """Return the gradient of a dream's terms for pictures in the settings' scale."""
    batch = objective_batch(network, [objective_of(terms)], settings.precision)

    def gradient(values: Tensor) -> tuple[Tensor, Tensor]:
        leaf = values.detach().requires_grad_()
        with torch.enable_grad():
            scores = batch.scores(settings.pictures(leaf))
            (slope,) = torch.autograd.grad(scores.sum(), leaf)
        if not scores.isfinite().all() and float((pictures := settings.pictures(values)).abs().max()) < _SANE:
            raise InputError(f"nothing can be dreamed: {diagnose_nonfinite(batch, pictures)}")
        return scores.detach(), slope

    return gradient


def tiled_gradient_of(
    network: Network, terms: tuple[DreamTerm, ...], settings: DreamSettings, tile: int
) -> Gradient:
    """Return the same gradient, computed in windows whose own parts are about `tile` pixels a side."""
    batch = objective_batch(network, [objective_of(terms)], settings.precision)
    require_no_position(batch.targets.values())
    layers = {term.address: batch.targets[term.address].layer for term in terms}
    tilings: dict[Size, Tiling] = {}

    # A function of its own: what one window's answers held is let go before the next is looked at.
    def of_window(values: Tensor, cut: Tiling, window: Tile) -> tuple[Tensor, Tensor]:
        leaf = values.detach().requires_grad_()
        with torch.enable_grad():
            answers = batch.values(settings.pictures(leaf))
            score = torch.stack(
                [_own_worth(term, answers[term.address], cut, window, layers[term.address]) for term in terms]
            ).sum(0)
            (part,) = torch.autograd.grad(score.sum(), leaf)
        return score.detach(), part

    def gradient(values: Tensor) -> tuple[Tensor, Tensor]:
        size = (int(values.shape[2]), int(values.shape[3]))
        if size not in tilings:
            tilings[size] = tiling(network, batch.layers, size, tile)
        cut = tilings[size]
        scores, slope = values.new_zeros(len(values)), torch.zeros_like(values)
        for window in cut.one_by_one():
            score, part = of_window(window.part_of(values), cut, window)
            scores += score
            window.part_of(slope).add_(part)
        return scores, slope

    return gradient


def _own_worth(term: DreamTerm, answer: Tensor, cut: Tiling, window: Tile, layer: str) -> Tensor:
    """Return what a window's own positions add to a term, (N,)."""
    rows, columns = cut.grids[layer]
    inner = []
    for grid, strip in ((rows, window.rows), (columns, window.columns)):
        first, last = strip.local(layer, grid.stride)
        first_row = strip.own[layer][0] - first
        inner.append((max(first, term.border - first_row), min(last, grid.count - term.border - first_row)))
    (top, bottom), (left, right) = inner
    density = term.density(answer)[:, top : max(top, bottom), left : max(left, right)]
    return term.weight * density.flatten(1).sum(1) / (rows.count * columns.count)
