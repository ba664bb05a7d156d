"""Pooling against a literal port of Caffe's loops, and the facts of its own pooling and SPP tests."""

import math
from itertools import islice, product

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations import OPERATIONS
from convscope.network.operations.pooling import (
    average_pool,
    global_average_pool,
    global_max_pool,
    global_max_pool_with_mask,
    max_pool,
    max_pool_with_mask,
    spp,
)

MAGIC = torch.tensor(
    [
        [35, 1, 6, 26, 19, 24],
        [3, 32, 7, 21, 23, 25],
        [31, 9, 2, 22, 27, 20],
        [8, 28, 33, 17, 10, 15],
        [30, 5, 34, 12, 14, 16],
        [4, 36, 29, 13, 18, 11],
    ],
    dtype=torch.float32,
)


def output_size(size, kernel, stride, padding, rounding, any_padding):
    rounded = math.ceil if rounding == "ceil" else math.floor
    pooled = int(rounded((size + 2 * padding - kernel) / stride)) + 1
    if any_padding and (pooled - 1) * stride >= size + padding:
        pooled -= 1
    return pooled


def output_sizes(shape, kernel, stride, padding, rounding="ceil"):
    any_padding = padding[0] > 0 or padding[1] > 0
    return [
        output_size(size, *window, rounding, any_padding)
        for size, window in zip(shape, zip(kernel, stride, padding, strict=True), strict=True)
    ]


def pool(plane, kernel, stride, padding, rounding="ceil", top_gradient=None):
    """Return (max, mask, mean, gradient of max, gradient of mean) of one plane."""
    height, width = plane.shape
    rows, columns = output_sizes(plane.shape, kernel, stride, padding, rounding)
    largest = np.full((rows, columns), -np.finfo(np.float32).max)
    mask = np.full((rows, columns), -1)
    mean = np.zeros((rows, columns))
    largest_gradient, mean_gradient = np.zeros_like(plane), np.zeros_like(plane)
    if top_gradient is None:
        top_gradient = np.zeros((rows, columns))
    for ph, pw in product(range(rows), range(columns)):
        hstart, wstart = ph * stride[0] - padding[0], pw * stride[1] - padding[1]
        hend, wend = min(hstart + kernel[0], height + padding[0]), min(wstart + kernel[1], width + padding[1])
        size = (hend - hstart) * (wend - wstart)
        hstart, wstart, hend, wend = max(hstart, 0), max(wstart, 0), min(hend, height), min(wend, width)
        for h, w in product(range(hstart, hend), range(wstart, wend)):
            mean[ph, pw] += plane[h, w]
            mean_gradient[h, w] += top_gradient[ph, pw] / size
            if plane[h, w] > largest[ph, pw]:
                largest[ph, pw], mask[ph, pw] = plane[h, w], h * width + w
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[ph, pw] = np.float64(mean[ph, pw]) / np.float64(size)
        if mask[ph, pw] >= 0:
            largest_gradient.flat[mask[ph, pw]] += top_gradient[ph, pw]
    return largest, mask, mean, largest_gradient, mean_gradient


