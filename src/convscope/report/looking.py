"""The sections that look at what is there: what the network says, its filters, and what its layers answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.looking.activations import activations
from convscope.looking.answers import answer, answer_rows
from convscope.looking.classify import predictions, probabilities
from convscope.looking.filters import READABLE, filters, layers_with_filters, read_filters
from convscope.looking.showing import show_output
from convscope.looking.stages import Stage
from convscope.looking.token_maps import token_maps
from convscope.looking.values import values
from convscope.network.outputs import Output
from convscope.pictures.picture import Picture
from convscope.presentation.grid import SMALLEST_TILE
from convscope.report.context import Counter, ReportContext, sees
from convscope.report.embedding import Embedded, embed, first_tile
from convscope.report.fed import sparkline

CHANNELS = 48
PALETTE = "magma"
_COLUMNS = 8
_TILE = 112  # pixels: eight of them make a column of text
_LARGE = 32  # pixels: the side of a deeper filter's tile, where there is room
_WIDTH = 820  # pixels: what the channels of a filter have side by side
_ROWS = 24
_ROUNDING = 1 / 250  # of the range: a step of eight bits
_ANSWERS = ("class map", "picture", "boxes", "tokens")


@dataclass(frozen=True)
class LayerFigure:
    """One layer's activations: the figure, and its strongest channel alone."""

    name: str
    shape: str
    sees: str
    figure: Embedded
    thumbnail: str = ""
    strongest: str = ""


def charts(context: ReportContext, count: Counter) -> Iterator[Embedded]:
    """Yield the bars of the most probable classes and the probability of each; of no classifier, each other answer."""
    for item in answers(context):
        make = _in_theme(show_output, context.network, context.picture, item)
        yield embed(make, address=_name(context, item), command=context.command("activations", item.value))[0]
        count()
    if not context.classes:
        return
    subject, top = (context.network, context.picture), context.options.top
    for technique, flag in ((predictions, []), (probabilities, ["--every-class"])):
        output = f"{technique.__name__}.png"
        command = context.command("classify", *flag, top=top, output=output)
        yield embed(_in_theme(technique, *subject, top=top), command=command)[0]
        count()


def answers(context: ReportContext) -> list[Output]:
    """Return the outputs, of no classifier, that are more than tiles or a plot; all boxes are one picture."""
    if context.classes or context.network.input_spec is None:
        return []
    outputs = [output for output in context.network.outputs if output.role in _ANSWERS]
    box_outputs = [output for output in outputs if output.role == "boxes"]
    return [output for output in outputs if output not in box_outputs[1:]]


def _name(context: ReportContext, output: Output) -> str:
    """Return what an output is called, with its layer where that is another word; of boxes, all that tells of them."""
    if output.role == "boxes":
        return " and ".join(one.name for one in context.network.outputs if one.role == "boxes")
    return output.name if output.name == output.value else f"{output.name} ({output.value})"


def filter_sheets(context: ReportContext, count: Counter) -> Iterator[Embedded]:
    """Yield the first filters on one scale, the same each on its own, and the first deeper ones larger than a point."""
    layers = layers_with_filters(context.network)
    for name in layers[:1]:
        tile = 56 if read_filters(context.network, name).weights.shape[-1] > 1 else None
        for scale in ("sheet", "tile"):
            yield _filters(context, name, scale=scale, tile_size=tile)
            count()
    for name in layers[1:]:
        _, channels, height, width = read_filters(context.network, name).weights.shape
        if height * width > 1:
            tile = max(SMALLEST_TILE, min(_LARGE, _WIDTH // min(channels, READABLE)))
            yield _filters(context, name, channels=_ROWS, tile_size=tile)
            break
    count()


def _filters(context: ReportContext, name: str, **options: Any) -> Embedded:
    command = context.command("filters", name, picture=False, **options)
    return embed(_in_theme(filters, context.network, name, **options), address=name, command=command)[0]


def shown_stages(context: ReportContext, count: Counter) -> Iterator[tuple[Stage, list[LayerFigure]]]:
    """Yield the stages, with the activations of some of their layers."""
    for stage in context.stages:
        show = _tokens if stage.of_tokens else _layer_figure
        yield stage, [show(context, name, count) for name in stage.shown]


def _layer_figure(context: ReportContext, name: str, count: Counter) -> LayerFigure:
    layer = context.network.layers[name]
    maps = answer(context.network, context.picture, name)
    channels, *size = maps.shape
    options: dict[str, Any] = {"channels": CHANNELS, "order": "strongest"}
    if len(size) > 1:
        options |= {"palette": PALETTE, "columns": _COLUMNS, "tile_size": _tile_size(max(size[-2:]))}
    make = _in_theme(activations, context.network, context.picture, name, **options)
    figure, dark = embed(make, address=name, command=context.command("activations", name, **options))
    count()
    sides = f"{' × '.join(map(str, size))}{' positions' * (len(size) == 1)}"
    shape = f"{channels:,} channel{'s' * (channels > 1)} of {sides}"
    if len(size) > 1:
        return LayerFigure(name, shape, sees(layer), figure, first_tile(dark), dark.tiles[0].address)
    strongest = int(np.abs(maps).mean(1).argmax())
    return LayerFigure(name, shape, "", figure, sparkline(maps[strongest]), f"{name}:{strongest}")


def _tokens(context: ReportContext, name: str, count: Counter) -> LayerFigure:
    """Return a layer's tokens as maps."""
    make = _in_theme(token_maps, context.network, context.picture, name)
    figure, dark = embed(make, address=name, command=context.command("activations", name))
    count()
    tokens, numbers = answer_rows(context.network, context.picture, name).shape
    shape = f"{tokens:,} tokens of {numbers:,} numbers"
    return LayerFigure(name, shape, "", figure, first_tile(dark), name)


def _tile_size(longer: int) -> int:
    """Return the whole multiple of a map's size that is nearest to what the page has room for."""
    return longer * max(1, round(_TILE / longer)) if longer <= 1.4 * _TILE else _TILE


def plots(context: ReportContext, count: Counter) -> Iterator[Embedded]:
    """Yield the values of layers with one number a channel; those that a layer before has, only once.

    The probabilities, reshaped say, stand in a section of their own.
    """
    answered = [context.network.class_output] if context.classifies else []
    plotted = [answer(context.network, context.picture, name).ravel() for name in answered]
    for name in context.vectors:
        numbers = answer(context.network, context.picture, name).ravel()
        if not any(_alike(numbers, before) for before in plotted):
            plotted.append(numbers)
            make = _in_theme(values, context.network, context.picture, name)
            yield embed(make, address=name, command=context.command("values", name))[0]
        count()


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Tell numbers that one plot shows as well as two: the same, or rounded to codes of eight bits in between."""
    if one.shape != other.shape or not np.isfinite([*one, *other]).all():
        return np.array_equal(one, other)
    return bool(np.abs(one - other).max() <= _ROUNDING * np.ptp(one)) or np.array_equal(one, other)


def _in_theme(
    technique: Callable[..., Picture], *given: object, **options: object
) -> Callable[[str], Picture]:
    return lambda theme: technique(*given, theme=theme, **options)
