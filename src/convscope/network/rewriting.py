"""A network with some of its operations swapped for others: a new graph over the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from convscope.network.graph import Operation
from convscope.network.network import Network


def rewritten(network: Network, rewrite: Callable[[Operation], Operation]) -> Network:
    """Return the network with each operation put through `rewrite`; the weights are shared, the first is as it was.

    The graph says every step a network takes, in place or not, by a layer or by a bare function; so none is missed, and
    nothing has to be taken out again afterwards.

    >>> rewritten(network, with_relus("guided_relu"))
    """
    graph = replace(
        network.graph,
        operations=tuple(map(rewrite, network.graph.operations)),
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
        kept = {key: value for key, value in operation.attributes.items() if key != "negative_slope"}
        return replace(operation, kind=kind, attributes=kept)

    return rewrite


def is_relu(operation: Operation) -> bool:
    """Tell whether negative numbers become 0 here, and the others stay, up to a maximum."""
    if operation.kind == "relu":
        return not operation.attributes.get("negative_slope")
    return (
        operation.kind == "clip" and operation.attributes.get("minimum") == 0 and len(operation.inputs) == 1
    )
