"""What units want to see, each beside where it finds it in the picture.

The pairing of Olah et al., *The building blocks of interpretability* (2018): a unit's number says little, its picture
and its place say what it contributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.address import Address
from convscope.attribution.panels import blurred
from convscope.attribution.saliency import saliency
from convscope.attribution.target import AttributionTarget, target_of
from convscope.errors import ConvscopeError
from convscope.looking.answers import answer, is_vector
from convscope.looking.stages import stages
from convscope.network.network import Network
from convscope.optimization.feature_visualization import RenderOptions, as_picture, visualize
from convscope.pictures.photograph import InputLike
from convscope.pictures.picture import Picture
from convscope.report.context import TREE, Counter, ReportContext
from convscope.report.embedding import Embedded, embed_one, embed_photograph

SIZE, STEPS = 128, TREE["steps"]  # the tree's: a channel's picture is made once for both
_CHANNELS = 4  # at most
_DIM = 0.12  # what is left of the picture where a unit finds nothing
_SAME = 0.95  # correlation from which two pictures tell a reader nothing apart
_PARTS = 5  # of the work a unit is, where a figure is one


@dataclass(frozen=True)
class UnitPlate:
    """A unit, what it wants to see with the verdict in its caption, and the picture lit where it finds it."""

    title: str
    wanted: Embedded
    found: Embedded | None
    same_as: str = ""


def units_of(context: ReportContext) -> list[str]:
    """Return the addresses worth seeing: the class, and four channels: that it came from, or that answer most."""
    if not context.sees_pictures:
        return []
    channels = _channels_of_tree(context)
    if len(channels) < _CHANNELS:
        channels += informative_units(context.network, context.picture, layers=2)
    return [entry.address for entry in context.classes[:1]] + list(dict.fromkeys(channels))[:_CHANNELS]


def _channels_of_tree(context: ReportContext) -> list[str]:
    """Return the channels that gave most to the answer and, for each, the one that gave most to it."""
    if not context.shows("evidence") or isinstance(context.tree, ConvscopeError):
        return []
    parts = context.tree.root.parts
    behind = [part.parts[0] for part in parts if part.parts]
    return [one.address for one in (*parts, *behind)]


def unit_parts(context: ReportContext) -> int:
    """Return how many parts of the work the section is; which units, it tells only as they are made."""
    classes = len(context.classes[:1])
    return _PARTS * (classes + _CHANNELS) if context.sees_pictures else 0


def units(context: ReportContext, count: Counter) -> Iterator[UnitPlate]:
    """Yield a plate for each unit, the class first; the others are made together. Counted as their steps go by.

    The first error of those that cannot be made comes when the others are.
    """
    network, addresses, classes = context.network, units_of(context), len(context.classes[:1])
    if not addresses:
        return
    options, watch = RenderOptions(size=SIZE, steps=STEPS), count.through(unit_parts(context))
    pictures: dict[str, NDArray[np.uint8]] = {}
    before, of = 0, STEPS * len(addresses)
    failed: ConvscopeError | None = None
    for group in (addresses[:classes], addresses[classes:]):
        done = 0
        try:
            for progress in visualize(network, group, options):
                for rendered in progress.made:
                    picture = as_picture(network, rendered, options)
                    same = next(
                        (name for name, other in pictures.items() if _alike(picture.array, other)), ""
                    )
                    pictures[rendered.name] = picture.array
                    yield _plate(context, rendered.name, picture, same)
                done = progress.done
                watch(before + done, of)
        except ConvscopeError as error:
            failed = failed or error
            done = STEPS * len(group)
            watch(before + done, of)
        if done < STEPS * len(group):  # it was ended by Ctrl-C, with what there was
            raise KeyboardInterrupt
        before += done
    if failed is not None:
        raise failed


def _plate(context: ReportContext, address: str, picture: Picture, same: str) -> UnitPlate:
    command = context.command("see", address, picture=False, size=SIZE, steps=STEPS)
    target = target_of(context.network, context.picture, address)
    try:
        lit, number = where_found(target, context.picture)
    except ConvscopeError:  # it can be asked for, but not looked for in a picture
        example = None
    else:
        example = embed_photograph(lit, number)
    return UnitPlate(_name(target), embed_one(picture, address=address, command=command), example, same)


def where_found(target: AttributionTarget, picture: InputLike) -> tuple[NDArray[np.float64], str]:
    """Return the picture as the network sees it, lit where a unit finds what it wants, and how strong its answer is.

    A channel is lit where it answers, a class where its score depends on the picture, by its saliency.
    """
    network, address = target.network, target.address
    background = network.deprocess(target.input)
    channel = int(address.channel or 0)
    if is_vector(network.shape_channels_first(address.layer)):
        light = blurred(saliency(network, picture, address).map, 99)
        words = f"answers {answer(network, picture, address.layer).reshape(-1)[channel]:.3g}"
    else:
        values = np.maximum(answer(network, picture, address.layer)[channel], 0)
        strongest = float(values.max())
        small = Image.fromarray((values / (strongest or 1)).astype(np.float32))
        height, width = background.shape[:2]
        light = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float64).clip(0, 1)
        words = f"answers up to {strongest:.3g}"
    return background * (
        _DIM + (1 - _DIM) * light[..., None]
    ), f"Your picture, lit where it finds it: {words} here."


def _name(target: AttributionTarget) -> str:
    network, address = target.network, target.address
    if address.layer in network.class_values and network.labels:
        return network.class_label(int(address.channel or 0))
    return str(address)


def _alike(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Tell two pictures that nobody could tell apart."""
    if first.shape != second.shape:
        return False
    one, other = first.astype(float).ravel(), second.astype(float).ravel()
    if one.std() == 0 or other.std() == 0:
        return bool(np.array_equal(one, other))
    return bool(np.corrcoef(one, other)[0, 1] > _SAME)


def informative_units(network: Network, picture: InputLike, *, layers: int = 3, each: int = 2) -> list[str]:
    """Return the channels that answer most to a picture, averaged over it, in the last layers of the last stages."""
    addresses = []
    for stage in stages(network)[-layers:]:
        name = stage.shown[-1]
        maps = answer(network, picture, name)
        strength = maps.reshape(len(maps), -1).mean(1)
        addresses += [str(Address(name, int(index))) for index in np.argsort(-strength, kind="stable")[:each]]
    return addresses
