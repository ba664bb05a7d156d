"""Tensors of a module that no input decides: what is written into them, and how what reads them is put down.

A module may write into its own tensors while it runs (a counter, a weight that is kept short). A trace lets it, keeps
in each step the numbers that were there when it was taken, and gives the module its own ones back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from convscope.errors import UnsupportedLayer
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.pytorch.values import TraceStep, memory_of


class WrittenConstants:
    """The tensors that a module wrote into while it was traced, as they were before; `steps` are the trace's."""

    def __init__(self, steps: Sequence[TraceStep]) -> None:
        self.steps = steps
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._replaced: dict[int, tuple[Tensor, Tensor]] = {}

    def keep(self, tensor: Tensor, *, replaced: bool = False) -> None:
        """Take note of a tensor that is about to be written into, or whose `data` is about to be replaced."""
        if tensor.is_meta:
            return
        self._detach(tensor)
        if replaced:
            self._replaced.setdefault(id(tensor), (tensor, tensor.detach()))
        else:
            storage = tensor.untyped_storage()
            if memory_of(tensor) not in self._before:
                self._before[memory_of(tensor)] = (storage, storage.clone())  # type: ignore[no-untyped-call]

    def __enter__(self) -> None:
        """Begin to follow."""

    def __exit__(self, *_: object) -> None:
        """Give the module's tensors the numbers back that they had."""
        for tensor, data in self._replaced.values():
            self._detach(tensor)
            tensor.data = data
        for memory, (storage, before) in self._before.items():
            self._detach_memory(memory)
            storage.copy_(before)

    def _detach(self, tensor: Tensor) -> None:
        self._detach_memory(memory_of(tensor))

    def _detach_memory(self, memory: int) -> None:
        """Let the steps so far keep the numbers that they read."""
        for step in self.steps:
            parameters = step.plan.parameters
            if any(not one.is_meta and memory_of(one) == memory for one in parameters.values()):
                kept = {
                    role: one.detach().clone() if not one.is_meta and memory_of(one) == memory else one
                    for role, one in parameters.items()
                }
                step.plan = replace(step.plan, parameters=kept)


def constant_step(constant: Tensor) -> TraceStep:
    """Return the step that gives a constant's numbers as they are now; complex ones are kept as pairs."""
    numbers = constant.detach().clone()
    if not numbers.is_complex():
        return TraceStep(OperationPlan("constant", (), {"value_0": numbers}, label="constant"))
    pairs = torch.view_as_real(numbers.resolve_conj()).contiguous()
    attributes = {"operator": "view_as_complex", "arguments": ("$p0",)}
    return TraceStep(OperationPlan("aten", (), {"p0": pairs}, attributes, label="constant"))


def places_in(whole: Tensor, part: Tensor) -> tuple[Tensor, ...]:
    """Return where in a tensor what another one shows of its memory lies: an index for each axis."""
    offset = int(part.storage_offset()) - int(whole.storage_offset())
    last = offset + sum(
        (size - 1) * stride for size, stride in zip(part.shape, part.stride(), strict=True) if size
    )
    if not whole.is_contiguous() or part.dtype != whole.dtype or offset < 0 or last >= whole.numel():
        raise UnsupportedLayer("a tensor is written into that others see parts of in another order")
    flat = torch.arange(whole.numel()).as_strided(part.shape, part.stride(), offset)
    return torch.unravel_index(flat, whole.shape) if whole.dim() else ()


def places_of_truths(items: Any, is_live: Callable[[Tensor], bool]) -> Any:
    """Return a subscript in which truths that are known are the places where they hold, as torch takes them."""
    listed = items if isinstance(items, tuple) else (items,)
    places: list[Any] = []
    for item in listed:
        mask = torch.as_tensor(item) if _are_truths(item) else item
        known = isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.dim() and not mask.is_meta
        places += mask.nonzero().unbind(1) if known and not is_live(mask) else [item]
    return tuple(places) if isinstance(items, tuple) or len(places) > 1 else places[0]


def _are_truths(item: Any) -> bool:
    if isinstance(item, list):
        return bool(item) and all(isinstance(one, bool) for one in item)
    return isinstance(item, np.ndarray) and item.dtype == np.bool_


def written_by(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Return the tensors that a call of torch writes into."""
    if isinstance(func, torch._ops.OpOverload):
        schema = func._schema.arguments
        named = dict(zip((argument.name for argument in schema), args, strict=False)) | dict(kwargs)
        written = tree_leaves([named.get(argument.name) for argument in schema if argument.is_write])
    else:
        name = getattr(func, "__name__", "")
        in_place = (name.endswith("_") and not name.startswith("_")) or name in _IN_PLACE
        out = kwargs.get("out")
        written = [args[0] if in_place and args else None, *(out if isinstance(out, tuple | list) else [out])]
    return [tensor for tensor in written if isinstance(tensor, Tensor)]


def replaces_data(func: Callable[..., Any]) -> bool:
    """Whether a call is ``tensor.data = another``."""
    descriptor = getattr(func, "__self__", None)
    return getattr(func, "__name__", "") == "__set__" and getattr(descriptor, "__name__", "") == "data"


_IN_PLACE = frozenset(
    f"__{name}__"
    for name in (
        *("iadd", "isub", "imul", "itruediv", "idiv", "ifloordiv", "imod", "ipow", "imatmul"),
        *("iand", "ior", "ixor", "ilshift", "irshift", "setitem"),
    )
)
