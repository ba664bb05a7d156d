"""Attention: each place of a sequence, or of a picture, looks at all others; and positions turned into it.

Vaswani et al., *Attention is all you need* (2017); grouped queries: Ainslie et al., *GQA* (2023); rotary positions: Su
et al., *RoFormer* (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import operation

Stage = Literal["products", "biased", "capped", "weights"]


@operation(relevance="mixed")
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
    answers = torch.einsum("bhqk,bkhs->bqhs", scores.softmax(-1), values)
    answer = torch.einsum("bqhs,hso->bqo", answers, output_weight)
    return answer if output_bias is None else answer + output_bias


@operation(relevance="mixed")
def mix_by_score(
    query: Tensor,
    value: Tensor,
    key: Tensor | None = None,
    *,
    score: Literal["dot", "additive"] = "dot",
    scale: Tensor | None = None,
    factor: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """Return (batch, queries, features): the mean of the values, weighted by how well their keys fit each query.

    They fit by ``scale (q k)`` (Luong et al., 2015), or "additive" by the sum of ``factor tanh(scale (q + k))``
    (Bahdanau et al., 2015). With `causal` no query looks at what is behind it.
    """
    key = value if key is None else key
    if score == "dot":
        scores = query @ key.mT if scale is None else scale * (query @ key.mT)
    else:
        sums = query.unsqueeze(-2) + key.unsqueeze(-3)
        bounded_sums = torch.tanh(sums if scale is None else scale * sums)
        scores = (bounded_sums if factor is None else factor * bounded_sums).sum(-1)
    if causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(ahead, float("-inf"))
    return scores.softmax(-1) @ value


def _projected(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    projected = torch.einsum("bpf,fhs->bphs", input, weight)
    return projected if bias is None else projected + bias


@operation(sees="map", relevance="mixed")
def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *others: Tensor,
    given: Sequence[str] = (),
    heads: int = 0,
    key_heads: int = 0,
    scale: float | None = None,
    causal: bool = False,
    window: tuple[int, int] = (-1, -1),
    cap: float = 0.0,
    truth: bool = False,
    stage: Stage = "products",
    outputs: int = 1,
) -> Tensor | tuple[Tensor, ...]:
    """Return a mean of the values for each query, weighted by how well their keys answer it.

    Tensors are (batch, heads, positions, features), or (batch, positions, heads x features) with `heads` and
    `key_heads`. `others` are what is `given`: a "mask" that is added (or holds, where it is `truth`), "past_key" and
    "past_value" that come before, the "lengths" of what counts of the keys. A query sees what is before it if `causal`,
    and only so many positions before and behind as the `window` says. Scores are cut off softly at a `cap`. The
    `outputs` after the first are all keys and values, then the scores at a `stage`.
    """
    options = dict(zip(given, others, strict=True))
    flat = query.dim() == 3
    if flat:
        query, key, value = (
            _apart(tensor, count) for tensor, count in ((query, heads), (key, key_heads), (value, key_heads))
        )
    if "past_key" in options:
        key = torch.cat([options["past_key"], key], 2)
        value = torch.cat([options["past_value"], value], 2)
    presents = (key, value)
    groups = query.shape[1] // max(1, key.shape[1])
    if query.dim() != 4 or groups * key.shape[1] != query.shape[1]:
        raise InputError(f"queries of {dimensions(query.shape)} do not fit keys of {dimensions(key.shape)}")
    key, value = (tensor.repeat_interleave(groups, 1) for tensor in presents)
    factor = (query.shape[-1] ** -0.5 if scale is None else scale) ** 0.5
    stages = {"products": (query * factor) @ (key * factor).mT}
    scores = stages["products"]
    stages["capped"] = capped = cap * torch.tanh(scores / cap) if cap else scores
    bias = _bias(options, scores, causal, window, truth)
    hidden = bias.isneginf().expand(scores.shape)
    nothing = hidden.all(-1, keepdim=True)  # a query that may look at nothing gets zeros
    stages["biased"] = biased = torch.where(hidden, float("-inf"), capped + bias)
    stages["weights"] = torch.where(nothing, 0.0, biased.masked_fill(nothing, 0.0).softmax(-1))
    mixed = stages["weights"] @ value
    if flat:
        mixed = mixed.transpose(1, 2).flatten(2)
    return (mixed, *presents, stages[stage])[:outputs] if outputs > 1 else mixed


@operation(sees="map")
def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *others: Tensor,
    given: Sequence[str] = (),
    heads: int,
    key_heads: int,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what each query reads from a memory that the keys before it wrote their values into, and that memory.

    Tensors are (batch, positions, heads x features). `others` are what is `given`: the "memory" at first (batch, heads,
    key features, value features); "decay", the logarithm of what is left of it at each position; "beta", how much of a
    value that is not in it yet is written. Katharopoulos et al., *Transformers are RNNs* (2020); Yang et al., *Gated
    delta networks* (2024).
    """
    options, (batch, positions, _) = dict(zip(given, others, strict=True)), query.shape
    queries, keys, values = (
        _apart(tensor, count) for tensor, count in ((query, heads), (key, key_heads), (value, key_heads))
    )
    queries = queries.reshape(batch, key_heads, -1, *queries.shape[2:]) * (
        keys.shape[-1] ** -0.5 if scale is None else scale
    )
    memory = options.get("memory", keys.new_zeros(batch, key_heads, keys.shape[-1], values.shape[-1]))
    decay = _apart(options["decay"], key_heads).exp() if "decay" in options else None
    beta = options["beta"].mT.unsqueeze(-1) if "beta" in options else None
    read = []
    for at in range(positions):
        if decay is not None:
            memory = memory * decay[:, :, at].unsqueeze(-1)
        update = values[:, :, at]
        if beta is not None:
            update = beta[:, :, at] * (update - torch.einsum("bhk,bhkv->bhv", keys[:, :, at], memory))
        memory = memory + keys[:, :, at].unsqueeze(-1) * update.unsqueeze(-2)
        read.append(torch.einsum("bhgk,bhkv->bhgv", queries[:, :, :, at], memory).flatten(1))
    return torch.stack(read, 1), memory


