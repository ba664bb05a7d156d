"""The same numbers in another shape or order: reshaped, permuted, padded, joined, split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from convscope.formats.decisions import note_read
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.pytorch.functions.registry import Sizes, translates
from convscope.formats.sizes import Size, expression_of


@translates("transpose", "swapaxes", "swapdims")
def _transpose(input: Tensor, dim0: int, dim1: int) -> OperationPlan:
    order = list(range(input.dim()))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return OperationPlan("permute", (input,), attributes={"order": tuple(order)})


@translates("permute")
def _permute(input: Tensor, *dims: Any) -> OperationPlan:
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], list | tuple) else dims
    return OperationPlan(
        "permute", (input,), attributes={"order": tuple(axis % input.dim() for axis in order)}
    )


@translates("unsqueeze")
def _unsqueeze(input: Tensor, dim: int) -> OperationPlan:
    return OperationPlan("unsqueeze", (input,), attributes={"axes": (dim,)})


@translates("squeeze")
def _squeeze(input: Tensor, dim: int) -> OperationPlan | None:
    return OperationPlan("squeeze", (input,), attributes={"axes": (dim,)}) if input.shape[dim] == 1 else None


@translates("pad")
def _pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> OperationPlan | None:
    """Torch counts from the last axis on, before and behind; numbers below 0 cut off."""
    if mode not in ("constant", "reflect", "replicate") or any(isinstance(p, Size) or p < 0 for p in pad):
        return None
    before, behind = pad[0::2][::-1], pad[1::2][::-1]
    attributes = {"padding": (*before, *behind), "axis": input.dim() - len(before), "mode": mode}
    return OperationPlan("pad", (input,), attributes=attributes | {"value": float(value or 0)})


@translates("flatten")
def _flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> OperationPlan | None:
    if isinstance(start_dim, str) or input.dim() < 2:
        return None
    return OperationPlan("flatten", (input,), attributes={"axis": start_dim, "end_axis": end_dim})


@translates("view", "reshape")
def _reshape(input: Tensor, *shape: Any, sizes: Callable[[Tensor], Sequence[Size]]) -> OperationPlan | None:
    """Sizes of the input itself are copied, one that is neither copied nor a number is what is left over."""
    target = shape[0] if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape
    own = sizes(input)
    codes = []
    for at, size in enumerate(target):
        if not isinstance(size, int):
            return None
        copied = isinstance(size, Size) and at < len(own) and size.expression == own[at].expression
        codes.append(0 if copied else -1 if isinstance(size, Size) else size)
    if codes.count(-1) > 1 or 0 in target:
        return None
    for size in target:
        note_read(expression_of(size))
    if codes[:1] == [0] and codes[1:] == [-1] and input.dim() > 1:
        return OperationPlan("flatten", (input,), attributes={"axis": 1})
    return OperationPlan("reshape", (input,), attributes={"shape": tuple(codes)})


@translates("cat", "concat", "concatenate")
def _concat(tensors: Sequence[Tensor], dim: int = 0) -> OperationPlan | None:
    if any(tensor.numel() == 0 for tensor in tensors):
        return None
    return OperationPlan("concat", tuple(tensors), attributes={"axis": dim % tensors[0].dim()})


@translates("chunk")
def _chunk(input: Tensor, chunks: int, dim: int = 0) -> OperationPlan | None:
    return _split(input, -(-input.shape[dim] // chunks), dim)


@translates("split", "split_with_sizes")
def _split(input: Tensor, split_size_or_sections: Sizes, dim: int = 0) -> OperationPlan | None:
    """Along the channels, whose number is the same whatever the size of the picture; other axes stay ATen's."""
    if dim != 1 or input.dim() < 4:
        return None
    size, wanted = input.shape[1], split_size_or_sections
    if isinstance(wanted, int):
        lengths = tuple(min(wanted, size - start) for start in range(0, size, int(wanted)))
    else:
        lengths = tuple(wanted)
    plain = tuple(map(int, lengths))
    return OperationPlan("slice", (input,), attributes={"axis": 1, "lengths": plain}) if plain[1:] else None
