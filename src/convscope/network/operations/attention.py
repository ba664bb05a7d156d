"""Attention: each place of a sequence, or of a picture, looks at all others (Vaswani et al., 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import operation


@operation
def multi_head_attention(
    query: Tensor,
    value: Tensor,
    key: Tensor | None = None,
    *,
    query_weight: Tensor,
    key_weight: Tensor,
    value_weight: Tensor,
    output_weight: Tensor,
    query_bias: Tensor | None = None,
    key_bias: Tensor | None = None,
    value_bias: Tensor | None = None,
    output_bias: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """Return (batch, places, features): each head's mean of the values, weighted by how well keys fit the queries.

    Queries, keys and values are (batch, places, features), their weights (features, heads, size), the output's (heads,
    size, features), as Keras has them. With `causal` no place looks at those behind it.
    """
    key = value if key is None else key
    if min(query.dim(), value.dim(), key.dim()) != 3 or max(query.dim(), value.dim(), key.dim()) != 3:
        shapes = ", ".join(dimensions(tensor.shape) for tensor in (query, value, key))
        raise InputError(f"attention is for (batch x places x features), found {shapes}")
    queries = _projected(query, query_weight, query_bias)
    keys, values = _projected(key, key_weight, key_bias), _projected(value, value_weight, value_bias)
    scores = torch.einsum("bqhs,bkhs->bhqk", queries, keys) * query_weight.shape[-1] ** -0.5
    if causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(ahead, float("-inf"))
    seen = torch.einsum("bhqk,bkhs->bqhs", scores.softmax(-1), values)
    answer = torch.einsum("bqhs,hso->bqo", seen, output_weight)
    return answer if output_bias is None else answer + output_bias


def _projected(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found = torch.einsum("bpf,fhs->bphs", input, weight)
    return found if bias is None else found + bias
