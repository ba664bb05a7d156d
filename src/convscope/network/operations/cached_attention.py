"""Attention of grouped queries to keys that are kept from step to step, as onnxruntime has it for language models.

Ainslie et al., *GQA* (2023). Of each sequence in a batch so many keys count as its length says; new keys and values are
written behind those that are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.attention import rotary_embedding
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import operation


@operation(sees="map")
def grouped_query_attention(
    query: Tensor,
    lengths: Tensor,
    total: Tensor,
    *others: Tensor,
    given: Sequence[str] = (),
    heads: int,
    key_heads: int,
    scale: float | None = None,
    window: int = -1,
    cap: float = 0.0,
    rotates: bool = False,
    interleaved: bool = False,
    smooth: bool = False,
    causal: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a mean of the values for each query, and all keys and values, (batch, key heads, places, features).

    Queries, keys and values are (batch, places, heads x features), or all three beside each other where no "key" is
    `given`; `lengths` are how many keys each sequence has with the new ones, less 1, and `total` the most of them.
    Others that may be `given`: "value", "past_key", "past_value", "cosine" and "sine" (tables of angles by place),
    "positions", a "mask" that is added, "sink" (what each head adds to the sum of its exponentials). With `smooth` that
    is 1. Without `causal` a query looks at keys behind it, too.
    """
    options = dict(zip(given, others, strict=True))
    batch, steps = query.shape[:2]
    width = query.shape[2] // (heads if "key" in options else heads + 2 * key_heads)
    parts = [query[..., : heads * width]]
    if "key" in options:
        parts += [options["key"], options["value"]]
    else:
        parts += query[..., heads * width :].chunk(2, -1)
    kept = options["past_key"].shape[2] if "past_key" in options else 0
    longest = kept + steps if total.is_meta else max(kept, int(total.reshape(-1)[0]))
    if longest < steps or heads % key_heads:
        raise InputError(f"{longest} keys in all are fewer than the {steps} of {dimensions(query.shape)}")
    counted = lengths.reshape(-1).long() + 1
    starts = torch.zeros_like(counted) if longest == steps else counted - steps
    places = starts.reshape(-1, 1) + torch.arange(steps, device=query.device)
    if rotates:
        angles = options["cosine"], options["sine"], options.get("positions", places)
        parts[:2] = (
            rotary_embedding(
                part, *angles, heads=count, interleaved=interleaved, width=2 * angles[0].shape[-1]
            )
            for part, count in zip(parts, (heads, key_heads), strict=False)
        )
    queries, new_keys, new_values = (
        part.reshape(batch, steps, count, width).transpose(1, 2)
        for part, count in zip(parts, (heads, key_heads, key_heads), strict=True)
    )
    index = places.clamp(0, longest - 1).reshape(batch, 1, steps, 1)
    keys = _written(options.get("past_key"), new_keys, index, longest)
    values = _written(options.get("past_value"), new_values, index, longest)
    groups = heads // key_heads
    scores = queries @ keys.repeat_interleave(groups, 1).mT * (scale or width**-0.5)
    if cap:
        scores = cap * torch.tanh(scores / cap)
    if "mask" in options:
        scores = scores + options["mask"][..., :longest]
    keyed, at = torch.arange(longest, device=query.device), places.reshape(batch, 1, steps, 1)
    hidden = keyed > (at if causal else counted.reshape(-1, 1, 1, 1) - 1)
    if window > 0:
        hidden = hidden | (keyed <= at - window)
    scores = scores.masked_fill(hidden, float("-inf"))
    sinks = options["sink"] if "sink" in options else scores.new_zeros(heads) if smooth else None
    mixed = _weights(scores, sinks) @ values.repeat_interleave(groups, 1)
    return mixed.transpose(1, 2).flatten(2), keys, values


def _written(past: Tensor | None, new: Tensor, index: Tensor, longest: int) -> Tensor:
    """Return what is kept with what is new at its places; there is room for the longest."""
    batch, heads, _, width = new.shape
    room = new.new_zeros(batch, heads, longest, width)
    if past is not None:
        room[:, :, : past.shape[2]] = past
    return room.scatter(2, index.expand(new.shape), new)


def _weights(scores: Tensor, sinks: Tensor | None) -> Tensor:
    """Return the softmax of scores; a sink is one score more, whose weight goes nowhere."""
    if sinks is None:
        return scores.softmax(-1)
    sink = sinks.reshape(-1, 1, 1).expand(*scores.shape[:3], 1)
    return torch.cat([scores, sink], -1).softmax(-1)[..., :-1]
