"""Normalizations against formulas written out in numpy, and the facts of Caffe's own LRN, MVN and BatchNorm tests."""

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations.normalization import (
    batch_norm,
    group_norm,
    layer_norm,
    lrn_across_channels,
    lrn_within_channel,
    mvn,
)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=dtype)


def reference_across(input, size, alpha, beta, k):
    output = np.zeros_like(input)
    for n, c, h, w in np.ndindex(*input.shape):
        start = c - (size - 1) // 2
        neighbors = input[n, max(start, 0) : min(start + size, input.shape[1]), h, w]
        output[n, c, h, w] = input[n, c, h, w] / (k + alpha / size * (neighbors**2).sum()) ** beta
    return output


def reference_within(input, size, alpha, beta):
    output = np.zeros_like(input)
    for n, c, h, w in np.ndindex(*input.shape):
        top, left = h - (size - 1) // 2, w - (size - 1) // 2
        around = input[n, c, max(top, 0) : top + size, max(left, 0) : left + size]
        output[n, c, h, w] = input[n, c, h, w] / (1 + alpha * (around**2).sum() / size**2) ** beta
    return output


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1, 3, 5, 15])
@pytest.mark.parametrize(
    ("alpha", "beta", "k"), [(1.0, 0.75, 1.0), (1e-4, 0.75, 1.0), (2.0, 0.5, 2.0), (1.0, 1.5, 0.1)]
)
def test_lrn_is_caffes_reference_formula(dtype, size, alpha, beta, k):
    input = 10 * normal(2, 7, 3, 3, dtype=dtype)
    tolerance = {"rtol": 1e-6, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-12}
    numbers = input.double().numpy()
    across = lrn_across_channels(input, size=size, alpha=alpha, beta=beta, k=k)
    np.testing.assert_allclose(across, reference_across(numbers, size, alpha, beta, k), **tolerance)
    within = lrn_within_channel(input, size=size, alpha=alpha, beta=beta)
    np.testing.assert_allclose(within, reference_within(numbers, size, alpha, beta), **tolerance)


def test_lrn_of_a_layer_as_wide_as_a_real_one():
    input = 30 * normal(1, 192, 5, 4, dtype=torch.float32)
    parameters = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0}
    expected = reference_across(input.double().numpy(), *parameters.values())
    np.testing.assert_allclose(lrn_across_channels(input, **parameters), expected, rtol=1e-6)


def test_lrn_goes_through_inputs_without_pictures():
    input = normal(4, 9)
    expected = reference_across(input[..., None, None].numpy(), 5, 1.0, 0.75, 1.0)[..., 0, 0]
    np.testing.assert_allclose(lrn_across_channels(input), expected)


def test_an_even_lrn_is_refused():
    for function in (lrn_across_channels, lrn_within_channel):
        with pytest.raises(InputError, match="needs an odd size, found 4"):
            function(torch.zeros(1, 4, 4, 4), size=4)


