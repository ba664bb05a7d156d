"""What the report shows: everything computed, nothing yet laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from convscope.looking.activations import activations
from convscope.looking.answers import is_vector, recorded
from convscope.looking.classify import Prediction, classify, predictions, probabilities
from convscope.looking.filters import READABLE, filters, layers_with_filters, read_filters
from convscope.looking.layer_table import LayerTable, layer_table
from convscope.looking.main_line import Stage, stages, vectors
from convscope.looking.values import values
from convscope.network.network import Network
from convscope.optimization.feature_visualization import by_address, feature_visualization
from convscope.pictures.picture import Picture
from convscope.presentation.grid import SMALLEST_TILE
from convscope.report.context import Counter, Progress, Subject, sees
from convscope.report.embedding import Embedded, embed, first_tile
from convscope.report.imagined import DREAM, PAINTING, Imagined, check_style, dreamed, dreams, painted
from convscope.report.wanted_and_found import SIZE, STEPS, informative_units, laid_out, paired

CHANNELS = 48
_COLUMNS = 8
PALETTE = "magma"
_TILE = 112  # pixels: eight of them make a column of text
_LARGE = 32  # pixels: the side of a deeper filter's tile, where there is room
_WIDTH = 820  # pixels: what the channels of a filter have side by side
_ROWS = 24
_CLASSES = 4  # whose pictures are made
_UNIT = 5  # parts of the work, where a figure is one


@dataclass(frozen=True)
class Shown:
    """One layer's activations: the figure, and its strongest channel alone."""

    name: str
    shape: str
    sees: str
    figure: Embedded
    thumbnail: str = ""
    strongest: str = ""


@dataclass(frozen=True)
class Content:
    """Everything the page shows. `classes` is empty for a network that does not classify.

    ``units`` are a kind of unit ("Classes", "Channels") and what those want to see beside where they find it;
    ``painting`` is the style and the picture in it, or nothing.
    """

    classes: list[Prediction]
    charts: list[Embedded]
    table: LayerTable
    first_filters: list[Embedded]
    deeper_filters: list[Embedded]
    stages: list[tuple[Stage, list[Shown]]]
    vectors: list[Embedded]
    units: list[tuple[str, Embedded]]
    dreams: list[Imagined]
    painting: list[Imagined]


def gather(subject: Subject, progress: Progress) -> Content:
    """Compute all that the report shows."""
    network, picture, wishes = subject.network, subject.picture, subject.wishes
    check_style(subject)
    groups = _all_stages(network) if wishes.everything else stages(network)
    flat = (
        [name for name in network.layers if is_vector(network.shape_channels_first(name))]
        if wishes.everything
        else vectors(network)
    )
    layers = [name for group in groups for name in group.shown]
    learned = layers_with_filters(network)
    classes = classify(network, picture, top=subject.wishes.top) if _classifies(network) else []
    if classes and network.class_output in flat:
        flat.remove(network.class_output)  # the probability plot shows it better
    units = _units(subject, classes) if wishes.features else {}
    dreaming = dreamed(subject, classes) if wishes.dreams else []
    figures = 2 * bool(classes) + len(layers) + len(flat) + 2 * bool(learned) + 1
    made = _UNIT * sum(map(len, units.values())) + DREAM * len(dreaming)
    count = Counter(figures + made + PAINTING * (wishes.style is not None), progress)
    with ExitStack() as stack:
        if layers or flat:
            stack.enter_context(recorded(network, picture, [*layers, *flat]))
        return Content(
            classes,
            list(_charts(subject, count)) if classes else [],
            layer_table(network),
            list(_first_filters(subject, learned[:1], count)),
            list(_deeper_filters(subject, learned[1:], count)),
            [(group, [_shown(subject, name, count) for name in group.shown]) for group in groups],
            [_values(subject, name, count) for name in flat],
            [(kind, _wanted(subject, addresses, count)) for kind, addresses in units.items()],
            list(dreams(subject, dreaming, count)),
            painted(subject, count),
        )


def _classifies(network: Network) -> bool:
    """Tell a network that answers with classes from one that answers with something else (`Network.outputs`)."""
    return bool(network.class_values) and (network.class_count or 0) > 1


