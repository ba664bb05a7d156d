"""An LSTM with its gates in one matrix, as TensorFlow's fused kernels have it, with everything it works out on the way.

Hochreiter and Schmidhuber, *Long short-term memory* (1997); the peepholes are Gers and Schmidhuber's (2000).
"""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.network.operations.registry import operation


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
    for now in sequence[:steps].unbind(0):
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
    rest = sequence.new_zeros(len(sequence) - len(outputs), *memory.shape)
    return tuple(torch.cat((torch.stack(values), rest)) for values in zip(*outputs, strict=True))
