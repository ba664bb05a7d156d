"""What lies under each window, laid out as channels; and grayscale dilation, the largest sum over it.

J. Serra, *Image Analysis and Mathematical Morphology* (1982).
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.network.operations.checks import Padding, Sizes, around
from convscope.network.operations.pooling import LOWEST, windows_of
from convscope.network.operations.registry import operation
from convscope.network.operations.windows import pooling_window


@operation(window=pooling_window, relevance="routed")
def image_patches(
    input: Tensor, *, kernel: Sizes, stride: Sizes = 1, padding: Padding = 0, dilation: Sizes = 1
) -> Tensor:
    """Return the numbers under each window: (batch, positions x channels, rows, columns), zeros outside.

    `im2col` has the channels as the slower index, as filters are stored; here they are the faster one.
    """
    windows = _under_windows(input, kernel, stride, padding, dilation, 0.0)
    return windows.permute(0, 4, 5, 1, 2, 3).reshape(len(input), -1, *windows.shape[2:4])


@operation(window=pooling_window)
def dilate(
    input: Tensor,
    *,
    weight: Tensor,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the largest sum of a number and its weight in each window; `weight` is (height, width, channels).

    What is outside counts for nothing.
    """
    windows = _under_windows(input, kernel, stride, padding, dilation, LOWEST)
    return (windows + weight.permute(2, 0, 1)[:, None, None]).amax((4, 5))


def _under_windows(
    input: Tensor, kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes, outside: float
) -> Tensor:
    """Return (batch, channels, rows, columns, kernel height, kernel width)."""
    along = windows_of(input, kernel, stride, padding, "floor", dilation)
    windows = F.pad(input, around([each.border for each in along]), value=outside)
    for axis, each in enumerate(along, 2):
        windows = windows.unfold(axis, each.extent, each.stride)[..., :: each.dilation]
    return windows
