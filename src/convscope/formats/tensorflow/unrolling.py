"""A loop written out, round after round, while what it asks before each is known; and lists of values by number.

TensorArrays and TensorLists hold what a loop takes apart and puts together. In a loop of a known count each of their
places is one value, so nothing of them remains in the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from convscope.errors import UnsupportedLayer
from convscope.formats.tensorflow.loops import Loop
from convscope.formats.tensorflow.node import Node, OutputReference
from convscope.formats.tensorflow.parameters import Array
from convscope.network.parameters import Shape

MOST_ROUNDS = 256
"""A loop of more rounds is not written out."""
_MOST_NODES = 100_000


class Building(Protocol):
    """What a loop is written out into."""

    def add(self, node: Node) -> None:
        """Add a node."""

    def numbers(self, read: OutputReference) -> Array | None:
        """Return what is known of a value whatever the picture."""

    def keep(self, name: str, numbers: Array) -> None:
        """Let a value be these numbers."""

    def is_cut(self, read: OutputReference) -> bool:
        """Whether a value is not computed."""

    def shape_of(self, read: OutputReference) -> Shape:
        """Return a value's shape."""


@dataclass
class Unrolling:
    """What stands for what while loops are written out: values of a loop's end, and the places of lists."""

    building: Building
    stands: dict[OutputReference, OutputReference] = field(default_factory=dict)
    lists: dict[str, list[OutputReference | None]] = field(default_factory=dict)
    inside: set[str] = field(default_factory=set)
    """The nodes of all rounds."""
    by_size: bool = False
    """Whether how many rounds a loop went was counted by the size of something."""

    def meant(self, node: Node) -> Node:
        """Return a node that reads what its inputs stand for."""
        if not any(read in self.stands for read in node.inputs):
            return node
        return replace(node, inputs=tuple(self.stands.get(read, read) for read in node.inputs))

    def take(self, node: Node) -> bool:
        """Do what a node asks if it is a loop, or about lists; say whether it was."""
        if isinstance(node, Loop):
            self._write_out(node)
        elif node.op in _LISTS:
            _LISTS[node.op](self, node)
        elif node.op == "Identity" and node.inputs[0].node in self.lists:
            self.lists[node.name] = self.lists[node.inputs[0].node]
        elif node.op in ("Split", "SplitV", "Unpack"):
            return self._takes_known_apart(node)
        else:
            return False
        return True

    def _takes_known_apart(self, node: Node) -> bool:
        """Let the parts of known numbers be known; say whether they are."""
        read = [self.building.numbers(read) for read in node.inputs]
        if any(numbers is None for numbers in read):
            return False
        for at, part in enumerate(_parts(node, [numbers for numbers in read if numbers is not None])):
            self.building.keep(f"{node.name}:{at}", part)
            self.stands[OutputReference(node.name, at)] = OutputReference(f"{node.name}:{at}", 0)
        return True

    def _write_out(self, loop: Loop) -> None:
        values = list(loop.inputs)
        behind = _behind(loop.condition.node, loop.body)
        for number in range(MOST_ROUNDS + 1):
            place = _Round(dict(zip(loop.variables, values, strict=True)), _names(loop.body, number))
            for node in loop.body:
                if node.name in behind:
                    self._add(place.node(node))
                    self.by_size |= any(self._is_size(place.read(read)) for read in node.inputs)
            goes_on = self.building.numbers(self._final(place.read(loop.condition)))
            if goes_on is None or goes_on.size != 1:
                raise _refusal(loop, "how many rounds it goes depends on the picture")
            if not bool(goes_on.item()):
                break
            if number == MOST_ROUNDS:
                raise _refusal(loop, f"it goes more than {MOST_ROUNDS} rounds")
            for node in loop.body:
                if node.name not in behind:
                    self._add(place.node(node))
            following = [self._final(place.read(read)) for read in loop.following]
            if any(self.building.is_cut(read) for read in following):
                raise _refusal(loop, "its body needs something that is not computed")
            values[: len(following)] = following
        for at, value in enumerate(values[: len(loop.following)]):
            self.stands[OutputReference(loop.name, at)] = value

    def _add(self, node: Node) -> None:
        self.inside.add(node.name)
        if len(self.inside) > _MOST_NODES:
            raise UnsupportedLayer(f"loops of more than {_MOST_NODES:,} nodes are not written out")
        self.building.add(node)

    def _is_size(self, read: OutputReference) -> bool:
        """Whether a value is the size of something, which another picture has otherwise."""
        numbers = self.building.numbers(self._final(read))
        return numbers is not None and numbers.dtype == object

    def _final(self, read: OutputReference) -> OutputReference:
        return self.stands.get(read, read)

    def whole(self, node: Node, place: int) -> list[int]:
        """Return an input of a node as whole numbers; UnsupportedLayer where the picture decides them."""
        numbers = self.building.numbers(node.inputs[place])
        if numbers is None:
            raise _refusal(node, "which places are meant depends on the picture")
        return [int(number) for number in numbers.ravel()]


def _parts(node: Node, read: Sequence[Array]) -> Sequence[Array]:
    if node.op == "Split":
        return np.split(read[1], node.integer("num_split", 1), int(read[0].item()))
    if node.op == "Unpack":
        axis = node.integer("axis")
        return [part.squeeze(axis) for part in np.split(read[0], read[0].shape[axis], axis)]
    axis, sizes = int(read[2].item()), [int(size) for size in read[1].ravel()]
    rest = read[0].shape[axis] - sum(size for size in sizes if size >= 0)
    ends = np.cumsum([rest if size < 0 else size for size in sizes])
    return np.split(read[0], ends[:-1], axis)


