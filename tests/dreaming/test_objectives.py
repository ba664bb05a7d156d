"""What a dream makes larger, against the same in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convscope.dreaming import objectives as dream_objectives
from convscope.dreaming.objectives import (
    DreamMeasure,
    class_term,
    dream_terms,
    guided_term,
    objective_of,
)
from convscope.errors import InputError
from convscope.optimization.channel_choice import chosen_channels
from convscope.optimization.original_colors import with_colors_of

ANSWER = torch.randn(2, 4, 9, 11, generator=torch.Generator().manual_seed(0))
ARRAY = ANSWER.numpy()


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("mean", lambda x: x.mean()),
        ("mean_square", lambda x: (x**2).mean()),
        ("maximum", lambda x: x.max(0).mean()),
        ("inner_mean_square", lambda x: (x[:, 2:-2, 2:-2] ** 2).sum() / x.size),
    ],
)
def test_measures(measure: DreamMeasure, expected) -> None:
    (term,) = dream_terms({"conv1": 0.5}, measure)
    assert term.value(ANSWER).tolist() == pytest.approx([0.5 * expected(one) for one in ARRAY], rel=1e-5)


def test_channels_are_measured_alone() -> None:
    (term,) = dream_terms({"conv1": 1.0}, "mean_square", {"conv1": (3, 1)})
    assert term.value(ANSWER).tolist() == pytest.approx(
        [(one[[3, 1]] ** 2).mean() for one in ARRAY], rel=1e-5
    )
    assert term.words == "conv1, mean square of channels 3, 1"


def test_a_layer_without_places_has_one() -> None:
    assert class_term("prob:0", "red").value(ANSWER[:, :1, 0, 0]).tolist() == ANSWER[:, 0, 0, 0].tolist()
    with pytest.raises(InputError, match="no maps to dream of"):
        class_term("prob:0", "red").value(ANSWER[:, 0])


def test_weights_add_up() -> None:
    objective = objective_of(dream_terms({"conv1": 2.0, "conv2": -1.0}, "mean"))
    found = objective.score({"conv1": ANSWER, "conv2": 3 * ANSWER})
    assert found.tolist() == pytest.approx([-one.mean() for one in ARRAY], rel=1e-4)
    assert objective.description == "2 × conv1, mean + -1 × conv2, mean"


def test_a_guide_pulls_each_place_to_its_best_match() -> None:
    """Google's seed: the gradient of a position is the guide's feature with the largest dot product."""
    guide = torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    leaf = ANSWER.clone().requires_grad_()
    guided_term("conv1", guide).value(leaf).sum().backward()
    features = guide.numpy().reshape(4, -1)
    best = (ARRAY[0].reshape(4, -1).T @ features).argmax(1)
    assert leaf.grad is not None
    assert leaf.grad[0].reshape(4, -1).numpy() * 99 == pytest.approx(features[:, best], rel=1e-4)


def test_a_place_that_resembles_nothing_takes_the_guides_first() -> None:
    """As argmax does in Google's code: all dot products are 0."""
    guide = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    leaf = torch.zeros(1, 4, 1, 1, requires_grad=True)
    guided_term("conv1", guide).value(leaf).sum().backward()
    assert leaf.grad is not None and torch.equal(leaf.grad[0, :, 0, 0], guide[0, :, 0, 0])


def test_a_guide_is_compared_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    term = guided_term("conv1", torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(1)))
    whole = term.value(ANSWER)
    monkeypatch.setattr(dream_objectives, "_MATCHES", 70)
    assert torch.equal(term.value(ANSWER), whole)


def test_a_guide_needs_maps() -> None:
    with pytest.raises(
        InputError, match="a guide needs a layer with maps, and prob answers it with 3 numbers"
    ):
        guided_term("prob", torch.zeros(1, 3))


def test_an_unknown_measure_is_answered_with_the_closest() -> None:
    with pytest.raises(InputError, match=r"there is no measure 'maxinum'\. Did you mean 'maximum'"):
        dream_terms({"conv1": 1.0}, "maxinum")  # type: ignore[arg-type]


def test_too_small_for_its_border() -> None:
    (term,) = dream_terms({"conv1": 1.0}, "inner_mean_square")
    with pytest.raises(InputError, match="conv1 has 4 x 11 positions here, all of them border"):
        term.value(ANSWER[:, :, :4])
    with pytest.raises(InputError, match="at least one layer"):
        dream_terms({}, "mean")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("strongest:2", (1, 3)), ("weakest", (0,)), ("weakest:2", (0, 2)), ("3,0", (3, 0)), ((2,), (2,))],
)
def test_channels_by_rank_and_by_list(choice, expected) -> None:
    answer = torch.tensor([0.0, 9.0, 1.0, 5.0]).view(1, 4, 1, 1).expand(1, 4, 3, 3)
    assert chosen_channels(choice, answer, "conv1") == expected


@pytest.mark.parametrize("choice", ["strongest:5", "strongest:0", "best:3", "4", ""])
def test_impossible_channels_say_what_is_possible(choice: str) -> None:
    with pytest.raises(InputError, match=r"conv1.*(strongest:8|channels 0 to 3)"):
        chosen_channels(choice, ANSWER, "conv1")


def test_colors_stay_and_brightness_changes() -> None:
    original, changed = (
        torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(n)) * 0.2 + 0.4 for n in (0, 1)
    )
    found = with_colors_of(original, changed).double().numpy()
    weights = np.array([0.299, 0.587, 0.114])
    before, after = (np.tensordot(weights, x[0].numpy(), 1) for x in (original, changed))
    assert np.tensordot(weights, found[0], 1) == pytest.approx(after, abs=1e-5)
    difference = found[0] - original[0].numpy()  # the same in red, green and blue: no color
    assert difference == pytest.approx(np.broadcast_to(after - before, (3, 8, 8)), abs=1e-4)
