"""Caffe's losses and its accuracy, which the rest of convscope leaves out, as operations.

They let a train_val.prototxt run as in pycaffe: `net.forward()` gives the loss, `net.backward()` its gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convscope.formats.caffe.message import Message

Settings = tuple[str, Mapping[str, Any]]


def _softmax_with_loss(layer: Message) -> Settings:
    settings = {"axis": layer.softmax_param.axis, "tops": len(layer.top)}
    return "softmax_with_loss", {**settings, **_counting(layer, "VALID")}


def _accuracy(layer: Message) -> Settings:
    parameters = layer.accuracy_param
    settings = {"axis": parameters.axis, "top_k": parameters.top_k, "ignore_label": parameters.ignore_label}
    return "accuracy", {**settings, "tops": len(layer.top)}


def _contrastive(layer: Message) -> Settings:
    parameters = layer.contrastive_loss_param
    return "contrastive_loss", {"margin": parameters.margin, "legacy": parameters.legacy_version}


LOSSES: dict[str, Callable[[Message], Settings]] = {
    "SoftmaxWithLoss": _softmax_with_loss,
    "SigmoidCrossEntropyLoss": lambda layer: ("sigmoid_cross_entropy_loss", _counting(layer, "BATCH_SIZE")),
    "EuclideanLoss": lambda layer: ("euclidean_loss", {}),
    "HingeLoss": lambda layer: ("hinge_loss", {"norm": layer.hinge_loss_param.norm}),
    "MultinomialLogisticLoss": lambda layer: ("multinomial_logistic_loss", {}),
    "ContrastiveLoss": _contrastive,
    "Accuracy": _accuracy,
}


def _counting(layer: Message, default: str) -> dict[str, Any]:
    """Return which labels a loss leaves out and by what it divides."""
    parameters = layer.loss_param
    normalization = parameters.normalization if parameters.has("normalization") else default
    if parameters.has("normalize") and not parameters.has("normalization"):
        normalization = "VALID" if parameters.normalize else "BATCH_SIZE"
    return {"ignore_label": parameters.ignore_label, "normalization": normalization}
