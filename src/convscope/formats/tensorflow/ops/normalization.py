"""Batch normalization in its several forms, local response normalization, biases, softmax."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.ops.convolution import LAST, layout, maps
from convscope.formats.tensorflow.translation import Operands, refuse, translates


@translates("BiasAdd", "BiasAddV1")
def _bias(operands: Operands) -> OperationPlan:
    if operands.known(1) is None and not operands.node.channels_second:
        return OperationPlan("add", [operands.value(0), operands.value(1)])
    return OperationPlan(
        "bias",
        [operands.value(0)],
        attributes=maps(operands),
        parameters={"bias": operands.parameter(1, "vector")},
    )


@translates("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def _batch_norm(operands: Operands) -> OperationPlan:
    node = operands.node
    training = "is_training" not in node.attributes or node.flag("is_training")
    roles = {"weight": 1, "bias": 2} | ({} if training else {"mean": 3, "variance": 4})
    attributes: dict[str, Any] = {**layout(node), "epsilon": node.number("epsilon", 1e-4)}
    if training:
        attributes["of_batch"] = True
    return OperationPlan(
        "batch_norm", [operands.value(0)], attributes=attributes, parameters=_vectors(operands, roles)
    )


@translates("BatchNormWithGlobalNormalization")
def _old_batch_norm(operands: Operands) -> OperationPlan:
    """The batch normalization of 2015, whose inputs have another order."""
    node = operands.node
    roles = {"mean": 1, "variance": 2, "bias": 3}
    roles |= {"weight": 4} if node.flag("scale_after_normalization") else {}
    attributes = {**LAST, "epsilon": node.number("variance_epsilon", 1e-3)}
    return OperationPlan(
        "batch_norm", [operands.value(0)], attributes=attributes, parameters=_vectors(operands, roles)
    )


def _vectors(operands: Operands, roles: dict[str, int]) -> dict[str, str]:
    if any(operands.known(place) is None for place in roles.values()):
        raise refuse(operands.node, "whose numbers are worked out from the picture")
    return {role: operands.parameter(place, "vector") for role, place in roles.items()}


@translates("LRN")
def _local_response(operands: Operands) -> OperationPlan:
    """TensorFlow does not divide alpha by the window's size, as the paper and Caffe do."""
    node = operands.node
    size = 2 * node.integer("depth_radius", 5) + 1
    attributes = {
        **LAST,
        "size": size,
        "alpha": node.number("alpha", 1.0) * size,
        "beta": node.number("beta", 0.5),
        "k": node.number("bias", 1.0),
    }
    return OperationPlan("lrn_across_channels", [operands.value(0)], attributes=attributes)


@translates("Softmax")
def _softmax(operands: Operands) -> OperationPlan:
    return OperationPlan("softmax", [operands.value(0)], attributes={"axis": -1})


@translates("LogSoftmax")
def _log_softmax(operands: Operands) -> OperationPlan:
    return OperationPlan("log_softmax", [operands.value(0)], attributes={"axis": -1})
