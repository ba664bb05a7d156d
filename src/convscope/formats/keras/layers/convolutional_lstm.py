"""ConvLSTM: a recurrent layer whose gates are convolutions, for films (Shi et al., 2015)."""

from __future__ import annotations

from convscope.formats.keras.layers.convolutional import filters_first, padding_of
from convscope.formats.keras.layers.recurrent import activation_name
from convscope.formats.keras.layers.registry import keras_layer
from convscope.formats.keras.layers.translation import Dialect, Steps, Use, Variable
from convscope.formats.keras.model import KerasLayer
from convscope.formats.operation_plan import OperationPlan


def _variables(layer: KerasLayer, dialect: Dialect) -> tuple[Variable, ...]:
    kernels = [Variable(name, filters_first, group="cell") for name in ("kernel", "recurrent_kernel")]
    bias = [Variable("bias", group="cell")] if layer.config.get("use_bias", True) else []
    return (*kernels, *bias)


@keras_layer("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", variables=_variables)
def _convolutional_lstm(use: Use) -> Steps:
    config, axes = use.config, int(use.layer.class_name[-2])
    if len(use.shapes) > 1 or config.get("return_state") or not use.channels_last:
        raise use.wrong(
            "it has states from outside, gives them, or has the channels first: not known to convscope"
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
    roles = {"weight": "kernel", "hidden_weight": "recurrent_kernel"}
    roles |= {"bias": "bias"} if config.get("use_bias", True) else {}
    return [OperationPlan("convolutional_lstm", (), roles, attributes)]
