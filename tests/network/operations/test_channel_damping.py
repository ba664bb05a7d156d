"""Local response normalization piece by piece against its formula, written out in float64."""

import pytest
import torch

from convscope.network.operations import channel_damping
from convscope.network.operations.channel_damping import damping_of
from convscope.network.operations.normalization import lrn_across_channels

GENERATOR = torch.Generator().manual_seed(0)
SETTINGS = [(5, 0.5, 0.75, 2.0), (3, 1.0, 0.6, 1.0), (1, 2.0, 0.75, 1.0), (9, 0.1, 1.0, 0.5)]


def formula(input: torch.Tensor, size: int, alpha: float, beta: float, k: float) -> torch.Tensor:
    channels = range(input.shape[1])
    sums = [sum(input[:, j] ** 2 for j in channels if abs(i - j) <= size // 2) for i in channels]
    return input * (k + alpha / size * torch.stack(sums, 1)) ** -beta


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("shape", [(2, 7, 5, 6), (1, 3, 4, 1), (3, 6), (2, 1, 3, 3), (0, 4, 2, 2)])
def test_values_and_gradients_in_pieces_of_any_length(
    shape: tuple[int, ...], settings: tuple[int, float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    size, alpha, beta, k = settings
    x = torch.randn(shape, generator=GENERATOR, dtype=torch.float64).requires_grad_()
    slopes = torch.randn(shape, generator=GENERATOR, dtype=torch.float64)
    expected = formula(x, *settings)
    (gradient,) = torch.autograd.grad(expected, x, slopes)
    for numbers in (1, 20, 2**17):  # less than a position, some positions with a rest, all at once
        monkeypatch.setattr(channel_damping, "_NUMBERS_AT_ONCE", numbers)
        found = lrn_across_channels(x, size=size, alpha=alpha, beta=beta, k=k)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found, x, slopes)[0], gradient)
        torch.testing.assert_close(damping_of(*settings)(x.detach()), expected.detach())


def test_half_precision_sums_in_single() -> None:
    x = (torch.rand(2, 64, 3, 3, generator=GENERATOR) * 50).to(torch.bfloat16)
    expected = formula(x.double(), 63, 1.0, 0.75, 1.0)
    found = damping_of(63, 1.0, 0.75, 1.0)(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=0)


def test_a_number_that_is_none_reaches_its_neighbors_only() -> None:
    x = torch.ones(1, 9, 2, 2)
    x[0, 4, 0, 1] = torch.nan
    found = damping_of(5)(x).isnan()
    assert found[0, 2:7, 0, 1].all() and found.sum() == 5
