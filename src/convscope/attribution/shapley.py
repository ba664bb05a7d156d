"""What each part of a picture contributes to the answer, fairly: averaged over the orders in which parts may appear.

Štrumbelj and Kononenko, *Explaining prediction models and individual predictions with feature contributions* (2014):
Shapley values by sampling orders, each with its reverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.attribution import Attribution
from convscope.attribution.baselines import Baseline, baseline_input, in_words, or_usual
from convscope.attribution.method import attribution_method
from convscope.attribution.panels import PanelKeywords
from convscope.attribution.perturbation import masked_numbers, sides_in_words
from convscope.attribution.target import TargetLike, target_of
from convscope.errors import InputError
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.progress import Watch

CAUTION = (
    "The shares add up to all that the picture gives, and parts that act together share it; most orders show mixtures "
    "that the network may never have seen"
)


@attribution_method
def shapley(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    grid: int = 6,
    samples: int = 16,
    baseline: Baseline | None = None,
    seed: int = 0,
    watch: Watch | None = None,
    **panels: Unpack[PanelKeywords],
) -> Attribution:
    """Show what each cell of a grid contributes (red) or takes away (blue): its Shapley value, by sampling orders.

    The cells appear one by one in `samples` random orders, each followed by its reverse; a cell has the mean of
    what it changed. All of them add up to the answer less that for the `baseline`; `grid` is how many cells a side
    has. `target` is as in `saliency`.

    >>> convscope.shapley(network, "coffee", "espresso", grid=4).save("espresso.png")
    """
    target = target_of(network, picture, target)
    baseline, axes = or_usual(target, baseline, "gray"), len(target.places)
    if not 2 <= grid <= min(target.places) or samples < 1:
        raise InputError(
            f"grid is 2 to {min(target.places)} cells a side, samples at least 1; not {grid}, {samples}"
        )
    orders = list(_orders(grid**axes, samples, torch.Generator().manual_seed(seed)))
    cells = _cells(grid, target.places)
    masks = (mask for order in orders for mask in _appearing(order, cells))
    runs = len(orders) * (grid**axes + 1)
    numbers = masked_numbers(target, masks, baseline_input(target, baseline), runs, watch)
    changes = numbers.reshape(len(orders), -1).diff(dim=1)  # what each cell of an order changed
    shares = torch.stack([changes[row][order.argsort()] for row, order in enumerate(orders)])
    mean = shares.mean(0)
    error = float(shares.std(0).mean() / len(orders) ** 0.5) if len(orders) > 1 else 0.0
    map = mean[cells].numpy()
    how = (
        f"the cells of a grid of {sides_in_words(grid, axes)} appear in {len(orders)} orders on {in_words(baseline)}: "
        f"what each changes, on average, ± {1.96 * error:.2g} at 95 %. They add up to {float(mean.sum()):.4g}, all "
        "that the picture gives"
    )
    values = target.on_each_color(map)
    return Attribution(
        target, "Shapley values", map, values, how, CAUTION, signed=True, lit="what speaks for it"
    )


def _orders(cells: int, samples: int, generator: torch.Generator) -> Iterator[Tensor]:
    for _ in range(samples):
        order = torch.randperm(cells, generator=generator)
        yield order
        yield order.flip(0)


def _cells(grid: int, size: Sequence[int]) -> Tensor:
    """Return the number of the cell that each pixel is in."""
    cells = torch.zeros((), dtype=torch.int64)
    for side in size:
        cells = cells[..., None] * grid + torch.arange(side) * grid // side
    return cells


def _appearing(order: Tensor, cells: Tensor) -> Iterator[Tensor]:
    """Yield the masks of an order: nothing, then a cell more each time."""
    place = order.argsort()[cells]
    for count in range(len(order) + 1):
        yield (place < count).float()
