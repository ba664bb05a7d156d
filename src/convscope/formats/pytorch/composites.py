"""Torch functions written in Python that have no ATen operator of their name, out of those that have.

A trace calls these in their place, so that the sizes in them stay arithmetic and hold for every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.utils._pytree import tree_leaves

from convscope.errors import UnsupportedLayer
from convscope.formats.sizes import fraction, whole


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Return what `torch.nn.functional.interpolate` does."""
    axes = input.dim() - 2
    kind = {
        "linear": "linear1d",
        "bilinear": "bilinear2d",
        "bicubic": "bicubic2d",
        "trilinear": "trilinear3d",
    }
    name = kind.get(mode) or f"{mode.replace('-exact', '_exact')}{axes}d"
    sizes = None if size is None else list(size) if isinstance(size, Sequence) else [size] * axes
    factors = None
    if scale_factor is not None:
        scales = scale_factor if isinstance(scale_factor, Sequence) else [scale_factor] * axes
        factors = [fraction(factor) for factor in scales]
        if recompute_scale_factor:
            sizes = [whole(size * factor) for size, factor in zip(input.shape[2:], factors, strict=True)]
            factors = None
    if mode == "area":
        lengths = sizes or [
            whole(size * factor) for size, factor in zip(input.shape[2:], factors or (), strict=True)
        ]
        averaged: Tensor = getattr(torch.ops.aten, f"adaptive_avg_pool{axes}d")(input, lengths)
        return averaged
    before, behind = "_" if antialias or "exact" in name else "", "_aa" if antialias else ""
    function = getattr(torch.ops.aten, f"{before}upsample_{name}{behind}")
    flags = [] if mode.startswith("nearest") else [bool(align_corners)]
    output: Tensor = function(input, sizes, *flags, factors)
    return output


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Tensor:
    """Return what `torch.nn.functional.normalize` does."""
    axes = [dim] if isinstance(dim, int) else list(dim)
    output: Tensor = input / torch.linalg.vector_norm(input, p, axes, True).clamp_min(eps)
    return output


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return what `torch.nn.functional.local_response_norm` does with pictures; of an even window more lies before."""
    squares = F.pad((input * input).unsqueeze(1), (0, 0, 0, 0, size // 2, (size - 1) // 2))
    return input / (k + alpha * F.avg_pool3d(squares, (size, 1, 1), stride=1).squeeze(1)) ** beta


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return what `torch.nn.functional.instance_norm` does: a group normalization with one channel a group."""
    if use_input_stats:
        return F.group_norm(input, int(input.shape[1]), weight, bias, eps)
    return F.batch_norm(input, running_mean, running_var, weight, bias, eps=eps)


def multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return what `multi_head_attention_forward` does outside training; sequences are (length, batch, features)."""
    if any(x is not None for x in (bias_k, bias_v, key_padding_mask, static_k, static_v)) or add_zero_attn:
        raise UnsupportedLayer("attention with masked or added keys cannot be written down")
    weights: Any = (q_proj_weight, k_proj_weight, v_proj_weight)
    if not use_separate_proj_weight and in_proj_weight is not None:
        weights = in_proj_weight.chunk(3)
    biases = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)

    def headed(sequence: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        projected = F.linear(sequence, weight, bias)
        heads: Tensor = torch.unflatten(projected, -1, (num_heads, projected.shape[-1] // num_heads))
        return heads.permute(1, 2, 0, 3)

    q, k, v = (headed(*each) for each in zip((query, key, value), weights, biases, strict=True))
    share = None
    if need_weights:
        scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1))
        share = torch.softmax(scores if attn_mask is None else scores + attn_mask, dim=-1)
        mixed = torch.matmul(share, v)
        share = share.mean(dim=1) if average_attn_weights else share
    else:
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
    return F.linear(mixed.permute(2, 0, 1, 3).flatten(2), out_proj_weight, out_proj_bias), share


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Return what `torch.nn.utils.rnn.pad_sequence` does: sequences made as long as the longest, stacked."""
    longest = max(sequence.shape[0] for sequence in sequences)

    def padded(sequence: Tensor) -> Tensor:
        missing = longest - sequence.shape[0]
        ends = (0, missing) if padding_side == "right" else (missing, 0)
        return F.pad(sequence, (0, 0) * (sequence.dim() - 1) + ends, value=padding_value)

    return torch.stack([padded(sequence) for sequence in sequences], 0 if batch_first else 1)


