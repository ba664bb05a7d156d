"""Why an ascent has come to numbers that are none: the cause, in words."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.optimization.subject import Subject


@torch.no_grad()
def cause_of(subject: Subject, picture: Tensor) -> str:
    """Return where the first NaN or infinity is on the way from one picture (1, C, H, W) to its objective."""
    if not picture.isfinite().all():
        return "the picture itself holds NaN or infinity: a smaller rate may help"
    eaten = subject.eaten(picture)
    for operation in subject.network.graph.needed_for(subject.layers):
        for value in operation.outputs:
            found = subject.network.activations(eaten, value)[value]
            if found.is_floating_point() and not found.isfinite().all():
                what = "NaN" if found.isnan().any() else "infinity"
                return f"{value!r} ({operation.type_name}) answers {what}"
    return "its objective or its gradient is NaN or infinity, though every layer answers in numbers"