def _apart(tensor: Tensor, heads: int) -> Tensor:
    if heads < 1 or tensor.shape[2] % heads:
        raise InputError(f"{dimensions(tensor.shape)} does not make {heads} equal heads")
    return tensor.reshape(*tensor.shape[:2], heads, -1).transpose(1, 2)


def _bias(
    known: dict[str, Tensor], scores: Tensor, causal: bool, window: tuple[int, int], truth: bool
) -> Tensor:
    """Return what is added to the scores: the mask, and minus infinity where nobody may look."""
    queries, keys = scores.shape[-2:]
    bias, lengths = scores.new_zeros(queries, keys), known.get("lengths")
    if (mask := known.get("mask")) is not None:
        added = torch.where(mask != 0, 0.0, float("-inf")) if truth else mask
        bias = bias + F.pad(added, (0, max(0, keys - added.shape[-1])), value=float("-inf"))
    keyed = torch.arange(keys, device=scores.device)
    start: int | Tensor = known["past_key"].shape[2] if "past_key" in known else 0
    if lengths is not None:
        lengths = lengths.reshape(-1, 1, 1, 1)
        bias, start = torch.where(keyed < lengths, bias, float("-inf")), lengths - queries
    ahead = keyed - (torch.arange(queries, device=scores.device).reshape(-1, 1) + start)
    left, right = window
    right = 0 if causal else right
    if left >= 0:
        bias = torch.where(ahead >= -left, bias, float("-inf"))
    return torch.where(ahead <= right, bias, float("-inf")) if right >= 0 else bias


@operation(sees="map")
def rotary_embedding(
    input: Tensor,
    cosine: Tensor,
    sine: Tensor,
    positions: Tensor | None = None,
    *,
    heads: int = 0,
    width: int = 0,
    interleaved: bool = False,
) -> Tensor:
    """Return each head's features turned in pairs by an angle for its position; only the first `width`, if given.

    The input is (batch, heads, positions, features), or (batch, positions, heads x features) with `heads`. `cosine` and
    `sine` are tables, looked up by `positions`, or given for each position of the batch.
    """
    flat = input.dim() == 3
    by_head = input.reshape(*input.shape[:2], heads, -1) if flat else input.transpose(1, 2)
    width = width or by_head.shape[-1]
    if positions is not None:
        cosine, sine = (table[positions.long()] for table in (cosine, sine))
    cosine, sine = (table[..., : width // 2].unsqueeze(2) for table in (cosine, sine))
    part, rest = by_head[..., :width], by_head[..., width:]
    first, second = (part[..., 0::2], part[..., 1::2]) if interleaved else part.chunk(2, -1)
    pair = (first * cosine - second * sine, first * sine + second * cosine)
    part = torch.stack(pair, -1).flatten(-2) if interleaved else torch.cat(pair, -1)
    embedded = torch.cat([part, rest], -1)
    return embedded.reshape(input.shape) if flat else embedded.transpose(1, 2)
