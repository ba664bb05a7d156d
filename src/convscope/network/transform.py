"""A person's own preprocessing: torchvision's transforms, or any function from a Pillow image to an input.

What it does to colors is measured on pictures of one color, so that pictures can be taken back from inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope.errors import InputError, warn

if TYPE_CHECKING:
    from convscope.network.input_spec import InputSpec

Transform: TypeAlias = Callable[[Image.Image], Any]
_TOLERANCE = 0.02  # of the distance from black to white: a rounding to 8 bits on the way is none


def transformed(transform: Transform, pixels: np.ndarray[Any, Any]) -> Tensor:
    """Return what a transform makes of RGB pixels (height, width, 3) in 0..1: (channels, height, width), float32."""
    image = Image.fromarray((np.asarray(pixels) * 255).round().clip(0, 255).astype(np.uint8))
    try:
        result = transform(image)
    except Exception as error:  # it is somebody's own code
        raise InputError(f"the transform fails on a picture: {type(error).__name__}: {error}") from error
    tensor = result if isinstance(result, Tensor) else torch.from_numpy(np.array(result))
    tensor = tensor[0] if tensor.dim() == 4 and len(tensor) == 1 else tensor
    if tensor.dim() == 2:
        tensor = tensor[None]
    if tensor.dim() != 3:
        shape = tuple(tensor.shape)
        raise InputError(f"the transform gives {shape}; an input is (channels, height, width)")
    if not isinstance(result, Tensor) and tensor.shape[2] in (1, 3) and tensor.shape[0] not in (1, 3):
        tensor = tensor.movedim(2, 0)  # an array has its channels last
    return tensor.detach().float()


def with_transform(spec: InputSpec, transform: Transform) -> InputSpec:
    """Return the spec of an input that a transform makes; InputError where it does not fit the network.

    >>> spec = with_transform(spec, torchvision.models.ResNet18_Weights.DEFAULT.transforms())
    """
    black, white, red, gray = (_flat(spec, transform, color) for color in ("black", "white", "red", "gray"))
    if len(black) != spec.channels:
        raise InputError(f"the transform gives {len(black)} channels; the network expects {spec.channels}")
    offset, factor = black.mean((1, 2)), (white - black).mean((1, 2))
    if not factor.all():
        raise InputError("the transform gives the same for black and white: it shows the network nothing")
    share = ((red - black).mean((1, 2)) / factor).tolist()
    order = "GRAY" if len(share) == 1 else "BGR" if share[-1] > share[0] else "RGB"
    halfway = (black + white) / 2
    bent = ((gray - halfway).abs() / (white - black).abs().clamp(min=1e-6)).max()
    if bent > _TOLERANCE:
        warn(
            "the transform does more to colors than to shift and to stretch them: pictures that are taken back from "
            "inputs are near, not exact"
        )
    return spec.replace(
        because="your transform",
        transform=transform,
        size=(black.shape[1], black.shape[2]),
        channel_order=order,
        raw_scale=1.0,
        mean=tuple((-offset / factor).tolist()) if offset.any() else (),
        input_scale=tuple(factor.tolist()) if len({*factor.tolist()}) > 1 else float(factor[0]),
        resize="direct",
        resize_size=None,
        crops=1,
    )


def _flat(spec: InputSpec, transform: Transform, color: str) -> Tensor:
    side = 2 * max(spec.size)
    levels = {"black": (0, 0, 0), "white": (1, 1, 1), "red": (1, 0, 0), "gray": (0.5, 0.5, 0.5)}[color]
    return transformed(transform, np.full((side, side, 3), levels, np.float32))
