"""Convolutions and fully-connected layers: what has weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.pytorch.functions.registry import Sizes, as_sizes, present, translates


@translates("conv1d", "conv2d", "conv3d")
def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> OperationPlan | None:
    if input.dim() != weight.dim():  # a single picture
        return None
    around: Any = {"valid": 0, "same": "same"}[padding] if isinstance(padding, str) else as_sizes(padding)
    attributes = {
        "stride": as_sizes(stride),
        "padding": around,
        "dilation": as_sizes(dilation),
        "groups": groups,
    }
    return OperationPlan("convolution", (input,), present(weight=weight, bias=bias), attributes)


@translates("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _deconvolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> OperationPlan | None:
    if input.dim() != weight.dim():
        return None
    settings = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    attributes = {name: as_sizes(value) for name, value in settings.items()} | {"groups": groups}
    return OperationPlan("deconvolution", (input,), present(weight=weight, bias=bias), attributes)


@translates("linear")
def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> OperationPlan | None:
    if input.dim() < 2 or weight.dim() != 2:
        return None
    attributes = {"axis": input.dim() - 1}
    return OperationPlan("dense", (input,), present(weight=weight, bias=bias), attributes)


@translates("convolution", "_convolution")
def _any_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
    *others: Any,
) -> OperationPlan | None:
    if transposed:
        return _deconvolution(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return _convolution(input, weight, bias, stride, padding, dilation, groups)