def parameter_sets():
    """Every combination Caffe allows over small sizes; the axes are pooled differently."""
    axes = [
        (size, kernel, stride, padding)
        for size in (3, 5, 6, 7)
        for kernel in (1, 2, 3, 5)
        for stride in (1, 2, 3, 4)
        for padding in range(min(kernel, 3))
    ]
    rng = np.random.default_rng(0)
    pairs = [(axes[i], axes[j]) for i, j in rng.integers(0, len(axes), (600, 2))] + [(a, a) for a in axes]
    for (rows, columns), rounding in product(pairs, ("ceil", "floor")):
        shape, *window = zip(rows, columns, strict=True)
        if min(output_sizes(shape, *window, rounding)) >= 1:
            yield shape, *window, rounding


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_values_masks_and_gradients_are_those_of_caffes_loops(every):
    rng = np.random.default_rng(1)
    count = beyond_torch = 0
    for shape, kernel, stride, padding, rounding in islice(parameter_sets(), 0, None, every):
        # Few different numbers, so that there are ties.
        plane = rng.integers(-4, 5, shape).astype(np.float64)
        top_gradient = rng.normal(size=output_sizes(shape, kernel, stride, padding, rounding))
        largest, mask, mean, largest_gradient, mean_gradient = pool(
            plane, kernel, stride, padding, rounding, top_gradient
        )
        window = {"kernel": kernel, "stride": stride, "padding": padding, "rounding": rounding}
        beyond_torch += any(2 * p > k for p, k in zip(padding, kernel, strict=True)) or bool((mask < 0).any())
        for function, expected, gradient in (
            (max_pool, largest, largest_gradient),
            (lambda x, **window: max_pool_with_mask(x, **window)[0], largest, largest_gradient),
            (average_pool, mean, mean_gradient),
        ):
            # A second, different channel: the channels must not mix.
            input = torch.tensor(np.stack([plane, 9 - plane]))[None].requires_grad_()
            output = function(input, **window)
            np.testing.assert_allclose(output[0, 0].detach(), expected, atol=1e-12, err_msg=str(window))
            (found,) = torch.autograd.grad(
                output[0, 0].nan_to_num().flatten() @ torch.tensor(top_gradient).flatten(), input
            )
            usable = np.isfinite(gradient)
            np.testing.assert_allclose(found[0, 0][usable], gradient[usable], atol=1e-12, err_msg=str(window))
            assert not found[0, 1].any()
        np.testing.assert_array_equal(max_pool_with_mask(input.detach(), **window)[1][0, 0], mask)
        count += 1
    assert count > 1000 / every
    assert beyond_torch > 200 / every


def test_square_window_and_its_mask():
    input = torch.tensor([[1, 2, 5, 2, 3], [9, 4, 1, 4, 8], [1, 2, 5, 2, 3]], dtype=torch.float32).expand(
        2, 2, 3, 5
    )
    values, mask = max_pool_with_mask(input, kernel=2)
    assert torch.equal(values, torch.tensor([[9.0, 5, 5, 8], [9, 5, 5, 8]]).expand(2, 2, 2, 4))
    assert torch.equal(mask, torch.tensor([[5.0, 2, 2, 9], [5, 12, 12, 9]]).expand(2, 2, 2, 4))
    assert torch.equal(max_pool(input, kernel=2), values)


def test_high_window_on_a_magic_square():
    values, mask = max_pool_with_mask(MAGIC.expand(2, 2, 6, 6), kernel=(3, 2))
    expected = [[35, 32, 26, 27, 27], [32, 33, 33, 27, 27], [31, 34, 34, 27, 27], [36, 36, 34, 18, 18]]
    places = [[0, 7, 3, 16, 16], [7, 20, 20, 16, 16], [12, 26, 26, 16, 16], [31, 31, 26, 34, 34]]
    assert torch.equal(values, torch.tensor(expected, dtype=torch.float32).expand(2, 2, 4, 5))
    assert torch.equal(mask, torch.tensor(places, dtype=torch.float32).expand(2, 2, 4, 5))


def test_wide_window_on_a_magic_square():
    values, mask = max_pool_with_mask(MAGIC.expand(2, 2, 6, 6), kernel=(2, 3))
    expected = [[35, 32, 26, 26], [32, 32, 27, 27], [33, 33, 33, 27], [34, 34, 34, 17], [36, 36, 34, 18]]
    places = [[0, 7, 3, 3], [7, 7, 16, 16], [20, 20, 20, 16], [26, 26, 26, 21], [31, 31, 26, 34]]
    assert torch.equal(values, torch.tensor(expected, dtype=torch.float32).expand(2, 2, 5, 4))
    assert torch.equal(mask, torch.tensor(places, dtype=torch.float32).expand(2, 2, 5, 4))


def test_padding_wider_than_torch_allows():
    input = torch.tensor([[1.0, 2, 4], [2, 3, 2], [4, 2, 1]])[None, None]
    output = max_pool(input, kernel=3, stride=2, padding=2)
    assert torch.equal(output[0, 0], torch.tensor([[1.0, 4, 4], [4, 4, 4], [4, 4, 1]]))


def test_an_average_counts_padding_as_zeros():
    output = average_pool(torch.full((1, 1, 3, 3), 2.0), kernel=3, stride=1, padding=1)
    expected = torch.tensor([[8 / 9, 4 / 3, 8 / 9], [4 / 3, 2, 4 / 3], [8 / 9, 4 / 3, 8 / 9]])
    torch.testing.assert_close(output[0, 0], expected)


