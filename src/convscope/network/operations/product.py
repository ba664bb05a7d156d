"""1x1 convolutions as what they are with the channels last: matrix products, by Intel's library on Intel's processors.

There it multiplies 1.1 to 1.3 times as fast as oneDNN's packed convolution, twice as fast where there is little to
multiply and most of the time goes into the start, and reads a fully-connected layer's weights 1.2 to 1.4 times as fast.
On other makers' processors it is the slower way. The values agree with the plain convolution's to 1e-6 of the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from convscope.network.operations.checks import Sizes, per_axis
from convscope.network.operations.processor import products_are_fast

_LONGEST_SUM = 768  # longer ones are added up in parts, and which depends on how many filters there are


@dataclass(frozen=True)
class ProductConvolution:
    """A 1x1 convolution's filters as a matrix: (channels, filters)."""

    filters: Tensor
    bias: Tensor | None


def product_pays(
    filters: Sequence[int], *, padding: Sizes = 0, stride: Sizes = 1, dilation: Sizes = 1, groups: int = 1
) -> bool:
    """Whether it is the faster way for filters (outputs, inputs, height, width), and each has its bytes by itself."""
    points = (*filters[2:], *per_axis(stride, 2, "stride")) == (1, 1, 1, 1)
    whole = points and groups == 1 and not any(per_axis(padding, 2, "padding"))
    return whole and filters[1] <= _LONGEST_SUM and products_are_fast()


def prepare_product(weight: Tensor, bias: Tensor | None) -> ProductConvolution:
    """Return the filters (outputs, inputs, 1, 1) as a matrix."""
    return ProductConvolution(weight.detach().flatten(1).t().contiguous(), bias)


def product_convolution(
    input: Tensor,
    convolution: ProductConvolution,
    addend: Tensor | None = None,
    activation: Literal["none", "relu"] = "none",
) -> Tensor:
    """Return what the convolution gives, plus `addend` where there is one, through the activation.

    An addend that is no view of another tensor is written over, where it can be.

    >>> product_convolution(x, prepare_product(weight, None))  # convolution(x, weight=weight)
    """
    filters, (count, channels, height, width) = convolution.filters, input.shape
    rows, step = input.permute(0, 2, 3, 1).reshape(-1, channels), height * width
    if addend is not None and _may_be_written(addend):
        sums = addend.permute(0, 2, 3, 1).view(-1, filters.shape[1])
        for at in range(0, len(rows), max(1, step)):
            sums[at : at + step].addmm_(rows[at : at + step], filters)
        output, addend = addend, None
    else:
        sums = _products(rows, filters, step)
        # Detached it is no view: it belongs to who gets it, who may write over it.
        output = sums.view(count, height, width, filters.shape[1]).permute(0, 3, 1, 2).detach()
    if convolution.bias is not None:
        sums.add_(convolution.bias)
    if addend is not None:
        output.add_(addend)
    return output.relu_() if activation == "relu" else output


def _products(rows: Tensor, filters: Tensor, step: int) -> Tensor:
    """Return the products, `step` rows of one picture after the other: each has the same bytes alone as in a batch."""
    if len(rows) <= step:
        return torch.mm(rows, filters)
    products = rows.new_empty(len(rows), filters.shape[1])
    for at in range(0, len(rows), step):
        torch.mm(rows[at : at + step], filters, out=products[at : at + step])
    return products


def _may_be_written(addend: Tensor) -> bool:
    return not addend._is_view() and addend.is_contiguous(memory_format=torch.channels_last)