def _charts(subject: Subject, count: Callable[[], None]) -> Iterator[Embedded]:
    given = (subject.network, subject.picture)
    for technique, flag in ((predictions, []), (probabilities, ["--every-class"])):
        output = f"{technique.__name__}.png"
        command = subject.command("classify", *flag, top=subject.wishes.top, output=output)
        yield embed(_in_theme(technique, *given, top=subject.wishes.top), command=command)[0]
        count()


def _first_filters(subject: Subject, layers: list[str], count: Callable[[], None]) -> Iterator[Embedded]:
    """Show the first filters twice: on one scale, and each on its own."""
    for name in layers:
        tile = 56 if read_filters(subject.network, name).weights.shape[-1] > 1 else None
        for scale in ("sheet", "tile"):
            yield _filters(subject, name, scale=scale, tile_size=tile)
            count()


def _deeper_filters(subject: Subject, layers: list[str], count: Callable[[], None]) -> Iterator[Embedded]:
    """Show the filters of the first deeper layer whose kernels are larger than a point."""
    for name in layers:
        _, channels, height, width = read_filters(subject.network, name).weights.shape
        if height * width > 1:
            tile = max(SMALLEST_TILE, min(_LARGE, _WIDTH // min(channels, READABLE)))
            yield _filters(subject, name, first=_ROWS, tile_size=tile)
            break
    count()


def _filters(subject: Subject, name: str, **options: Any) -> Embedded:
    command = subject.command("filters", name, picture=False, **options)
    return embed(_in_theme(filters, subject.network, name, **options), address=name, command=command)[0]


def _shown(subject: Subject, name: str, count: Callable[[], None]) -> Shown:
    layer = subject.network.layers[name]
    _, channels, height, width = subject.network.shape_channels_first(name) or (0, 0, 1, 1)
    options: dict[str, Any] = {
        "channels": CHANNELS,
        "order": "strongest",
        "palette": PALETTE,
        "columns": _COLUMNS,
        "tile_size": _tile_size(max(height, width)),
    }
    make = _in_theme(activations, subject.network, subject.picture, name, **options)
    figure, dark = embed(make, address=name, command=subject.command("activations", name, **options))
    count()
    shape = f"{channels:,} channels of {height} × {width}"
    return Shown(name, shape, sees(layer), figure, first_tile(dark), dark.tiles[0].address)


def _tile_size(longer: int) -> int:
    """Return the whole multiple of a map's size that is nearest to what the page has room for."""
    return longer * max(1, round(_TILE / longer)) if longer <= 1.4 * _TILE else _TILE


def _units(subject: Subject, classes: list[Prediction]) -> dict[str, list[str]]:
    """Return the addresses worth seeing: the most probable classes, and the channels that answer most."""
    if subject.network.input_spec is None:
        return {}
    found = {
        "Classes": [found.address for found in classes[:_CLASSES]],
        "Channels": informative_units(subject.network, subject.picture),
    }
    return {kind: addresses for kind, addresses in found.items() if addresses}


def _wanted(subject: Subject, addresses: list[str], count: Counter) -> Embedded:
    """Show what units want to see; they are made together, and counted as their steps go by."""
    network, picture, watch = subject.network, subject.picture, count.through(_UNIT * len(addresses))
    wanted = feature_visualization(
        network, addresses, size=SIZE, steps=STEPS, watch=lambda made: watch(made.done, made.of)
    )
    pairs = paired(network, picture, by_address(wanted))

    def make(theme: str) -> Picture:
        recipe = subject.recipe("wanted_and_found", addresses=addresses, theme=theme)
        return replace(laid_out(pairs, theme=theme), recipe=recipe)

    return embed(make)[0]


def _values(subject: Subject, name: str, count: Callable[[], None]) -> Embedded:
    make = _in_theme(values, subject.network, subject.picture, name)
    figure, _ = embed(make, address=name, command=subject.command("activations", name))
    count()
    return figure


def _in_theme(
    technique: Callable[..., Picture], *given: object, **options: object
) -> Callable[[str], Picture]:
    return lambda theme: technique(*given, theme=theme, **options)


def _all_stages(network: Network) -> list[Stage]:
    """Return every layer with maps, grouped by size in the order of their first."""
    sizes: dict[tuple[int, int], list[str]] = {}
    for name, layer in network.layers.items():
        shape = network.shape_channels_first(name)
        if shape is not None and len(shape) == 4 and not is_vector(shape) and layer.kind != "Input":
            sizes.setdefault((shape[2], shape[3]), []).append(name)
    return [Stage(size, tuple(names), tuple(names)) for size, names in sizes.items()]
