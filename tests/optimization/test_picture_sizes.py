"""Pictures at other sizes: what is small keeps its means, what fits is left as it is."""

import torch

from convscope.optimization.picture_sizes import resized, within


def test_a_smaller_picture_has_the_means_of_the_larger_one_and_no_new_colors() -> None:
    fine = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)).round()
    small = resized(fine, (8, 12))
    assert small.shape == (1, 3, 8, 12)
    assert torch.allclose(small.mean((2, 3)), fine.mean((2, 3)), atol=0.02)
    assert float(small.std()) < 0.2 < float(fine.std())  # seen from farther away, and not every eighth pixel
    assert resized(fine, (64, 96)) is fine
    enlarged = resized(fine, (100, 150))
    assert torch.equal(enlarged, enlarged.clamp(0, 1))


def test_a_size_within_another_keeps_its_sides_ratio() -> None:
    picture = torch.zeros(1, 3, 30, 40)
    assert within(picture, 20) == (15, 20)
    assert within(picture, 99) == (30, 40)
    assert within(torch.zeros(1, 3, 1, 400), 20) == (1, 20)