def test_batch_norm_divides_the_sums_by_the_scale_factor():
    input, mean, variance = normal(2, 3, 4, 5), normal(3, seed=1), normal(3, seed=2).abs()
    output = batch_norm(
        input, mean=mean * 7, variance=variance * 7, scale_factor=torch.full((1,), 7.0).double()
    )
    expected = (input - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(batch_norm(input, mean=mean, variance=variance), expected)


def test_batch_norm_scales_and_shifts_what_it_normalized():
    input, mean, variance = normal(2, 3, 4, 5), normal(3, seed=1), normal(3, seed=2).abs()
    weight, bias = normal(3, seed=3), normal(3, seed=4)
    expected = batch_norm(input, mean=mean, variance=variance) * weight[:, None, None] + bias[:, None, None]
    output = batch_norm(input, mean=mean, variance=variance, weight=weight, bias=bias)
    torch.testing.assert_close(output, expected)


def test_a_scale_factor_of_zero_forgets_the_statistics():
    input = normal(2, 3, 4, 5)
    statistics = {"mean": normal(3), "variance": normal(3).abs(), "scale_factor": torch.zeros(1).double()}
    torch.testing.assert_close(batch_norm(input, epsilon=0.25, **statistics), input / 0.5)


@pytest.mark.parametrize("shape", [(5, 2, 3, 4), (7, 3)])
def test_batch_norm_by_the_batchs_own_statistics(shape):
    """test_batch_norm_layer.cpp: every channel has mean 0 and variance 1, also when given statistics are overruled."""
    channels = torch.ones(shape[1]).double()
    for keywords in ({}, {"mean": 9 * channels, "variance": 9 * channels, "of_batch": True}):
        output = batch_norm(3 + 2 * normal(*shape), **keywords).transpose(0, 1).flatten(1)
        torch.testing.assert_close(output.mean(1), 0 * channels, atol=1e-3, rtol=0)
        torch.testing.assert_close(output.var(1, correction=0), channels, atol=1e-3, rtol=0)


def test_batch_norm_of_other_channels_is_refused():
    with pytest.raises(InputError, match="made for 4 channels, the input of 1x3x2x2 has 3"):
        batch_norm(torch.zeros(1, 3, 2, 2), mean=torch.zeros(4), variance=torch.ones(4))


@pytest.mark.parametrize("across_channels", [False, True])
def test_mvn_gives_mean_zero_and_variance_one(across_channels):
    """test_mvn_layer.cpp, with its tolerance of 1e-3."""
    output = mvn(3 + 2 * normal(2, 3, 4, 5), across_channels=across_channels)
    rows = output.flatten(1 if across_channels else 2)
    assert rows.mean(-1).abs().max() < 1e-3
    assert (rows.var(-1, correction=0) - 1).abs().max() < 1e-3


def test_mvn_can_leave_the_variance():
    input = 3 + 2 * normal(2, 3, 4, 5)
    output = mvn(input, normalize_variance=False)
    torch.testing.assert_close(output, input - input.mean((2, 3), keepdim=True))


def test_mvn_adds_epsilon_to_the_deviation():
    input = normal(2, 3, 4, 5)
    deviation = input.numpy().std((2, 3), keepdims=True)
    expected = (input.numpy() - input.numpy().mean((2, 3), keepdims=True)) / (deviation + 0.5)
    np.testing.assert_allclose(mvn(input, epsilon=0.5), expected)


def test_mvn_of_a_constant_channel_has_a_gradient():
    input = torch.full((1, 1, 3, 3), 2.0, dtype=torch.float64, requires_grad=True)
    output = mvn(input)
    output[0, 0, 1, 1].backward()
    assert not output.any()
    assert input.grad.isfinite().all()


def test_nothing_to_normalize_over_is_refused():
    with pytest.raises(InputError, match="an input of 2x3"):
        mvn(torch.zeros(2, 3))


def test_layer_norm_is_its_formula_along_the_last_axes():
    input, weight, bias = 3 * normal(2, 4, 5, seed=1), normal(4, 5, seed=2), normal(4, 5, seed=3)
    numbers = input.numpy()
    mean, variance = numbers.mean((1, 2), keepdims=True), numbers.var((1, 2), keepdims=True)
    expected = (numbers - mean) / np.sqrt(variance + 0.1) * weight.numpy() + bias.numpy()
    found = layer_norm(input, weight=weight, bias=bias, axis=1, epsilon=0.1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    with pytest.raises(InputError, match="was made for 4x5 numbers, the input of 2x4x5 has 5"):
        layer_norm(input, weight=weight)


def test_group_norm_is_its_formula_over_the_channels_of_a_group():
    input, weight, bias = 3 * normal(2, 6, 4, 5, seed=1), normal(6, seed=2), normal(6, seed=3)
    groups = input.numpy().reshape(2, 3, 2, 4, 5)
    normal_groups = groups - groups.mean((2, 3, 4), keepdims=True)
    normal_groups /= np.sqrt(groups.var((2, 3, 4), keepdims=True) + 0.1)
    expected = (
        normal_groups.reshape(input.shape) * weight.numpy()[:, None, None] + bias.numpy()[:, None, None]
    )
    found = group_norm(input, groups=3, weight=weight, bias=bias, epsilon=0.1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    with pytest.raises(InputError, match="the channels of 2x6x4x5 do not make 4 equal groups"):
        group_norm(input, groups=4)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_group_norm_of_maps_far_from_zero_is_as_exact_in_either_order_of_memory(order):
    maps = (60 * normal(1, 6, 64, 64) + 2000).float().contiguous(memory_format=order)
    groups = maps.double().numpy().reshape(1, 3, 2, 64, 64)
    expected = (groups - groups.mean((2, 3, 4), keepdims=True)) / groups.std((2, 3, 4), keepdims=True)
    found = group_norm(maps, groups=3)
    np.testing.assert_allclose(found.numpy().reshape(groups.shape), expected, atol=2e-5)
