"""A network with another head, for teaching it classes of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch

from convscope.argument_errors import arguments_in_words
from convscope.errors import InputError
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.origin import Origin
from convscope.network.shapes import infer_shapes


def head_of(network: Network) -> tuple[Operation, ...]:
    """Return the last layer with weights before the main output, which tells the classes apart, and a bias behind it.

    Some formats add the bias in a step of its own.
    """
    needed = network.graph.needed_for([network.main_output])
    heads = [index for index, operation in enumerate(needed) if kind_of(operation.kind).filter_rows]
    if not heads:
        raise InputError(f"{network.name or 'this network'} has no fully-connected or convolution layer")
    head, behind = needed[heads[-1]], needed[heads[-1] + 1 :]
    shapes, count = network.graph.parameters.shapes, _class_count(network, head)
    added = (each for each in behind if each.kind == "add" and "operand" in each.parameters)
    return head, *(each for each in added if prod(shapes[each.parameters["operand"]]) == count)


def _class_count(network: Network, head: Operation) -> int:
    weight = network.graph.parameters.shapes[head.parameters["weight"]]
    return weight[-1] if head.attributes.get("transpose") else weight[0]


@arguments_in_words
def replace_head(network: Network, labels: Sequence[str], *, spread: float = 0.0, seed: int = 0) -> Network:
    """Return the network with a new last layer, one output for each of `labels`; everything before it is as it was.

    The new weights are drawn from a normal distribution of that `spread`. With 0, the default, every class is
    equally probable at first: 20.00 % each and a loss of ln 5 over five labels. Biases are all 0, or all 1 where a
    ReLU follows, which would pass no gradient to a head that answers 0.

    InputError for fewer than two labels, and for a network whose head is none that can be replaced.

    >>> tuned = convscope.replace_head(network, ["cat", "dog"])
    """
    if len(labels) < 2:
        raise InputError(f"a head needs at least two labels, found {list(labels)}")
    head, *biases = head_of(network)
    if head.attributes.get("groups", 1) != 1:
        raise InputError(f"the head {head.name!r} is grouped; convscope replaces plain ones")
    random = torch.Generator().manual_seed(seed)
    shapes, count = network.graph.parameters.shapes, _class_count(network, head)
    transposed = bool(head.attributes.get("transpose"))  # (inputs, classes), as ONNX and TensorFlow have it
    inputs = shapes[head.parameters["weight"]]
    inputs = inputs[:-1] if transposed else inputs[1:]
    weight = torch.randn(len(labels), *inputs, generator=random) * spread
    changes = {head.parameters["weight"]: weight.T.contiguous() if transposed else weight}
    for bias in filter(None, [head.parameters.get("bias"), *(each.parameters["operand"] for each in biases)]):
        shape = [len(labels) if size == count else size for size in shapes[bias]]
        changes[bias] = torch.full(shape, float(_rectified(network, head)))
    graph = replace(network.graph, parameters=network.graph.parameters.replaced(changes))
    try:
        infer_shapes(graph, graph.inputs)
    except InputError as error:
        raise InputError(
            f"what follows the head {head.name!r} is made for its {count} classes: {error}"
        ) from None
    origin = Origin(network.origin.source)  # no files: it is no longer what they say
    return Network(graph, input_spec=network.input_spec, labels=labels, origin=origin, device=network.device)


def _rectified(network: Network, head: Operation) -> bool:
    """Whether a ReLU lies between the head and the answer."""
    needed = network.graph.needed_for([network.main_output])
    return any(operation.kind == "relu" for operation in needed[needed.index(head) + 1 :])
