"""Gradient edits against what they promise: norms of 1, levels of RMS 1, extremes at the percentile."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from convscope.optimization import gradient_edits
from convscope.optimization.gradient_edits import (
    GradientBlur,
    GradientClip,
    GradientDecay,
    LaplacianNormalized,
    Normalized,
)
from convscope.optimization.laplacian import merge

GRADIENT = torch.randn(2, 3, 40, 33, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize(
    ("norm", "measured"),
    [
        ("max", lambda x: np.abs(x).max()),
        ("std", np.std),
        ("mean", lambda x: np.abs(x).mean()),
        ("rms", lambda x: np.sqrt((x**2).mean())),
        ("l2", lambda x: np.sqrt((x**2).sum())),
    ],
)
def test_each_picture_has_a_norm_of_one(norm, measured) -> None:
    found = Normalized(norm, epsilon=0)(GRADIENT * torch.tensor([1.0, 50.0]).view(2, 1, 1, 1), 1)
    assert [measured(picture) for picture in found.numpy()] == pytest.approx([1, 1])


def test_a_floor_replaces_the_addition() -> None:
    assert torch.equal(Normalized("mean", 1e9, at_least=True)(GRADIENT, 1), GRADIENT / 1e9)


def test_white_noise_comes_out_of_the_pyramid_twice_as_strong() -> None:
    noise = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    found = LaplacianNormalized(4)(noise, 1)
    assert 2.0 < float(found.square().mean().sqrt()) < 2.2  # the published tutorial's: 2.08 to 2.10


@pytest.mark.parametrize("levels", [1, 3])
def test_every_level_of_the_pyramid_has_an_rms_of_one(levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[torch.Tensor]()

    def merged(parts: list[torch.Tensor]) -> torch.Tensor:
        seen.extend(parts)
        return merge(parts)

    monkeypatch.setattr(gradient_edits, "merge", merged)
    strong = GRADIENT * torch.linspace(0.1, 9, 33)
    LaplacianNormalized(levels)(strong, 1)
    assert [tuple(part.shape[2:]) for part in seen] == [(40, 33), (20, 17), (10, 9), (5, 5)][: levels + 1]
    for part in seen:
        assert part.square().flatten(1).mean(1).sqrt().tolist() == pytest.approx([1, 1])


def test_blur_is_scipys_gaussian_every_so_many_steps() -> None:
    expected = [
        [gaussian_filter(color, 1.5, mode="reflect") for color in picture] for picture in GRADIENT.numpy()
    ]
    blur = GradientBlur(1.5, every=5)
    for step in (1, 6):
        assert np.abs(blur(GRADIENT, step).numpy() - expected).max() < 1e-6
    for step in (2, 5):
        assert torch.equal(blur(GRADIENT, step), GRADIENT)


def test_decay_and_clip_are_of_the_gradient() -> None:
    assert torch.allclose(GradientDecay(0.5)(GRADIENT, 3), GRADIENT / 4)
    clipped = GradientClip(90)(GRADIENT, 1)
    limit = np.percentile(np.abs(GRADIENT[1].numpy()), 90)
    assert float(clipped[1].abs().max()) == pytest.approx(limit, rel=1e-2)
    inside = GRADIENT.abs() < 0.9 * limit
    assert torch.equal(clipped[inside], GRADIENT[inside])
