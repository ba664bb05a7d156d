"""The fast forms against the plain ones."""

import pytest
import torch

from convscope.network.operations.convolution import convolution
from convscope.network.operations.dense import dense
from convscope.network.operations.fused import fused_convolution, fused_dense, prepare_convolution

GENERATOR = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(shape, generator=GENERATOR)


def assert_close(found, expected):
    """Equal to 1e-6 of the largest number."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()


# input, filters, window: the shapes of GoogLeNet, CaffeNet, ResNet and MobileNet
CASES = [
    ((1, 3, 61, 60), (16, 3, 7, 7), {"stride": 2, "padding": 3}),
    ((1, 96, 14, 14), (208, 96, 3, 3), {"padding": 1}),
    ((2, 192, 7, 7), (64, 192, 1, 1), {}),
    ((1, 8, 27, 27), (16, 4, 5, 5), {"padding": 2, "groups": 2}),
    ((1, 32, 14, 15), (32, 1, 3, 3), {"padding": 1, "stride": (2, 1), "groups": 32}),
    ((1, 8, 20, 20), (8, 8, 3, 3), {"padding": (2, 4), "dilation": (2, 4)}),
]

pytestmark = pytest.mark.skipif(
    prepare_convolution(torch.zeros(1, 1, 1, 1), None, (1, 1, 1, 1)) is None,
    reason="torch was built without oneDNN",
)


@pytest.mark.parametrize(("input_shape", "weight_shape", "window"), CASES)
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_packed_convolution_gives_the_same(input_shape, weight_shape, window, has_bias):
    input, weight, bias = (
        normal(*input_shape),
        normal(*weight_shape),
        normal(weight_shape[0]) if has_bias else None,
    )
    expected = convolution(input, weight=weight, bias=bias, **window)
    packed = prepare_convolution(weight, bias, input_shape, **window)
    before = input.clone()
    assert_close(fused_convolution(input, packed), expected)
    assert_close(fused_convolution(input, packed, activation="relu"), expected.relu())
    addend = normal(*expected.shape)
    assert_close(fused_convolution(input, packed, addend), expected + addend)
    assert_close(fused_convolution(input, packed, addend, activation="relu"), (expected + addend).relu())
    assert torch.equal(input, before)


def test_what_is_no_number_stays_none_behind_a_relu():
    input, weight, bias = normal(2, 4, 16, 16), normal(8, 4, 3, 3), normal(8)
    input[1, 2, 5, 6] = float("nan")
    expected = convolution(input, weight=weight, bias=bias, padding=1).relu()
    packed = prepare_convolution(weight, bias, input.shape, padding=1)
    torch.testing.assert_close(
        fused_convolution(input, packed, activation="relu"), expected, equal_nan=True, rtol=1e-5, atol=1e-5
    )
    added = fused_convolution(input, packed, torch.zeros_like(expected), activation="relu")
    assert torch.equal(added.isnan(), expected.isnan()) and expected.isnan().any()
    rows = normal(3, 16)
    rows[1, 2] = float("nan")
    dense_answer = fused_dense(rows, weight=normal(5, 16), bias=normal(5), activation="relu")
    assert dense_answer[1].isnan().all() and not dense_answer[[0, 2]].isnan().any()


def test_filters_packed_for_one_size_run_on_any_other():
    weight, bias = normal(8, 4, 3, 3), normal(8)
    packed = prepare_convolution(weight, bias, (1, 4, 16, 16), padding=1)
    for shape in ((3, 4, 9, 31), (1, 4, 1, 1), (1, 4, 64, 64)):
        input = normal(*shape)
        assert_close(
            fused_convolution(input, packed), convolution(input, weight=weight, bias=bias, padding=1)
        )


def test_the_packed_filters_do_not_follow_later_changes():
    weight = normal(8, 4, 3, 3)
    input = normal(1, 4, 8, 8)
    packed, expected = prepare_convolution(weight, None, (1, 4, 8, 8)), convolution(input, weight=weight)
    weight.zero_()
    assert_close(fused_convolution(input, packed), expected)


def test_memory_is_laid_out_for_the_next_layer():
    packed = prepare_convolution(normal(8, 4, 3, 3), None, (1, 4, 8, 8))
    assert fused_convolution(normal(1, 4, 8, 8), packed).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "weight", [torch.zeros(1, 1, 1, 1).double(), torch.zeros(1, 1, 1), torch.zeros(1, 1, 1, 1).to("meta")]
)
def test_what_onednn_does_not_do_stays_plain(weight):
    assert prepare_convolution(weight, None, (1, *weight.shape[1:])) is None


@pytest.mark.parametrize("rows", [1, 2, 10])
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fully_connected_layer_gives_the_same(rows, has_bias, dtype):
    input, weight = normal(rows, 96).to(dtype), normal(40, 96).to(dtype)
    bias = normal(40).to(dtype) if has_bias else None
    expected = dense(input, weight=weight, bias=bias)
    assert_close(fused_dense(input, weight=weight, bias=bias), expected)
    assert_close(fused_dense(input, weight=weight, bias=bias, activation="relu"), expected.relu())
