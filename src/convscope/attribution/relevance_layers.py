"""The layers with filters that relevance goes through, with what follows worked in, and the values they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from convscope.attribution.relevance_rules import LinearLayer
from convscope.attribution.relevance_ways import way_of
from convscope.errors import InputError
from convscope.network.engine.fusion import Chain
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.operations import OPERATIONS, kind_of

DENSE = ("dense", "matmul")
_MANY = 256  # filters: with fewer it does not pay to look which of them are needed
_LAYERS: WeakKeyDictionary[Network, dict[tuple[str, ...], tuple[torch.Size, LinearLayer]]] = (
    WeakKeyDictionary()
)


def is_linear(operation: Operation) -> bool:
    """Say whether an operation has filters, or weights like them."""
    return way_of(operation) == "filters"


def run_operation(graph: Graph, operation: Operation, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Return what an operation makes of channels-first tensors."""
    function: Callable[..., Any] = OPERATIONS[operation.kind]
    parameters = {role: graph.parameters[key] for role, key in operation.parameters.items()}
    result = function(*inputs, **parameters, **operation.keywords)
    return result if isinstance(result, tuple) else (result,)


def chains_of(
    graph: Graph, targets: tuple[str, ...], values: Mapping[str, Tensor]
) -> tuple[tuple[Operation, ...], ...]:
    """Return the operations that run, in their order, each with those that are worked into it."""
    visited, chains = set[int](), []
    for operation in graph.needed_for(targets):
        if id(operation) in visited:
            continue
        chain = [operation]
        while _has_channels(operation, values) and (after := _only_reader(graph, chain[-1], targets)):
            kind = kind_of(after.kind)
            if not kind.foldable or len(after.inputs) != 1 or after.attributes.get("of_batch"):
                break
            chain.append(after)
            visited.add(id(after))
        chains.append(tuple(chain))
    return tuple(chains)


def _has_channels(operation: Operation, values: Mapping[str, Tensor]) -> bool:
    """Say whether what follows may be worked in: what weighs tokens has no channels on the second axis."""
    if operation.kind in DENSE and (
        values[operation.outputs[0]].dim() > 2 or operation.attributes.get("swapped")
    ):
        return False
    return is_linear(operation)


def _only_reader(graph: Graph, operation: Operation, targets: tuple[str, ...]) -> Operation | None:
    value = operation.outputs[0]
    readers = graph.consumers[value]
    return readers[0] if len(readers) == 1 and value not in targets else None


def values_read(graph: Graph, targets: tuple[str, ...]) -> Iterator[str]:
    """Yield the values on the way to the targets that a rule has to read, once each.

    A convolution's sums that only go through a normalization and a ReLU are none: with those they run as one.
    """
    unread = set[str]()
    for operation in graph.needed_for(targets):
        for value in dict.fromkeys(operation.outputs):
            readers = graph.consumers[value]
            of_filters = operation.kind == "convolution" or unread.issuperset(operation.inputs)
            if value not in targets and readers and of_filters and all(map(_passes_on, readers)):
                unread.add(value)
            else:
                yield value


def _passes_on(operation: Operation) -> bool:
    """Say whether relevance goes through an operation as it is, in the shape it has."""
    kind = kind_of(operation.kind)
    same_shape = kind.pointwise or kind.foldable
    return way_of(operation) == "passed" and len(operation.inputs) == 1 and same_shape


def answering(layer: LinearLayer, relevance: Tensor) -> tuple[LinearLayer, Tensor]:
    """Return the layer with those filters alone whose answers have relevance, and that; all, where they are not few.

    A class has one filter of a thousand.
    """
    count = relevance.shape[1]
    if not layer.filters_first or count < _MANY:
        return layer, relevance
    with_some = relevance.transpose(0, 1).flatten(1).any(1).nonzero().flatten()
    if not 0 < len(with_some) <= count // 4:
        return layer, relevance
    bias = None if layer.bias is None else layer.bias[with_some]
    few = replace(layer, weight=layer.weight[with_some], bias=bias, window=None, packed={})
    return few, relevance[:, with_some]


def linear_layer(network: Network, chain: tuple[Operation, ...], input: Tensor) -> LinearLayer:
    """Return what a chain computes, the same for all pictures of a size: filters are laid out once.

    `input` is channels first.
    """
    kept, names = _LAYERS.setdefault(network, {}), tuple(one.name for one in chain)
    if names not in kept or kept[names][0] != input.shape:
        kept[names] = input.shape, _merged(network.graph, chain, input)
    return kept[names][1]


def _merged(graph: Graph, chain: tuple[Operation, ...], input: Tensor) -> LinearLayer:
    """Return the convolution with what follows worked in: what that does to 0 and to 1 in each channel says all."""
    operation, parameters = chain[0], graph.parameters
    weight = parameters[operation.parameters["weight"]]
    bias = parameters[operation.parameters["bias"]] if "bias" in operation.parameters else None
    function: Any = OPERATIONS[operation.kind]
    filters_axis = _filters_axis(operation)
    groups = operation.attributes.get("groups", 1)

    def run(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        more = operation.keywords if bias is None else {"bias": bias, **operation.keywords}
        answer: Tensor = function(input, weight=weight, **more)
        return answer

    if len(chain) > 1:
        if filters_axis and groups != 1:
            raise InputError(f"{chain[1].name!r} cannot be worked into {operation.name!r}: it has groups")
        dims = 2 if operation.kind in DENSE else input.dim()
        ones = weight.new_ones(1, weight.shape[filters_axis], *(1,) * (dims - 2))
        shift, sloped = (_follow(graph, chain[1:], level * ones) for level in (0.0, 1.0))
        slope, sizes = sloped - shift, [1] * weight.dim()
        sizes[filters_axis] = -1
        weight = weight * slope.reshape(sizes)
        bias = shift if bias is None else bias * slope + shift
    bias = None if bias is None else bias.detach()
    filters_first = filters_axis == 0 and groups == 1 and operation.attributes.get("axis", 1) == 1
    return LinearLayer(run, weight.detach(), bias, filters_first, window=_window(graph, operation, input))


def _filters_axis(operation: Operation) -> int:
    """Return the axis of the weight along which the outputs are."""
    turned = bool(operation.attributes.get("transpose"))
    if operation.kind == "matmul":
        return 0 if turned else 1
    return 1 if turned or operation.kind == "deconvolution" else 0


def _window(graph: Graph, operation: Operation, input: Tensor) -> Mapping[str, Any] | None:
    """Return how a convolution moves over its input; None for what cannot be packed."""
    if operation.kind != "convolution" or input.dim() != 4 or operation.attributes.get("axis", 1) != 1:
        return None
    return Chain((operation,)).window(graph.parameters.shapes, tuple(input.shape))


def _follow(graph: Graph, chain: tuple[Operation, ...], value: Tensor) -> Tensor:
    """Return what operations that act on each channel alone make of one number a channel."""
    for operation in chain:
        (value,) = run_operation(graph, operation, [value])
    return value.flatten()
