"""What a file works out of its own numbers is worked out when it is opened, within one budget for the whole network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.onnx.constants import Constant
from convscope.formats.onnx.element_types import FLOATING
from convscope.formats.onnx.node import Node
from convscope.formats.operation_plan import OperationPlan
from convscope.network.operations import OPERATIONS
from convscope.network.operations.registry import kind_of

_AT_ONCE = (
    65536  # constants up to here are worked out when a network is opened, larger ones when they are used
)
_LOOKED_THROUGH = 8  # numbers for each one that is sorted or searched: its order, place and count
_KEPT = 2**24  # and up to here they are worked out once


def fold(
    node: Node, plans: Sequence[OperationPlan], constants: Mapping[str, Constant], budget: FoldingBudget
) -> Sequence[Constant]:
    """Return what plans make of constants: at once where they are small, else when they are used."""
    shapes = _shapes(node, plans, constants, budget)
    types = node.output_types

    def numbers(index: int) -> Any:
        array = _outputs(plans, constants, exact=True)[index].numpy()
        return array.astype(np.int64) if types[index] not in FLOATING and _fits(array) else array

    size = sum(constants[value].size for value in node.inputs if value) + sum(map(prod, shapes))
    load = cache(numbers) if size <= _KEPT else numbers
    folded = [
        Constant(shape, types[index], lambda index=index: load(index))  # type: ignore[misc]
        for index, shape in enumerate(shapes[: len(types)])  # a node may leave its last outputs out
    ]
    if size <= _AT_ONCE:
        for constant in folded:
            constant.load()
    return folded


def _shapes(
    node: Node, plans: Sequence[OperationPlan], constants: Mapping[str, Constant], budget: FoldingBudget
) -> list[tuple[int, ...]]:
    """Return the shapes of what plans make, taken off the budget before any memory is."""
    try:
        spend_work = partial(budget.spend_work, node.name)
        made = _outputs(plans, constants, exact=False, spend_work=spend_work)
        shapes = [tuple(tensor.shape) for tensor in made]
    except NotImplementedError:  # they depend on the numbers themselves
        if node.type_name == "Range":
            first, last, step = (float(constants[value].array.reshape(())) for value in node.inputs)
            budget.spend(node.name, (max(0, int(abs((last - first) / (step or 1)))),))
        elif node.type_name == "NonMaxSuppression":  # each that is kept is compared with all the others
            budget.spend_work(node.name, float(constants[node.inputs[1]].size) ** 2)
        else:
            looked_through = sum(constants[value].size for value in node.inputs if value)
            budget.spend(node.name, (_LOOKED_THROUGH, looked_through))
        return [tuple(tensor.shape) for tensor in _outputs(plans, constants, exact=True)]
    for shape in shapes:
        budget.spend(node.name, shape)
    return shapes


def _outputs(
    plans: Sequence[OperationPlan],
    constants: Mapping[str, Constant],
    *,
    exact: bool,
    spend_work: Callable[[float], None] | None = None,
) -> tuple[Tensor, ...]:
    results: list[tuple[Tensor, ...]] = []
    for plan in plans:
        from_sizes = kind_of(plan.kind).reads_sizes
        load = _exact if exact or from_sizes else _without_memory
        inputs = [
            results[plan_number(value, len(results))][0] if value[:1] in ("", "#") else load(constants[value])
            for value in plan.inputs
        ]
        if from_sizes and not exact:
            inputs[:1] = [tensor.to("meta") for tensor in inputs[:1]]
        roles = {role: load(constants[key]) for role, key in plan.parameters.items()}
        result = OPERATIONS[plan.kind](*inputs, **roles, **plan.attributes)
        results.append(result if isinstance(result, tuple) else (result,))
        if spend_work is not None:
            spend_work(_multiply_adds(plan.kind, [*inputs, *roles.values()], results[-1][0]))
    return results[-1]


def _multiply_adds(kind: str, factors: Sequence[Tensor], made: Tensor) -> float:
    """Return how many a product takes; none for what goes through its numbers once."""
    if len(factors) < 2:
        return 0
    first, second = factors[:2]
    if kind in ("matmul", "dense"):
        return float(made.numel()) * first.shape[-1]
    if kind == "convolution":
        return float(made.numel()) * prod(second.shape[1:])
    return float(first.numel()) * prod(second.shape[1:]) if kind == "deconvolution" else 0


def plan_number(reference: str, count: int) -> int:
    """Return which of a node's plans an input means: "" is the one before, "#2" the third."""
    return int(reference[1:]) if reference else count - 1


def _exact(constant: Constant) -> Tensor:
    kind = np.float64 if constant.whole else np.float32
    return torch.from_numpy(np.array(constant.load(), kind, order="C"))


def _without_memory(constant: Constant) -> Tensor:
    return torch.empty(constant.shape, device="meta")


def _fits(values: Any) -> bool:
    return bool(np.all(np.isfinite(values)) and np.all(np.abs(values) < 2**62))
