"""Layers that normalize: by statistics of training, of the picture itself, or stated in the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use, numbers
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.variable import Numbers, Variable
from convscope.formats.operation_plan import OperationPlan


def _scale_and_offset(layer: KerasLayer) -> tuple[Variable, ...]:
    names = (("gamma", "scale"), ("beta", "center"))
    return tuple(Variable(name) for name, setting in names if layer.config.get(setting, True))


def _affine(use: Use) -> dict[str, str]:
    keywords = {"gamma": "weight", "beta": "bias"}
    return {keywords[variable.name]: variable.name for variable in _scale_and_offset(use.layer)}


def _axis(use: Use, default: int = -1) -> int:
    """Return the axis that is normalized along, counted from the front."""
    axis = use.config.get("axis", default)
    axes = axis if isinstance(axis, list | tuple) else [default if axis is None else axis]
    if len(axes) != 1:
        raise use.wrong(f"it normalizes along the axes {list(axes)}; convscope knows one")
    return int(axes[0]) % len(use.shapes[0])


def _turned(use: Use, order: Sequence[int], step: OperationPlan) -> Steps:
    """Return a step on axes in another order, which is undone behind it."""
    back = tuple(sorted(range(len(order)), key=lambda at: order[at]))
    return [
        OperationPlan("permute", attributes={"order": tuple(order)}, label="turned"),
        replace(step, inputs=("",)),
        OperationPlan("permute", ("",), attributes={"order": back}, label="turned back"),
    ]


def _along(use: Use, axis: int) -> dict[str, Any]:
    """Return the attributes of an operation with one number for each entry of this axis: the channels' or the last."""
    if axis not in (1, len(use.shapes[0]) - 1):
        raise use.wrong(f"it normalizes along axis {axis}, which is not the channels'")
    return {} if axis == 1 else {"channels_last": True}


