"""Faster forms of the convolution and the fully-connected layer, for weights that stay as they are.

On a processor oneDNN runs a convolution 1.1 to 2.9 times faster when its filters have been laid out beforehand for
the input's size, and adds the sum behind it for free. (Its own ReLU, which would be free too, makes 0 of NaN.) A
fully-connected layer of several pictures at once is 3 to 4 times faster through oneDNN than through torch's default on
AMD processors. The values agree with the plain operations to 1e-6 of the largest one. Torch knows no gradient of
theirs; see `data_gradient`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.network.operations.checks import Sizes, per_axis
from convscope.network.operations.product import (
    ProductConvolution,
    prepare_product,
    product_convolution,
    product_pays,
)
from convscope.network.operations.winograd import (
    WinogradConvolution,
    prepare_winograd,
    winograd_convolution,
    winograd_pays,
)

Activation = Literal["none", "relu"]


@dataclass(frozen=True)
class PackedConvolution:
    """A convolution's filters in oneDNN's own layout; they cannot be looked at, copied or saved."""

    filters: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


FastConvolution: TypeAlias = PackedConvolution | WinogradConvolution | ProductConvolution


def prepare_convolution(
    weight: Tensor,
    bias: Tensor | None,
    input_shape: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> PackedConvolution | None:
    """Return a 2-d convolution packed for inputs of about this shape, or None where the plain one has to do.

    It runs on any other shape too, only less fast. None on other devices than a processor, in other precisions
    than float32 and bfloat16, and where torch was built without oneDNN.
    """
    if weight.dim() != 4 or not is_for_onednn(weight):
        return None
    strides, paddings, dilations = (
        per_axis(value, 2, what)
        for what, value in (("stride", stride), ("padding", padding), ("dilation", dilation))
    )
    filters = torch.ops.mkldnn._reorder_convolution_weight(
        weight.detach(), paddings, strides, dilations, groups, list(input_shape)
    )
    return PackedConvolution(
        filters, None if bias is None else bias.detach(), strides, paddings, dilations, groups
    )


def prepare_fastest(
    weight: Tensor,
    bias: Tensor | None,
    input_shape: Sequence[int],
    *,
    padding: Sizes = 0,
    **window: Any,
) -> FastConvolution | None:
    """Return what `prepare_convolution` does, or what is faster: `product`, or `winograd`, a little less exact."""
    if len(input_shape) == weight.dim() == 4 and weight.dtype == torch.float32 and is_for_onednn(weight):
        margin = per_axis(padding, 2, "padding")
        size = [length + 2 * p - 2 for length, p in zip(input_shape[2:], margin, strict=True)]
        if max(margin) <= 2 and winograd_pays(weight.shape, size, **window):
            return prepare_winograd(weight, bias, margin)
        if product_pays(weight.shape, padding=padding, **window):
            return prepare_product(weight, bias)
    return prepare_convolution(weight, bias, input_shape, padding=padding, **window)


def fused_convolution(
    input: Tensor,
    packed: FastConvolution,
    addend: Tensor | None = None,
    *,
    activation: Activation = "none",
) -> Tensor:
    """Return what the convolution gives, plus `addend` where there is one, through the activation.

    >>> packed = prepare_convolution(weight, bias, x.shape, padding=1)
    >>> fused_convolution(x, packed, activation="relu")  # relu(convolution(x, weight=weight, bias=bias, padding=1))
    """
    if isinstance(packed, WinogradConvolution):
        return winograd_convolution(input, packed, addend, activation)
    if isinstance(packed, ProductConvolution):
        return product_convolution(input, packed, addend, activation)
    window = packed.padding, packed.stride, packed.dilation, packed.groups
    input = input.contiguous(memory_format=torch.channels_last)
    run = torch.ops.mkldnn._convolution_pointwise
    output: Tensor
    if addend is None or addend.shape[2:] == (1, 1):  # whose strides may be any: torch 2.9 stumbles over some
        output = run(input, packed.filters, packed.bias, *window, "none", [], "")
        output = output if addend is None else output.add_(addend)
    else:
        addend = addend.contiguous(memory_format=torch.channels_last)
        output = run.binary(input, addend, packed.filters, packed.bias, *window, "add", 1.0, None, [], "")
    return output.relu_() if activation == "relu" else output


def fused_dense(
    input: Tensor, *, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none"
) -> Tensor:
    """Return what `dense` gives for rows of numbers and weights (outputs, inputs), through the activation.

    A single row is bound by reading the weights, and the plain way reads them as fast.
    """
    if input.shape[0] > 1 and is_for_onednn(input) and is_for_onednn(weight):
        output: Tensor = torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
    else:
        output = F.linear(input, weight, bias)
    return output.relu_() if activation == "relu" else output


def is_for_onednn(tensor: Tensor) -> bool:
    """Whether oneDNN is there for a tensor of this kind on its device."""
    return (
        tensor.device.type == "cpu"
        and tensor.dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and bool(torch.backends.mkldnn.enabled)
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )
