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
    """Kingma and Ba, *Adam: a method for stochastic optimization* (2015); the same numbers as `torch.optim.Adam`.

    `before_correction`: epsilon is added before the root is corrected for the start from zero, as TensorFlow does,
    which makes a large epsilon larger in the first steps.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    before_correction: bool = False

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
            correction = 1 - second**step
            epsilon = self.epsilon / correction**0.5 if self.before_correction else self.epsilon
            root = (square / correction).sqrt_().add_(epsilon)
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
            length = flat.square().mean(1).sqrt()
        case "max":
            length = flat.abs().amax(1)
        case "std":
            length = flat.std(1, correction=0)
        case "mean":
            length = flat.abs().mean(1)
        case "l2":
            length = flat.square().sum(1).sqrt()
        case "none":
            length = torch.ones_like(flat[:, 0])
    return length.view(-1, *(1 for _ in gradient.shape[1:]))


@dataclass(frozen=True)
class LBFGS:
    """Liu and Nocedal, *On the limited memory BFGS method* (1989), without a line search, as `torch.optim.LBFGS`.

    Each picture has its own memory of the last `memory` steps: 2 x memory pictures' numbers.
    """

    memory: int = 10

    def start(self, parameters: tuple[Tensor, ...]) -> State:
        """Return an empty memory."""
        flat = _flat(parameters)
        past = flat.new_zeros(self.memory, *flat.shape)
        state = {"moves": past, "changes": past.clone(), "weights": past[:, :, 0].clone()}
        return state | {
            "gradient": flat * 0,
            "move": flat * 0,
            "scale": flat[:, :1] * 0 + 1,
            "step": flat.new_zeros(()),
        }

    def ascend(
        self, parameters: tuple[Tensor, ...], gradients: tuple[Tensor, ...], state: State, *, rate: float
    ) -> None:
        """Move by the gradient times the inverse curvature that the last steps tell."""
        downhill = -_flat(gradients)
        first = int(state["step"].add_(1)) == 1
        if not first:
            self._remember(downhill, state)
        direction = self._direction(-downhill, state)
        length = (rate / downhill.abs().sum(1, keepdim=True)).clamp_max(rate) if first else rate
        move = direction * length
        state["gradient"].copy_(downhill)
        state["move"].copy_(move)
        start = 0
        for parameter in parameters:
            count = parameter[0].numel()
            parameter.add_(move[:, start : start + count].view_as(parameter))
            start += count

    def _remember(self, downhill: Tensor, state: State) -> None:
        """Keep the last move and the change of the gradient over it, where the objective curves there."""
        change = downhill - state["gradient"]
        curve = (change * state["move"]).sum(1, keepdim=True)
        curved = curve > 1e-10
        state["scale"].copy_(
            torch.where(curved, curve / change.square().sum(1, keepdim=True), state["scale"])
        )
        new = {"moves": state["move"], "changes": change, "weights": (1 / curve)[:, 0]}
        for name, value in new.items():
            memory = curved if state[name].dim() == 3 else curved[:, 0]
            past = state[name][self._first_filled(state) :]
            # One after the other: a copy of them all would be more than everything else together.
            for before, after in zip(past, [*past[1:], value], strict=True):
                before.copy_(torch.where(memory, after, before))

    def _first_filled(self, state: State) -> int:
        """Return where the moves so far begin: a long memory costs nothing before it is full."""
        return max(0, self.memory - int(state["step"]) + 1)

    def _direction(self, gradient: Tensor, state: State) -> Tensor:
        """Return the two-loop recursion's direction for each picture."""
        moves, changes, weights = state["moves"], state["changes"], state["weights"][..., None]
        shares = torch.zeros_like(weights)
        filled = range(self._first_filled(state), self.memory)
        for i in reversed(filled):
            shares[i] = (moves[i] * gradient).sum(1, keepdim=True) * weights[i]
            gradient = gradient - shares[i] * changes[i]
        direction = gradient * state["scale"]
        for i in filled:
            back = (changes[i] * direction).sum(1, keepdim=True) * weights[i]
            direction = direction + moves[i] * (shares[i] - back)
        return direction


def _flat(parameters: tuple[Tensor, ...]) -> Tensor:
    """Return each picture's numbers in a row, (N, numbers)."""
    return torch.cat([parameter.detach().flatten(1) for parameter in parameters], dim=1)
