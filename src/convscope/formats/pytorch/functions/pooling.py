"""Windows of pooling, and summaries over whole axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.pytorch.functions.registry import FUNCTIONS, Sizes, Translator, as_sizes, translates
from convscope.formats.sizes import Size


@translates("max_pool2d")
def _max_pool(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    sizes: Callable[[Tensor], Any],
) -> OperationPlan | None:
    if as_sizes(dilation) not in (1, (1, 1)) or return_indices:
        return None
    if _of_sizes(kernel_size, stride):
        whole = padding in (0, (0, 0)) and not ceil_mode and _is_whole(input, kernel_size, sizes)
        return OperationPlan("global_max_pool", (input,)) if whole else None
    return _pooling("max_pool", input, kernel_size, stride, padding, ceil_mode)


@translates("avg_pool2d")
def _average_pool(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    sizes: Callable[[Tensor], Any],
) -> OperationPlan | None:
    if divisor_override is not None:
        return None
    if _of_sizes(kernel_size, stride):
        whole = padding in (0, (0, 0)) and not ceil_mode and _is_whole(input, kernel_size, sizes)
        return OperationPlan("global_average_pool", (input,)) if whole else None
    plan = _pooling("average_pool", input, kernel_size, stride, padding, ceil_mode)
    if plan is not None and not count_include_pad and plan.attributes["padding"] not in (0, (0, 0)):
        return replace(plan, attributes={**plan.attributes, "count_padding": False})
    return plan


def _pooling(
    kind: str, input: Tensor, kernel: Sizes, stride: Sizes | None, padding: Sizes, ceil: bool
) -> OperationPlan | None:
    if input.dim() != 4 or ceil:  # rounded up, torch and Caffe differ in when a last window is empty
        return None
    settings = {"kernel": kernel, "stride": kernel if stride in (None, []) else stride, "padding": padding}
    attributes = {name: as_sizes(value) for name, value in settings.items()} | {"rounding": "floor"}
    return OperationPlan(kind, (input,), attributes=attributes)


def _of_sizes(*settings: Any) -> bool:
    """Whether windows are made of sizes of the input: others at another size."""
    listed = (one if isinstance(one, list | tuple) else (one,) for one in settings)
    return any(isinstance(size, Size) for one in listed for size in one)


def _is_whole(input: Tensor, kernel: Any, sizes: Callable[[Tensor], Any]) -> bool:
    """Whether a window is the whole map, as ``F.avg_pool2d(x, x.shape[2:])`` has it; that is noted as decided."""
    return input.dim() == 4 and isinstance(kernel, list | tuple) and tuple(kernel) == tuple(sizes(input)[2:])


@translates("adaptive_avg_pool2d")
def _adaptive(
    input: Tensor, output_size: Sizes | None, return_indices: bool = False, *, maximum: bool = False
) -> OperationPlan | None:
    if input.dim() != 4 or return_indices or output_size not in (1, (1, 1), [1, 1]):
        return None
    return OperationPlan("global_max_pool" if maximum else "global_average_pool", (input,))


FUNCTIONS["adaptive_max_pool2d"] = lambda *args, **kwargs: _adaptive(*args, **kwargs, maximum=True)


def _summary(summary: str) -> Translator:
    def translate(
        input: Tensor, dim: Any = None, keepdim: bool = False, dtype: Any = None
    ) -> OperationPlan | None:
        dims = (dim,) if isinstance(dim, int) else dim or ()
        axes = tuple(sorted(axis % input.dim() for axis in dims))
        if not axes or dtype is not None or not input.is_floating_point():
            return None
        if summary == "mean" and input.dim() == 4 and axes == (2, 3) and keepdim:
            return OperationPlan("global_average_pool", (input,))
        return OperationPlan(
            "reduce", (input,), attributes={"summary": summary, "axes": axes, "keep_axes": keepdim}
        )

    return translate


FUNCTIONS |= {
    "mean": _summary("mean"),
    "sum": _summary("sum"),
    "amax": _summary("maximum"),
    "amin": _summary("minimum"),
}
