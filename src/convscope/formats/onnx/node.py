"""One node of an ONNX graph as its reader sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from convscope.errors import InputError, UnsupportedLayer
from convscope.formats.onnx.constants import Array, Constant
from convscope.formats.onnx.element_types import BOOL, FLOAT, FLOATING, output_types
from convscope.network.parameters import Shape


@dataclass(frozen=True)
class Node:
    """A node with what is known of its inputs.

    `opset` is the version of the node's domain; `shapes` those of the values for the file's own input size, `sizes` the
    numbers that are worked out from shapes alone, for that size too, `types` what numbers the file says they are
    (`element_types`), `sequences` the tensors of each.
    """

    name: str
    type_name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    constants: MutableMapping[str, Constant]
    shapes: Mapping[str, Shape | None]
    types: Mapping[str, int]
    sizes: Mapping[str, Tensor] = field(default_factory=dict)
    sequences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def has(self, index: int) -> bool:
        """Whether the input is there: optional ones are left out, or empty."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def makes(self, index: int) -> bool:
        """Whether the output is wanted: optional ones are left out, or empty."""
        return index < len(self.outputs) and self.outputs[index] != ""

    def constant(self, index: int) -> Constant | None:
        """Return an input's numbers where they are known before the network runs."""
        return self.constants.get(self.inputs[index]) if self.has(index) else None

    def type_of(self, index: int) -> int:
        """Return the type of an input's numbers, as the file has it."""
        return self.types.get(self.inputs[index], FLOAT) if self.has(index) else FLOAT

    def is_whole(self, index: int) -> bool:
        """Whether an input's numbers are whole ones or truth values."""
        return self.type_of(index) not in FLOATING

    def is_integer(self, index: int) -> bool:
        """Whether an input's numbers are whole ones."""
        return self.is_whole(index) and self.type_of(index) != BOOL

    @cached_property
    def output_types(self) -> Sequence[int]:
        """The type of each output."""
        return output_types(self)

    def numbers(self, index: int, what: str) -> Array | None:
        """Return a constant input's numbers, None where it is left out; UnsupportedLayer where it is worked out."""
        if not self.has(index):
            return None
        constant = self.constant(index)
        if constant is None:
            raise self.refusal(
                f"its {what} is worked out while the network runs: store it in the file, "
                "or give the inputs of whole numbers that it is made of (--input, inputs= in Python)"
            )
        return constant.array

    def known(self, index: int, what: str) -> Array | None:
        """Return the same, also of numbers that the file's own input size decides."""
        if self.has(index) and self.inputs[index] in self.sizes:
            sizes: Array = self.sizes[self.inputs[index]].numpy()
            return sizes
        return self.numbers(index, what)

    def integers(self, attribute: str, index: int | None) -> tuple[int, ...] | None:
        """Return whole numbers that older versions keep as an attribute and newer ones as an input."""
        if attribute in self.attributes:
            return tuple(self.attributes[attribute])
        array = None if index is None else self.numbers(index, attribute)
        return None if array is None else tuple(int(number) for number in array.reshape(-1))

    def shape(self, index: int) -> Shape | None:
        """Return an input's shape for the file's own input size, where it is known."""
        constant = self.constant(index)
        return self.shapes.get(self.inputs[index]) if constant is None else constant.shape

    def rank(self, index: int = 0) -> int:
        """Return how many axes an input has."""
        shape = self.shape(index)
        if shape is None:
            raise self.refusal("how many axes its input has depends on the numbers")
        return len(shape)

    def is_map(self, index: int) -> bool:
        """Whether an input is known to have two axes or more: what has fewer may be sizes, or places."""
        shape = self.shape(index)
        return shape is not None and len(shape) > 1

    def derived(self, what: str, shape: Shape, load: Callable[[], Array], type: int = FLOAT) -> str:
        """Return the name of a new constant, worked out of others when it is used: ``node.what``."""
        name = f"{self.name or self.outputs[0]}.{what}"
        while name in self.constants or name in self.shapes:
            name += "'"
        self.constants[name] = Constant(shape, type, load)
        return name

    def refusal(self, reason: str) -> UnsupportedLayer:
        """Return the error for what convscope cannot compute."""
        return UnsupportedLayer(f"node {self.name!r} ({self.type_name}) cannot be opened: {reason}")

    def require(self, attribute: str, *possible: Any) -> None:
        """Refuse an attribute with another value than those; left out is always fine."""
        value = self.attributes.get(attribute, possible[0])
        if value not in possible:
            raise self.refusal(f"{attribute} = {value!r} is not computed here, only {possible}")


def require_count(node: Node, least: int) -> None:
    """Refuse a node that lacks inputs or outputs it must have."""
    if not all(node.has(index) for index in range(least)) or not node.outputs:
        raise InputError(f"node {node.name!r}: a {node.type_name} needs {least} inputs and an output")
