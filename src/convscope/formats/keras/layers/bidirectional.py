"""Two recurrent layers, one from either end of a sequence or a film, and what they say put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convscope.formats.keras.layers.convolutional_lstm import film_step, variables_of_film
from convscope.formats.keras.layers.recurrent import CELLS, roles_of, settings_of, variables_of_cell
from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use
from convscope.formats.keras.layers.wrappers import inner_layer
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.variable import Variable
from convscope.formats.operation_plan import OperationPlan

_FILMS = ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_MERGES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "concat": ("concat", {"axis": -1}),
    "sum": ("add", {}),
    "mul": ("multiply", {}),
    "ave": ("average", {}),
}


def _ways(layer: KerasLayer) -> tuple[KerasLayer, KerasLayer]:
    forward = inner_layer(layer)
    if isinstance(layer.config.get("backward_layer"), Mapping):
        return forward, inner_layer(layer, "backward_layer")
    turned = {**forward.config, "go_backwards": not forward.config.get("go_backwards")}
    return forward, replace(forward, config=turned)


def _variables_of_both(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    forward, backward = _ways(layer)
    pairs = ((forward, "", "forward_layer/cell"), (backward, "back_", "backward_layer/cell"))
    if forward.class_name in _FILMS:
        return tuple(one for pair in pairs for one in variables_of_film(*pair))
    if forward.class_name not in CELLS:
        return ()
    return tuple(one for pair in pairs for one in variables_of_cell(*pair))


@keras_layer("Bidirectional", variables=_variables_of_both)
def _bidirectional(use: Use) -> Steps:
    """The answers of the one that begins at the end are turned around, so that both are of one moment."""
    forward, backward = _ways(use.layer)
    merge = use.config.get("merge_mode", "concat")
    if forward.class_name not in (*CELLS, *_FILMS) or merge not in _MERGES:
        raise use.wrong(
            f"it puts two {forward.class_name} together by merge_mode={merge!r}, which convscope does not know"
        )
    if len(use.call.references) > 1 or forward.config.get("return_state"):
        raise use.wrong(
            "it is given states, or gives them (return_state), which convscope does not know both ways"
        )
    steps = [
        replace(_one_way(use, layer, prefix), label=label)
        for layer, prefix, label in ((forward, "", "forward"), (backward, "back_", "backward"))
    ]
    if backward.config.get("return_sequences"):
        steps.append(OperationPlan("flip", ("",), attributes={"axes": (1,)}, label="backward, turned"))
    kind, attributes = _MERGES[merge]
    inputs = ("#0", f"#{len(steps) - 1}")
    if kind == "average":
        steps.append(OperationPlan("add", inputs, label="sum"))
        return [*steps, OperationPlan("multiply", ("",), attributes={"number": 0.5}, label=merge)]
    return [*steps, OperationPlan(kind, inputs, attributes=attributes, label=merge)]


def _one_way(use: Use, layer: KerasLayer, prefix: str) -> OperationPlan:
    if layer.class_name in _FILMS:
        return film_step(replace(use, layer=layer), prefix)
    return OperationPlan("unrolled", (0,), roles_of(layer, prefix), settings_of(use, layer))
