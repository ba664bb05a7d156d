"""How a step follows the gradient uphill: Adam, plain ascent with a normalized gradient, L-BFGS.

Each picture has its own state, so that a picture in a batch takes the steps it would take alone. The state is plain
tensors, which can be written to disk and taken up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor

State: TypeAlias = dict[str, Tensor]
Norm = Literal["rms", "max", "std", "mean", "l2", "none"]


class Optimizer(Protocol):
    """A rule that turns gradients into steps."""

    def start(self, parameters: tuple[Tensor, ...]) -> State:
        """Return the state before the first step."""

    def ascend(
        self, parameters: tuple[Tensor, ...], gradients: tuple[Tensor, ...], state: State, *, rate: float
    ) -> None:
        """Move the parameters uphill, in place, and bring the state up to date, in place."""


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba, *Adam: a method for stochastic optimization* (2015); the same numbers as `torch.optim.Adam`."""

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    def start(self, parameters: tuple[Tensor, ...]) -> State:
        """Return zero moments."""
        moments = {f"{name}{i}": torch.zeros_like(p) for i, p in enumerate(parameters) for name in ("m", "v")}
        return moments | {"step": torch.zeros(())}

    def ascend(
        self, parameters: tuple[Tensor, ...], gradients: tuple[Tensor, ...], state: State, *, rate: float
    ) -> None:
        """Move by the mean gradient over the root of the mean square."""
        first, second = self.betas
        step = int(state["step"].add_(1))
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            mean, square = state[f"m{i}"], state[f"v{i}"]
            mean.lerp_(gradient, 1 - first)
            square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
            root = (square / (1 - second**step)).sqrt_().add_(self.epsilon)
            parameter.addcdiv_(mean, root, value=rate / (1 - first**step))


@dataclass(frozen=True)
class GradientAscent:
    """Steps along the gradient itself, divided by its `norm` over each picture.

    "mean" is the mean of absolute values, "max" their largest; "rms", "std" and "l2" as everywhere; "none" divides
    by nothing. `momentum` keeps that share of the last step.
    """

    norm: Norm = "rms"
    momentum: float = 0.0
    epsilon: float = 1e-8

    def start(self, parameters: tuple[Tensor, ...]) -> State:
        """Return zero velocities, where there is momentum."""
        return {f"velocity{i}": torch.zeros_like(p) for i, p in enumerate(parameters) if self.momentum}

    def ascend(
        self, parameters: tuple[Tensor, ...], gradients: tuple[Tensor, ...], state: State, *, rate: float
    ) -> None:
        """Move along the normalized gradient."""
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            size = norm_of(gradient, self.norm) + (0 if self.norm == "none" else self.epsilon)
            move = gradient / size
            if self.momentum:
                move = state[f"velocity{i}"].mul_(self.momentum).add_(move)
            parameter.add_(move, alpha=rate)


def norm_of(gradient: Tensor, norm: Norm) -> Tensor:
    """Return each picture's norm, in a shape that divides the gradient."""
    flat = gradient.flatten(1)
    match norm:
        case "rms":
            found = flat.square().mean(1).sqrt()
        case "max":
            found = flat.abs().amax(1)
        case "std":
            found = flat.std(1, correction=0)
        case "mean":
            found = flat.abs().mean(1)
        case "l2":
            found = flat.square().sum(1).sqrt()
        case "none":
            found = torch.ones_like(flat[:, 0])
    return found.view(-1, *(1 for _ in gradient.shape[1:]))
