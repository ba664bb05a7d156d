"""Each loss against its formula in numpy (scipy's matrix root for Wasserstein's), and its gradient by differences."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch.autograd import gradcheck

from convscope.styling.losses import (
    GramLoss,
    MomentsLoss,
    WassersteinLoss,
    gram_matrix,
    half_square_of_shares,
    mean_square,
    sum_of_squares,
)

RANDOM = torch.Generator().manual_seed(0)
FOUND = torch.randn(2, 4, 5, 6, generator=RANDOM, dtype=torch.float64)
WANTED = torch.randn(2, 4, 7, 3, generator=RANDOM, dtype=torch.float64)


@pytest.mark.parametrize(("divisor", "by"), [("nothing", 1), ("positions", 30), ("volume", 120)])
def test_gram_matrix(divisor, by) -> None:
    expected = np.einsum("nchw,ndhw->ncd", FOUND.numpy(), FOUND.numpy()) / by
    assert np.allclose(gram_matrix(FOUND, divisor).numpy(), expected, atol=1e-12)


def test_a_mask_counts_only_its_positions() -> None:
    mask = torch.zeros(1, 1, 5, 6, dtype=torch.float64)
    mask[..., :2, :3] = 1
    assert torch.allclose(gram_matrix(FOUND, "volume", mask), gram_matrix(FOUND[..., :2, :3], "volume"))


def test_content_losses_differ_by_their_divisors() -> None:
    other = torch.randn(2, 4, 5, 6, generator=RANDOM, dtype=torch.float64)
    mean, total = mean_square(FOUND, other), sum_of_squares(FOUND, other)
    squares = ((FOUND - other).numpy() ** 2).reshape(2, -1)
    assert np.allclose(mean.numpy(), squares.mean(1))
    assert np.allclose(total.numpy(), squares.sum(1))
    assert torch.allclose(half_square_of_shares(FOUND, other), mean / (2 * 120))


def test_shares_say_the_same_of_a_picture_twice_as_strong() -> None:
    loss = GramLoss(reduction="share")
    once = loss.distance(loss.describe(FOUND), loss.describe(WANTED), 0)
    twice = loss.distance(loss.describe(2 * FOUND), loss.describe(2 * WANTED), 0)
    assert torch.allclose(once, twice)
    assert torch.allclose(
        loss.distance(0 * loss.describe(FOUND), loss.describe(WANTED), 0), torch.ones(2).double()
    )


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        (GramLoss("volume", "mean"), lambda d: (d**2).mean((1, 2))),
        (GramLoss("volume", "sum"), lambda d: (d**2).sum((1, 2))),
        (GramLoss("volume", "lecture"), lambda d: ((d / 4**2) ** 2).sum((1, 2)) / 2),
        (GramLoss("nothing", "keras"), lambda d: (d**2).sum((1, 2)) / (4 * 9 * 1000**2)),
    ],
)
def test_gram_losses(loss, formula) -> None:
    found, wanted = loss.describe(FOUND), loss.describe(WANTED)
    assert np.allclose(loss.distance(found, wanted, 1000).numpy(), formula((found - wanted).numpy()))


def test_moments_are_half_the_means_and_half_the_covariances() -> None:
    loss, far = MomentsLoss(), 100.0  # where the means are all that a Gram matrix sees
    found, wanted = FOUND + far, WANTED + far
    distance = loss.distance(loss.describe(found), loss.target(loss.describe(wanted)), 0)
    for index in range(2):
        ours, theirs = found[index].flatten(1).numpy(), wanted[index].flatten(1).numpy()
        kinds = ((ours.mean(1), theirs.mean(1)), (np.cov(ours, bias=True), np.cov(theirs, bias=True)))
        shares = [((a - b) ** 2).sum() / ((a**2).sum() + (b**2).sum()) for a, b in kinds]
        assert float(distance[index]) == pytest.approx(sum(shares) / 2, rel=1e-9)
    gram = GramLoss("positions", "share")
    assert float(gram.distance(gram.describe(found), gram.describe(wanted), 0).max()) < 1e-3
    assert float(distance.min()) > 0.05


def test_wasserstein_is_the_distance_of_the_two_normal_distributions() -> None:
    loss = WassersteinLoss(epsilon=0)
    found = loss.distance(loss.describe(FOUND), loss.target(loss.describe(WANTED)), 0)
    for index in range(2):
        ours, theirs = FOUND[index].flatten(1).numpy(), WANTED[index].flatten(1).numpy()
        first, second = np.cov(ours, bias=True), np.cov(theirs, bias=True)
        root = sqrtm(second)
        bures = np.trace(first + second - 2 * sqrtm(root @ first @ root)).real
        expected = (((ours.mean(1) - theirs.mean(1)) ** 2).sum() + bures) / 4
        assert float(found[index]) == pytest.approx(expected, rel=1e-9)


def test_wasserstein_with_more_channels_than_positions_is_none_of_itself() -> None:
    value = 30 * torch.randn(1, 64, 3, 4, generator=torch.Generator().manual_seed(0))
    loss = WassersteinLoss()
    leaf = value.clone().requires_grad_()
    distance = loss.distance(loss.describe(leaf), loss.target(loss.describe(value)), 0)
    (slope,) = torch.autograd.grad(distance.sum(), leaf)
    assert abs(float(distance.detach())) < 1e-4
    assert float(slope.abs().max()) < 1e-3


@pytest.mark.parametrize(
    "loss",
    [
        GramLoss(),
        GramLoss("positions", "lecture"),
        GramLoss("positions", "share"),
        GramLoss("nothing", "keras"),
        GramLoss("volume", "sum"),
        MomentsLoss(),
        WassersteinLoss(),
    ],
    ids=repr,
)
def test_gradients_by_differences(loss) -> None:
    wanted = loss.target(loss.describe(WANTED))
    leaf = FOUND.clone().requires_grad_()
    assert gradcheck(lambda value: loss.distance(loss.describe(value), wanted, 30), leaf)


@pytest.mark.parametrize(
    "loss",
    [
        GramLoss(),
        GramLoss("positions", "share"),
        GramLoss("nothing", "sum"),
        MomentsLoss(),
        WassersteinLoss(),
    ],
    ids=repr,
)
def test_gradients_of_a_region_by_differences(loss) -> None:
    region = torch.rand(1, 1, 5, 6, generator=RANDOM, dtype=torch.float64)
    region[..., :2] = 0
    wanted = loss.target(loss.describe(WANTED))
    leaf = FOUND.clone().requires_grad_()
    assert gradcheck(lambda value: loss.distance(loss.describe(value, region), wanted, 30), leaf)
    (slope,) = torch.autograd.grad(loss.distance(loss.describe(leaf, region), wanted, 30).sum(), leaf)
    assert not slope[..., :2].any()
    assert slope[..., 2:].any()


@pytest.mark.parametrize("loss", [mean_square, sum_of_squares, half_square_of_shares])
def test_gradients_of_content_losses_by_differences(loss) -> None:
    wanted = torch.randn(2, 4, 5, 6, generator=RANDOM, dtype=torch.float64)
    assert gradcheck(lambda value: loss(value, wanted), FOUND.clone().requires_grad_())
