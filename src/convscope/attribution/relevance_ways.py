"""How relevance goes back through each kind of operation, and through the operators of torch's that have no kind.

A function of each number alone hands its relevance on (Bach et al., *On pixel-wise explanations for non-linear
classifier decisions by layer-wise relevance propagation*, 2015), and so does a normalization (Achtibat et al.,
*AttnLRP*, 2024); a largest number has all that its window has (Bach et al.); sums and averages share out.
"""

from __future__ import annotations

from convscope.network.graph import Operation
from convscope.network.operations import kind_of
from convscope.network.operations.aten import MOVES, base_of

_MIXES = "scaled_dot_product_attention matmul linalg_matmul bmm mm mv dot einsum"
_PASS_ON = """
asinh atan celu clamp clamp_max clamp_min clip elu expm1 gelu hardshrink hardsigmoid hardswish hardtanh
leaky_relu log1p log_sigmoid log_softmax mish neg prelu relu relu6 rms_norm rrelu selu sigmoid silu softmax softplus
softshrink softsign sqrt square tanh threshold
"""
_SHARE = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d
avg_pool2d avg_pool3d col2im cumsum lerp mean sum
"""
_SELECT = """
adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d amax amin fmax fmin im2col kthvalue masked_fill max
max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices max_unpool2d
max_unpool3d maximum median min minimum msort pad sort topk where
"""
_WAYS = {
    name: way
    for way, names in (
        ("mixed", _MIXES),
        ("passed", _PASS_ON),
        ("shared", _SHARE),
        ("routed", _SELECT),
        ("routed", " ".join(MOVES)),
        ("half", "glu"),
    )
    for name in names.split()
}


def way_of(operation: Operation) -> str | None:
    """Return how relevance goes back through an operation, as `OperationKind.relevance` has it; None: not known.

    "half": the first half of the channels is the signal, the second its gate.
    """
    if operation.kind == "aten":
        base = base_of(operation.attributes["operator"]).lstrip("_")
        if base == "pow":
            return "passed" if _has_exponent(operation) else None
        return "routed" if base.startswith("upsample") else _WAYS.get(base)
    if operation.kind == "matmul" and len(operation.inputs) == 1:
        return "filters"
    return kind_of(operation.kind).relevance


def _has_exponent(operation: Operation) -> bool:
    """Say whether a power is of a number above 0: else it divides, or the number is what is raised."""
    arguments = list(operation.attributes.get("arguments", ()))
    exponent = arguments[1] if len(arguments) > 1 else None
    return isinstance(exponent, int | float) and exponent > 0
