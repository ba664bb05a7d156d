"""The layer table: what a network is made of, a row a layer, in the order the layers run.

Each row has the layer's name (its address), what made it, its shape, the shapes it learned, how many input pixels
one of its positions sees, how many numbers it learned and how many multiply-adds it costs.
"""

from __future__ import annotations

import html
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import prod

from convscope.argument_errors import arguments_in_words
from convscope.network.layer import Layer
from convscope.network.network import Network
from convscope.network.operations.checks import dimensions
from convscope.network.receptive_field import extent_in_words
from convscope.presentation.wording import shortened

HEADINGS = ("layer", "kind", "shape", "parameter shapes", "receptive field", "parameters", "operations")
_NUMBERS = frozenset(HEADINGS[4:])
_SHORT = {"parameter shapes": "learned", "receptive field": "sees"}
_CUT = (1, 3)  # the columns of kinds and of parameters' shapes
_LEAST = 9  # letters that are left of them
_LEFT_OUT = (3, 6, 1)  # the columns that a narrow table does without, one after the other


@dataclass(frozen=True)
class Row:
    """One layer: `receptive_field` as (height, width) in input pixels; `operations` are multiply-adds a picture.

    `parameters` are the numbers that no row before has: those that layers share count once. `cut` says why a layer is
    not computed, where it is not.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameter_shapes: tuple[tuple[int, ...], ...]
    receptive_field: tuple[float, float] | None
    parameters: int
    operations: int
    cut: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, one cell a heading."""
        return (
            self.name,
            self.kind,
            "" if self.cut else dimensions(self.shape, "×"),
            ", ".join(dimensions(shape, "×") for shape in self.parameter_shapes),
            "" if self.receptive_field is None else extent_in_words(*self.receptive_field),
            f"{self.parameters:,}" if self.parameters else "",
            f"{self.operations:,}" if self.operations else "",
        )


@dataclass(frozen=True)
class LayerTable:
    """The rows of a network's layer table; prints itself as text, Jupyter shows it as HTML.

    >>> print(layer_table(network))
    layer  kind                shape         parameter shapes  receptive field  parameters  operations
    data   Input               1×3×32×32                                     1
    conv1  Convolution + ReLU  1×8×32×32     8×3×5×5, 8                      5         608     614,400
    """

    network: str
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        """How many numbers the layers learned, all together."""
        return sum(row.parameters for row in self.rows)

    @property
    def operations(self) -> int:
        """How many multiply-adds one picture costs, at the size shown."""
        return sum(row.operations for row in self.rows)

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, width: int | None = None) -> str:
        """Return the table as text, no wider than so many letters where that can be.

        Names and numbers stay whole: kinds and parameters' shapes are cut, two headings are shorter; then columns go.
        """
        total = ("total", "", "", "", "", f"{self.parameters:,}", f"{self.operations:,}")
        rows = [tuple(" ".join(cell.splitlines()) for cell in row.cells()) for row in self.rows]
        lines = [HEADINGS, *rows, total]
        widths = _widths(lines)
        kept = list(range(len(HEADINGS)))
        if width is not None and _room(widths, kept) > width:
            lines[0] = tuple(_SHORT.get(heading, heading) for heading in HEADINGS)
            whole = _widths(lines)
            for column in (None, *_LEFT_OUT):
                kept = [one for one in kept if one != column]
                widths = _fitted(whole, kept, width)
                if _room(widths, kept) <= width:
                    break
        return "\n".join(
            "  ".join(
                line[column].rjust(widths[column])
                if HEADINGS[column] in _NUMBERS
                else shortened(line[column], widths[column]).ljust(widths[column])
                for column in kept
            ).rstrip()
            for line in lines
        )

    def to_json(self) -> str:
        """Return the table as JSON: a list of objects with the fields of `Row`."""
        return json.dumps([asdict(row) for row in self.rows], ensure_ascii=False, indent=2)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells()) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _widths(lines: list[tuple[str, ...]]) -> list[int]:
    return [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]


def _room(widths: list[int], columns: list[int]) -> int:
    return sum(widths[column] + 2 for column in columns) - 2


def _fitted(widths: list[int], columns: list[int], room: int) -> list[int]:
    """Take from the widest of the columns that may be cut until all fit, or no more can be taken."""
    widths, may_be_cut = list(widths), [column for column in _CUT if column in columns]
    while _room(widths, columns) > room and may_be_cut:
        widest = max(may_be_cut, key=lambda column: widths[column])
        if widths[widest] <= _LEAST:
            break
        widths[widest] -= 1
    return widths


@arguments_in_words
def layer_table(network: Network) -> LayerTable:
    """Show what a network is made of, a row a layer.

    Inputs are the first rows; a layer written in place by several steps is one row ("Convolution + ReLU"). Layers that
    are cut off, because they or what they read cannot be computed, are the last ones ("Proposal (cut)").

    >>> convscope.layer_table(network).parameters
    2126440
    """
    first = next(iter(network.graph.inputs.values()), ())
    batch = first[0] if len(first) > 1 else 1
    parameters: set[str] = set()
    rows = [_row(layer, batch, parameters) for layer in network.layers.values()]
    cut = [
        Row(value, f"{layer.type_name} (cut)", None, (), None, 0, 0, cut=layer.sentence)
        for value, layer in network.graph.cut.items()
    ]
    return LayerTable(network.name, (*rows, *cut))


def _row(layer: Layer, batch: int, counted: set[str]) -> Row:
    field = layer.receptive_field
    new = layer.parameters.keys() - counted
    counted |= new
    return Row(
        name=layer.name,
        kind=" + ".join(dict.fromkeys(layer.steps)),
        shape=layer.shape,
        parameter_shapes=tuple(layer.parameters.values()),
        receptive_field=(_plain(field.size[0]), _plain(field.size[1])) if field else None,
        parameters=sum(prod(layer.parameters[name]) for name in new),
        operations=layer.multiply_adds // batch,
    )


def _plain(extent: Fraction) -> float:
    """Return a number of pixels as JSON has it: whole where it is."""
    return int(extent) if extent == int(extent) else float(extent)
