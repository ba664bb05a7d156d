"""How an answer came about, as a tree: the class, the channels that it came from, and the channels behind those.

Achtibat et al., *From attribution maps to human-understandable explanations through concept relevance propagation*
(2023): relevance that is let through one channel alone says what that channel gave to the answer, and where.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Unpack

from convscope.attribution.activation_map import enlarged
from convscope.attribution.attribution import Attribution
from convscope.attribution.panels import LookKeywords, LookOptions, glowing
from convscope.attribution.relevance import Rule, start_of
from convscope.attribution.relevance_rules import COMPOSITES
from convscope.attribution.relevance_walk import Walk, walk_of
from convscope.attribution.target import AttributionTarget, TargetLike, target_of
from convscope.errors import InputError, by_name
from convscope.looking.main_line import last_maps, main_line
from convscope.network.axes import to_channels_first, to_channels_last
from convscope.network.network import Network
from convscope.optimization.feature_visualization import feature_visualization
from convscope.pictures.as_picture import AsPicture
from convscope.pictures.options import takes_options
from convscope.pictures.photograph import InputLike
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import recipe_function
from convscope.presentation.title import with_title
from convscope.presentation.tree import Branch, tree
from convscope.presentation.wording import percent
from convscope.progress import bars

_PAIRS = "left, what a channel wants to see; right, where it fires here"
_LAYERS = 2  # behind the class, where none are named


@dataclass(frozen=True, eq=False)
class Concept:
    """What one channel gave to an answer by the way that leads to it in the tree.

    - ``share`` is its part in the whole answer's relevance, 1; the shares of its ``parts`` and ``rest`` add up to it;
    - ``rest`` is what came through the other channels of that layer, and what biases took on the way;
    - ``map`` (height, width of the input) is where in the picture that lies: the answer's, pixel by pixel, a channel's
      at its own positions.
    """

    address: str
    share: float
    map: NDArray[np.float64]
    parts: tuple[Concept, ...] = ()
    rest: float = 0.0

    def __iter__(self) -> Iterator[Concept]:
        """Yield this one and all behind it."""
        yield self
        for part in self.parts:
            yield from part

    def to_dict(self) -> dict[str, Any]:
        """Return address, share, rest and parts as plain data, for JSON."""
        parts = [part.to_dict() for part in self.parts]
        return {"address": self.address, "share": self.share, "rest": self.rest, "parts": parts}


@dataclass(frozen=True, eq=False)
class RelevanceTree(AsPicture):
    """What an answer is made of: ``root`` is the class, its parts channels of ``layers[0]``, theirs of ``layers[1]``.

    ``wanted`` is what each channel wants to see. It can be saved and shown as the picture of it.
    """

    target: AttributionTarget
    root: Concept
    layers: tuple[str, ...]
    rule: str
    wanted: dict[str, NDArray[np.uint8]]
    look: LookOptions = field(default_factory=LookOptions)
    recipe: Recipe | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the shares as plain data, for JSON."""
        return {
            "target": str(self.target),
            "layers": list(self.layers),
            "rule": self.rule,
            **self.root.to_dict(),
        }

    @cached_property
    def _picture(self) -> Picture:  # type: ignore[override]
        figure = tree(self._branch(self.root, self.layers), theme=self.look.theme)
        title = "" if self.look.bare else f"{self.target.title} · {_PAIRS}"
        figure = with_title(figure, title, self.look.theme)
        return replace(figure, caption=self._caption, recipe=self.recipe)

    def _branch(self, node: Concept, layers: Sequence[str]) -> Branch:
        is_root = node is self.root
        words = (
            self.target.title.partition(" · ")[0] if is_root else f"{node.address} · {percent(node.share)}"
        )
        here = self._lit(node.map, smooth=not is_root)
        beside = _photograph(self.target) if is_root else self.wanted.get(node.address)
        pictures = (np.full_like(here, 128) if beside is None else beside, here)
        rest = f"all else of {layers[0]}: {percent(node.rest)}" if node.parts else ""
        branches = [self._branch(part, layers[1:]) for part in node.parts]
        return Branch(pictures, words, node.share, node.address, branches, rest)

    def _lit(self, map: NDArray[np.float64], smooth: bool) -> NDArray[np.uint8]:
        """Return the photograph in gray, and what is positive of a map glowing on it."""
        values = map if smooth else map[..., None]
        attribution = Attribution(self.target, "Relevance", map, values, "", "", signed=True)
        return glowing(attribution, float(np.percentile(map, self.look.percentile)))

    @property
    def _caption(self) -> str:
        return (
            f"What {self.target.words} came from, by relevance (rule {self.rule.replace('_', '-')}): from left to "
            f"right the answer, the channels of {self.layers[0]} that gave most to it, and for each of them those of "
            f"{', '.join(self.layers[1:]) or 'no layer before'} that gave most through it. Each shows what the "
            "channel wants to see and, beside it, where it fires for this answer. Percentages are parts of the "
            "whole answer: those of a node's channels and “all else” (the other channels, and what biases took) add up "
            "to its own. Relevance is shared out by rules that were chosen for clear maps, not measured."
        )


@dataclass(frozen=True, kw_only=True)
class TreeOptions(LookOptions):
    """How a tree of relevance is made and shown; `relevance_tree` says what each option does."""

    layers: Sequence[str] | None = None
    channels: int = 3
    rule: Rule = "epsilon_plus"
    steps: int = 96


