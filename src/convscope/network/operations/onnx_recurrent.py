"""Recurrent layers over whole sequences, in one direction or both, as ONNX has them: gates may have any activation.

A sequence is (time, batch, inputs); weights have a first axis for the direction, states (directions, batch, features).
What is beyond a sequence's own length gives zeros, and changes no state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.quantization import dynamic_quantize
from convscope.network.operations.registry import operation
from convscope.network.operations.steps import stacked, steps_of

Activation = Callable[[Tensor, float, float], Tensor]
ACTIVATIONS: Mapping[str, tuple[Activation, float, float]] = {
    "affine": (lambda x, a, b: a * x + b, 0.0, 0.0),
    "relu": (lambda x, a, b: x.relu(), 0.0, 0.0),
    "leakyrelu": (lambda x, a, b: torch.where(x >= 0, x, a * x), 0.01, 0.0),
    "thresholdedrelu": (lambda x, a, b: torch.where(x > a, x, 0.0), 0.0, 0.0),
    "tanh": (lambda x, a, b: x.tanh(), 0.0, 0.0),
    "scaledtanh": (lambda x, a, b: a * (b * x).tanh(), 0.0, 0.0),
    "sigmoid": (lambda x, a, b: x.sigmoid(), 0.0, 0.0),
    "hardsigmoid": (lambda x, a, b: (a * x + b).clamp(0, 1), 0.2, 0.5),
    "elu": (lambda x, a, b: torch.where(x >= 0, x, a * (x.clamp(max=0).exp() - 1)), 1.0, 0.0),
    "softsign": (lambda x, a, b: F.softsign(x), 0.0, 0.0),
    "softplus": (lambda x, a, b: F.softplus(x), 0.0, 0.0),
}
"""Each by its name in small letters, with its alpha and beta where none are given: onnxruntime's.

