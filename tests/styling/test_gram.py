"""Sums of products against einsum, their gradient against finite differences."""

import pytest
import torch

from convscope.styling.gram import products

GENERATOR = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("size", [(3, 5), (64, 64), (70, 61)])
def test_products_are_einsum(size: tuple[int, int]) -> None:
    value = torch.randn(2, 6, *size, generator=GENERATOR, dtype=torch.float64)
    expected = torch.einsum("nchw,ndhw->ncd", value, value)
    assert torch.allclose(products(value), expected)
    assert torch.allclose(products(value.to(memory_format=torch.channels_last)), expected)


def test_the_gradient_is_right_for_what_is_not_symmetric_too() -> None:
    value = torch.randn(2, 3, 4, 5, generator=GENERATOR, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(products, value)


def test_the_gradient_lies_as_the_answers_do() -> None:
    value = (
        torch.randn(1, 3, 48, 48, generator=GENERATOR).to(memory_format=torch.channels_last).requires_grad_()
    )
    (slope,) = torch.autograd.grad(products(value).square().sum(), value)
    assert slope.is_contiguous(memory_format=torch.channels_last)