def _statistics(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    for_training = ("moving_stddev", "renorm_mean", "renorm_stddev") if layer.config.get("renorm") else ()
    names = ("moving_mean", "moving_variance", *for_training)
    return (*_scale_and_offset(layer), *(Variable(name, is_trained=False) for name in names))


@keras_layer("BatchNormalization", variables=_statistics)
def _batch_norm(use: Use) -> Steps:
    if use.config.get("mode", 0) == 1:
        raise use.wrong(
            "it normalizes each picture by itself (mode 1 of Keras 1), which convscope does not know"
        )
    roles = {"mean": "moving_mean", "variance": "moving_variance", **_affine(use)}
    epsilon, axis, count = float(use.config.get("epsilon", 1e-3)), _axis(use), len(use.shapes[0])
    if axis not in (1, count - 1):
        order = (0, axis, *(at for at in range(1, count) if at != axis))
        return _turned(use, order, OperationPlan("batch_norm", (), roles, {"epsilon": epsilon}))
    attributes = {"epsilon": epsilon, **_along(use, axis)}
    return [OperationPlan("batch_norm", attributes=attributes, parameters=roles)]


def _scale_by_deviation(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    """With rms_scaling there is a scale whatever the layer says, and no offset."""
    return (Variable("gamma"),) if layer.config.get("rms_scaling") else _scale_and_offset(layer)


@keras_layer("LayerNormalization", variables=_scale_by_deviation)
def _layer_norm(use: Use) -> Steps:
    axis, count = use.config.get("axis", -1), len(use.shapes[0])
    axes = sorted(int(one) % count for one in (axis if isinstance(axis, list | tuple) else [axis]))
    attributes: dict[str, Any] = {"axis": -len(axes), "epsilon": float(use.config.get("epsilon", 1e-3))}
    roles = _affine(use)
    if use.config.get("rms_scaling"):
        attributes["centered"], roles = False, {"weight": "gamma"}
    step = OperationPlan("layer_norm", (), roles, attributes)
    if axes == list(range(axes[0], count)):
        return [step]
    return _turned(use, [*(at for at in range(count) if at not in axes), *axes], step)


@keras_layer("UnitNormalization")
def _unit_norm(use: Use) -> Steps:
    axis = use.config.get("axis", -1)
    axes = tuple(map(int, axis)) if isinstance(axis, list | tuple) else (int(axis),)
    return [OperationPlan("unit_length", attributes={"axes": axes})]


@keras_layer("RMSNormalization", variables=lambda layer, dialect: (Variable("scale"),))
def _rms_norm(use: Use) -> Steps:
    axis, count = use.config.get("axis", -1), len(use.shapes[0])
    axes = sorted(int(one) % count for one in (axis if isinstance(axis, list | tuple) else [axis]))
    if axes != list(range(axes[0], count)):
        raise use.wrong("it does not normalize along the last axes")
    attributes = {"axis": -len(axes), "epsilon": float(use.config.get("epsilon", 1e-6))}
    return [OperationPlan("rms_norm", (), {"weight": "scale"}, attributes)]


@keras_layer("GroupNormalization", variables=lambda layer, dialect: _scale_and_offset(layer))
def _group_norm(use: Use) -> Steps:
    axis, groups = _axis(use), int(use.config.get("groups", 32))
    attributes = {
        "groups": use.shapes[0][axis] if groups == -1 else groups,
        "epsilon": float(use.config.get("epsilon", 1e-3)),
    }
    return [
        OperationPlan("group_norm", attributes={**attributes, **_along(use, axis)}, parameters=_affine(use))
    ]


def _at_least(variance: Numbers) -> Numbers:
    return np.maximum(variance, 1e-14)  # Keras divides by at least 1e-7


def _stated(layer: KerasLayer) -> tuple[Numbers, Numbers] | None:
    """Return the mean and variance of a configuration, one number or one a channel; None where it has none."""
    if layer.config.get("mean") is None:
        return None
    return numbers(layer.config["mean"]), _at_least(numbers(layer.config["variance"]))


def _adapted(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    stated = _stated(layer)
    if stated is None:
        adapted = Variable("variance", _at_least, is_trained=False)
        return (Variable("mean", is_trained=False), adapted, Variable("count", is_trained=False))
    mean, variance = np.broadcast_arrays(*stated)
    if mean.size == 1:
        return ()
    spread = ("deviation", np.sqrt(variance)) if layer.config.get("invert") else ("variance", variance)
    return tuple(Variable(name, value=value.reshape(-1).copy()) for name, value in (("mean", mean), spread))


@keras_layer("Normalization", variables=_adapted)
def _normalization(use: Use) -> Steps:
    stated, inverted, _ = _stated(use.layer), bool(use.config.get("invert")), use.config.get("axis")
    if stated is not None and all(value.size == 1 for value in stated):  # for every number, whatever the axis
        mean, deviation = (float(value.item()) for value in (stated[0], np.sqrt(stated[1])))
        scale, shift = (deviation, mean) if inverted else (1 / deviation, -mean / deviation)
        return [OperationPlan("power", attributes=use.on_maps(scale=scale, shift=shift))]
    along = _along(use, _axis(use))
    if not inverted:
        parameters = {"mean": "mean", "variance": "variance"}
        return [OperationPlan("batch_norm", attributes={"epsilon": 0.0, **along}, parameters=parameters)]
    if stated is None:
        raise use.wrong(
            "it undoes a normalization (invert) by adapted numbers, which convscope does not know"
        )
    return [OperationPlan("scale", attributes=along, parameters={"weight": "deviation", "bias": "mean"})]


def _factors(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    scale, offset = numbers(layer.config.get("scale", 1.0)), numbers(layer.config.get("offset", 0.0))
    if max(scale.ndim, offset.ndim) == 0:
        return ()
    scale, offset = np.broadcast_arrays(scale.reshape(-1), offset.reshape(-1))
    return (Variable("scale", value=scale.copy()), Variable("offset", value=offset.copy()))


@keras_layer("Rescaling", variables=_factors)
def _rescaling(use: Use) -> Steps:
    if _factors(use.layer, use.dialect):
        return [
            OperationPlan("scale", attributes=use.on_maps(), parameters={"weight": "scale", "bias": "offset"})
        ]
    scale, offset = (float(numbers(use.config.get(name, 0.0))) for name in ("scale", "offset"))
    return [OperationPlan("power", attributes=use.on_maps(scale=scale, shift=offset))]


@keras_layer("LayerScale", variables=lambda layer, dialect: (Variable("gamma"),))
def _layer_scale(use: Use) -> Steps:
    """ConvNeXt's learned factor a channel."""
    return [OperationPlan("scale", attributes=use.on_maps(), parameters={"weight": "gamma"})]
