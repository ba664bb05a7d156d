"""What a node becomes: one operation; and the table of ops, which `register_layer` adds to.

A function that was taught gets all the node's inputs as tensors, constants too, in TensorFlow's own order of axes, and
by keyword those of the node's attributes that it names::

    register_layer("ClipByValue", lambda x, low, high: x.maximum(low).minimum(high))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from convscope.errors import UnsupportedLayer, did_you_mean
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.registration import CUSTOM_LAYERS
from convscope.formats.tensorflow.node import Node
from convscope.network.parameters import Shape

Array: TypeAlias = NDArray[Any]
_DRAWING = re.compile("(Stateless)?(Random|TruncatedNormal|Multinomial|ParameterizedTruncatedNormal)")


class Operands(Protocol):
    """What the node under translation reads, by the place among its inputs."""

    node: Node

    def __len__(self) -> int:
        """How many inputs there are."""

    def known(self, place: int) -> Array | None:
        """Return the numbers of an input that is the same for every picture, None for others."""

    def value(self, place: int) -> str:
        """Return an input's name among the graph's values."""

    def shape(self, place: int) -> Shape:
        """Return an input's shape, for the size the graph was made for; UnsupportedLayer where the picture says it."""

    def has_shape(self, place: int) -> bool:
        """Whether an input's shape is the same for every picture of a size."""

    def sizes(self, place: int) -> Sequence[int]:
        """Return the same, as numbers that know where they come from: what is compared of them holds at any size."""

    def parameter(self, place: int, layout: str = "plain") -> str:
        """Return the name of the parameter that an input's numbers become, in a layout of `parameters.LAYOUTS`."""


Translator = Callable[[Operands], OperationPlan]

TRANSLATORS: dict[str, Translator] = {}


def translates(*ops: str) -> Callable[[Translator], Translator]:
    """Register the translation of these ops."""

    def register(function: Translator) -> Translator:
        TRANSLATORS.update(dict.fromkeys(ops, function))
        return function

    return register


def translate(operands: Operands) -> OperationPlan:
    """Return what a node is; UnsupportedLayer for an op nobody registered."""
    node = operands.node
    if node.op in CUSTOM_LAYERS:
        return _taught(operands)
    if node.op not in TRANSLATORS and _DRAWING.match(node.op):
        raise UnsupportedLayer(
            f"node {node.name!r} draws random numbers (a {node.op}), so the graph answers a picture differently each "
            "time: it was exported with augmentation in it. Open the .keras or .h5 that it was made of, or export the "
            "model behind its augmentation"
        )
    if node.op not in TRANSLATORS:
        raise UnsupportedLayer(
            f"node {node.name!r} is a {node.op}, which convscope does not know.{did_you_mean(node.op, TRANSLATORS)} "
            f"Teach it with register_layer({node.op!r}, function), a function of tensors"
        )
    return TRANSLATORS[node.op](operands)


def _taught(operands: Operands) -> OperationPlan:
    node = operands.node
    plain = {name: node.plain(name) for name in node.attributes}
    taught = CUSTOM_LAYERS[node.op]
    attributes = taught.accepted({name: value for name, value in plain.items() if value is not None})
    return OperationPlan(
        taught.kind, [operands.value(place) for place in range(len(operands))], attributes=attributes
    )


def whole_numbers(operands: Operands, place: int, what: str) -> list[int]:
    """Return an input that has to be known beforehand as whole numbers, each perhaps a `Size`."""
    value = operands.known(place)
    if value is None or value.dtype.kind not in "iuO":
        node = operands.node
        raise UnsupportedLayer(
            f"node {node.name!r}: the {what} of its {node.op} is worked out from the picture, "
            "which convscope does not do: freeze the graph with it as a constant"
        )
    return list(value.ravel())


def refuse(node: Node, what: str) -> UnsupportedLayer:
    """Return the error that says what of a node convscope does not do."""
    return UnsupportedLayer(f"node {node.name!r}: convscope does not run a {node.op} {what}")
