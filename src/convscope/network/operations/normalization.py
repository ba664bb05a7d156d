"""Normalizations: local response, batch, layer, group, mean and variance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.channel_damping import damped, damping_of
from convscope.network.operations.checks import axis_index, dimensions, require_filled
from convscope.network.operations.pooling import average_pool
from convscope.network.operations.registry import operation
from convscope.network.operations.shape_rules import layer_norm_shape, per_channel_shape, same_shape
from convscope.network.operations.windows import within_channel_window


@operation(shape=same_shape, relevance="passed")
def lrn_across_channels(
    input: Tensor, *, size: int = 5, alpha: float = 1.0, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return each value damped by its `size` neighboring channels: ``x (k + alpha/size sum x^2) ^ -beta``.

    Krizhevsky et al., *ImageNet classification with deep convolutional neural networks* (2012), section 3.3.
    """
    _require_odd(size)
    if input.dim() < 2:
        raise InputError(f"this normalization needs channels, the input is {dimensions(input.shape)}")
    return damped(input, damping_of(size, alpha, beta, k))


@operation(relevance="passed")
def lrn_of_even_size(
    input: Tensor, *, size: int, alpha: float = 1.0, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return `lrn_across_channels` for an even `size`, which ONNX allows: one neighbor more behind than before."""
    if size < 2 or size % 2 or input.dim() < 2:
        raise InputError(f"an even size and channels are needed, found {size} and {dimensions(input.shape)}")
    before, behind = (min(reach, input.shape[1]) for reach in ((size - 1) // 2, size // 2))
    squares = F.pad(input * input, [0, 0] * (input.dim() - 2) + [before, behind])
    windows = squares.unfold(1, before + behind + 1, 1).sum(-1)
    return input * _to_minus(k + alpha / size * windows, beta)


@operation(window=within_channel_window, relevance="passed")
def lrn_within_channel(input: Tensor, *, size: int = 5, alpha: float = 1.0, beta: float = 0.75) -> Tensor:
    """Return each value damped by the `size` x `size` ones around it: ``x (1 + alpha mean x^2) ^ -beta``."""
    _require_odd(size)
    squares = average_pool(input * input, kernel=size, padding=size // 2)
    return input * _to_minus(1 + alpha * squares, beta)


@operation(shape=per_channel_shape, per_channel=True, relevance="passed", foldable=True, affine=True)
def batch_norm(
    input: Tensor,
    *,
    mean: Tensor | None = None,
    variance: Tensor | None = None,
    scale_factor: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    epsilon: float = 1e-5,
    of_batch: bool = False,
    sums: bool = True,
    behind_root: bool = False,
) -> Tensor:
    """Return ``(x - mean) / sqrt(variance + epsilon)``, a channel with mean 0 and variance 1, by `weight`, plus `bias`.

    Caffe keeps sums: `mean` and `variance` are divided by `scale_factor` (taken as 0 where that is 0); without `sums`
    that is only kept, as NVCaffe does. With `of_batch`, or without them, the batch's own mean and variance are used.
    With `behind_root` it is divided by ``sqrt(variance) + epsilon``, as Darknet does.
    """
    if input.dim() < 2:
        raise InputError(f"batch normalization needs channels, the input is {dimensions(input.shape)}")
    if of_batch or mean is None or variance is None:
        if behind_root:
            raise InputError("a batch's own spread with epsilon behind the root is not known")
        require_filled(input, "batch normalization")
        # torch.nn.functional refuses a single number a channel, which Caffe makes 0.
        return torch.batch_norm(input, weight, bias, None, None, True, 0.0, epsilon, True)
    if mean.numel() != input.shape[1]:
        problem = f"the input of {dimensions(input.shape)} has {input.shape[1]}"
        raise InputError(f"batch normalization was made for {mean.numel()} channels, {problem}")
    if scale_factor is not None and sums:
        factor = torch.where(scale_factor == 0, 0.0, scale_factor.reciprocal())
        mean, variance = mean * factor, variance * factor
    if behind_root:
        variance, epsilon = (variance.sqrt() + epsilon) ** 2, 0.0
    return F.batch_norm(input, mean, variance, weight, bias, eps=epsilon)


@operation(shape=layer_norm_shape, relevance="passed")
def layer_norm(
    input: Tensor,
    *,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    axis: int = -1,
    epsilon: float = 1e-5,
    centered: bool = True,
) -> Tensor:
    """Return the numbers along the axes from `axis` on with mean 0 and variance 1, by `weight`, plus `bias`.

    Ba, Kiros, Hinton, *Layer normalization* (2016). Weight and bias have the shape of those axes. Without `centered`
    the mean stays, divided by the deviation like the rest: what Keras calls rms_scaling, which no root of squares is.
    """
    shape = input.shape[axis_index(axis, input) :]
    for tensor in (weight, bias):
        if tensor is not None and tensor.shape != shape:
            problem = f"the input of {dimensions(input.shape)} has {dimensions(shape)}"
            raise InputError(
                f"layer normalization was made for {dimensions(tensor.shape)} numbers, {problem}"
            )
    if not centered:
        axes = tuple(range(axis_index(axis, input), input.dim()))
        deviation = (input.var(axes, correction=0, keepdim=True) + epsilon).sqrt()
        scaled = input / deviation if weight is None else input / deviation * weight
        return scaled if bias is None else scaled + bias
    return F.layer_norm(input, shape, weight, bias, epsilon)


@operation(relevance="passed")
def group_norm(
    input: Tensor,
    *,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Return each of `groups` groups of a picture's channels with mean 0 and variance 1, by `weight`, plus `bias`.

    Wu and He, *Group normalization* (2018); with as many groups as channels it is instance normalization.
    """
    if input.dim() < 2 or groups < 1 or input.shape[1] % groups:
        raise InputError(f"the channels of {dimensions(input.shape)} do not make {groups} equal groups")
    # With the channels last in memory torch takes the variance for the mean square less the squared mean, in single
    # precision: maps of mean 2,000 and deviation 60 are off by a tenth.
    normalized = F.group_norm(input.contiguous(), groups, weight, bias, epsilon)
    last = input.dim() == 4 and input.is_contiguous(memory_format=torch.channels_last)
    return normalized.contiguous(memory_format=torch.channels_last) if last else normalized


@operation(relevance="passed")
def layer_norm_with_statistics(
    input: Tensor,
    *,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    axis: int = -1,
    epsilon: float = 1e-5,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `layer_norm` does, the means, and one over the standard deviations."""
    axes = tuple(range(axis_index(axis, input), input.dim()))
    mean = input.mean(axes, keepdim=True)
    scale = ((input - mean).square().mean(axes, keepdim=True) + epsilon).rsqrt()
    return layer_norm(input, weight=weight, bias=bias, axis=axis, epsilon=epsilon), mean, scale


@operation(relevance="passed")
def rms_norm(input: Tensor, *, weight: Tensor | None = None, axis: int = -1, epsilon: float = 1e-5) -> Tensor:
    """Return the numbers along the axes from `axis` on with mean square 1, by `weight`, which stretches over them.

    Zhang and Sennrich, *Root mean square layer normalization* (2019).
    """
    axes = tuple(range(axis_index(axis, input), input.dim()))
    normal = input * (input.square().mean(axes, keepdim=True) + epsilon).rsqrt()
    return normal if weight is None else normal * weight


@operation(relevance="passed")
def norm_along(input: Tensor, *, axes: Sequence[int], exponent: float = 2.0) -> Tensor:
    """Return the input divided by its length ``(sum |x|^p)^(1/p)`` along the axes; where that is 0 it stays 0."""
    length = torch.linalg.vector_norm(input, exponent, tuple(axes), keepdim=True)
    return input / torch.where(length == 0, 1.0, length)


@operation(sees="map", relevance="passed")
def mvn(
    input: Tensor,
    *,
    across_channels: bool = False,
    normalize_variance: bool = True,
    epsilon: float = 1e-9,
) -> Tensor:
    """Return each channel (or each picture, `across_channels`) with mean 0 and, if asked, variance 1.

    `epsilon` is added to the standard deviation, not to the variance.
    """
    first = 1 if across_channels else 2
    if input.dim() <= first:
        raise InputError(f"nothing to normalize over in an input of {dimensions(input.shape)}")
    axes = tuple(range(first, input.dim()))
    centered = input - input.mean(axes, keepdim=True)
    if not normalize_variance:
        return centered
    variance = (centered * centered).mean(axes, keepdim=True)
    # The square root has no slope at 0: a constant channel would give NaN gradients.
    varied = variance > 0
    return centered / (torch.where(varied, variance, 1.0).sqrt() * varied + epsilon)


@operation(relevance="passed")
def unit_norm(
    input: Tensor, *, weight: Tensor, across_positions: bool = True, epsilon: float = 1e-10
) -> Tensor:
    """Return each picture (or each position) with length 1, ``x / sqrt(sum x^2 + epsilon)``, times `weight`.

    `weight` is one number, or one a channel. Liu et al., *ParseNet* (2015), the Normalize layer of SSD.
    """
    if input.dim() < 2:
        raise InputError(f"this normalization needs channels, the input is {dimensions(input.shape)}")
    axes = tuple(range(1, input.dim())) if across_positions else (1,)
    length = ((input * input).sum(axes, keepdim=True) + epsilon).sqrt()
    return input / length * weight.reshape(-1, *(1,) * (input.dim() - 2))


def _to_minus(base: Tensor, beta: float) -> Tensor:
    """Return ``base ** -beta``; a power of 3/4 is two roots, which are much faster."""
    if beta == 0.75:
        root = base.rsqrt()
        return root * root.sqrt()
    return base.pow(-beta)


def _require_odd(size: int) -> None:
    if size < 1 or size % 2 == 0:
        raise InputError(f"local response normalization needs an odd size, found {size}")


@operation(sees="map", relevance="passed")
def unit_length(input: Tensor, *, axes: Sequence[int] = (-1,), epsilon: float = 1e-12) -> Tensor:
    """Return the input divided by its length along the axes; a square below `epsilon` counts as that."""
    square = input.square().sum(tuple(axes), keepdim=True)
    return input * square.clamp(min=epsilon).rsqrt()
