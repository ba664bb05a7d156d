"""Several tensors into one and back (Caffe's eltwise, concat, slice, split, batch reindex and filter tests)."""

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations.combination import (
    batch_reindex,
    concat,
    constant,
    eltwise_max,
    eltwise_product,
    eltwise_sum,
    filter,
    slice,
    split,
)


def normal(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


A, B, C = (normal(2, 3, 4, 5, seed=seed) for seed in range(3))


def test_number_by_number():
    assert torch.equal(eltwise_product(A, B, C), A * B * C)
    assert torch.equal(eltwise_sum(A, B, C), A + B + C)
    torch.testing.assert_close(eltwise_sum(A, B, C, coefficients=(1.0, -0.5, 2.0)), A - 0.5 * B + 2 * C)
    np.testing.assert_array_equal(
        eltwise_max(A, B, C), np.maximum(A.numpy(), np.maximum(B.numpy(), C.numpy()))
    )
    assert torch.equal(eltwise_max(A), A)


def test_a_tie_gives_the_gradient_to_caffes_second():
    numbers = torch.tensor([[1.0, 2.0, 2.0, 0.0], [1.0, 1.0, 2.0, 5.0], [1.0, 2.0, 3.0, 5.0]])
    inputs = [row.requires_grad_() for row in numbers.unbind()]
    eltwise_max(*inputs).sum().backward()
    gradients = torch.stack([input.grad for input in inputs])
    assert torch.equal(gradients, torch.tensor([[0.0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]))


@pytest.mark.parametrize("function", [eltwise_product, eltwise_sum, eltwise_max])
def test_different_shapes_are_refused(function):
    with pytest.raises(InputError, match="needs inputs of one shape, these are 2x3x4x5, 3x4x5"):
        function(A, A[0])


def test_a_sum_needs_a_coefficient_an_input():
    with pytest.raises(InputError, match="a sum of 2 inputs has 1 coefficients"):
        eltwise_sum(A, B, coefficients=(1.0,))


@pytest.mark.parametrize("axis", [0, 1, 3, -1])
def test_joining_and_cutting_undo_each_other(axis):
    joined = concat(A, B, C, axis=axis)
    np.testing.assert_array_equal(joined, np.concatenate([A, B, C], axis))
    size = A.shape[axis]
    for cut in (slice(joined, axis=axis, parts=3), slice(joined, axis=axis, points=(size, 2 * size))):
        assert isinstance(cut, tuple)
        assert all(torch.equal(part, original) for part, original in zip(cut, (A, B, C), strict=True))


def test_cutting_at_points_of_caffe():
    """test_slice_layer.cpp cuts 12 channels at 2 and 8."""
    input = normal(6, 12, 2, 3)
    first, second, third = slice(input, points=(2, 8), parts=3)
    assert torch.equal(first, input[:, :2])
    assert torch.equal(second, input[:, 2:8])
    assert torch.equal(third, input[:, 8:])


def test_lengths_are_held_to_how_many_places_there_are():
    input = torch.arange(2.0 * 7 * 3).reshape(2, 7, 3)
    first, second, third = slice(input, lengths=(2, -1, 1))
    assert torch.equal(first, input[:, :2])
    assert torch.equal(second, input[:, 2:6])
    assert torch.equal(third, input[:, 6:])
    assert [part.shape[1] for part in slice(input, lengths=(4, 3))] == [4, 3]
    with pytest.raises(
        InputError, match=r"axis 1 of 2x7x3 cannot be cut into pieces of \[4, 2\]: the network fixes"
    ):
        slice(input, lengths=(4, 2))
    with pytest.raises(InputError, match=r"cannot be cut into pieces of \[8, -1\]"):
        slice(input, lengths=(8, -1))


def test_the_last_of_equal_parts_may_be_shorter_where_it_is_said():
    input = torch.arange(2.0 * 7 * 3).reshape(2, 7, 3)
    assert [part.shape[1] for part in slice(input, parts=3, shorter=True)] == [3, 3, 1]
    with pytest.raises(InputError, match="axis 1 of 2x7x3 cannot be cut into 5 parts"):
        slice(input, parts=5, shorter=True)  # two each: nothing is left for the last


def test_one_part_is_the_input_itself():
    assert torch.equal(slice(A, parts=1), A)
    assert torch.equal(concat(A), A)
    assert torch.equal(split(A, copies=1), A)


def test_what_cannot_be_joined_or_cut_is_refused():
    with pytest.raises(InputError, match="cannot be joined along it: 2x3x4x5, 2x3x4x4"):
        concat(A, A[..., :4])
    with pytest.raises(InputError, match="axis 1 of 2x3x4x5 cannot be cut into 2 equal parts"):
        slice(A, parts=2)
    with pytest.raises(InputError, match=r"cannot be cut at \[2, 2\]"):
        slice(A, points=(2, 2), parts=3)


def test_each_reader_gets_the_input():
    copies = split(A, copies=3)
    assert isinstance(copies, tuple)
    assert len(copies) == 3
    assert all(torch.equal(copy, A) for copy in copies)


def test_a_batch_in_another_order():
    """test_batch_reindex_layer.cpp: 5 entries, read 6 times."""
    input = normal(5, 4, 3, 2).requires_grad_()
    index = torch.tensor([4.0, 0.0, 4.0, 0.0, 1.0, 2.0])
    output = batch_reindex(input, index)
    assert torch.equal(output, input[[4, 0, 4, 0, 1, 2]])
    output.sum().backward()
    assert torch.equal(input.grad[:, 0, 0, 0], torch.tensor([2.0, 1, 1, 0, 2]).double())
    with pytest.raises(InputError, match="needs indices from 0 to 4, these go from 0 to 5"):
        batch_reindex(input, torch.tensor([0.0, 5.0]))


def test_only_the_chosen_entries_stay():
    """test_filter_layer.cpp: the selector is 0 1 1 0."""
    data, labels = normal(4, 3, 6, 4), normal(4, 1, 1, 1)
    selector = torch.tensor([0.0, 1, 1, 0]).reshape(4, 1, 1, 1)
    kept, kept_labels = filter(data, labels, selector)
    assert torch.equal(kept, data[1:3])
    assert torch.equal(kept_labels, labels[1:3])
    assert filter(data, 0 * selector).shape == (0, 3, 6, 4)
    with pytest.raises(InputError, match="a selector of 4 entries does not fit batches of 2x3x4x5"):
        filter(A, selector)


def test_how_many_entries_stay_is_not_known_without_the_numbers():
    with pytest.raises(NotImplementedError):
        filter(torch.empty(4, 3, device="meta"), torch.empty(4, device="meta"))


def test_a_constant_is_its_parameters():
    assert constant(weight=A) is A
    assert constant(value_0=A, value_1=B) == (A, B)
