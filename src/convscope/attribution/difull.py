"""Four pictures that a network sees apart: each class's score comes from one of them, and from nothing else.

DiFull of Rao et al., *Towards better understanding attribution methods* (2022): whatever a map lights on the other
three is wrong, which no grid that a network looks at as a whole can tell. The four meet in one layer only, which class
activation maps are made of, and part again behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from convscope.address import Address
from convscope.attribution.target import AttributionTarget, target_of
from convscope.errors import InputError
from convscope.looking.main_line import last_maps
from convscope.network.given_input import channels_last
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network

QUARTERS = 4


@dataclass(frozen=True, eq=False)
class Disconnected:
    """The network of twice the size, the ``layer`` in which all four meet, and the scores of each quarter's own."""

    network: Network
    layer: str
    scores: tuple[str, ...]

    def targets(self, grid: Tensor, classes: Sequence[int]) -> list[AttributionTarget]:
        """Return the score of each of four classes, as this network sees it in its own quarter of a grid."""
        own = zip(self.scores, classes, strict=True)
        return [target_of(self.network, grid, Address(score, number)) for score, number in own]


def disconnected(network: Network) -> Disconnected:
    """Return a network that sees the quarters of a picture of twice the size apart, with the same weights.

    InputError where it has several inputs, or no layer with positions that all goes through.
    """
    graph, scores = network.graph, network.class_scores
    layer = last_maps(network, [scores])
    if len(graph.inputs) != 1 or layer is None:
        raise InputError(
            "a network sees four pictures apart where it has one input, and a layer with positions on the way"
        )
    (input,) = graph.inputs
    needed = graph.needed_for([scores])
    before = {id(operation) for operation in graph.needed_for([layer])}
    height, width = (1, 2) if channels_last(network) else (2, 3)
    rows, columns = (1, 2) if graph.channels_last else (2, 3)
    operations = (
        *_cut(input, input, (height, width)),
        *_copies((one for one in needed if id(one) in before), ""),
        *_joined(layer, (rows, columns)),
        *_cut(layer, f"{layer} again", (rows, columns)),
        *_copies((one for one in needed if id(one) not in before), layer),
    )
    shape = list(graph.inputs[input])
    shape[height], shape[width] = 2 * shape[height], 2 * shape[width]
    ends = tuple(_quarter(scores, place) for place in range(QUARTERS))
    whole = Graph(
        graph.name,
        {input: tuple(shape)},
        operations,
        ends,
        graph.parameters.replaced({}),
        channels_last=graph.channels_last,
        constants=frozenset(_quarter(value, place) for value in graph.constants for place in range(QUARTERS)),
    )
    apart = Network(whole, input_spec=network.input_spec, labels=network.labels, device=network.device)
    return Disconnected(apart, layer, ends)


def _quarter(value: str, place: int) -> str:
    return f"{value}#{place}"


def _cut(value: str, into: str, axes: tuple[int, int]) -> Iterator[Operation]:
    """Yield what makes four quarters of a value: the upper left, the upper right, and those below."""
    down, across = axes
    halves = tuple(f"{into} half {side}" for side in range(2))
    yield Operation(
        "slice", f"{into} halves", "Slice", (value,), halves, attributes={"axis": down, "parts": 2}
    )
    for side, half in enumerate(halves):
        quarters = tuple(_quarter(into, 2 * side + one) for one in range(2))
        attributes = {"axis": across, "parts": 2}
        yield Operation("slice", f"{half} quarters", "Slice", (half,), quarters, attributes=attributes)


def _joined(value: str, axes: tuple[int, int]) -> Iterator[Operation]:
    """Yield what makes one value of its four quarters."""
    down, across = axes
    halves = tuple(f"{value} row {side}" for side in range(2))
    for side, half in enumerate(halves):
        quarters = tuple(_quarter(value, 2 * side + one) for one in range(2))
        yield Operation("concat", half, "Concat", quarters, (half,), attributes={"axis": across})
    yield Operation("concat", value, "Concat", halves, (value,), attributes={"axis": down})


def _copies(operations: Iterable[Operation], cut: str) -> Iterator[Operation]:
    """Yield four of each operation; what is `cut` again is read from there."""

    def renamed(values: Sequence[str], place: int) -> tuple[str, ...]:
        return tuple(_quarter(f"{value} again" if value == cut and cut else value, place) for value in values)

    for operation in operations:
        for place in range(QUARTERS):
            yield replace(
                operation,
                name=_quarter(operation.name, place),
                inputs=renamed(operation.inputs, place),
                outputs=tuple(_quarter(value, place) for value in operation.outputs),
                in_place=False,
                definition=None,
            )
