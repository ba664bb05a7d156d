"""Recurrent layers, of one cell or of several: what reads a picture as a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use
from convscope.formats.keras.model import KerasLayer, snake_case
from convscope.formats.keras.variable import Variable
from convscope.formats.operation_plan import OperationPlan
from convscope.network.operations.keras_recurrent import ACTIVATIONS

CELLS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn"}
_STATES = {"LSTM": ("hidden", "memory"), "GRU": ("hidden",), "SimpleRNN": ("hidden",)}


def _variables(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return variables_of_cell(layer, "", "cell")


def variables_of_cell(layer: KerasLayer, prefix: str, group: str) -> tuple[Variable, ...]:
    """Return what a cell has learned, each name behind a prefix, kept in a group."""
    variables = [
        Variable(f"{prefix}kernel", np.transpose, group=group),
        Variable(f"{prefix}recurrent_kernel", np.transpose, group=group),
    ]
    if layer.config.get("use_bias", True):
        variables.append(Variable(f"{prefix}bias", group=group))
    return tuple(variables)


@keras_layer("LSTM", "GRU", "SimpleRNN", variables=_variables)
def _recurrent(use: Use) -> Steps:
    input_count, settings = len(use.call.references), settings_of(use, use.layer)
    if input_count not in (1, 1 + len(_STATES[use.layer.class_name])):
        raise use.wrong(
            f"it is given {input_count - 1} states, and needs {len(_STATES[use.layer.class_name])}"
        )
    outputs = 1
    if use.config.get("return_state"):
        settings["states"], outputs = True, 1 + len(_STATES[use.layer.class_name])
    return [OperationPlan("unrolled", (), roles_of(use.layer, ""), settings, outputs)]


def roles_of(layer: KerasLayer, prefix: str) -> dict[str, str]:
    """Return which of a layer's variables, whose names begin with a prefix, is which parameter."""
    roles = {"weight": f"{prefix}kernel", "hidden_weight": f"{prefix}recurrent_kernel"}
    return roles | ({"bias": f"{prefix}bias"} if layer.config.get("use_bias", True) else {})


def settings_of(use: Use, layer: KerasLayer) -> dict[str, Any]:
    """Return the settings of the operation that a recurrent layer is."""
    config = layer.config
    if config.get("time_major"):
        raise use.wrong("it has the time first, which convscope does not know")
    settings: dict[str, Any] = {
        "cell": CELLS[layer.class_name],
        "activation": activation_name(use, config.get("activation") or "linear"),
        "whole": bool(config.get("return_sequences")),
        "backwards": bool(config.get("go_backwards")),
    }
    if layer.class_name != "SimpleRNN":
        usual = "sigmoid" if use.dialect.version >= 2 else "hard_sigmoid"
        settings["gate"] = activation_name(use, config.get("recurrent_activation") or usual)
    if layer.class_name == "GRU":
        settings["reset_after"] = bool(config.get("reset_after", False))
    return settings


def activation_name(use: Use, given: Any) -> str:
    """Return what a recurrent layer's numbers go through, by the operations' name for it."""
    name = str(given.get("config") if isinstance(given, Mapping) else given)
    if name == "hard_sigmoid" and use.dialect.version < 3:
        return "hard_sigmoid of Theano"
    if name not in ACTIVATIONS:
        raise use.wrong(f"it has the activation {name!r}; convscope knows {', '.join(ACTIVATIONS)}")
    return name


def _cells(layer: KerasLayer) -> list[KerasLayer]:
    """Return the cells of an RNN as the layers they would be, from the first to the last."""
    stated = layer.config.get("cell")
    cells: list[Any] = stated if isinstance(stated, list) else [stated]
    while len(cells) == 1 and isinstance(cells[0], Mapping) and "cells" in cells[0].get("config", {}):
        cells = cells[0]["config"]["cells"]
    plain_cells = []
    for cell in cells:
        name = str(cell["class_name"]).rpartition(">")[2].removesuffix("Cell")
        plain_cells.append(
            KerasLayer(str(cell["config"].get("name", name)), name, cell["config"], layer.calls)
        )
    return plain_cells


def _variables_of_cells(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    cells = _cells(layer)
    if any(cell.class_name not in CELLS for cell in cells):
        return ()
    if len(cells) == 1:
        return variables_of_cell(cells[0], "cell0_", "cell")
    kinds = [snake_case(f"{cell.class_name}Cell") for cell in cells]
    groups = [
        f"cell/cells/{kind}" + (f"_{before}" if (before := kinds[:at].count(kind)) else "")
        for at, kind in enumerate(kinds)
    ]
    return tuple(
        variable
        for at, (cell, group) in enumerate(zip(cells, groups, strict=True))
        for variable in variables_of_cell(cell, f"cell{at}_", group)
    )


@keras_layer("RNN", variables=_variables_of_cells)
def _of_cells(use: Use) -> Steps:
    """Cells that stand on one another are layers after one another, of which the last answers."""
    cells = _cells(use.layer)
    if unknown := [cell.class_name for cell in cells if cell.class_name not in CELLS]:
        raise use.wrong(f"it has the cell {unknown[0]}, which convscope does not know")
    if len(use.call.references) > 1 or use.config.get("return_state"):
        raise use.wrong("it is given states, or gives them, which convscope does not know of bare cells")
    steps = []
    for at, cell in enumerate(cells):
        last, first = at == len(cells) - 1, at == 0
        attributes = {
            "return_sequences": use.config.get("return_sequences") if last else True,
            "go_backwards": use.config.get("go_backwards") if first else False,
        }
        settings = settings_of(use, replace(cell, config={**cell.config, **attributes}))
        steps.append(
            OperationPlan(
                "unrolled", (0,) if first else ("",), roles_of(cell, f"cell{at}_"), settings, label=cell.name
            )
        )
    return steps
