"""Functions of ``keras.ops`` (and of TensorFlow) that pick numbers: by index, by condition, in brackets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from convscope.formats.keras.layers.functions import setting
from convscope.formats.keras.layers.operands import (
    AS_FLOATS,
    aten,
    axis_of,
    keras_and_tensorflow,
    operands,
)
from convscope.formats.keras.layers.translation import Steps, Use, numbers
from convscope.formats.operation_plan import OperationPlan


@keras_and_tensorflow("one_hot")
def _one_hot(use: Use) -> Steps:
    classes, axis = int(setting(use, 0, "num_classes", "depth")), int(setting(use, 1, "axis", default=-1))
    if axis not in (-1, len(use.shapes[0])):
        raise use.wrong("it puts its classes in front, which convscope does not know")
    return [
        aten("one_hot", "$0:int64", classes),
        AS_FLOATS,
    ]


@keras_and_tensorflow("where", "select")
def _where(use: Use) -> Steps:
    call_operands = operands(use)
    if len(call_operands.codes) != 3:
        raise use.wrong("it asks where something holds, which convscope does not know")
    condition = f"{call_operands.codes[0]}:bool"
    plan = call_operands.plan("where")
    codes = (condition, *(float(code) if isinstance(code, int) else code for code in call_operands.codes[1:]))
    return [OperationPlan("aten", (), plan.parameters, {"operator": "where", "arguments": codes})]


@keras_and_tensorflow("take", "gather")
def _take(use: Use) -> Steps:
    axis = axis_of(use, place=1)
    indices = setting(use, 0, "indices")
    if indices is None or len(use.shapes) > 1 or isinstance(indices, str):
        raise use.wrong("it takes what another layer says, which convscope does not know")
    if axis is None:
        raise use.wrong("it takes from all axes as one, which convscope does not know")
    places = np.asarray(indices if not isinstance(indices, Mapping) else numbers(indices)).astype(int)
    if places.ndim > 1:
        raise use.wrong("it takes by a table of places, which convscope does not know")
    items: list[Any] = [("slice", None, None, None)] * (axis % len(use.shapes[0]))
    return [OperationPlan("subscript", (0,), {}, {"items": (*items, places.tolist())})]


@keras_and_tensorflow("take_along_axis")
def _take_along_axis(use: Use) -> Steps:
    axis = axis_of(use)
    if len(use.shapes) != 2 or axis is None:
        raise use.wrong("it takes from known places, or from all axes as one, which convscope does not know")
    arguments = {"operator": "take_along_dim", "arguments": ("$0", "$1:int64", axis)}
    return [OperationPlan("aten", attributes=arguments)]


@keras_and_tensorflow("get_item", "getitem")
def _getitem(use: Use) -> Steps:
    """What stands in brackets behind a tensor."""
    given = use.call.keywords.get("slice_spec", use.call.keywords.get("key"))
    if given is None:
        given = use.call.arguments[1] if len(use.call.arguments) == 2 else list(use.call.arguments[1:])
    items = given if isinstance(given, list | tuple) else [given]
    return [OperationPlan("subscript", (0,), {}, {"items": tuple(_items(use, items))})]


def _items(use: Use, items: Any) -> Iterator[Any]:
    for item in items:
        if isinstance(item, Mapping) and "config" in item:
            item = "..." if "ellipsis" in str(item.get("class_name")) else item["config"]
        if isinstance(item, Mapping):
            ends = tuple(item.get(end) for end in ("start", "stop", "step"))
            if any(end is not None and not isinstance(end, int) for end in ends) or (ends[2] or 1) < 1:
                raise use.wrong("it looks into a tensor backwards, or where another layer says")
            yield ("slice", *ends)
        elif item is None or item == "..." or (isinstance(item, int) and not isinstance(item, bool)):
            yield item
        elif item in ("Ellipsis", "tf.newaxis"):
            yield "..." if item == "Ellipsis" else None
        else:
            raise use.wrong("it looks into a tensor where another layer says, which convscope does not know")