def test_shapes_of_caffes_setup_tests():
    input = torch.zeros(2, 3, 6, 5)
    assert max_pool(input, kernel=3, stride=2).shape == (2, 3, 3, 2)
    assert average_pool(input, kernel=3, stride=2, padding=1).shape == (2, 3, 4, 3)
    assert global_average_pool(input).shape == global_max_pool(input).shape == (2, 3, 1, 1)


@pytest.mark.parametrize("size", [224, 227, 112, 55, 28, 13])
def test_rounding_up_is_the_default(size):
    assert max_pool(torch.zeros(1, 1, size, size), kernel=3, stride=2).shape[2] == -(-(size - 3) // 2) + 1


def test_global_pooling():
    input = torch.tensor([[1.0, 7, 7], [2, 3, 4]])[None, None].requires_grad_()
    values, mask = global_max_pool_with_mask(input)
    assert values.item() == global_max_pool(input).item() == 7
    assert mask.item() == 1
    global_max_pool(input).sum().backward()
    assert torch.equal(input.grad[0, 0], torch.tensor([[0.0, 1, 0], [0, 0, 0]]))
    assert global_average_pool(input).item() == 4


def test_spp_gives_the_same_length_for_every_size():
    # 3 channels, 1 + 4 + 16 (+ 64 + 256) bins
    assert spp(torch.zeros(2, 3, 9, 8), pyramid_height=3).shape == (2, 63)
    assert spp(torch.zeros(10, 3, 7, 7), pyramid_height=3).shape == (10, 63)
    assert spp(torch.empty(4, 3, 1024, 765, device="meta"), pyramid_height=5).shape == (4, 1023)


@pytest.mark.parametrize(("pool_name", "index"), [("max", 0), ("average", 2)])
def test_spp_pools_each_level_with_caffes_windows(pool_name, index):
    input = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 9, 8)))
    output = spp(input, pyramid_height=3, pool=pool_name)
    levels = [((9, 8), (0, 0)), ((5, 4), (1, 0)), ((3, 2), (2, 0))]
    for batch in range(2):
        expected = [
            pool(input[batch, channel].numpy(), kernel, kernel, padding)[index].ravel()
            for kernel, padding in levels
            for channel in range(3)
        ]
        np.testing.assert_allclose(output[batch], np.concatenate(expected))


def test_spp_of_one_level_stays_a_map():
    assert spp(torch.zeros(2, 3, 9, 8), pyramid_height=1).shape == (2, 3, 1, 1)


def test_spp_refuses_what_caffe_dies_of():
    with pytest.raises(InputError, match="padding < kernel"):
        spp(torch.zeros(1, 1, 12, 12), pyramid_height=5)


@pytest.mark.parametrize("name", ["max_pool", "max_pool_with_mask", "average_pool"])
@pytest.mark.parametrize(
    ("shape", "window", "message"),
    [
        (
            (1, 1, 2, 2),
            {"kernel": 5},
            "5 pixels does not fit into 1x1x2x2 with padding 0: use a larger picture",
        ),
        ((1, 1, 0, 4), {"kernel": 2}, "the input is empty: 1x1x0x4"),
        ((3, 4, 4), {"kernel": 2}, "needs batch x channels x height x width, the input is 3x4x4"),
        ((1, 1, 4, 4), {"kernel": 2, "padding": 2}, "0 <= padding < kernel"),
        ((1, 1, 4, 4), {"kernel": (2, 2, 2)}, "kernel is given for 3 axes, the input has 2"),
    ],
)
def test_what_cannot_be_pooled_is_refused_in_words(name, shape, window, message):
    with pytest.raises(InputError, match=message):
        OPERATIONS[name](torch.zeros(shape), **window)


def test_memory_layout_does_not_change_the_numbers():
    input = torch.randn(2, 8, 9, 7, generator=torch.Generator().manual_seed(0))
    layouts = (
        input,
        input.contiguous(memory_format=torch.channels_last),
        input.transpose(2, 3).contiguous().transpose(2, 3),
    )
    for function in (max_pool, average_pool):
        outputs = [function(layout, kernel=3, stride=2, padding=1) for layout in layouts]
        assert torch.equal(outputs[0], outputs[1])
        assert torch.equal(outputs[0], outputs[2])
        assert outputs[0].is_contiguous(memory_format=torch.channels_last)
