"""How the built-in network was made: pictures changed as said, attacks that go no further than allowed."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor

TRAINING = Path(__file__).resolve().parents[1] / "training"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """`augmentation` and `evaluate`, which know each other without a package around them."""
    if not TRAINING.is_dir():
        pytest.skip("the training code is not part of an installed package")
    monkeypatch.syspath_prepend(str(TRAINING))
    yield importlib.import_module("augmentation"), importlib.import_module("evaluate")


@pytest.fixture
def augmentation(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[0]


@pytest.fixture
def evaluate(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[1]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_crop_is_a_part_of_the_picture_no_smaller_than_said(augmentation: ModuleType) -> None:
    """A ramp from left to right keeps its slope times the crop's width, mirrored or not; beyond its edges it turns."""
    ramp, near = ((torch.arange(64) + 0.5) / 64).expand(500, 3, 64, 64), torch.arange(500) >= 250
    width = augmentation.crop(ramp, 64, generator(), near).diff(dim=3)[..., 31].mean(dim=(1, 2)) * 64
    assert 0.3 < (width < 0).float().mean() < 0.7
    stretch = 1.16  # the widest a crop is for its height
    for some, least, most in (
        (width[~near].abs(), augmentation.SMALLEST_CROP, augmentation.LARGEST_CROP),
        (width[near].abs(), augmentation.LEAST_OF_CLOSE_UP, 1.0),
    ):
        assert least / stretch < some.min() < least * stretch
        assert 0.95 * most < some.max() <= most * stretch


def test_some_pictures_lose_their_colors(augmentation: ModuleType) -> None:
    recolored = augmentation.recolor(torch.rand(2000, 3, 4, 4, generator=generator()), generator())
    gray = (recolored.amax(1) - recolored.amin(1)).amax((1, 2)) < 1e-6
    assert float(gray.float().mean()) == pytest.approx(augmentation.GRAY, abs=0.03)
    assert float(recolored.min()) >= 0 and float(recolored.max()) <= 1


def test_an_attack_in_training_follows_the_gradient_up_to_its_length(augmentation: ModuleType) -> None:
    pictures, gradient = torch.full((500, 3, 8, 8), 0.5), torch.randn(500, 3, 8, 8, generator=generator())
    moved = (augmentation.attacked(pictures, gradient, 0.7) - pictures).flatten(1)
    assert 0.6 < float(moved.norm(dim=1).max()) <= 0.7 + 1e-5
    alike = torch.nn.functional.cosine_similarity(moved, gradient.flatten(1))
    assert float(alike.min()) > 0.999


@pytest.mark.parametrize("steps", [1, 10])
def test_the_strongest_attack_on_a_linear_network_is_found(evaluate: ModuleType, steps: int) -> None:
    """Its scores are brightness right minus left: the worst change of length epsilon is known."""
    direction = torch.ones(3, 4, 4)
    direction[..., :2] = -1

    def values(pictures: Tensor, last: str) -> dict[str, Tensor]:
        score = (pictures * direction).sum(dim=(1, 2, 3))
        return {last: torch.stack([score, -score], 1)}

    pictures, labels = torch.full((2, 3, 4, 4), 0.5), torch.tensor([0, 1])
    found = evaluate.attacked(SimpleNamespace(values=values), pictures, labels, 0.3, steps)
    worst = 0.3 * direction / direction.norm()
    torch.testing.assert_close(found - pictures, torch.stack([-worst, worst]))


def test_an_attack_stays_among_colors(evaluate: ModuleType) -> None:
    def values(pictures: Tensor, last: str) -> dict[str, Tensor]:
        return {last: torch.stack([pictures.sum((1, 2, 3)), torch.zeros(len(pictures))], 1)}

    dark = torch.full((1, 3, 2, 2), 0.01)
    found = evaluate.attacked(SimpleNamespace(values=values), dark, torch.tensor([0]), 1.0, 10)
    assert float(found.min()) == 0
