"""A person's picture as what a dream starts from: a tensor of the size asked for, and its opacity beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image, ImageOps
from torch import Tensor

from convscope.photograph import open_photograph
from convscope.rgb import ON_WHITE


def picture_tensor(picture: Any, size: int | None, largest: int) -> Tensor:
    """Return a picture as (1, 3, H, W) in 0..1, its longer side `size`, or at most `largest`."""
    pixels = np.ascontiguousarray(open_photograph(picture).pixels)
    tensor = torch.from_numpy(pixels).movedim(-1, 0)[None].float()
    height, width = tensor.shape[2:]
    longer = size or min(largest, max(height, width))
    wanted = [max(1, round(side * longer / max(height, width))) for side in (height, width)]
    if wanted == [height, width]:
        return tensor
    return F.interpolate(tensor, wanted, mode="bilinear", antialias=True).clamp(0, 1)


def opacity_of(picture: Any, like: Tensor) -> Tensor | None:
    """Return how opaque a picture from a file is, (1, 1, H, W) at the size of another; None where it is throughout."""
    found = open_photograph(picture)
    if ON_WHITE not in found.notes or found.source is None:
        return None
    with Image.open(found.source) as image:
        alpha = np.asarray(ImageOps.exif_transpose(image).convert("RGBA").getchannel("A"))
    opacity = torch.from_numpy(alpha.astype(np.float32) / 255)[None, None]
    return F.interpolate(opacity, like.shape[-2:], mode="bilinear", antialias=True)
