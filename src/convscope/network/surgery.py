"""A network with another head, for teaching it classes of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from convscope.argument_errors import arguments_in_words
from convscope.errors import InputError
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.origin import Origin


def head_of(network: Network) -> Operation:
    """Return the last layer with weights before the main output: the one that tells the classes apart."""
    needed = network.graph.needed_for([network.main_output])
    heads = [operation for operation in needed if kind_of(operation.kind).filter_rows]
    if not heads:
        raise InputError(f"{network.name or 'this network'} has no fully-connected or convolution layer")
    return heads[-1]


@arguments_in_words
def replace_head(network: Network, labels: Sequence[str], *, spread: float = 0.0, seed: int = 0) -> Network:
    """Return the network with a new last layer, one output for each of `labels`; everything before it is as it was.

    The new weights are drawn from a normal distribution of that `spread`. With 0, the default, every class is
    equally probable at first: 20.00 % each and a loss of ln 5 over five labels. Biases are all 0, or all 1 where a
    ReLU follows, which would pass no gradient to a head that answers 0.

    >>> network = replace_head(open_network("bvlc_googlenet/"), ["cat", "dog"])
    """
    if len(labels) < 2:
        raise InputError(f"a head needs at least two labels, found {list(labels)}")
    head = head_of(network)
    if head.attributes.get("transpose") or head.attributes.get("groups", 1) != 1:
        raise InputError(f"the head {head.name!r} is transposed or grouped; convscope replaces plain ones")
    random = torch.Generator().manual_seed(seed)
    old = network.graph.parameters.shapes
    weight = torch.randn(len(labels), *old[head.parameters["weight"]][1:], generator=random) * spread
    changes = {head.parameters["weight"]: weight}
    if "bias" in head.parameters:
        changes[head.parameters["bias"]] = torch.full((len(labels),), float(_rectified(network, head)))
    graph = replace(network.graph, parameters=network.graph.parameters.replaced(changes))
    origin = Origin(network.origin.source)  # no files: it is no longer what they say
    return Network(graph, input_spec=network.input_spec, labels=labels, origin=origin, device=network.device)


def _rectified(network: Network, head: Operation) -> bool:
    """Whether a ReLU lies between the head and the answer."""
    needed = network.graph.needed_for([network.main_output])
    return any(operation.kind == "relu" for operation in needed[needed.index(head) + 1 :])