class TreeKeywords(LookKeywords, total=False):
    """The fields of `TreeOptions` as keywords."""

    layers: Sequence[str] | None
    channels: int
    rule: Rule
    steps: int


@recipe_function("relevance_tree")
@takes_options(TreeOptions, TreeKeywords)
def relevance_tree(
    network: Network,
    picture: InputLike,
    target: TargetLike = None,
    *,
    seed: int = 0,
    progress: bool = True,
    **options: Unpack[TreeKeywords],
) -> RelevanceTree:
    """Show what an answer came from as a tree: the class, the channels that gave most to it, and those behind them.

    Each channel stands there with what it wants to see (improved for `steps` steps) and where in this picture its part
    lies. `layers` are named from the last to the first, the last two that every path goes through by default;
    `channels` is how many of each are followed. `rule` is as in `relevance`, `target` as in `saliency`.

    >>> convscope.relevance_tree(network, "coffee", "espresso", channels=2, steps=16).save("tree.png")

    InputError for a layer that the target, or the layer before it in the list, does not depend on.
    """
    how = TreeOptions(**options)
    if not isinstance(how.channels, int) or how.channels < 1:
        raise InputError(f"channels is how many of each layer are followed, at least 1; not {how.channels}")
    target = target_of(network, picture, target)
    layers = tuple(_checked(target, how.layers) if how.layers else _last_layers(target))
    walk = walk_of(target, by_name(COMPOSITES, how.rule.replace("-", "_"), "rule"), None)
    with bars(progress):
        root = _concept(walk, str(target), start_of(walk), layers, how.channels)
        units = list(dict.fromkeys(node.address for node in root if node is not root))
        size = min(128, *target.size)
        visualizations = (
            feature_visualization(network, units, steps=how.steps, seed=seed, size=size) if units else []
        )
    pictures = (
        {unit: one.array for unit, one in zip(units, visualizations, strict=False)}
        if len(visualizations) == len(units)
        else {}
    )
    return RelevanceTree(target, root, layers, how.rule, pictures, look=how)


def _concept(
    walk: Walk, address: str, start: dict[str, Tensor], layers: Sequence[str], width: int
) -> Concept:
    """Return a node and all behind it: `start` is the relevance that goes through it."""
    target, share = walk.target, sum(float(one.double().sum()) for one in start.values())
    relevances = walk.back(start, layers[:1]) if layers else {}
    if str(target) == address:
        map = _in_pixels(walk, start)
    else:
        (own,) = start.values()
        map = _in_rows(target, own)
    if not layers:
        return Concept(address, share, map)
    layer, *behind = layers
    if layer not in relevances:
        raise InputError(
            f"{layer!r} is not on the way from {address} to the picture: name layers from last to first"
        )
    last = target.network.graph.channels_last
    whole = to_channels_first(relevances[layer]) if last else relevances[layer]
    totals = whole[0].double().reshape(whole.shape[1], -1).sum(1)
    parts = []
    for channel in totals.argsort(descending=True, stable=True)[:width].tolist():
        if totals[channel] > 0:
            own = torch.zeros_like(whole)
            own[:, channel] = whole[:, channel]
            start_of_channel = {layer: to_channels_last(own) if last else own}
            parts.append(_concept(walk, f"{layer}:{channel}", start_of_channel, behind, width))
    return Concept(address, share, map, tuple(parts), share - sum(part.share for part in parts))


def _in_pixels(walk: Walk, start: dict[str, Tensor]) -> NDArray[np.float64]:
    """Return where in the picture relevance arrives."""
    relevances, input = walk.back(start), next(iter(walk.graph.inputs))
    arrived = relevances[input] if input in relevances else torch.zeros_like(walk.target.input)
    summed: NDArray[np.float64] = walk.target.pixels(arrived).sum(2)
    return summed


def _in_rows(target: AttributionTarget, relevance: Tensor) -> NDArray[np.float64]:
    """Return where a channel fires for the answer: its relevance at its own positions, enlarged."""
    first = to_channels_first(relevance) if target.network.graph.channels_last else relevance
    rows = first[0].sum(0)
    return enlarged(rows if rows.dim() == 2 else rows.reshape(1, 1), target.size)


def _photograph(target: AttributionTarget) -> NDArray[np.uint8] | None:
    return None if target.seen is None else (target.seen * 255).round().astype(np.uint8)


def _checked(target: AttributionTarget, layers: Sequence[str]) -> Iterator[str]:
    for layer in [layers] if isinstance(layers, str) else layers:
        address = target.network.resolve(layer)
        if address.channel is not None or address.layer in target.layers:
            raise InputError(
                f"{layer!r} is no layer before {target}: name layers, from the last to the first"
            )
        yield address.layer


def _last_layers(target: AttributionTarget) -> list[str]:
    """Return the last layers that every path goes through, with weights between each two."""
    network, last = target.network, last_maps(target.network, target.layers)
    if last is None:
        raise InputError(
            f"no layer with rows and columns that every path goes through lies before {target}: name `layers`"
        )
    line = main_line(network, target.layers)
    layers = [last]
    needed = network.graph.needed_for(target.layers)  # on the line, all before a layer leads to it
    places = {value: place for place, operation in enumerate(needed) for value in operation.outputs}
    with_weights = [place for place, one in enumerate(needed) if one.kind in ("convolution", "dense")]
    for name in reversed(line[: line.index(last)]):
        before, after = (bisect_right(with_weights, places[one]) for one in (name, layers[-1]))
        if len(layers) < _LAYERS and before < after:
            layers.append(name)
    return layers
