"""Maps of few places stretched over many: of a picture, along a signal, or through a volume."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import interpolate

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def stretched(values: Tensor, size: Sequence[int], *, ends_meet: bool = False) -> Tensor:
    """Return a map of one number a place at another size, linear along each axis.

    With `ends_meet` the first and last places stand at the very ends, else in the middle of their parts.
    """
    mode = _LINEAR[values.dim()]
    return interpolate(values[None, None], tuple(size), mode=mode, align_corners=ends_meet)[0, 0]
