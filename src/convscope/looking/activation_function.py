"""Where a layer's answer has gone through its normalization and its activation function.

Caffe runs them in place, and the layer's name is that of what comes out. Elsewhere they are operations of their own,
and exporters write a function as what it is made of: SiLU, x sigmoid(x), as two, GELU as five.
"""

from __future__ import annotations

from math import prod

from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.operations.aten import is_pointwise
from convscope.network.operations.shape_rules import shape_of_equals, stretched_shape

_MOST = 20  # operations: a group normalization and the tanh form of GELU, each written out
_BENDING = {"maximum", "minimum", "eltwise_max", "where"}
_STRAIGHT = {"power", "add", "sub", "rsub", "mul", "div", "neg"}
_NORMALIZING = {"group_norm", "layer_norm", "mvn"}


def activation_after(network: Network, name: str) -> str:
    """Return the layer that a layer's answer is after its activation function, or its bias; itself without either.

    What is followed is made of the answer alone, until all of it has come together in one value of its shape again.
    """
    graph, shape = network.graph, network.shape_channels_first(name)
    made, found, bent, is_function = {name: None}, name, False, False
    for _ in range(_MOST):
        waiting = [value for value in made if _is_awaited(network, value, made)]
        readers = (reader for value in waiting for reader in graph.consumers[value])
        reader = next((one for one in readers if _follows(network, one, made)), None)
        if reader is None or (is_function and not _only_scales(network, reader)):
            return found
        bent = bent or _bends(reader)
        made |= dict.fromkeys(reader.outputs)
        waiting = [value for value in made if _is_awaited(network, value, made)]
        whole = len(waiting) == 1 and (bent or _settles(reader)) and not is_rounding(reader)
        if whole and (value := waiting[0]) in network.layers:
            if network.shape_channels_first(value) != shape:
                return found
            found, is_function = value, bent
    return found


def is_rounding(operation: Operation) -> bool:
    """Tell what only writes numbers as codes of a few bits, or reads them again."""
    return operation.kind in ("quantize", "dequantize")


def _is_awaited(network: Network, value: str, made: dict[str, None]) -> bool:
    """Tell a value that something else reads, or that nothing reads."""
    readers = network.graph.consumers[value]
    return not readers or any(reader.outputs[0] not in made for reader in readers)


def _follows(network: Network, reader: Operation, made: dict[str, None]) -> bool:
    """Tell what makes a value out of those at hand alone, number by number, or normalizes it."""
    inputs = [value for value in reader.inputs if value not in network.graph.constants]
    if reader.outputs[0] in made or len(reader.outputs) != 1 or not all(value in made for value in inputs):
        return False
    kind = kind_of(reader.kind)
    by_number = _is_pointwise(reader) or kind.activation or kind.shape in (stretched_shape, shape_of_equals)
    return by_number or _settles(reader) or kind.from_shapes or reader.kind in ("pow", "reshape")


def _settles(reader: Operation) -> bool:
    """Tell what stands between filters and their activation: a normalization, a scale, a bias."""
    kind = kind_of(reader.kind)
    weighs = kind.foldable and (kind.per_channel or len(reader.inputs) == 1)
    return weighs or reader.kind in _NORMALIZING


def _bends(reader: Operation) -> bool:
    """Tell what is no weighing and adding: an activation function, or a part of one."""
    kind, name = kind_of(reader.kind), str(reader.attributes.get("operator", reader.kind))
    curved = _is_pointwise(reader) and not kind.affine and name not in _STRAIGHT
    return kind.activation or curved or reader.kind in _BENDING


def _is_pointwise(reader: Operation) -> bool:
    return kind_of(reader.kind).pointwise or (
        reader.kind == "aten" and is_pointwise(str(reader.attributes["operator"]))
    )


def _only_scales(network: Network, reader: Operation) -> bool:
    """Tell a function's last factor: the half of GELU, the sixth of a hard swish."""
    shapes = network.graph.parameters.shapes
    numbers = all(prod(shapes[key]) == 1 for key in reader.parameters.values())
    return reader.kind in ("multiply", "divide") and len(reader.inputs) == 1 and numbers
