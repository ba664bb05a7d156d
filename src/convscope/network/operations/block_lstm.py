"""An LSTM or a GRU with its gates in one matrix, as TensorFlow's fused kernels have it, with all that it works out.

Hochreiter and Schmidhuber, *Long short-term memory* (1997); the peepholes are Gers and Schmidhuber's (2000).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convscope.network.operations.registry import operation
from convscope.network.operations.steps import stacked, steps_of


@operation(sees="map")
def block_lstm(
    sequence: Tensor,
    memory: Tensor,
    hidden: Tensor,
    *,
    weight: Tensor,
    bias: Tensor,
    into: Tensor | None = None,
    through: Tensor | None = None,
    out: Tensor | None = None,
    forget_first: bool = False,
    forget_bias: float = 0.0,
    limit: float = 0.0,
    steps: int | None = None,
) -> tuple[Tensor, ...]:
    """Return what an LSTM works out at each time of (time, batch, inputs), seven values.

    They are input gate, memory, forget gate, output gate, candidate, what the memory shows, and the answer. `weight`
    (inputs + units, 4 units) has the gates input, candidate, forget, output one after another, or with `forget_first`
    the forget gate before the candidate; `into`, `through` and `out` are what the three gates see of the memory.
    `limit` cuts the memory off if it is not 0; after `steps` all is 0.
    """
    outputs = []
    count = len(sequence[:steps])
    for now in sequence[: steps_of(sequence, count)].unbind(0):
        put, second, third, show = (torch.cat((now, hidden), 1) @ weight + bias).chunk(4, 1)
        keep, candidate = (second, third) if forget_first else (third, second)
        put, keep = (
            gate if seen is None else gate + memory * seen for gate, seen in ((put, into), (keep, through))
        )
        put, keep, candidate = put.sigmoid(), (keep + forget_bias).sigmoid(), candidate.tanh()
        memory = candidate * put + memory * keep
        memory = memory.clamp(-limit, limit) if limit > 0 else memory
        show = (show if out is None else show + memory * out).sigmoid()
        shown = memory.tanh()
        hidden = shown * show
        outputs.append((put, memory, keep, show, candidate, shown, hidden))
    rest = sequence.new_zeros(len(sequence) - count, *memory.shape)
    return tuple(torch.cat((stacked(values, count), rest)) for values in zip(*outputs, strict=True))


@operation(sees="map")
def block_lstm_step(now: Tensor, memory: Tensor, hidden: Tensor, **settings: Any) -> tuple[Tensor, ...]:
    """Return the seven values of `block_lstm` for one step of (batch, inputs)."""
    values = block_lstm(now.unsqueeze(0), memory, hidden, **settings)
    return tuple(value.squeeze(0) for value in values)


@operation(sees="map")
def block_gru_step(
    now: Tensor, hidden: Tensor, *, gate_weight: Tensor, gate_bias: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, ...]:
    """Return what a GRU works out in one step of (batch, inputs): its two gates, the candidate, and the answer.

    `gate_weight` (inputs + units, 2 units) has the reset gate before the update gate. Cho et al., 2014.
    """
    reset, update = (torch.cat((now, hidden), 1) @ gate_weight + gate_bias).sigmoid().chunk(2, 1)
    candidate = (torch.cat((now, hidden * reset), 1) @ weight + bias).tanh()
    return reset, update, candidate, (1 - update) * candidate + update * hidden
