"""Any number of inputs through a net in batches of its own size; the last one is filled up with zeros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError

if TYPE_CHECKING:
    from convscope.caffe.net import Net

Array = NDArray[Any]
Arrays = Mapping[str, Array]


def forward_all(net: Net, arrays: Arrays, blobs: Sequence[str] | None = None) -> dict[str, Array]:
    """Return the outputs (and the `blobs` asked for) of all inputs."""
    count = _count(net, arrays)
    return _joined([_copied(net.forward(blobs, **batch)) for batch in _batches(net, arrays)], count)


def forward_backward_all(
    net: Net, arrays: Arrays, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the outputs and the inputs' gradients; arrays by an output's name are gradients to begin with."""
    count = _count(net, arrays)
    inputs = _batches(net, {name: arrays[name] for name in net.inputs if name in arrays})
    tops = _batches(net, {name: arrays[name] for name in net.outputs if name in arrays})
    answers, gradients = [], []
    nothing: dict[str, Any] = {}
    for batch, diffs_above in zip_longest(inputs, tops, fillvalue=nothing):
        answers.append(_copied(net.forward(blobs, **batch)))
        gradients.append(_copied(net.backward(diffs, **diffs_above)))
    return _joined(answers, count), _joined(gradients, count)


def _count(net: Net, arrays: Arrays) -> int:
    """Return how many inputs the arrays hold; InputError where they disagree or do not fit the net."""
    if unknown := set(arrays) - {*net.inputs, *net.outputs}:
        raise InputError(
            f"the net has the inputs {net.inputs} and the outputs {net.outputs}; found {sorted(unknown)}"
        )
    counts = {name: len(array) for name, array in arrays.items()}
    if not counts or len(set(counts.values())) > 1 or 0 in counts.values():
        raise InputError(
            f"give each input the same number of entries, at least one; found {counts or 'none'}"
        )
    return next(iter(counts.values()))


def _batches(net: Net, arrays: Arrays) -> Iterator[dict[str, Any]]:
    if not arrays:
        return
    size = next(iter(net.blobs.values())).shape[0]
    count = len(next(iter(arrays.values())))
    for start in range(0, count, size):
        batch = {name: np.asarray(array[start : start + size]) for name, array in arrays.items()}
        missing = size - min(size, count - start)
        yield {name: _filled_up(values, missing) if missing else values for name, values in batch.items()}


def _filled_up(values: Array, missing: int) -> Array:
    return np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])


def _copied(answers: Arrays) -> dict[str, Array]:
    return {name: values.copy() for name, values in answers.items()}


def _joined(batches: Sequence[Arrays], count: int) -> dict[str, Array]:
    """Join the batches' answers, without what belongs to the filling; a single number stays one a batch."""
    joined = {}
    for name in batches[0]:
        values = [batch[name] for batch in batches]
        joined[name] = np.stack(values) if values[0].ndim == 0 else np.concatenate(values)[:count]
    return joined
