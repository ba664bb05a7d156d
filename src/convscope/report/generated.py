"""What a network makes of the picture: dreams, and a painting in the style of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from convscope.dreaming.deep_dream import dream_of
from convscope.errors import ConvscopeError, InputError
from convscope.looking.stages import stages
from convscope.optimization.own_pictures import SIZE as OWN
from convscope.optimization.own_pictures import is_unit, open_picture, picture_or_unit
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.report.context import Counter, ReportContext, sees
from convscope.report.embedding import Embedded, TitledFigure, embed_one, embed_photograph
from convscope.styling.style_transfer import transfer_of

SIZE = 288  # pixels of the longer side: two fill the page
DREAM, PAINTING = 8, 32  # parts of the work, where a figure of the page is one
_LAYERS = 2  # that dream, the deepest of their stages
_ITERATIONS = 40  # at each size of a painting: half of what it takes alone


def dream_targets(context: ReportContext) -> list[tuple[str, str, str]]:
    """Return what is worth dreaming of, from shallow to deep: address, title and words."""
    network = context.network
    if not context.sees_pictures:
        return []
    layers = [stage.shown[-1] for stage in stages(network)[-_LAYERS:]]
    return [(name, name, sees(network.layers[name])) for name in layers]


def dream_parts(context: ReportContext) -> int:
    """Return how many parts of the work the section is."""
    return DREAM * len(dream_targets(context))


def painting_parts(context: ReportContext) -> int:
    """Return how many parts of the work the section is: it is there only where a style is named."""
    return PAINTING


def dreams(context: ReportContext, count: Counter) -> Iterator[TitledFigure]:
    """Yield the picture after a short dream of each address."""
    for address, title, words in dream_targets(context):
        watch = count.through(DREAM)
        try:
            yield TitledFigure(title, words, _dream(context, address, watch))
        except ConvscopeError as error:
            watch(1, 1)
            yield TitledFigure(title, f"could not be dreamed of here: {error}", None)


def _dream(context: ReportContext, address: str, watch: Callable[[int, int], None]) -> Embedded:
    network, picture = context.network, context.photograph
    dream = dream_of(network, picture, address, size=_size(context))
    for step in dream.steps():
        watch(step.index, step.of)
    command = context.command("dream", layer=_weighted(address), size=_size(context))
    return embed_one(dream.picture(step), address=address, command=command)


def check_style(context: ReportContext) -> None:
    """Refuse a style that is no picture and no unit before the page takes its time."""
    style = context.options.style
    if style is not None and context.kind != "picture":
        raise InputError(f"only a picture can be painted, and {context.network.name} reads a {context.kind}")
    if is_unit(context.network, style):
        context.network.resolve(style)
    elif style is not None:
        open_picture(context.network, style)


def paintings(context: ReportContext, count: Counter) -> Iterator[TitledFigure]:
    """Yield the style and the picture painted in it, where one is named."""
    network = context.network
    watch = count.through(PAINTING)
    try:
        yield _style(context)
        yield TitledFigure(context.name, "painted in this style", _painting(context, watch))
    except ConvscopeError as error:
        watch(1, 1)
        yield TitledFigure(context.name, f"could not be painted by {network.name}: {error}", None)


def _style(context: ReportContext) -> TitledFigure:
    network, style = context.network, context.options.style
    preview = picture_or_unit(network, style)
    if isinstance(preview, Picture) and is_unit(network, style):
        command = context.command("see", style, picture=False, size=OWN)
        return TitledFigure(
            style, "the style: its own picture", embed_one(preview, address=style, command=command)
        )
    photograph = open_photograph(preview)
    height, width = photograph.pixels.shape[:2]
    caption = f"As given, {width} × {height} pixels."
    return TitledFigure(photograph.name, "the style", embed_photograph(photograph.pixels, caption))


def _painting(context: ReportContext, watch: Callable[[int, int], None]) -> Embedded:
    network, picture, style = context.network, context.photograph, context.options.style
    transfer = transfer_of(network, picture, style, size=_size(context), steps=_ITERATIONS)
    for step in transfer.steps():
        watch(step.index, step.of)
    options = {"style": _weighted(style), "size": _size(context), "steps": _ITERATIONS}
    command = context.command("style", **options)
    return embed_one(transfer.picture(step), command=command)


def _size(context: ReportContext) -> int:
    """Return the longer side of what is made: no picture is enlarged."""
    height, width = context.photograph.pixels.shape[:2]
    return min(SIZE, int(max(height, width)))


def _weighted(named: Any) -> Any:
    """Return an address or a path as the command line takes it: what follows the last = is a weight there."""
    return f"{named}=1" if isinstance(named, str) and "=" in named else named
