"""One node of an ONNX graph as its translation sees it, and what a translation gives back."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from convscope.errors import InputError, UnsupportedLayer
from convscope.formats.onnx.constants import Array, Constant
from convscope.network.parameters import Shape


@dataclass(frozen=True)
class Node:
    """A node with what is known of its inputs.

    `opset` is the version of ONNX's operators; `shapes` those of the values for the file's own input size, `whole`
    the values whose numbers are whole ones (integers and truth values in the file).
    """

    name: str
    type_name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    constants: Mapping[str, Constant]
    shapes: Mapping[str, Shape | None]
    whole: Set[str]

    def has(self, index: int) -> bool:
        """Whether the input is there: optional ones are left out, or empty."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def constant(self, index: int) -> Constant | None:
        """Return an input's numbers where they are known before the network runs."""
        return self.constants.get(self.inputs[index]) if self.has(index) else None

    def numbers(self, index: int, what: str) -> Array | None:
        """Return a constant input's numbers, None where it is left out; UnsupportedLayer where it is worked out."""
        if not self.has(index):
            return None
        found = self.constant(index)
        if found is None:
            raise self.refusal(f"its {what} is worked out while the network runs")
        return found.array

    def integers(self, attribute: str, index: int | None) -> tuple[int, ...] | None:
        """Return whole numbers that older versions keep as an attribute and newer ones as an input."""
        if attribute in self.attributes:
            return tuple(self.attributes[attribute])
        found = None if index is None else self.numbers(index, attribute)
        return None if found is None else tuple(int(number) for number in found.reshape(-1))

    def shape(self, index: int) -> Shape | None:
        """Return an input's shape for the file's own input size, where it is known."""
        found = self.constant(index)
        return self.shapes.get(self.inputs[index]) if found is None else found.shape

    def rank(self, index: int = 0) -> int:
        """Return how many axes an input has."""
        shape = self.shape(index)
        if shape is None:
            raise self.refusal("how many axes its input has depends on the numbers")
        return len(shape)

    def refusal(self, reason: str) -> UnsupportedLayer:
        """Return the error for what convscope cannot compute."""
        return UnsupportedLayer(f"node {self.name!r} ({self.type_name}) cannot be opened: {reason}")

    def require(self, attribute: str, *possible: Any) -> None:
        """Refuse an attribute with another value than those; left out is always fine."""
        value = self.attributes.get(attribute, possible[0])
        if value not in possible:
            raise self.refusal(f"{attribute} = {value!r} is not computed here, only {possible}")


@dataclass(frozen=True)
class Step:
    """An operation to be: its kind, the values it reads, its parameters (role to constant) and attributes.

    A node that takes several steps gives all of them; each reads the one before as "" in its inputs.
    """

    kind: str
    inputs: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def require_count(node: Node, least: int) -> None:
    """Refuse a node that lacks inputs or outputs it must have."""
    if not all(node.has(index) for index in range(least)) or not node.outputs:
        raise InputError(f"node {node.name!r}: a {node.type_name} needs {least} inputs and an output")
