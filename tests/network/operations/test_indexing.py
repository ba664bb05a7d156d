"""Operations that take numbers out by their places, against finite differences."""

import pytest
import torch

from convscope.network.operations.indexing import find_distinct


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_distinct_numbers_have_a_gradient(axis: int | None, in_order: bool) -> None:
    numbers = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    numbers.requires_grad_()
    torch.autograd.gradcheck(lambda x: find_distinct(x, axis=axis, in_order=in_order)[0], (numbers,))
    expected = torch.unique(numbers, dim=axis)
    found = find_distinct(numbers, axis=axis, in_order=in_order)[0]
    torch.testing.assert_close(found if in_order else torch.unique(found, dim=axis), expected)
