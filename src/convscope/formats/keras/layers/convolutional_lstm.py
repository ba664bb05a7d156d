"""ConvLSTM: a recurrent layer whose gates are convolutions, for films (Shi et al., 2015)."""

from __future__ import annotations

from convscope.formats.keras.layers.convolutional import filters_first, padding_of
from convscope.formats.keras.layers.recurrent import activation_name, roles_of
from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.variable import Variable
from convscope.formats.operation_plan import OperationPlan


def variables_of_film(layer: KerasLayer, prefix: str, group: str) -> tuple[Variable, ...]:
    """Return what such a layer has learned, each name behind a prefix, kept in a group."""
    names = ("kernel", "recurrent_kernel")
    kernels = [Variable(f"{prefix}{name}", filters_first, group=group) for name in names]
    bias = [Variable(f"{prefix}bias", group=group)] if layer.config.get("use_bias", True) else []
    return (*kernels, *bias)


def _variables(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    return variables_of_film(layer, "", "cell")


@keras_layer("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", variables=_variables)
def _convolutional_lstm(use: Use) -> Steps:
    return [film_step(use, "")]


def film_step(use: Use, prefix: str) -> OperationPlan:
    """Return such a layer as one operation, whose variables' names begin with a prefix."""
    config, axes = use.config, int(use.layer.class_name[-2])
    if len(use.shapes) > 1 or config.get("return_state") or not use.channels_last:
        raise use.wrong(
            "it has states from outside, gives them (return_state), or has its channels first (data_format), which "
            "convscope does not know"
        )
    usual = "sigmoid" if use.dialect.version >= 3 else "hard_sigmoid"
    attributes = use.on_maps(
        stride=use.sizes("strides", axes),
        padding=padding_of(use),
        dilation=use.sizes("dilation_rate", axes),
        whole=bool(config.get("return_sequences")),
        backwards=bool(config.get("go_backwards")),
        activation=activation_name(use, config.get("activation") or "linear"),
        gate=activation_name(use, config.get("recurrent_activation") or usual),
    )
    return OperationPlan("convolutional_lstm", (0,), roles_of(use.layer, prefix), attributes)
