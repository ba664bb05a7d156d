"""Functions of ``keras.ops`` (and of TensorFlow) that put numbers elsewhere: pad, stack, split, repeat, turn."""

from __future__ import annotations

import numpy as np

from convscope.formats.keras.layers.functions import axes_of, name_of, setting
from convscope.formats.keras.layers.operands import (
    aten,
    axis_of,
    keras_and_tensorflow,
    operands,
)
from convscope.formats.keras.layers.translation import Steps, Use, numbers
from convscope.formats.operation_plan import OperationPlan
from convscope.network.graph import CHANNELS_LAST

_BORDERS = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}


@keras_and_tensorflow("pad")
def _pad(use: Use) -> Steps:
    sides, mode = numbers(setting(use, 0, "pad_width", "paddings")).astype(int), setting(use, 1, "mode")
    mode = str(mode or "constant").lower()
    if mode not in _BORDERS:
        raise use.wrong(f"its border is {mode!r}; convscope knows {', '.join(_BORDERS)}")
    around = np.broadcast_to(sides, (len(use.shapes[0]), 2))
    if mode == "constant":
        value = float(setting(use, 2, "constant_values", default=0.0))
        padding = tuple(map(int, around.T.reshape(-1)))
        return [OperationPlan("pad", (0,), attributes={"padding": padding, "axis": 0, "value": value})]
    places = around[1:-1] if use.dialect.channels_last else around[2:]
    if around.sum() != places.sum():
        raise use.wrong("it mirrors other axes than those of pictures, which convscope does not know")
    padding = tuple(map(int, places.T.reshape(-1)))
    attributes = {"padding": padding, "mode": _BORDERS[mode]}
    order = {CHANNELS_LAST: True} if use.dialect.channels_last else {}
    return [OperationPlan("pad", (0,), attributes={**attributes, **order})]


@keras_and_tensorflow("stack")
def _stack(use: Use) -> Steps:
    codes = operands(use).codes[: len(use.shapes)]
    return [OperationPlan("aten", (), {}, {"operator": "stack", "arguments": (codes, int(axis_of(use, 0)))})]


@keras_and_tensorflow("hstack", "vstack")
def _pile(use: Use) -> Steps:
    return [OperationPlan("aten", (), {}, {"operator": name_of(use), "arguments": (operands(use).codes,)})]


@keras_and_tensorflow("split")
def _split(use: Use) -> Steps:
    axis, parts = axis_of(use, 0, 1), setting(use, 0, "indices_or_sections", "num_or_size_splits")
    places = parts if isinstance(parts, int) else tuple(map(int, numbers(parts).reshape(-1)))
    count = places if isinstance(places, int) else len(places) + 1
    return [aten("tensor_split", "$0", places, axis, outputs=count)]


@keras_and_tensorflow("unstack")
def _unstack(use: Use) -> Steps:
    axis = int(axis_of(use, 0, 1))
    count = use.shapes[0][axis]
    return [aten("unbind", "$0", axis, outputs=count)]


@keras_and_tensorflow("flip")
def _flip(use: Use) -> Steps:
    axis, count = axis_of(use), len(use.shapes[0])
    return [
        OperationPlan(
            "flip", (0,), attributes={"axes": tuple(range(count)) if axis is None else axes_of(axis)}
        )
    ]


@keras_and_tensorflow("fliplr", "flipud")
def _flip_sides(use: Use) -> Steps:
    return [OperationPlan("flip", (0,), attributes={"axes": (1 if name_of(use) == "fliplr" else 0,)})]


@keras_and_tensorflow("roll")
def _roll(use: Use) -> Steps:
    shift, axis = setting(use, 0, "shift"), axis_of(use, place=1)
    if axis is None:
        raise use.wrong("it rolls all axes as one, which convscope does not know")
    return [aten("roll", "$0", axes_of(shift), axes_of(axis))]


@keras_and_tensorflow("tile")
def _tile(use: Use) -> Steps:
    return [
        OperationPlan("repeat", (0,), attributes={"times": axes_of(setting(use, 0, "repeats", "multiples"))})
    ]


@keras_and_tensorflow("repeat")
def _repeat(use: Use) -> Steps:
    times, axis = setting(use, 0, "repeats"), axis_of(use, place=1)
    if not isinstance(times, int) or axis is None:
        raise use.wrong("it repeats each number by its own count, which convscope does not know")
    return [aten("repeat_interleave", "$0", times, axis)]


@keras_and_tensorflow("swapaxes")
def _swapaxes(use: Use) -> Steps:
    pair = (setting(use, 0, "axis1"), setting(use, 1, "axis2"))
    return [aten("transpose", "$0", *map(int, pair))]


@keras_and_tensorflow("moveaxis")
def _moveaxis(use: Use) -> Steps:
    pair = (axes_of(setting(use, 0, "source")), axes_of(setting(use, 1, "destination")))
    return [aten("movedim", "$0", *pair)]


@keras_and_tensorflow("ravel")
def _ravel(use: Use) -> Steps:
    return [OperationPlan("reshape", (0,), attributes={"shape": (-1,)})]


@keras_and_tensorflow("broadcast_to")
def _broadcast_to(use: Use) -> Steps:
    return [OperationPlan("expand", (0,), attributes={"shape": axes_of(setting(use, 0, "shape"))})]
