"""The optimizers against torch's own, and each picture alone against the batch."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from convscope.optimization.optimizers import (
    LBFGS,
    Adam,
    GradientAscent,
    Nadam,
    Norm,
    Optimizer,
    ProgressAscent,
    State,
    norm_of,
)

SHAPE = (3, 4, 5)


def hill(parameter: Tensor) -> Tensor:
    """A curved hill, another one for each picture: (N,)."""
    tops = torch.linspace(-1, 1, 60, dtype=parameter.dtype).view(SHAPE)
    weights = torch.linspace(0.5, 4, 60, dtype=parameter.dtype).view(SHAPE)
    flat = ((parameter - tops) ** 2 * weights).flatten(1)
    return -(flat + 0.1 * flat**2).sum(1)


def climbed(optimizer: Optimizer, start: Tensor, rate: float, steps: int) -> Tensor:
    parameters, state = (start.clone(),), optimizer.start((start,))
    for _ in range(steps):
        climb(optimizer, parameters, state, rate)
    return parameters[0]


def climb(optimizer: Optimizer, parameters: tuple[Tensor, ...], state: State, rate: float) -> None:
    leaf = parameters[0].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(hill(leaf).sum(), leaf)
    optimizer.ascend(parameters, (gradient,), state, rate=rate)


def starts(count: int) -> Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("ours", "theirs_of"), [(Adam(), torch.optim.Adam), (Nadam(), torch.optim.NAdam)])
def test_adam_and_nadam_take_torch_s_steps(
    ours: Optimizer, theirs_of: Callable[..., torch.optim.Optimizer]
) -> None:
    theirs = starts(2).requires_grad_()
    torch_adam = theirs_of([theirs], lr=0.1, maximize=True)
    for _ in range(20):
        torch_adam.zero_grad()
        hill(theirs).sum().backward()
        torch_adam.step()
    torch.testing.assert_close(climbed(ours, starts(2), 0.1, 20), theirs.detach())


def test_adam_with_epsilon_before_the_correction_takes_tensorflow_s_steps() -> None:
    start, epsilon = starts(1), 0.1
    value, mean, square = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, 6):
        leaf = value.clone().requires_grad_()
        (slope,) = torch.autograd.grad(-hill(leaf).sum(), leaf)
        mean = 0.99 * mean + 0.01 * slope
        square = 0.999 * square + 0.001 * slope**2
        rate = 0.02 * (1 - 0.999**step) ** 0.5 / (1 - 0.99**step)
        value = value - rate * mean / (square.sqrt() + epsilon)
    torch.testing.assert_close(climbed(Adam((0.99, 0.999), epsilon, True), start, 0.02, 5), value)


@pytest.mark.parametrize("memory", [3, 10])
def test_lbfgs_takes_torch_s_steps(memory: int) -> None:
    start = starts(1)
    theirs = start.clone().requires_grad_()
    torch_lbfgs = torch.optim.LBFGS([theirs], lr=0.3, max_iter=1, history_size=memory)

    def closure() -> Tensor:
        torch_lbfgs.zero_grad()
        loss = -hill(theirs).sum()
        loss.backward()
        return loss

    for _ in range(15):
        torch_lbfgs.step(closure)
    torch.testing.assert_close(climbed(LBFGS(memory), start, 0.3, 15), theirs.detach())


@pytest.mark.parametrize("norm", ["rms", "max", "std", "mean", "l2", "none"])
def test_gradient_ascent_steps_along_the_normalized_gradient(norm: Norm) -> None:
    start = starts(2)
    leaf = start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(hill(leaf).sum(), leaf)
    moved = climbed(GradientAscent(norm, epsilon=0), start, 0.5, 1) - start
    sizes = {
        "rms": lambda one: one.square().mean().sqrt(),
        "max": lambda one: one.abs().max(),
        "std": lambda one: one.std(correction=0),
        "mean": lambda one: one.abs().mean(),
        "l2": torch.linalg.vector_norm,
        "none": lambda one: 1.0,
    }
    wanted = torch.stack([0.5 * one / sizes[norm](one) for one in gradient])
    torch.testing.assert_close(moved, wanted)
    assert norm_of(gradient, norm).shape == (2, 1, 1, 1)


@pytest.mark.parametrize(
    "optimizer", [Adam(), Nadam(), GradientAscent(momentum=0.9), ProgressAscent(1e8), LBFGS(4)], ids=repr
)
def test_a_picture_takes_the_same_steps_alone_as_in_a_batch(optimizer: Optimizer) -> None:
    batch = climbed(optimizer, starts(3), 0.05, 12)
    for index in range(3):
        alone = climbed(optimizer, starts(3)[index : index + 1], 0.05, 12)
        torch.testing.assert_close(batch[index : index + 1], alone, rtol=0, atol=0)


def test_a_step_of_progress_raises_a_linear_objective_by_its_rate() -> None:
    slope = starts(2)
    (moved,) = parameters = (torch.zeros_like(slope),)
    ProgressAscent(most=1e8).ascend(parameters, (slope,), {}, rate=2.0)
    torch.testing.assert_close((moved * slope).flatten(1).sum(1), torch.full((2,), 2.0, dtype=torch.float64))
    ProgressAscent(most=0.25).ascend(parameters, (slope * 1e-9,), {}, rate=2.0)
    torch.testing.assert_close((moved * slope).flatten(1).sum(1), torch.full((2,), 2.0, dtype=torch.float64))


def test_a_gradient_of_zero_moves_nothing() -> None:
    for optimizer in (Adam(), Nadam(), GradientAscent(), ProgressAscent(1e8), LBFGS()):
        start = starts(2)
        parameters, state = (start.clone(),), optimizer.start((start,))
        optimizer.ascend(parameters, (torch.zeros_like(start),), state, rate=0.1)
        optimizer.ascend(parameters, (torch.zeros_like(start),), state, rate=0.1)
        assert torch.equal(parameters[0], start)
