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
class Nadam:
    """Dozat, *Incorporating Nesterov momentum into Adam* (2016); the same numbers as `torch.optim.NAdam`."""

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    momentum_decay: float = 4e-3

    def start(self, parameters: tuple[Tensor, ...]) -> State:
        """Return zero moments."""
        return Adam().start(parameters) | {"product": torch.ones((), dtype=torch.float64)}

    def ascend(
        self, parameters: tuple[Tensor, ...], gradients: tuple[Tensor, ...], state: State, *, rate: float
    ) -> None:
        """Move as Adam does, by the mean gradient the next step will have."""
        step = int(state["step"].add_(1))
        now, following = self._momentum(step), self._momentum(step + 1)
        product = float(state["product"].mul_(now))
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            mean, square = state[f"m{i}"], state[f"v{i}"]
            mean.lerp_(gradient, 1 - self.betas[0])
            square.mul_(self.betas[1]).addcmul_(gradient, gradient, value=1 - self.betas[1])
            root = (square / (1 - self.betas[1] ** step)).sqrt_().add_(self.epsilon)
            parameter.addcdiv_(gradient, root, value=rate * (1 - now) / (1 - product))
            parameter.addcdiv_(mean, root, value=rate * following / (1 - product * following))

    def _momentum(self, step: int) -> float:
        decayed: float = 0.96 ** (step * self.momentum_decay)
        return self.betas[0] * (1 - 0.5 * decayed)


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


@dataclass(frozen=True)
class ProgressAscent:
    """Steps that would raise the objective by `rate`, if it were linear, and no longer than `most` gradients.

    The "progress" policy of Yosinski's deep visualization toolbox (2015).
    """

    most: float

    def start(self, parameters: tuple[Tensor, ...]) -> State:
        """Return nothing: each step stands for itself."""
        return {}

    def ascend(
        self, parameters: tuple[Tensor, ...], gradients: tuple[Tensor, ...], state: State, *, rate: float
    ) -> None:
        """Move along the gradient."""
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.addcmul_(gradient, (rate / norm_of(gradient, "l2").square()).clamp_max(self.most))


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
