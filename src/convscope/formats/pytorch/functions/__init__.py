"""Torch's functions that convscope has an operation of its own for: `torch.relu`, `F.relu` and `x.relu_()` are one.

Each takes the call's own arguments and returns an `OperationPlan`, or None where the call is out of the ordinary;
then it is recorded as the ATen operator it is. What has an operation of its own can be fused, rewritten and exported.
One file for each family, one function for each of torch's.
"""

from convscope.formats.pytorch.functions import (
    arithmetic,
    arranging,
    learned,
    normalizing,
    pointwise,
    pooling,
)
from convscope.formats.pytorch.functions.arithmetic import with_constant
from convscope.formats.pytorch.functions.registry import FUNCTIONS

__all__ = [
    "FUNCTIONS",
    "arithmetic",
    "arranging",
    "learned",
    "normalizing",
    "pointwise",
    "pooling",
    "with_constant",
]