def pooled_by_maximum(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return what `torch.nn.functional.max_pool2d` does."""
    settings = [_pair(kernel_size), [] if stride is None else _pair(stride), _pair(padding), _pair(dilation)]
    output = torch.ops.aten.max_pool2d_with_indices(input, *settings, ceil_mode)
    return output if return_indices else output[0]


def pooled_by_norm(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Return what `torch.nn.functional.lp_pool2d` does: the norm of each window."""
    rows, columns = _pair(kernel_size)
    mean = F.avg_pool2d(input.pow(norm_type), (rows, columns), stride, 0, ceil_mode)
    return (torch.sign(mean) * F.relu(torch.abs(mean))).mul(rows * columns).pow(1.0 / norm_type)


def unpooled(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Return what `torch.nn.functional.max_unpool2d` does."""
    windows = zip(_pair(kernel_size), _pair(stride or kernel_size), _pair(padding), strict=True)
    usual = [
        (size - 1) * step + kernel - 2 * before
        for size, (kernel, step, before) in zip(input.shape[-2:], windows, strict=True)
    ]
    sizes = usual if output_size is None else list(output_size)[-2:]
    output: Tensor = torch.ops.aten.max_unpool2d(input, indices, sizes)
    return output


def folded(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Return what `torch.nn.functional.fold` does."""
    sizes = [_pair(each) for each in (output_size, kernel_size, dilation, padding, stride)]
    output: Tensor = torch.ops.aten.col2im(input, *sizes)
    return output


def meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    """Return what `torch.meshgrid` does."""
    listed = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else list(tensors)
    return torch.ops.aten.meshgrid.indexing(listed, indexing=indexing)


def _pair(sizes: Any) -> list[Any]:
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes, sizes]


def tensor(data: Any, dtype: torch.dtype | None = None, **others: Any) -> Tensor:
    """Return what `torch.tensor` makes of numbers among which are sizes."""
    kinds = {type(leaf) for leaf in tree_leaves(data)}
    fractional = any(issubclass(kind, float) for kind in kinds)
    kind = dtype or (torch.get_default_dtype() if fractional else torch.int64)

    def made(item: Any) -> Tensor:
        if isinstance(item, list | tuple):
            return torch.stack([made(one) for one in item])
        return item.to(kind) if isinstance(item, Tensor) else torch.full((), item, dtype=kind)

    return made(data)


_DISTANCES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


def distances(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Any:
    """Return what `torch.cdist` does."""
    return torch.ops.aten.cdist(x1, x2, p, _DISTANCES.index(compute_mode))


COMPOSITES: dict[str, Callable[..., Any]] = {
    "cdist": distances,
    "interpolate": interpolate,
    "affine_grid": lambda theta, size, align_corners=None: torch.ops.aten.affine_grid_generator(
        theta, list(size), bool(align_corners)
    ),
    "fold": folded,
    "lp_pool2d": pooled_by_norm,
    "max_pool2d": pooled_by_maximum,
    "max_unpool2d": unpooled,
    "meshgrid": meshgrid,
    "__rtruediv__": lambda input, other: input.reciprocal() * other,
    "__rdiv__": lambda input, other: input.reciprocal() * other,
    "__rmod__": lambda input, other: torch.ops.aten.remainder(other, input),
    "__rpow__": lambda input, other: torch.ops.aten.pow(other, input),
    "normalize": normalize,
    "instance_norm": instance_norm,
    "local_response_norm": local_response_norm,
    "multi_head_attention_forward": multi_head_attention,
    "pad_sequence": pad_sequence,
    **dict.fromkeys(("tensor", "as_tensor"), tensor),
    "einsum": lambda equation, *operands: torch.ops.aten.einsum(equation, list(operands)),
    "new_tensor": lambda input, data, dtype=None, **others: tensor(data, dtype or input.dtype),
    "nbytes": lambda input: prod(input.shape) * input.element_size(),
    "numel": lambda input: prod(input.shape),
    "nelement": lambda input: prod(input.shape),
    "T": lambda input: input.permute(*range(input.dim() - 1, -1, -1)),
    "mT": lambda input: input.transpose(-2, -1),
}
