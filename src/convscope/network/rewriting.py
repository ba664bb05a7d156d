"""A network with some of its operations swapped for others: a new graph over the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from convscope.network.graph import CHANNELS_LAST, Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.operations.checks import per_axis
from convscope.network.operations.deep_lift_rules import averaged_gradients, rescaled, rescaled_maximum
from convscope.network.tail import constant_values

_MIXED = (  # what mixes numbers smoothly
    *("softmax", "log_softmax", "lrn_across_channels", "lrn_of_even_size", "lrn_within_channel"),
    *("layer_norm", "group_norm", "mvn", "unit_norm", "unit_length"),
)
_PRODUCTS = ("multiply", "divide", "eltwise_product", "scale", "axpy", "matmul")
_MAXIMA = ("max_pool", "global_max_pool")
Rewrite: TypeAlias = Callable[[Operation], Operation | tuple[Operation, ...]]
"""An operation to the one, or the several in the order they run, that stand in its place."""


def rewritten(network: Network, rewrite: Rewrite) -> Network:
    """Return the network with each operation put through `rewrite`; the weights are shared, the first is as it was.

    The graph says every step a network takes, in place or not, by a layer or by a bare function; so none is missed, and
    nothing has to be taken out again afterwards.

    >>> rewritten(network, with_relus("guided_relu"))
    """
    replacements = map(rewrite, network.graph.operations)
    graph = replace(
        network.graph,
        operations=tuple(
            step for steps in replacements for step in (steps if isinstance(steps, tuple) else (steps,))
        ),
        parameters=network.graph.parameters.replaced({}),
    )
    return Network(graph, input_spec=network.input_spec, labels=network.labels, device=network.device)


def with_relus(kind: str) -> Callable[[Operation], Operation]:
    """Return the rewrite that makes every ReLU (ReLU6 and the like too) an operation of that kind.

    A leaky ReLU stays: it has no gradient to block. The kind takes ``minimum`` and ``maximum``.
    """

    def rewrite(operation: Operation) -> Operation:
        if not is_relu(operation):
            return operation
        attributes = {key: value for key, value in operation.attributes.items() if key != "negative_slope"}
        return replace(operation, kind=kind, attributes=attributes)

    return rewrite


def with_rescaling(network: Network) -> Rewrite:
    """Return the rewrite after which the gradient is the slope between a picture and a baseline (DeepLIFT).

    The network then takes pictures followed by their baselines, one each. What no picture goes into stays: it is the
    same for both, however many there are.
    """
    constants = constant_values(network.graph)

    def rewrite(operation: Operation) -> Operation:
        kind, count = operation.kind, len(operation.inputs)
        if len(operation.outputs) != 1 or kind == "identity" or constants.issuperset(operation.inputs):
            return operation
        more: dict[str, Any] = {"of": kind}
        if kind in _MAXIMA or (kind == "reduce" and operation.attributes.get("summary") == "maximum"):
            rule = rescaled_maximum.__name__
        elif kind in _MIXED or (kind in _PRODUCTS and count > 1):
            rule = averaged_gradients.__name__
            more["of_pictures"] = tuple(value not in constants for value in operation.inputs)
        elif count == 1 and (kind_of(kind).pointwise or kind == "prelu"):
            rule = rescaled.__name__
        else:
            return operation
        return replace(operation, kind=rule, attributes={**operation.attributes, **more})

    return rewrite


def is_relu(operation: Operation) -> bool:
    """Tell whether negative numbers become 0 here, and the others stay, up to a maximum."""
    if operation.kind == "relu":
        return not operation.attributes.get("negative_slope")
    return (
        operation.kind == "clip" and operation.attributes.get("minimum") == 0 and len(operation.inputs) == 1
    )


def with_average_pooling(operation: Operation) -> Operation:
    """Rewrite a maximum pooling as the mean of the same windows, as Gatys et al. (2016) propose; others stay."""
    if operation.kind != "max_pool" or operation.attributes.get("dilation", 1) not in (1, (1, 1), [1, 1]):
        return operation
    attributes = {key: value for key, value in operation.attributes.items() if key != "dilation"}
    return replace(operation, kind="average_pool", attributes=attributes | {"count_padding": False})


def with_edges(
    network: Network, mode: Literal["reflect", "replicate"], *, first_only: bool = False
) -> Rewrite:
    """Return the rewrite after which convolutions see the reflected picture beyond its edge, or its edge, not zeros.

    Only those that read an input of the network with `first_only`. "same" padding of strides, which depends on the
    picture's size, stays.
    """

    def rewrite(operation: Operation) -> Operation | tuple[Operation, ...]:
        borders = _borders(network, operation)
        if borders is None or (first_only and operation.inputs[0] not in network.graph.inputs):
            return operation
        value = f"{operation.outputs[0]}~edges"
        layout = {key: item for key, item in operation.attributes.items() if key == CHANNELS_LAST}
        wider = Operation(
            "pad",
            value,
            "edges",
            operation.inputs[:1],
            (value,),
            attributes={"padding": borders, "mode": mode, **layout},
        )
        inside = replace(
            operation,
            inputs=(value, *operation.inputs[1:]),
            attributes={**operation.attributes, "padding": 0},
        )
        return wider, inside

    return rewrite


def _borders(network: Network, operation: Operation) -> tuple[int, int, int, int] | None:
    """Return how far a convolution of maps reaches over them (top, left, bottom, right), where it always does."""
    if operation.kind != "convolution" or len(operation.inputs) != 1:
        return None
    kernel = network.graph.parameters.shapes[operation.parameters["weight"]][2:]
    if len(kernel) != 2:
        return None
    attributes = operation.attributes
    padding = attributes.get("padding", 0)
    if padding == "same":
        if any(per_axis(attributes.get(name, 1), 2, name) != (1, 1) for name in ("stride", "dilation")):
            return None
        (top, left), (bottom, right) = [(k - 1) // 2 for k in kernel], [k // 2 for k in kernel]
        return (top, left, bottom, right) if max(kernel) > 1 else None
    if isinstance(padding, int) or len(padding) == 2:
        padding = per_axis(padding, 2, "padding") * 2
    top, left, bottom, right = padding
    return (top, left, bottom, right) if any(padding) else None
