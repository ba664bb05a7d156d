"""Normalizations: over a batch, a layer, groups of channels, or neighboring channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.pytorch.functions.registry import present, translates


@translates("batch_norm")
def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> OperationPlan:
    statistics = {} if training else present(mean=running_mean, variance=running_var)
    attributes: dict[str, Any] = {"epsilon": eps} | ({} if statistics else {"of_batch": True})
    return OperationPlan("batch_norm", (input,), statistics | present(weight=weight, bias=bias), attributes)


@translates("native_batch_norm", "_native_batch_norm_legit_no_training")
def _native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    *others: Any,
) -> OperationPlan | None:
    training, _, eps = others[:3] if isinstance(others[0], bool) else (False, *others[:2])
    return _batch_norm(input, running_mean, running_var, weight, bias, training, eps=eps)


@translates("layer_norm")
def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> OperationPlan | None:
    """Without a weight that has that shape, ATen's own holds the input to it."""
    if weight is None and bias is None:
        return None
    attributes = {"axis": -len(normalized_shape), "epsilon": eps}
    return OperationPlan("layer_norm", (input,), present(weight=weight, bias=bias), attributes)


@translates("group_norm")
def _group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> OperationPlan:
    attributes = {"groups": int(num_groups), "epsilon": eps}
    return OperationPlan("group_norm", (input,), present(weight=weight, bias=bias), attributes)


@translates("local_response_norm")
def _lrn(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> OperationPlan | None:
    if size % 2 == 0:  # torch lays an even window elsewhere
        return None
    attributes = {"size": size, "alpha": alpha, "beta": beta, "k": float(k)}
    return OperationPlan("lrn_across_channels", (input,), attributes=attributes)
