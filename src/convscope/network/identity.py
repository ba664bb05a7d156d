"""What makes two networks the same: what they compute, and of which numbers. Caches and recipes go by it.

The file that a network was read from is not it: the same weights compute something else in another architecture, and a
file may be replaced while the network is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.network.graph import Graph


def graph_sha256(graph: Graph) -> str:
    """Return the hash of a graph's operations and of its parameters' numbers, in the form they are computed with.

    Names of layers count, for addresses go by them; the network's own name and the source's description do not.
    Every parameter is read once.
    """
    head: tuple[Any, ...] = (
        graph.inputs,
        graph.outputs,
        graph.aliases,
        graph.channels_last,
        graph.constants,
    )
    digest = sha256(repr(_reproducible(head)).encode())
    for step in graph.operations:
        facts: tuple[Any, ...] = (
            step.kind,
            step.name,
            step.inputs,
            step.outputs,
            step.parameters,
            step.attributes,
            step.in_place,
        )
        digest.update(repr(_reproducible(facts)).encode())
    for name in sorted(graph.parameters):
        digest.update(name.encode() + _bytes_of(graph.parameters.fresh(name)))
    return digest.hexdigest()


def _reproducible(value: Any) -> Any:
    """Return a value whose `repr` says all of it, in the same order in every process."""
    if isinstance(value, Mapping):
        return [(str(key), _reproducible(value[key])) for key in sorted(value, key=str)]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (tuple, list)):
        return [_reproducible(item) for item in value]
    if isinstance(value, np.ndarray):
        return _reproducible(torch.from_numpy(np.ascontiguousarray(value)))
    return sha256(_bytes_of(value)).hexdigest() if isinstance(value, Tensor) else value


def _bytes_of(tensor: Tensor) -> bytes:
    """Return a tensor's type, shape and numbers, whatever order they have in memory."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return repr((str(tensor.dtype), tuple(tensor.shape))).encode() + flat.view(torch.uint8).numpy().tobytes()
