"""Losses and the accuracy, as Caffe has them: nothing but training needs them.

Each takes the predictions and the labels as Caffe lays them out: labels are class numbers, one a position.
"""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.registry import operation


@operation
def softmax_with_loss(
    scores: Tensor,
    label: Tensor,
    *,
    axis: int = 1,
    ignore_label: int | None = None,
    normalization: str = "VALID",
    tops: int = 1,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the mean of -log p(label), and with two tops the probabilities."""
    classes = scores.movedim(axis, -1).reshape(-1, scores.shape[axis])
    targets = _labels(label, classes.shape[0])
    valid = torch.ones_like(targets, dtype=torch.bool) if ignore_label is None else targets != ignore_label
    _require_classes(targets.where(valid, 0), scores.shape[axis])
    losses = F.cross_entropy(classes, targets.where(valid, 0), reduction="none") * valid
    loss = losses.sum() / _normalizer(normalization, scores.shape[:axis], classes.shape[0], valid)
    return (loss, scores.softmax(axis)) if tops > 1 else loss


@operation
def sigmoid_cross_entropy_loss(
    scores: Tensor, target: Tensor, *, ignore_label: int | None = None, normalization: str = "BATCH_SIZE"
) -> Tensor:
    """Return the cross entropy between sigmoid(scores) and the targets, each between 0 and 1."""
    valid = torch.ones_like(target, dtype=torch.bool) if ignore_label is None else target != ignore_label
    losses = F.binary_cross_entropy_with_logits(scores, target, reduction="none") * valid
    return losses.sum() / _normalizer(normalization, scores.shape[:1], scores.numel(), valid)


@operation
def euclidean_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Return half the mean over the batch of the squared differences."""
    if prediction.numel() != target.numel():
        raise InputError(f"{prediction.numel()} predictions cannot be compared with {target.numel()} targets")
    return (prediction - target.reshape(prediction.shape)).square().sum() / (2 * prediction.shape[0])


@operation
def hinge_loss(scores: Tensor, label: Tensor, *, norm: str = "L1") -> Tensor:
    """Return the mean over the batch of max(0, 1 - score) of the right class and max(0, 1 + score) of the others."""
    scores = scores.flatten(1)
    targets = _labels(label, scores.shape[0])
    _require_classes(targets, scores.shape[1])
    sign = 1 - 2 * F.one_hot(targets, scores.shape[1])
    margin = (1 + sign * scores).clamp(min=0)
    return (margin if norm == "L1" else margin.square()).sum() / scores.shape[0]


@operation
def multinomial_logistic_loss(probabilities: Tensor, label: Tensor) -> Tensor:
    """Return the mean of -log p(label) of probabilities, not of scores."""
    probabilities = probabilities.flatten(1)
    targets = _labels(label, probabilities.shape[0])
    _require_classes(targets, probabilities.shape[1])
    return -probabilities.gather(1, targets[:, None]).clamp(min=1e-20).log().mean()


@operation
def contrastive_loss(
    first: Tensor, second: Tensor, similar: Tensor, *, margin: float = 1.0, legacy: bool = False
) -> Tensor:
    """Return half the mean of d² for similar pairs and of max(0, margin - d)² for the others (Hadsell 2006)."""
    squared = (first - second).flatten(1).square().sum(1)
    # The square root has no gradient at 0: equal pairs are pushed nowhere.
    distance = squared.where(squared > 0, 1).sqrt() * (squared > 0)
    apart = (margin - squared).clamp(min=0) if legacy else (margin - distance).clamp(min=0).square()
    same = similar.reshape(-1) != 0
    return torch.where(same, squared, apart).sum() / (2 * first.shape[0])


@operation
def accuracy(
    scores: Tensor,
    label: Tensor,
    *,
    axis: int = 1,
    top_k: int = 1,
    ignore_label: int | None = None,
    tops: int = 1,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the fraction of positions whose label is among the `top_k` best, and with two tops that of each class.

    Equal scores count against the label.
    """
    classes = scores.detach().movedim(axis, -1).reshape(-1, scores.shape[axis])
    targets = _labels(label, classes.shape[0])
    valid = torch.ones_like(targets, dtype=torch.bool) if ignore_label is None else targets != ignore_label
    targets = targets.where(valid, 0)
    _require_classes(targets, classes.shape[1])
    at_least = classes >= classes.gather(1, targets[:, None])
    right = (at_least.sum(1) <= top_k) & valid
    overall = right.sum().to(scores.dtype) / valid.sum().clamp(min=1)
    if tops < 2:
        return overall
    member = F.one_hot(targets, classes.shape[1]) * valid[:, None]
    each = (member * right[:, None]).sum(0) / member.sum(0).clamp(min=1)
    return overall, each.to(scores.dtype)


def _labels(label: Tensor, count: int) -> Tensor:
    if label.numel() != count:
        raise InputError(f"{label.numel()} labels for {count} predictions: there must be one each")
    return label.reshape(-1).long()


def _require_classes(label: Tensor, count: int) -> None:
    if not label.is_meta and label.numel() and not 0 <= int(label.min()) <= int(label.max()) < count:
        span = f"{int(label.min())} to {int(label.max())}"
        raise InputError(f"labels are class numbers from 0 to {count - 1}; found {span}")


def _normalizer(normalization: str, outer: tuple[int, ...], count: int, valid: Tensor) -> Tensor | float:
    if normalization == "VALID":
        return valid.sum().clamp(min=1)
    return {"FULL": float(count), "BATCH_SIZE": float(max(1, prod(outer))), "NONE": 1.0}[normalization]
