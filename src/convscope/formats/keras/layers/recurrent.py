"""Recurrent layers, one way and both ways, and attention: what reads a picture as a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use, Variable
from convscope.formats.keras.layers.wrappers import inner_layer
from convscope.formats.keras.model import KerasLayer, Reference
from convscope.formats.operation_plan import OperationPlan
from convscope.network.operations.recurrence import ACTIVATIONS

_CELLS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn"}


def _variables(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return _of_cell(layer, "", "cell")


def _of_cell(layer: KerasLayer, prefix: str, group: str) -> tuple[Variable, ...]:
    found = [
        Variable(f"{prefix}kernel", np.transpose, group=group),
        Variable(f"{prefix}recurrent_kernel", np.transpose, group=group),
    ]
    if layer.config.get("use_bias", True):
        found.append(Variable(f"{prefix}bias", group=group))
    return tuple(found)


@keras_layer("LSTM", "GRU", "SimpleRNN", variables=_variables)
def _recurrent(use: Use) -> Steps:
    if len(use.call.references) > 1:
        raise use.wrong("it is given its first state, which convscope does not know")
    return [OperationPlan("unrolled", (0,), _roles(use.layer, ""), _settings(use, use.layer))]


def _roles(layer: KerasLayer, prefix: str, own: str = "") -> dict[str, str]:
    roles = {f"{own}weight": f"{prefix}kernel", f"{own}hidden_weight": f"{prefix}recurrent_kernel"}
    return roles | ({f"{own}bias": f"{prefix}bias"} if layer.config.get("use_bias", True) else {})


def _settings(use: Use, layer: KerasLayer) -> dict[str, Any]:
    config = layer.config
    if config.get("return_state") or config.get("time_major"):
        raise use.wrong("it gives its state, or has the time first, which convscope does not know")
    found: dict[str, Any] = {
        "cell": _CELLS[layer.class_name],
        "activation": _activation(use, config.get("activation") or "linear"),
        "whole": bool(config.get("return_sequences")),
        "backwards": bool(config.get("go_backwards")),
    }
    if layer.class_name != "SimpleRNN":
        usual = "sigmoid" if use.dialect.version >= 2 else "hard_sigmoid"
        found["gate"] = _activation(use, config.get("recurrent_activation") or usual)
    if layer.class_name == "GRU":
        found["reset_after"] = bool(config.get("reset_after", False))
    return found


def _activation(use: Use, given: Any) -> str:
    name = str(given.get("config") if isinstance(given, Mapping) else given)
    if name == "hard_sigmoid" and use.dialect.version < 3:
        return "hard_sigmoid of Theano"
    if name not in ACTIVATIONS:
        raise use.wrong(f"it has the activation {name!r}; convscope knows {', '.join(ACTIVATIONS)}")
    return name


def _ways(layer: KerasLayer) -> tuple[KerasLayer, KerasLayer]:
    forward = inner_layer(layer)
    if isinstance(layer.config.get("backward_layer"), Mapping):
        return forward, inner_layer(layer, "backward_layer")
    turned = {**forward.config, "go_backwards": not forward.config.get("go_backwards")}
    return forward, replace(forward, config=turned)


def _variables_of_both(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    forward, backward = _ways(layer)
    if forward.class_name not in _CELLS:
        return ()
    return (*_of_cell(forward, "", "forward_layer/cell"), *_of_cell(backward, "back_", "backward_layer/cell"))


@keras_layer("Bidirectional", variables=_variables_of_both)
def _bidirectional(use: Use) -> Steps:
    forward, backward = _ways(use.layer)
    merge = use.config.get("merge_mode", "concat")
    if forward.class_name not in _CELLS or merge not in ("concat", "sum", "mul", "ave"):
        raise use.wrong(
            f"it puts two {forward.class_name} together by {merge!r}, which convscope does not know"
        )
    attributes = {
        "merge": merge,
        "forward": _settings(use, forward),
        "backward": _settings(use, backward),
    }
    roles = _roles(forward, "") | _roles(backward, "back_", "back_")
    return [OperationPlan("both_ways", (0,), roles, attributes)]


_PARTS = {"query": "query_dense", "key": "key_dense", "value": "value_dense", "output": "output_dense"}


def _of_attention(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    names = ("kernel", "bias") if layer.config.get("use_bias", True) else ("kernel",)
    return tuple(Variable(f"{part}_{name}", group=group) for part, group in _PARTS.items() for name in names)


@keras_layer("MultiHeadAttention", variables=_of_attention)
def _attention(use: Use) -> Steps:
    axes, keywords = use.config.get("attention_axes"), use.call.keywords
    if axes not in (None, [1], [-2], 1) or any(len(shape) != 3 for shape in use.shapes):
        raise use.wrong(f"it attends along the axes {axes} of {', '.join(map(str, use.shapes))}")
    if use.config.get("use_gate") or use.config.get("sliding_window"):
        raise use.wrong("it has a gate or a sliding window, which convscope does not know")
    masks = [key for key, value in keywords.items() if "mask" in key and isinstance(value, Reference)]
    if masks:
        raise use.wrong(f"it has a {masks[0]}, which convscope does not know")
    weights = {f"{part}_weight": f"{part}_kernel" for part in _PARTS}
    if use.config.get("use_bias", True):
        weights |= {f"{part}_bias": f"{part}_bias" for part in _PARTS}
    attributes = {"causal": True} if keywords.get("use_causal_mask") else {}
    return [OperationPlan("multi_head_attention", (), weights, attributes)]
