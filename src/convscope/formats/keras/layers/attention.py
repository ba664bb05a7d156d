"""Attention of every kind: with heads of its own, grouped, or plainly between what two layers say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use
from convscope.formats.keras.model import CallReference, KerasLayer
from convscope.formats.keras.variable import Numbers, Variable
from convscope.formats.operation_plan import OperationPlan

_PARTS = {"query": "query_dense", "key": "key_dense", "value": "value_dense", "output": "output_dense"}


def _of_heads(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    names = ("kernel", "bias") if layer.config.get("use_bias", True) else ("kernel",)
    private = "_" if layer.class_name == "GroupedQueryAttention" else ""
    return tuple(
        Variable(f"{part}_{name}", _repeated(layer, part, name), group=f"{private}{group}")
        for part, group in _PARTS.items()
        for name in names
    )


def _repeated(layer: KerasLayer, part: str, name: str) -> Callable[[Numbers], Numbers]:
    """Groups of queries share a head for keys and values: it is there once for each of them."""
    heads, groups = layer.config.get("num_query_heads"), layer.config.get("num_key_value_heads")
    if heads is None or part not in ("key", "value"):
        return np.asarray
    return lambda array: np.repeat(array, int(heads) // int(groups or 1), axis=array.ndim - 2)


@keras_layer("MultiHeadAttention", "GroupedQueryAttention", variables=_of_heads)
def _with_heads(use: Use) -> Steps:
    axes, keywords = use.config.get("attention_axes"), use.call.keywords
    _refuse_masks(use)
    if axes not in (None, [1], [-2], 1) or any(len(shape) != 3 for shape in use.shapes):
        raise use.wrong(f"it attends along the axes {axes} of {', '.join(map(str, use.shapes))}")
    if use.config.get("use_gate") or use.config.get("sliding_window"):
        raise use.wrong("it has a gate or a sliding window, which convscope does not know")
    weights = {f"{part}_weight": f"{part}_kernel" for part in _PARTS}
    if use.config.get("use_bias", True):
        weights |= {f"{part}_bias": f"{part}_bias" for part in _PARTS}
    attributes = {"causal": True} if keywords.get("use_causal_mask") else {}
    return [OperationPlan("multi_head_attention", (), weights, attributes)]


def _refuse_masks(use: Use) -> None:
    masks = [
        key
        for key, value in use.call.keywords.items()
        if "mask" in key and isinstance(value, CallReference | list)
    ]
    if masks:
        raise use.wrong(f"it has a {masks[0]}, which convscope does not know")


def _of_scores(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    variables = (Variable("scale"),) if layer.config.get("use_scale", layer.class_name != "Attention") else ()
    if layer.config.get("score_mode") == "concat":
        variables = (*variables, Variable("concat_score_weight"))
    return variables


@keras_layer("Attention", "AdditiveAttention", variables=_of_scores)
def _plain(use: Use) -> Steps:
    """Luong's and Bahdanau's: queries, values, and keys where they are other ones."""
    _refuse_masks(use)
    names = {variable.name for variable in _of_scores(use.layer, use.dialect)}
    additive = use.layer.class_name != "Attention" or use.config.get("score_mode") == "concat"
    attributes: dict[str, Any] = {"score": "additive" if additive else "dot"}
    if use.call.keywords.get("use_causal_mask"):
        attributes["causal"] = True
    roles = {"scale": "scale"} if "scale" in names else {}
    if use.layer.class_name != "Attention":
        roles = {"factor": "scale"} if "scale" in names else {}
    if "concat_score_weight" in names:
        roles["factor"] = "concat_score_weight"
    return [OperationPlan("mix_by_score", (), roles, attributes)]
