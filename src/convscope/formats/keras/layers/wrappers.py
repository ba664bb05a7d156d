"""Layers that hold another one: the same for each moment of a sequence, or with its filters kept small in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from convscope.formats.keras.layers.registry import LAYERS, keras_layer, translate, variables_of
from convscope.formats.keras.layers.translation import Dialect, Steps, Use
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.variable import Variable
from convscope.formats.operation_plan import OperationPlan


def inner_layer(layer: KerasLayer, key: str = "layer") -> KerasLayer:
    """Return the layer that another one holds in its configuration."""
    stated = layer.config.get(key)
    if not isinstance(stated, Mapping) or not isinstance(stated.get("config"), Mapping):
        raise ValueError(f"it states no {key}")
    return KerasLayer(layer.name, str(stated["class_name"]).rpartition(">")[2], stated["config"], layer.calls)


def _variables_inside(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    inner = inner_layer(layer)
    return tuple(replace(one, group=f"layer/{one.group}".rstrip("/")) for one in variables_of(inner, dialect))


@keras_layer("TimeDistributed", variables=_variables_inside)
def _at_each_moment(use: Use) -> Steps:
    """The moments are further pictures of the batch while the layer works."""
    inner, (batch, moments, *rest) = inner_layer(use.layer), use.shapes[0]
    if inner.class_name not in LAYERS or not rest or len(use.shapes) > 1:
        raise use.wrong(f"it holds a {inner.class_name}, which convscope does not know inside another layer")
    pictures = (batch * moments, *rest)
    together = {"operator": "flatten", "arguments": ("$0", 0, 1)}
    apart = {"operator": "unflatten", "arguments": ("$0", 0, (-1, moments))}
    steps = translate(replace(use, layer=inner, shapes=(pictures,)))
    return [
        OperationPlan("aten", (0,), {}, together, label="moments"),
        *(replace(step, inputs=tuple("" if one == 0 else one for one in step.inputs)) for step in steps),
        OperationPlan("aten", ("",), {}, apart, label="sequence"),
    ]


def _variables_and_direction(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return (*_variables_inside(layer, dialect), Variable("vector_u", is_trained=False))


@keras_layer("SpectralNormalization", variables=_variables_and_direction)
def _as_it_is(use: Use) -> Steps:
    """What it was trained to is in the filters; they are only made smaller while it is trained."""
    return translate(replace(use, layer=inner_layer(use.layer)))
