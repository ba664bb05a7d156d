"""Recurrent layers as Caffe has them (Donahue et al., 2014): time first, sequences cut by a second input.

`continues` (time, batch) is 0 where a sequence begins and 1 where it goes on; it multiplies what is
remembered. Each call begins with nothing remembered unless the states are inputs (`expose_hidden`); Caffe
itself goes on where the last call ended.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions, require_filled
from convscope.network.operations.registry import Result, operation
from convscope.network.operations.steps import stacked, steps_of


@operation(from_shapes=True)
def continues_of(
    input: Tensor | None = None, *, times: int, axis: int = 0, ones: Tensor | None = None
) -> Tensor:
    """Return (time, batch): 0 at the first time, else 1, for as many sequences as `axis` is long, or as `ones` has."""
    source, axis = (input, axis) if ones is None else (ones, 1)
    if source is None or not -source.dim() <= axis < source.dim():
        raise InputError(f"there is no axis {axis} in {dimensions(() if source is None else source.shape)}")
    goes_on = source.new_ones(times, source.shape[axis])
    goes_on[0] = 0
    return goes_on


@operation
def lstm(
    sequence: Tensor,
    continues: Tensor | None = None,
    *others: Tensor,
    weight: Tensor,
    bias: Tensor,
    hidden_weight: Tensor,
    static_weight: Tensor | None = None,
    expose_hidden: bool = False,
) -> Result:
    """Return what a long short-term memory says at each time: (time, batch, features).

    `weight` (4 features, inputs) holds the gates input, forget, output and the candidate, in this order,
    and `hidden_weight` (4 features, features) likewise. `others` are the static input (batch, ...) where
    there is a `static_weight`, then, with `expose_hidden`, the hidden and cell state (1, batch, features),
    which are then also returned. Without `continues` the whole is one sequence.
    """
    if continues is None:
        continues = sequence.new_ones(sequence.shape[:2])
    gates, states = _inputs(sequence, continues, others, (weight, bias, static_weight), 2 * expose_hidden)
    batch, features = sequence.shape[1], hidden_weight.shape[1]
    hidden, cell = (state[0] for state in states) if states else [sequence.new_zeros(batch, features)] * 2
    outputs = []
    steps = steps_of(sequence, len(sequence))
    for now, goes_on in zip(gates[:steps], continues[:steps, ..., None], strict=True):
        cell, hidden = _remember(cell, now + F.linear(hidden * goes_on, hidden_weight), goes_on)
        outputs.append(hidden)
    output = stacked(outputs, len(sequence))
    return (output, hidden[None], cell[None]) if expose_hidden else output


@operation
def lstm_of_rows(
    rows: Tensor,
    continues: Tensor | None = None,
    *,
    weight: Tensor,
    bias: Tensor,
    hidden_weight: Tensor,
    batch: int = 1,
) -> Tensor:
    """Return what an `lstm` says of (time, batch, ...), or of rows (time * batch, inputs) in rows of the same order.

    `continues` has a number a row, and only one sequence at a time: Junhyuk Oh's layer, which Caffe's forks copied,
    takes its numbers from wrong places where there are several.
    """
    is_flat = rows.dim() == 2
    if is_flat and len(rows) % batch:
        raise InputError(f"{dimensions(rows.shape)} are no rows of {batch} sequences")
    sequence = rows.reshape(-1, batch, rows.shape[1]) if is_flat else rows
    if continues is not None:
        if sequence.shape[1] != 1 or continues.numel() != len(sequence):
            shapes = f"{dimensions(rows.shape)} and {dimensions(continues.shape)}"
            raise InputError(f"one sequence and a number for each of its rows are needed, found {shapes}")
        continues = continues.reshape(-1, 1)
    said: Any = lstm(sequence, continues, weight=weight, bias=bias, hidden_weight=hidden_weight)
    answer: Tensor = said.flatten(0, 1) if is_flat else said
    return answer


@operation
def rnn(
    sequence: Tensor,
    continues: Tensor,
    *others: Tensor,
    weight: Tensor,
    bias: Tensor,
    hidden_weight: Tensor,
    output_weight: Tensor,
    output_bias: Tensor,
    static_weight: Tensor | None = None,
    expose_hidden: bool = False,
) -> Result:
    """Return what a plain recurrent network says at each time: (time, batch, features).

    The hidden state is ``tanh(W_hh h + W_xh x + b)``, the output ``tanh(W_ho h + b_o)``; `others` as in
    `lstm`, with the one hidden state.
    """
    terms, states = _inputs(sequence, continues, others, (weight, bias, static_weight), int(expose_hidden))
    hidden = states[0][0] if states else sequence.new_zeros(sequence.shape[1], hidden_weight.shape[1])
    hiddens = []
    steps = steps_of(sequence, len(sequence))
    for now, goes_on in zip(terms[:steps], continues[:steps, ..., None], strict=True):
        hidden = torch.tanh(now + F.linear(hidden * goes_on, hidden_weight))
        hiddens.append(hidden)
    output = torch.tanh(F.linear(stacked(hiddens, len(sequence)), output_weight, output_bias))
    return (output, hidden[None]) if expose_hidden else output


@operation
def lstm_unit(cell: Tensor, gates: Tensor, continues: Tensor) -> tuple[Tensor, Tensor]:
    """Return the next cell and hidden state of an LSTM from its gates (..., 4 features), before sigmoids."""
    if gates.shape[-1] != 4 * cell.shape[-1]:
        raise InputError(f"gates of {dimensions(gates.shape)} do not fit a cell of {dimensions(cell.shape)}")
    return _remember(cell, gates, continues[..., None])


def _remember(cell: Tensor, gates: Tensor, goes_on: Tensor) -> tuple[Tensor, Tensor]:
    put, keep, show, candidate = gates.chunk(4, -1)
    cell = goes_on * torch.sigmoid(keep) * cell + torch.sigmoid(put) * torch.tanh(candidate)
    return cell, torch.sigmoid(show) * torch.tanh(cell)


def _inputs(
    sequence: Tensor,
    continues: Tensor,
    others: tuple[Tensor, ...],
    weights: tuple[Tensor, Tensor, Tensor | None],
    state_count: int,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return what the inputs contribute at each time, and the states that came as inputs."""
    weight, bias, static_weight = weights
    require_filled(sequence, "a recurrent layer")
    static_count = int(static_weight is not None)
    if continues.shape != sequence.shape[:2] or len(others) != static_count + state_count:
        shapes = ", ".join(dimensions(tensor.shape) for tensor in (sequence, continues, *others))
        raise InputError(
            f"a recurrent layer needs a sequence (time x batch x ...), its continuation (time x batch) and "
            f"{static_count + state_count} more inputs, found {shapes}"
        )
    terms = F.linear(sequence.flatten(2), weight, bias)
    if static_weight is not None:
        terms = terms + F.linear(others[0].flatten(1), static_weight)
    return terms, others[static_count:]
