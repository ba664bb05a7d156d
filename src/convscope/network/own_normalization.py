"""The normalization that a network does itself: constants subtracted, divided by or multiplied with before its layers.

A picture that goes into such a network must not be normalized once more. Which numbers it wants is told from what the
arithmetic makes 0 and how far it stretches: a mean of 124 is one of pictures in 0..255, one of 0.485 of those in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.network.axes import to_channels_first
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import GUESS, InputSpec
from convscope.network.operations.assertions import ASSERTIONS

_ARITHMETIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
}
_OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide"}
_PASSED = ASSERTIONS | {"identity"}
_LONGEST = 8  # operations


@dataclass(frozen=True)
class OwnNormalization:
    """What a network does to its input's numbers first: ``x * factor + offset``, a value a channel, or one for all."""

    factor: Tensor
    offset: Tensor

    @property
    def white(self) -> float:
        """How bright white is in the pictures it was made for: 255 or 1."""
        middle, deviation = (-self.offset / self.factor).abs().max(), (1 / self.factor).abs().max()
        return 255.0 if middle > 2 or deviation > 4 else 1.0

    def __str__(self) -> str:
        middle, deviation = -self.offset / self.factor, 1 / self.factor
        parts = [f"minus {_numbers(middle)}"] if middle.any() else []
        parts += [f"divided by {_numbers(deviation)}"] if (deviation != 1).any() else []
        return f"{', '.join(parts)} inside the network"


def with_own_normalization(spec: InputSpec, graph: Graph) -> InputSpec:
    """Return a spec whose guesses give way to the normalization inside the network, where there is one."""
    fields = ("raw_scale", "mean", "input_scale")
    normalization = find_own_normalization(graph)
    if normalization is None or not all(
        spec.provenance.get(name, GUESS).startswith(GUESS) for name in fields
    ):
        return spec
    return spec.replace(because=str(normalization), raw_scale=normalization.white, mean=(), input_scale=1.0)


def find_own_normalization(graph: Graph) -> OwnNormalization | None:
    """Return the arithmetic with constants that the (first) input goes through before anything else, or None."""
    value = next(iter(graph.inputs), "")
    factor, offset, is_normalized = torch.ones(1, device="cpu"), torch.zeros(1, device="cpu"), False
    for _ in range(_LONGEST):
        readers = graph.consumers.get(value, ())
        if len(readers) != 1 or len(readers[0].outputs) != 1:
            break
        (reader,) = readers
        if reader.kind not in _PASSED:
            name, constant, swapped = _constant(graph, reader, value)
            if constant is None or name not in _ARITHMETIC:
                break
            if swapped and name in ("subtract", "divide"):
                break  # a negative, or 1 / x: no normalization of pictures
            function = _ARITHMETIC[name]
            offset = function(offset, constant)
            factor = function(factor, constant) if name in ("multiply", "divide") else factor + 0 * constant
            is_normalized = True
        value = reader.outputs[0]
    plain = bool(((factor - 1).abs() < 1e-6).all() and (offset.abs() < 1e-6).all())
    sound = factor.isfinite().all() and offset.isfinite().all() and factor.all()
    return OwnNormalization(factor, offset) if is_normalized and not plain and sound else None


def _constant(graph: Graph, step: Operation, value: str) -> tuple[str, Tensor | None, bool]:
    """Return which arithmetic a step does, with which constant (a number a channel), and whether that comes first."""
    if step.kind == "power":
        return _of_power(step)
    if step.kind == "aten":
        return _of_aten(graph, step)
    constants: list[Tensor] = []
    for other in step.inputs:
        if other != value:
            producer = graph.producers.get(other)
            if producer is None or producer.inputs or not producer.parameters:
                return step.kind, None, False
            constants += [graph.parameters.fresh(key) for key in producer.parameters.values()]
    constants += [graph.parameters.fresh(key) for key in step.parameters.values()]
    constants += [torch.tensor(float(step.attributes["number"]))] if "number" in step.attributes else []
    first = bool(step.attributes.get("swapped")) or (bool(step.inputs) and step.inputs[0] != value)
    last = graph.channels_last and not step.channels_last
    flat = _one_a_channel(constants[0], last) if len(constants) == 1 else None
    return step.kind, flat, first


def _of_power(step: Operation) -> tuple[str, Tensor | None, bool]:
    """Caffe's Power layer is (shift + scale x) ^ power; one that only shifts or only scales is told."""
    power, scale, shift = (float(step.attributes.get(key, usual)) for key, usual in _POWER)
    if power != 1 or (scale != 1 and shift):
        return "power", None, False
    return ("add", torch.tensor([shift]), False) if shift else ("multiply", torch.tensor([scale]), False)


_POWER = (("power", 1.0), ("scale", 1.0), ("shift", 0.0))


def _of_aten(graph: Graph, step: Operation) -> tuple[str, Tensor | None, bool]:
    name = _OPERATORS.get(str(step.attributes.get("operator", "")).partition(".")[0], "")
    arguments = tuple(step.attributes.get("arguments", ()))
    if not name or len(arguments) != 2 or step.attributes.get("keywords"):
        return "", None, False
    swapped = arguments[0] != "$0"
    other = arguments[0] if swapped else arguments[1]
    if isinstance(other, (int, float)):
        return name, torch.tensor([float(other)]), swapped
    role = str(other).lstrip("$")
    if role not in step.parameters:
        return name, None, swapped
    return name, _one_a_channel(graph.parameters.fresh(step.parameters[role]), graph.channels_last), swapped


def _one_a_channel(constant: Tensor, last: bool) -> Tensor | None:
    """Return a constant that is one number, or one a channel, as a flat tensor; None for any other."""
    constant = constant.detach().float().cpu()
    if constant.numel() == 1:
        return constant.reshape(1)
    shape = constant.shape if constant.dim() == 4 else (1,) * (4 - constant.dim()) + tuple(constant.shape)
    whole = constant.reshape(shape) if len(shape) == 4 else None
    if whole is None:
        return None
    whole = to_channels_first(whole) if last else whole
    return whole.reshape(-1) if whole.numel() == whole.shape[1] else None


def _numbers(values: Tensor) -> str:
    return ", ".join(f"{value:.4g}" for value in values.tolist())
