"""Max pooling and its way back against the plain operation's autograd, ties and empty windows included."""

from typing import Any

import pytest
import torch

from convscope.network.operations.max_pool_indices import max_pool_gradient, max_pool_with_places
from convscope.network.operations.pooling import max_pool


@pytest.mark.parametrize(
    "window",
    [
        {"kernel": 2, "stride": 2},
        {"kernel": (2, 3), "stride": (2, 1), "rounding": "floor"},
        {"kernel": 3, "stride": 2},
        {"kernel": 3, "stride": 1, "padding": 1},
        {"kernel": 2, "stride": 3},
        {"kernel": 3, "stride": 2, "padding": "same"},
        {"kernel": 3, "stride": 3, "padding": (0, 1, 2, 0)},
        {"kernel": 3, "stride": 2, "padding": 2},
        {"kernel": 2, "stride": 2, "dilation": 2},
        {"kernel": 4, "stride": 4},
    ],
)
@pytest.mark.parametrize("size", [(12, 12), (13, 9)])
def test_values_and_gradients_are_the_plain_ones(window: dict[str, Any], size: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randint(0, 5, (2, 3, *size), generator=random).double().requires_grad_()
    expected = max_pool(x, **window)
    gradient = torch.randn(expected.shape, generator=random, dtype=x.dtype)
    values, places = max_pool_with_places(x.detach(), **window)
    assert torch.equal(values, expected)
    torch.testing.assert_close(
        max_pool_gradient(gradient, places),
        torch.autograd.grad(expected, x, gradient)[0],
        rtol=1e-12,
        atol=1e-12,
    )
