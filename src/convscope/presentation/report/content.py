"""What the report shows: everything computed, nothing yet laid out."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from convscope.errors import ConvscopeError
from convscope.network.network import Network
from convscope.photograph import Photograph
from convscope.picture import Picture
from convscope.presentation.report.embedding import Embedded, embed, first_tile
from convscope.techniques.activations import activations
from convscope.techniques.answers import is_vector, recorded
from convscope.techniques.classify import Prediction, classify, predictions, probabilities
from convscope.techniques.filters import filters, layers_with_filters, read_filters
from convscope.techniques.layer_table import LayerTable, layer_table
from convscope.techniques.main_line import Stage, stages, vectors
from convscope.techniques.values import values

CHANNELS = 48
PALETTE = "magma"
_TILE = 112  # pixels: eight of them make a column of text
_SMALL = 15  # pixels: 48 channels of a filter side by side
_ROWS = 24


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
    """Everything the page shows. `classes` is empty for a network that does not classify."""

    classes: list[Prediction]
    charts: list[Embedded]
    table: LayerTable
    first_filters: list[Embedded]
    deeper_filters: list[Embedded]
    stages: list[tuple[Stage, list[Shown]]]
    vectors: list[Embedded]


Progress = Callable[[int, int], None]


class Counter:
    """Counts the figures as they are made."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self) -> None:
        """Tell that one more is made."""
        self.done += 1
        self.progress(self.done, self.total)


@dataclass(frozen=True)
class Subject:
    """What the report is about, and the words that name both on the command line."""

    network: Network
    picture: Photograph
    top: int

    def command(self, name: str, *arguments: str, picture: bool = True) -> str:
        """Return the command that makes one figure again."""
        words = ["convscope", name, self.network.origin.source]
        words += [self.picture.source or "PICTURE"] if picture else []
        return shlex.join([*words, *arguments])


def gather(subject: Subject, *, everything: bool, progress: Progress) -> Content:
    """Compute all that the report shows."""
    network, picture = subject.network, subject.picture
    groups = _all_stages(network) if everything else stages(network)
    flat = (
        [name for name in network.layers if is_vector(network.shapes[name])]
        if everything
        else vectors(network)
    )
    layers = [name for group in groups for name in group.shown]
    learned = layers_with_filters(network)
    classes = _classes(subject)
    count = Counter(2 * bool(classes) + len(layers) + len(flat) + 3 * bool(learned), progress)
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
        )


def _classes(subject: Subject) -> list[Prediction]:
    """Return the best classes; none for a network whose answer is no distribution over classes."""
    try:
        return classify(subject.network, subject.picture, top=subject.top)
    except ConvscopeError:
        return []


def _charts(subject: Subject, count: Callable[[], None]) -> Iterator[Embedded]:
    network, picture, top = subject.network, subject.picture, subject.top
    for technique in (predictions, probabilities):
        command = subject.command("classify", "--top", str(top), "-o", "predictions.png")
        make = _in_theme(technique, network, picture, top=top)
        yield embed(make, command=command if technique is predictions else "")[0]
        count()


def _first_filters(subject: Subject, layers: list[str], count: Callable[[], None]) -> Iterator[Embedded]:
    """Show the first filters twice: on one scale, and each on its own."""
    for name in layers:
        tile = 56 if read_filters(subject.network, name).weights.shape[-1] > 1 else None
        for scale in ("sheet", "tile"):
            command = subject.command("filters", name, "--scale", scale, picture=False)
            make = _in_theme(filters, subject.network, name, scale=scale, tile_size=tile)
            yield embed(make, address=name, command=command)[0]
            count()


def _deeper_filters(subject: Subject, layers: list[str], count: Callable[[], None]) -> Iterator[Embedded]:
    """Show the filters of the first deeper layer whose kernels are larger than a point."""
    for name in layers:
        _, channels, height, width = read_filters(subject.network, name).weights.shape
        if height * width > 1:
            tile = _SMALL if channels > _ROWS else None
            command = subject.command("filters", name, "--first", str(_ROWS), picture=False)
            make = _in_theme(filters, subject.network, name, first=_ROWS, tile_size=tile)
            yield embed(make, address=name, command=command)[0]
            break
    count()


def _shown(subject: Subject, name: str, count: Callable[[], None]) -> Shown:
    layer = subject.network.layers[name]
    _, channels, height, width = layer.shape or (0, 0, 0, 0)
    options = {"channels": CHANNELS, "order": "strongest", "palette": PALETTE}
    written = [f"--{key}={value}" for key, value in options.items()]
    command = subject.command("activations", name, *written)
    tile = _tile_size(max(height, width))
    make = _in_theme(activations, subject.network, subject.picture, name, tile_size=tile, **options)
    figure, dark = embed(make, address=name, command=command)
    count()
    field = layer.receptive_field
    sees = f"each position sees {field} × {field} pixels" if field and "x" not in str(field) else ""
    shape = f"{channels:,} channels of {height} × {width}"
    return Shown(name, shape, sees, figure, first_tile(dark), dark.tiles[0].address)


def _tile_size(longer: int) -> int:
    """Return the whole multiple of a map's size that is nearest to what the page has room for."""
    return longer * max(1, round(_TILE / longer)) if longer <= 1.4 * _TILE else _TILE


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
        if layer.shape is not None and len(layer.shape) == 4 and not is_vector(layer.shape):
            if layer.kind != "Input":
                sizes.setdefault((layer.shape[2], layer.shape[3]), []).append(name)
    return [Stage(size, tuple(names), tuple(names)) for size, names in sizes.items()]
