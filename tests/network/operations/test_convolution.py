"""Convolution against loops, and the facts of Caffe's own convolution, deconvolution and im2col tests."""

from itertools import product

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations.convolution import convolution, deconvolution, im2col


def normal(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def loop_convolution(input, weight, bias, stride, padding, dilation, groups):
    """What Caffe's test calls caffe_conv: seven loops, here over any number of spatial axes."""
    kernel, size = weight.shape[2:], input.shape[2:]
    out = [
        (n + 2 * p - (d * (k - 1) + 1)) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    output = np.zeros((input.shape[0], weight.shape[0], *out))
    per_group, reads = weight.shape[0] // groups, input.shape[1] // groups
    for n, o, c in product(range(input.shape[0]), range(weight.shape[0]), range(reads)):
        channel = o // per_group * reads + c
        for place, tap in product(np.ndindex(*out), np.ndindex(*kernel)):
            at = tuple(
                i * s - p + t * d for i, s, p, t, d in zip(place, stride, padding, tap, dilation, strict=True)
            )
            if all(0 <= a < limit for a, limit in zip(at, size, strict=True)):
                output[(n, o, *place)] += input[(n, channel, *at)] * weight[(o, c, *tap)]
    return output + bias.reshape(-1, *(1 for _ in kernel))


WINDOWS = {
    "plain": ((2, 3, 6, 4), (4, 3, 3, 3), (2, 2), (0, 0), (1, 1), 1),
    "padded": ((2, 3, 6, 4), (4, 3, 3, 2), (1, 2), (2, 1), (1, 1), 1),
    "dilated": ((1, 3, 8, 7), (4, 3, 3, 3), (1, 1), (1, 0), (2, 3), 1),
    "grouped": ((2, 6, 6, 4), (3, 2, 3, 3), (2, 1), (1, 1), (1, 1), 3),
    "one by one": ((2, 3, 6, 4), (4, 3, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "1-d": ((2, 3, 9), (4, 3, 3), (2,), (1,), (2,), 1),
    "3-d": ((1, 4, 5, 6, 4), (2, 2, 3, 3, 3), (2, 1, 1), (1, 0, 1), (1, 1, 1), 2),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_values_are_those_of_loops(name):
    input_shape, weight_shape, stride, padding, dilation, groups = WINDOWS[name]
    input, weight, bias = normal(*input_shape), normal(*weight_shape, seed=1), normal(weight_shape[0], seed=2)
    expected = loop_convolution(
        input.numpy(), weight.numpy(), bias.numpy(), stride, padding, dilation, groups
    )
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    np.testing.assert_allclose(convolution(input, weight=weight, bias=bias, **window), expected, atol=1e-12)


@pytest.mark.parametrize("name", WINDOWS)
def test_deconvolution_is_the_transpose(name):
    """<conv(x), y> = <x, deconv(y)> for every y, at the sizes where the convolution uses every input number."""
    input_shape, weight_shape, stride, padding, dilation, groups = WINDOWS[name]
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    weight = normal(*weight_shape, seed=1)
    above = normal(*convolution(normal(*input_shape), weight=weight, **window).shape, seed=2)
    spread = deconvolution(above, weight=weight, **window)
    sizes = zip(above.shape[2:], weight_shape[2:], stride, padding, dilation, strict=True)
    assert spread.shape[2:] == tuple(s * (n - 1) + d * (k - 1) + 1 - 2 * p for n, k, s, p, d in sizes)
    input = normal(*spread.shape, seed=3)
    torch.testing.assert_close(
        (convolution(input, weight=weight, **window) * above).sum(), (input * spread).sum()
    )


def test_simple_convolution_of_caffe():
    output = convolution(
        torch.ones(2, 3, 6, 4), weight=torch.ones(4, 3, 3, 3), bias=torch.full((4,), 0.1), stride=2
    )
    torch.testing.assert_close(output, torch.full((2, 4, 2, 1), 27.1))


def test_grouped_convolution_of_caffe():
    input = torch.arange(3.0).reshape(1, 3, 1, 1).expand(2, 3, 6, 4)
    weight, bias = torch.ones(3, 1, 3, 3), torch.full((3,), 0.1)
    output = convolution(input, weight=weight, bias=bias, stride=2, groups=3)
    torch.testing.assert_close(output, (torch.arange(3.0) * 9 + 0.1).reshape(1, 3, 1, 1).expand(2, 3, 2, 1))


def test_sobel_is_separable():
    input = normal(2, 3, 6, 4)
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float64).expand(1, 3, 3, 3)
    column = torch.tensor([1.0, 2, 1], dtype=torch.float64).reshape(1, 1, 3, 1).expand(1, 3, 3, 1)
    row = torch.tensor([-1.0, 0, 1], dtype=torch.float64).reshape(1, 1, 1, 3)
    twice = convolution(convolution(input, weight=column, stride=(2, 1)), weight=row, stride=(1, 2))
    torch.testing.assert_close(convolution(input, weight=sobel, stride=2), twice)


def test_no_spatial_axes_is_a_matrix_product():
    input, weight, bias = normal(2, 3), normal(4, 3, seed=1), normal(4, seed=2)
    torch.testing.assert_close(convolution(input, weight=weight, bias=bias), input @ weight.t() + bias)


def test_an_earlier_channel_axis_or_a_later_one():
    input, weight = normal(2, 5, 3, 6, 4), normal(4, 3, 3, 3, seed=1)
    output = convolution(input, weight=weight, axis=2)
    assert output.shape == (2, 5, 4, 4, 2)
    torch.testing.assert_close(output[1, 3], convolution(input[1, 3][None], weight=weight)[0])
    torch.testing.assert_close(convolution(input[0, 0], weight=weight, axis=0), output[0, 0])


def test_several_inputs_share_the_filters():
    inputs, weight = (normal(2, 3, 6, 4), normal(2, 3, 6, 4, seed=3)), normal(4, 3, 3, 3, seed=1)
    for function, filters in ((convolution, weight), (deconvolution, weight.transpose(0, 1))):
        outputs = function(*inputs, weight=filters, stride=2)
        assert isinstance(outputs, tuple)
        for input, output in zip(inputs, outputs, strict=True):
            assert torch.equal(function(input, weight=filters, stride=2), output)


def test_simple_deconvolution_of_caffe():
    bias = torch.full((4,), 0.1)
    output = deconvolution(torch.ones(2, 3, 6, 4), weight=torch.ones(3, 4, 3, 3), bias=bias, stride=2)
    assert output.shape == (2, 4, 13, 9)
    for row, column in product(range(13), range(9)):
        overlaps = (row % 2 == 0 and 0 < row < 12) + (column % 2 == 0 and 0 < column < 8)
        torch.testing.assert_close(output[:, :, row, column], torch.full((2, 4), 3.1 + (0, 3, 9)[overlaps]))


def test_grouped_deconvolution_keeps_caffes_shape():
    assert deconvolution(torch.ones(2, 3, 6, 4), weight=torch.ones(3, 1, 3, 3), stride=2, groups=3).shape == (
        2,
        3,
        13,
        9,
    )


def test_columns_times_filters_are_the_convolution():
    for name in ("plain", "padded", "dilated", "1-d"):
        input_shape, weight_shape, stride, padding, dilation, _ = WINDOWS[name]
        input, weight = normal(*input_shape), normal(*weight_shape, seed=1)
        window = {"stride": stride, "padding": padding, "dilation": dilation}
        columns = im2col(input, kernel=weight_shape[2:], **window)
        product_ = torch.einsum("ok,nk...->no...", weight.flatten(1), columns)
        torch.testing.assert_close(product_, convolution(input, weight=weight, **window))


def test_columns_of_caffe():
    """test_im2col_layer.cpp: the shape, and the first patch column by column."""
    input = normal(2, 3, 6, 5)
    columns = im2col(input, kernel=3, stride=2, dilation=1)
    assert columns.shape == (2, 27, 2, 2)
    for channel in range(27):
        assert columns[0, channel, 0, 0] == input[0, channel // 9, channel // 3 % 3, channel % 3]


@pytest.mark.parametrize("function", [convolution, deconvolution])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 5, 8, 8), "needs 3 channels, the input of 1x5x8x8 has 5"),
        ((3, 8, 8), "filters of 3x3x5x5 need an input of 4 axes"),
        ((1, 3, 0, 8), "the input is empty: 1x3x0x8"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(function, shape, message):
    with pytest.raises(InputError, match=message):
        function(torch.zeros(shape), weight=torch.zeros(3, 3, 5, 5))


def test_a_kernel_larger_than_the_input_is_refused_in_words():
    message = "a kernel that covers 9 pixels is larger than the input of 1x3x8x4 with padding 0: use a larger picture"
    with pytest.raises(InputError, match=message):
        convolution(torch.zeros(1, 3, 8, 4), weight=torch.zeros(3, 3, 5, 1), dilation=2)
    with pytest.raises(InputError, match="covers 5 pixels is larger"):
        im2col(torch.zeros(1, 3, 8, 4), kernel=5)
    with pytest.raises(InputError, match="padding 3 is too wide"):
        deconvolution(torch.zeros(1, 3, 1, 1), weight=torch.zeros(3, 3, 5, 5), padding=3)