def _refusal(node: Node, why: str) -> UnsupportedLayer:
    return UnsupportedLayer(f"node {node.name!r}: convscope does not run a {node.op} where {why}")


@dataclass(frozen=True)
class _Round:
    """One round of a loop: what its variables are, and what its body's nodes are called in it."""

    values: Mapping[str, OutputReference]
    names: Mapping[str, str]

    def read(self, read: OutputReference) -> OutputReference:
        return self.values.get(read.node) or OutputReference(
            self.names.get(read.node, read.node), read.output
        )

    def node(self, node: Node) -> Node:
        copy = replace(node, name=self.names[node.name], inputs=tuple(map(self.read, node.inputs)))
        if not isinstance(copy, Loop):
            return copy
        return replace(
            copy,
            body=tuple(map(self.node, copy.body)),
            condition=self.read(copy.condition),
            following=tuple(map(self.read, copy.following)),
        )


def _names(body: Sequence[Node], number: int) -> dict[str, str]:
    """Return what the nodes of a body are called in a round: in the first as in the file, but for inner loops."""
    names = {node.name: f"{node.name}/{number}" if number else node.name for node in body}
    waiting = [node for node in body if isinstance(node, Loop)]
    while waiting:
        inner = waiting.pop().body
        names |= {node.name: f"{node.name}/{number}" for node in inner}
        waiting += [node for node in inner if isinstance(node, Loop)]
    return names


def _behind(end: str, body: Sequence[Node]) -> set[str]:
    names = {end}
    for node in reversed(body):
        if node.name in names:
            names.update(read.node for read in node.inputs)
    return names


ListOp = Callable[[Unrolling, Node], None]
_LISTS: dict[str, ListOp] = {}


def _about_lists(*ops: str) -> Callable[[ListOp], ListOp]:
    def register(function: ListOp) -> ListOp:
        _LISTS.update(dict.fromkeys(ops, function))
        return function

    return register


@_about_lists("TensorArrayV3", "TensorListReserve")
def _reserve(unrolling: Unrolling, node: Node) -> None:
    (count,) = unrolling.whole(node, 0 if node.op == "TensorArrayV3" else 1)
    unrolling.lists[node.name] = [None] * count
    _order(unrolling, node)


@_about_lists("TensorArrayScatterV3")
def _scatter(unrolling: Unrolling, node: Node) -> None:
    held, places = unrolling.lists[node.inputs[0].node], unrolling.whole(node, 1)
    elements = list(_elements(unrolling, node, node.inputs[2]))
    held += [None] * (max(places, default=-1) + 1 - len(held))
    for place, element in zip(places, elements, strict=True):
        held[place] = element
    _order(unrolling, node)


@_about_lists("TensorListFromTensor")
def _from_tensor(unrolling: Unrolling, node: Node) -> None:
    unrolling.lists[node.name] = list(_elements(unrolling, node, node.inputs[0]))


def _elements(unrolling: Unrolling, node: Node, value: OutputReference) -> Iterator[OutputReference]:
    name, count = f"{node.name}/elements", unrolling.building.shape_of(value)[0]
    numbers = unrolling.building.numbers(value)
    if numbers is None:
        unrolling.building.add(Node(name, "Unpack", (value,), {}))
    for at in range(count):
        if numbers is None:
            yield OutputReference(name, at)
        else:
            unrolling.building.keep(f"{name}/{at}", numbers[at])
            yield OutputReference(f"{name}/{at}", 0)


@_about_lists("TensorArrayReadV3", "TensorListGetItem")
def _read(unrolling: Unrolling, node: Node) -> None:
    (place,) = unrolling.whole(node, 1)
    element = unrolling.lists[node.inputs[0].node][place]
    if element is None:
        raise _refusal(node, f"nothing was written at its place {place}")
    unrolling.stands[OutputReference(node.name, 0)] = unrolling._final(element)


@_about_lists("TensorArrayWriteV3")
def _write(unrolling: Unrolling, node: Node) -> None:
    held, (place,) = unrolling.lists[node.inputs[0].node], unrolling.whole(node, 1)
    held += [None] * (place + 1 - len(held))
    held[place] = node.inputs[2]
    _order(unrolling, node)


@_about_lists("TensorListSetItem")
def _set(unrolling: Unrolling, node: Node) -> None:
    held, (place,) = list(unrolling.lists[node.inputs[0].node]), unrolling.whole(node, 1)
    held += [None] * (place + 1 - len(held))
    held[place] = node.inputs[2]
    unrolling.lists[node.name] = held


@_about_lists("TensorArraySizeV3", "TensorListLength")
def _length(unrolling: Unrolling, node: Node) -> None:
    unrolling.building.keep(node.name, np.array(len(unrolling.lists[node.inputs[0].node]), np.int32))


@_about_lists("TensorArrayGatherV3", "TensorListStack")
def _stack(unrolling: Unrolling, node: Node) -> None:
    held = unrolling.lists[node.inputs[0].node]
    places = unrolling.whole(node, 1) if node.op == "TensorArrayGatherV3" else range(len(held))
    elements = [held[place] for place in places]
    if not elements or None in elements:
        raise _refusal(node, "not every place was written")
    sizes = tuple(element for element in elements if element is not None)
    unrolling.building.add(Node(node.name, "Pack", sizes, {}))


def _order(unrolling: Unrolling, node: Node) -> None:
    """Let the number that only keeps TensorArrays' reads and writes in order be any one."""
    unrolling.building.keep(node.name, np.array(0, np.float32))
