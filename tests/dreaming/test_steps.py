"""The dream's loop: against definitions, over jitter, octaves, details, breaks and what cannot be dreamed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.dreaming.gradients import gradient_of
from convscope.dreaming.objectives import dream_terms
from convscope.dreaming.settings import DreamSettings
from convscope.dreaming.steps import DreamStep, dream_steps, step, zoomed
from convscope.errors import ConvscopeWarning, InputError
from convscope.optimization.gradient_edits import Masked, Normalized
from convscope.optimization.octaves import Detail, Octaves
from planted import planted_network

PICTURE = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(2))
PLAIN = DreamSettings(Octaves(1), steps=3, rate=0.1, gradient_edits=(), white=1.0)


def ones(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of a picture, whose gradient is 1 everywhere."""
    return pictures.flatten(1).sum(1), torch.ones_like(pictures)


def squares(pictures: Tensor) -> tuple[Tensor, Tensor]:
    return pictures.square().flatten(1).sum(1), 2 * pictures


def dreamed(
    settings: DreamSettings,
    gradient: Callable[[Tensor], tuple[Tensor, Tensor]] = ones,
    start: Tensor = PICTURE,
    seed: int = 0,
) -> DreamStep:
    (last,) = deque(dream_steps(gradient, start, settings, torch.Generator().manual_seed(seed)), maxlen=1)
    return last


def test_steps_are_numbered_over_all_octaves() -> None:
    settings = replace(PLAIN, octaves=Octaves(2, 1.4))
    steps = list(dream_steps(ones, PICTURE, settings, torch.Generator()))
    assert [(one.index, one.of, one.octave) for one in steps] == [
        (index, 6, (1 + (index > 3), 2)) for index in range(1, 7)
    ]
    assert [tuple(one.values.shape[2:]) for one in steps] == [(46, 57)] * 3 + [(64, 80)] * 3


def test_a_step_goes_along_the_gradient() -> None:
    assert torch.allclose(dreamed(PLAIN).values, PICTURE + 0.3)
    assert torch.allclose(dreamed(PLAIN, squares).values, PICTURE * 1.2**3)


def test_clip_keeps_the_range() -> None:
    found = dreamed(replace(PLAIN, clip=True)).values
    assert torch.allclose(found, (PICTURE + 0.3).clamp(0, 1))


def test_what_does_not_depend_on_places_is_the_same_with_jitter() -> None:
    for seed in (0, 1):
        found = dreamed(replace(PLAIN, jitter=50), squares, seed=seed).values
        assert torch.allclose(found, PICTURE * 1.2**3)