ONNX has none for the affine and the scaled one, and 1 for the thresholded one.
"""


@dataclass(frozen=True)
class _Direction:
    """What one direction computes with: weights (gates x features, ...), and a function for each kind of gate."""

    weight: Tensor
    hidden_weight: Tensor
    bias: Tensor
    hidden_bias: Tensor
    functions: Sequence[Callable[[Tensor], Tensor]]
    peephole: Tensor | None = None
    in_codes: bool = False

    def product(self, hidden: Tensor) -> Tensor:
        """Return what a state gives to all gates."""
        return F.linear(_coded(hidden) if self.in_codes else hidden, self.hidden_weight, self.hidden_bias)


States = tuple[Tensor, ...]
Step = Callable[[_Direction, Tensor, States], States]


@operation(sees="map")
def recurrent_sequence(
    sequence: Tensor,
    *others: Tensor,
    cell: str,
    weight: Tensor,
    hidden_weight: Tensor,
    bias: Tensor | None = None,
    peephole: Tensor | None = None,
    given: Sequence[str] = (),
    backward: bool = False,
    activations: Sequence[str] = (),
    alpha: Sequence[float] = (),
    beta: Sequence[float] = (),
    limit: float = 0.0,
    reset_after: bool = False,
    coupled: bool = False,
    batch_first: bool = False,
    in_codes: bool = False,
) -> tuple[Tensor, ...]:
    """Return what a layer of cells ("rnn", "gru" or "lstm") says at each time, then its last states.

    The first output is (time, directions, batch, features); with `batch_first` the batch is the first axis of all but
    the weights, and the direction the one before the features. `others` are what is `given`: "lengths" of the
    sequences, "hidden" and "cell" states to begin with. Gates are in ONNX's order: input, output, forget, candidate;
    update, reset, candidate. What enters one is cut off at `limit` if that is not 0; `reset_after` and `coupled` are
    ONNX's ``linear_before_reset`` and ``input_forget``. With `in_codes` the sequence, and at each time an "lstm"'s
    hidden states, are rounded to 256 codes of their range before they are multiplied, as DynamicQuantizeLSTM does.
    """
    options = dict(zip(given, others, strict=True))
    if batch_first:
        sequence = sequence.transpose(0, 1)
        options = {
            name: value if name == "lengths" else value.transpose(0, 1) for name, value in options.items()
        }
    if in_codes:
        sequence = _coded(sequence)
    count, features = weight.shape[0], hidden_weight.shape[2]
    steps: dict[str, tuple[Step, int]] = {
        "rnn": (_plain, 1),
        "gru": (partial(_gated, reset_after=reset_after), 2),
        "lstm": (partial(_remembering, coupled=coupled), 3),
    }
    if cell not in steps or sequence.dim() != 3 or weight.shape[2] != sequence.shape[2]:
        raise InputError(
            f"cells of {dimensions(weight.shape)} do not fit a sequence of {dimensions(sequence.shape)}"
        )
    step, functions = steps[cell]
    cell_functions, results = _functions(cell, activations or _USUAL[cell] * count, alpha, beta, limit), []
    for at in range(count):
        mine = cell_functions[at * functions : (at + 1) * functions]
        halves = weight.new_zeros(2, weight.shape[1]) if bias is None else bias[at].reshape(2, -1)
        looked = None if peephole is None else peephole[at].reshape(3, features)
        direction = _Direction(weight[at], hidden_weight[at], halves[0], halves[1], mine, looked, in_codes)
        names = ("hidden", "cell") if cell == "lstm" else ("hidden",)
        zeros = sequence.new_zeros(sequence.shape[1], features)
        states = tuple(options[name][at] if name in options else zeros for name in names)
        reverse = backward if count == 1 else at == 1
        results.append(_run(step, direction, sequence, states, options.get("lengths"), reverse))
    outputs = torch.stack([each[0] for each in results], 1)
    last = [torch.stack(states) for states in zip(*(each[1] for each in results), strict=True)]
    if batch_first:
        return outputs.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in last)
    return outputs, *last


_USUAL = {"rnn": ("tanh",), "gru": ("sigmoid", "tanh"), "lstm": ("sigmoid", "tanh", "tanh")}


def _coded(numbers: Tensor) -> Tensor:
    codes, scale, zero = dynamic_quantize(numbers)
    return (codes - zero) * scale


def _functions(
    cell: str, names: Sequence[str], alphas: Sequence[float], betas: Sequence[float], limit: float
) -> list[Callable[[Tensor], Tensor]]:
    """Return the activations by name; alphas and betas are given for those that have one, in turn."""
    functions: list[Callable[[Tensor], Tensor]] = []
    left, more = list(alphas), list(betas)
    for index, name in enumerate(map(str.lower, names)):
        if name not in ACTIVATIONS:
            raise InputError(f"an activation is {', '.join(ACTIVATIONS)}; not {name!r}")
        function, alpha, beta = ACTIVATIONS[name]
        alpha = left.pop(0) if name in _WITH_ALPHA and left else alpha
        beta = more.pop(0) if name in _WITH_BETA and more else beta

        # What an LSTM remembers is shown as it is: onnxruntime cuts off only what enters a gate.
        bound = 0.0 if cell == "lstm" and index % 3 == 2 else limit
        functions.append(partial(_activated, function=function, alpha=alpha, beta=beta, limit=bound))
    return functions


def _activated(input: Tensor, *, function: Activation, alpha: float, beta: float, limit: float) -> Tensor:
    return function(input.clamp(-limit, limit) if limit else input, alpha, beta)


_WITH_ALPHA = frozenset({"affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu"})
_WITH_BETA = frozenset({"affine", "scaledtanh", "hardsigmoid"})


def _run(
    step: Step,
    direction: _Direction,
    sequence: Tensor,
    states: States,
    lengths: Tensor | None,
    backward: bool,
) -> tuple[Tensor, States]:
    """Run one direction; backward a sequence begins at its own end."""
    terms = F.linear(sequence, direction.weight, direction.bias)
    outputs: list[Tensor] = []
    times = range(steps_of(sequence, len(sequence)))
    for time in reversed(times) if backward else times:
        after = step(direction, terms[time], states)
        if lengths is None:
            states = after
            outputs.append(states[0])
            continue
        inside = (time < lengths).reshape(-1, 1)
        states = tuple(torch.where(inside, new, old) for new, old in zip(after, states, strict=True))
        outputs.append(torch.where(inside, states[0], 0.0))
    return stacked(outputs[::-1] if backward else outputs, len(sequence)), states


def _plain(direction: _Direction, now: Tensor, states: States) -> States:
    (hidden,) = states
    return (direction.functions[0](now + F.linear(hidden, direction.hidden_weight, direction.hidden_bias)),)


def _gated(direction: _Direction, now: Tensor, states: States, reset_after: bool) -> States:
    (hidden,), (gate, candidate) = states, direction.functions
    weights, biases = direction.hidden_weight.chunk(3), direction.hidden_bias.chunk(3)
    update, reset, new = now.chunk(3, -1)
    update = gate(update + F.linear(hidden, weights[0], biases[0]))
    reset = gate(reset + F.linear(hidden, weights[1], biases[1]))
    if reset_after:
        new = candidate(new + reset * F.linear(hidden, weights[2], biases[2]))
    else:
        new = candidate(new + F.linear(reset * hidden, weights[2], biases[2]))
    return ((1 - update) * new + update * hidden,)


def _remembering(direction: _Direction, now: Tensor, states: States, coupled: bool) -> States:
    (hidden, cell), (gate, candidate, shown) = states, direction.functions
    enter, show, keep, new = (now + direction.product(hidden)).chunk(4, -1)
    looked = direction.peephole
    if looked is not None:
        enter, keep = enter + looked[0] * cell, keep + looked[2] * cell
    enter = gate(enter)
    keep = 1 - enter if coupled else gate(keep)
    cell = keep * cell + enter * candidate(new)
    if looked is not None:
        show = show + looked[1] * cell
    return gate(show) * shown(cell), cell
