"""Recurrent layers as Keras has them: batch first, the last answer or all of them.

LSTM: Hochreiter and Schmidhuber, 1997; GRU: Cho et al., 2014, and with ``reset_after`` as cuDNN has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions, require_filled
from convscope.network.operations.convolution import convolution
from convscope.network.operations.registry import Result, operation
from convscope.network.operations.steps import stacked, steps_of

Activation = Callable[[Tensor], Tensor]
ACTIVATIONS: Mapping[str, Activation] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "linear": lambda x: x,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "swish": F.silu,
    "exponential": torch.exp,
    "hard_sigmoid": lambda x: F.hardtanh(x / 6 + 0.5, 0, 1),
    "hard_sigmoid of Theano": lambda x: F.hardtanh(0.2 * x + 0.5, 0, 1),
}
"""What the gates and the answers go through, by Keras's names."""


@operation
def unrolled(
    sequence: Tensor,
    *initial: Tensor,
    cell: str,
    weight: Tensor,
    hidden_weight: Tensor,
    bias: Tensor | None = None,
    backwards: bool = False,
    whole: bool = False,
    states: bool = False,
    **settings: Any,
) -> Result:
    """Return what a recurrent layer says of (batch, time, inputs): (batch, units), `whole` (batch, time, units).

    `cell` is "lstm" (gates input, forget, candidate, output), "gru" (update, reset, candidate) or "rnn"; `weight`
    (gates x units, inputs) and `hidden_weight` (gates x units, units) have the gates one after another; a `bias` of
    two rows has one for each of them. `backwards` begins at the end. `initial` is the state it begins with, (batch,
    units), an LSTM's memory second; with `states` the last state comes behind the answer. `settings` are "activation",
    "gate" (`ACTIVATIONS`) and "reset_after".
    """
    require_filled(sequence, "a recurrent layer")
    if sequence.dim() != 3 or sequence.shape[2] != weight.shape[1]:
        raise InputError(
            f"a recurrent layer needs (batch x time x {weight.shape[1]}), found {dimensions(sequence.shape)}"
        )
    bias, hidden_bias = bias if bias is not None and bias.dim() == 2 else (bias, None)
    terms = F.linear(sequence.flip(1) if backwards else sequence, weight, bias)
    step, hidden = _CELLS[cell], sequence.new_zeros(len(sequence), hidden_weight.shape[1])
    memory = hidden
    if initial:
        hidden, memory = initial[0], initial[-1]
    functions = {role: ACTIVATIONS[settings.get(role, usual)] for role, usual in _USUAL.items()}
    answers = []
    count = terms.shape[1]
    for now in terms[:, : steps_of(sequence, count)].unbind(1):
        hidden, memory = step(
            now,
            hidden,
            memory,
            hidden_weight,
            hidden_bias,
            functions,
            bool(settings.get("reset_after", True)),
        )
        answers.append(hidden)
    answer = stacked(answers, count, 1) if whole else hidden
    if not states:
        return answer
    return (answer, hidden, memory) if cell == "lstm" else (answer, hidden)


_USUAL = {"activation": "tanh", "gate": "sigmoid"}


def _lstm(
    now: Tensor, hidden: Tensor, memory: Tensor, weight: Tensor, bias: Tensor | None,
    functions: Mapping[str, Activation], reset_after: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    gate, activation = functions["gate"], functions["activation"]
    put, keep, candidate, show = (now + F.linear(hidden, weight, bias)).chunk(4, -1)
    memory = gate(keep) * memory + gate(put) * activation(candidate)
    return gate(show) * activation(memory), memory


def _gru(
    now: Tensor, hidden: Tensor, memory: Tensor, weight: Tensor, bias: Tensor | None,
    functions: Mapping[str, Activation], reset_after: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    gate, units = functions["gate"], hidden.shape[1]
    update, reset, candidate = now.chunk(3, -1)
    gates = F.linear(hidden, weight[: 2 * units], None if bias is None else bias[: 2 * units])
    update, reset = gate(update + gates[:, :units]), gate(reset + gates[:, units:])
    own, own_bias = weight[2 * units :], None if bias is None else bias[2 * units :]
    seen = reset * F.linear(hidden, own, own_bias) if reset_after else F.linear(reset * hidden, own, own_bias)
    hidden = update * hidden + (1 - update) * functions["activation"](candidate + seen)
    return hidden, memory


def _rnn(
    now: Tensor, hidden: Tensor, memory: Tensor, weight: Tensor, bias: Tensor | None,
    functions: Mapping[str, Activation], reset_after: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    return functions["activation"](now + F.linear(hidden, weight, bias)), memory


_CELLS = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}


@operation
def convolutional_lstm(
    film: Tensor,
    *,
    weight: Tensor,
    hidden_weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: int | Literal["same"] = 0,
    dilation: Sequence[int] = (1, 1),
    backwards: bool = False,
    whole: bool = False,
    **settings: Any,
) -> Tensor:
    """Return what an LSTM of maps says of (batch, channels, time, rows, columns): its last maps, or all if `whole`.

    `weight` (4 x filters, channels, kernel ...) moves over each picture, `hidden_weight` over the answer before; gates
    are input, forget, candidate, output. `settings` are "activation" and "gate" (`ACTIVATIONS`).
    """
    require_filled(film, "a recurrent layer")
    gate, activation = (ACTIVATIONS[settings.get(role, _USUAL[role])] for role in ("gate", "activation"))
    pictures = film.flip(2) if backwards else film
    moved: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    going = pictures[:, :, : steps_of(film, film.shape[2])]
    terms: list[Any] = [convolution(one, weight=weight, bias=bias, **moved) for one in going.unbind(2)]
    hidden = memory = torch.zeros_like(terms[0].chunk(4, 1)[0])
    answers = []
    for now in terms:
        gates: Any = now + convolution(hidden, weight=hidden_weight, padding="same")
        put, keep, candidate, show = gates.chunk(4, 1)
        memory = gate(keep) * memory + gate(put) * activation(candidate)
        hidden = gate(show) * activation(memory)
        answers.append(hidden)
    return stacked(answers, film.shape[2], 2) if whole else hidden