def test_jitter_shows_the_gradient_shifted_pictures() -> None:
    seen = []

    def remember(pictures: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(pictures)
        return ones(pictures)

    dreamed(replace(PLAIN, jitter=20, rate=0.0), remember)
    assert not torch.equal(seen[0], seen[1])
    assert all(torch.equal(one.flatten().sort().values, PICTURE.flatten().sort().values) for one in seen)


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(picture, size, mode="bilinear", align_corners=True)


@pytest.mark.parametrize("detail", ["none", "carry", "lost", "laplacian"])
def test_details_are_those_of_their_definitions(detail: Detail) -> None:
    """Two sizes, one step each, which adds 0.1 everywhere: only what is done with detail differs."""
    settings = replace(PLAIN, octaves=Octaves(2, 1.4, detail=detail), steps=1)
    small = _resized(PICTURE, (46, 57))
    blurred = _resized(small, (64, 80))
    expected = blurred + 0.2 if detail == "none" else PICTURE + 0.2
    assert torch.allclose(dreamed(settings).values, expected, atol=1e-6)
    if detail in ("lost", "laplacian"):  # before the step or after it
        before = blurred * 1.2 if detail == "lost" else PICTURE + blurred * 0.2
        expected = before * 1.2 + (PICTURE - blurred if detail == "lost" else 0)
        assert torch.allclose(dreamed(settings, squares).values, expected, atol=1e-5)


def test_an_objective_above_the_limit_ends_the_octave_with_its_step() -> None:
    settings = replace(PLAIN, octaves=Octaves(2, 1.4, detail="none"), stop_above=0.0)
    steps = list(dream_steps(ones, PICTURE, settings, torch.Generator()))
    assert [one.index for one in steps] == [3, 6]


def test_a_mask_keeps_what_is_black() -> None:
    mask = torch.zeros(1, 1, 64, 80)
    mask[..., :40] = 1
    found = dreamed(replace(PLAIN, gradient_edits=(Normalized("max"), Masked(mask)))).values
    assert torch.equal(found[..., 40:], PICTURE[..., 40:])
    assert torch.allclose(found[..., :40], PICTURE[..., :40] + 0.3)


def test_zoom_keeps_a_straight_slope_and_the_size() -> None:
    slope = torch.arange(40.0).expand(1, 3, 30, 40)
    found = zoomed(slope, 2)
    expected = (torch.arange(40.0) + 0.5) * 36 / 40 - 0.5 + 2
    assert found.shape == slope.shape
    assert torch.allclose(found[0, 0, 10, 8:32], expected[8:32], atol=1e-2)
    with pytest.raises(InputError, match="nothing is left of 30 x 40"):
        zoomed(slope, 15)


@pytest.mark.parametrize("at", [1, 3, 4, 5])
def test_a_dream_goes_on_after_a_break_as_if_there_was_none(at: int) -> None:
    settings = replace(PLAIN, octaves=Octaves(2, 1.4), jitter=9, rate=20.0)
    gradient = gradient_of(planted_network(), dream_terms({"conv2": 1.0}, "mean_square"), settings)
    whole = dreamed(settings, gradient)
    steps = dream_steps(gradient, PICTURE, settings, torch.Generator().manual_seed(0))
    state = next(one for one in steps if one.index == at).state()
    (last,) = deque(dream_steps(gradient, PICTURE, settings, torch.Generator(), resume=state), maxlen=1)
    assert torch.equal(last.values, whole.values)


def test_the_same_seed_is_the_same_dream_and_another_is_another() -> None:
    settings = replace(PLAIN, jitter=9, rate=20.0)
    gradient = gradient_of(planted_network(), dream_terms({"conv2": 1.0}, "mean_square"), settings)
    one, same, other = (dreamed(settings, gradient, seed=seed).values for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_no_number_and_no_slope_are_answered() -> None:
    def broken(pictures: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((1,), torch.nan), torch.ones_like(pictures)

    def flat(pictures: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(1), torch.zeros_like(pictures)

    def exploding(pictures: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones(1), torch.full_like(pictures, torch.inf)

    for gradient in (broken, exploding):
        with pytest.raises(
            InputError, match="after 0 steps the objective or its gradient is not a number: use a"
        ):
            dreamed(PLAIN, gradient)
    with pytest.raises(InputError, match=r"its gradient is 0 everywhere.*use another layer"):
        dreamed(PLAIN, flat)


def test_edits_of_the_picture_come_after_the_step() -> None:
    settings = replace(PLAIN, edits=(lambda values, gradient, index: values * index,))
    assert torch.allclose(step(PICTURE, torch.ones_like(PICTURE), settings, 2), (PICTURE + 0.1) * 2)


def test_rates_are_in_the_settings_own_values() -> None:
    """The same dream in 0..255 and in -1..1: the objective sees the same pictures."""
    terms = dream_terms({"conv2": 1.0}, "mean_square")
    found = []
    for black, white in ((0.0, 255.0), (-1.0, 1.0)):
        rate = 0.01 * (white - black)
        settings = replace(PLAIN, rate=rate, black=black, white=white, gradient_edits=(Normalized("max", 0),))
        gradient = gradient_of(planted_network(), terms, settings)
        found.append(dreamed(settings, gradient, settings.values(PICTURE)).picture())
    assert torch.allclose(*found, atol=1e-5)


@pytest.mark.parametrize("clip", [True, False])
def test_a_dream_without_shades_is_warned_of(clip: bool) -> None:
    far = replace(PLAIN, clip=clip, rate=1e6)
    with pytest.warns(
        ConvscopeWarning, match=r"at the end of their range: use a smaller rate \(now 1e\+06\)"
    ):
        dreamed(far)
    dreamed(far, start=(PICTURE > 0.5).float())  # black and white from the start


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": float("nan")}, "rate is a number, not nan"),
        ({"rate": float("inf")}, "rate is a number, not inf"),
        ({"rate": "fast"}, "rate is a number, not 'fast'"),
        ({"steps": 0}, "steps is a whole number, at least 1, not 0"),
        ({"steps": "x"}, "steps is a whole number, at least 1, not 'x'"),
        ({"jitter": 10**20}, "jitter is at most 2,147,483,648, not 100000000000000000000"),
        ({"jitter": -1}, "jitter is a whole number, at least 0, not -1"),
        ({"zoom": 0.5}, "zoom is a whole number, at least 0, not 0.5"),
        ({"stop_above": "15"}, "stop_above is a number, or None, not '15'"),
        ({"clip": "no"}, "clip is True or False, not 'no'"),
    ],
)
def test_settings_that_are_none(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        DreamSettings(**changes)


def test_an_objective_that_is_infinite() -> None:
    with pytest.raises(InputError, match="not a number: use a smaller rate"):
        dreamed(PLAIN, lambda pictures: (pictures.flatten(1).sum(1) * torch.inf, torch.ones_like(pictures)))
