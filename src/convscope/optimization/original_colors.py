"""A changed picture with the colors it had: brightness of the one, color of the other (Gatys et al., 2016)."""

from __future__ import annotations

import torch
from torch import Tensor

_YUV = ((0.299, 0.587, 0.114), (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))  # Rec. 601


def with_colors_of(original: Tensor, changed: Tensor) -> Tensor:
    """Return `changed` with the colors of `original`; both are RGB in 0..1, (N, 3, H, W).

    >>> gray = torch.full((1, 3, 8, 8), 0.5)
    >>> bool(with_colors_of(gray, torch.rand(1, 3, 8, 8)).std(1).max() < 1e-3)
    True
    """
    matrix = changed.new_tensor(_YUV)
    brightness = torch.einsum("yc,nchw->nyhw", matrix[:1], changed)
    color = torch.einsum("yc,nchw->nyhw", matrix[1:], original)
    back = torch.linalg.inv(matrix)
    return torch.einsum("cy,nyhw->nchw", back, torch.cat([brightness, color], 1)).clamp(0, 1)
