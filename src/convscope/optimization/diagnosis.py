"""Why an ascent has come to numbers that are none: the cause, in words."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.optimization.objective_batch import ObjectiveBatch


@torch.no_grad()
def diagnose_nonfinite(batch: ObjectiveBatch, picture: Tensor) -> str:
    """Return where the first NaN or infinity is on the way from one picture (1, C, H, W) to its objective."""
    if not picture.isfinite().all():
        return "the picture itself holds NaN or infinity: a smaller rate may help"
    inputs = batch.network_input(picture)
    for operation in batch.network.graph.needed_for(batch.layers):
        for value in operation.outputs:
            answer = batch.network.activations(inputs, value)[value]
            if answer.is_floating_point() and not answer.isfinite().all():
                what = "NaN" if answer.isnan().any() else "infinity"
                return f"{value!r} ({operation.type_name}) answers {what}"
    return "its objective or its gradient is NaN or infinity, though every layer answers in numbers"
