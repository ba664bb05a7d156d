"""The sources' style transfers with torch's own functions and optimizers, for the planted network."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from scipy.linalg import sqrtm
from torch import Tensor

STYLE = ("conv1", "conv2")
CONTENT = "conv2"


def answers(
    parameters: dict[str, Tensor], rgb: Tensor, *, before_relu: bool, edges: str
) -> dict[str, Tensor]:
    """Return what the planted network's two convolutions answer to pictures in 0..1."""
    seen = rgb if edges == "zeros" else F.pad(rgb, (2, 2, 2, 2), edges)
    first = F.conv2d(
        seen, parameters["conv1.weight"], parameters["conv1.bias"], padding=2 if edges == "zeros" else 0
    )
    pooled = F.max_pool2d(first.relu(), 2, 2)
    second = F.conv2d(pooled, parameters["conv2.weight"], parameters["conv2.bias"], padding=1)
    return (
        {"conv1": first, "conv2": second} if before_relu else {"conv1": first.relu(), "conv2": second.relu()}
    )


def gram(value: Tensor) -> Tensor:
    flat = value.reshape(value.shape[1], -1)
    return flat @ flat.T


def tv_power(x: Tensor, exponent: float) -> Tensor:
    across = x[:, :, :-1, :-1] - x[:, :, :-1, 1:]
    down = x[:, :, :-1, :-1] - x[:, :, 1:, :-1]
    return (across**2 + down**2).clamp_min(1e-300).pow(exponent).sum()


def lecture_style(f: Tensor, s: Tensor) -> Tensor:
    g, a = (gram(v) / v[0].numel() for v in (f, s))
    return 0.5 * (((g - a) / f.shape[1] ** 2) ** 2).sum()


def lecture_content(f: Tensor, p: Tensor) -> Tensor:
    return 0.5 * (((f - p) / f[0].numel()) ** 2).sum()


def positions(v: Tensor) -> int:
    return v.shape[2] * v.shape[3]


class Wasserstein(torch.autograd.Function):
    """The distance by scipy's matrix root, its slope by the optimal map between the two normal distributions."""

    @staticmethod
    def forward(context, mean, covariance, mean2, covariance2):
        first, second = covariance.numpy(), covariance2.numpy()
        root = np.real(sqrtm(second))
        middle = np.real(sqrtm(root @ first @ root))
        channels = len(first)
        slope = (np.eye(channels) - root @ np.linalg.inv(middle) @ root) / channels
        context.save_for_backward(2 * (mean - mean2) / channels, torch.from_numpy(slope))
        return ((mean - mean2) ** 2).mean() + float(np.trace(first + second - 2 * middle)) / channels

    @staticmethod
    def backward(context, slope):
        of_mean, of_covariance = context.saved_tensors
        return slope * of_mean, slope * of_covariance, None, None


def moments(v: Tensor) -> tuple[Tensor, Tensor]:
    flat = v.reshape(v.shape[1], -1)
    mean = flat.mean(1)
    return mean, flat @ flat.T / flat.shape[1] - torch.outer(mean, mean) + 1e-4 * torch.eye(len(flat)).to(
        flat
    )


def nine_points(x: Tensor) -> Tensor:
    wide = F.pad(x, (1, 1, 1, 1), "replicate")
    inner, ahead, behind, before = slice(1, -1), slice(2, None), slice(None, -1), slice(1, None)
    center = wide[..., inner, inner]
    straight = ((wide[..., inner, ahead] - center) ** 2).mean() + (
        (wide[..., ahead, inner] - center) ** 2
    ).mean()
    falling = ((wide[..., before, before] - wide[..., behind, behind]) ** 2).mean()
    rising = ((wide[..., before, behind] - wide[..., behind, before]) ** 2).mean()
    return 2 * (straight / 3 + (falling + rising) / 12)


@dataclass
class Source:
    """One source: its losses, of a picture's answers f, the content's p, the style's s, and the values x."""

    content: Callable[[Tensor, Tensor], Tensor]
    style: Callable[[Tensor, Tensor, int], Tensor]
    variation: Callable[[Tensor], Tensor] | None
    weights: tuple[float, float, float]
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer]
    layers: dict[str, float]
    white: float = 1.0
    clamp: bool = False
    before_relu: bool = False
    edges: str = "zeros"


def tensorflow_adam(rate: float, betas: tuple[float, float], epsilon: float):
    class Adam(torch.optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, {})
            (x,) = parameters
            self.x, self.m, self.v, self.t = x, torch.zeros_like(x), torch.zeros_like(x), 0

        def step(self, closure):
            closure()
            self.t += 1
            with torch.no_grad():
                self.m = betas[0] * self.m + (1 - betas[0]) * self.x.grad
                self.v = betas[1] * self.v + (1 - betas[1]) * self.x.grad**2
                scale = rate * (1 - betas[1] ** self.t) ** 0.5 / (1 - betas[0] ** self.t)
                self.x -= scale * self.m / (self.v.sqrt() + epsilon)

    return Adam


def lbfgs(parameters):
    return torch.optim.LBFGS(
        parameters, lr=1, max_iter=1, tolerance_grad=0, tolerance_change=0, history_size=100
    )


def falling_sgd(parameters):
    optimizer = torch.optim.SGD(parameters, lr=100.0)
    falling = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.96**0.01)
    optimizer.register_step_post_hook(lambda *_: falling.step())
    return optimizer


def mse(a: Tensor, b: Tensor) -> Tensor:
    return F.mse_loss(a, b)


def by_volume(f: Tensor, s: Tensor, pixels: int) -> Tensor:
    return mse(gram(f) / f[0].numel(), gram(s) / s[0].numel())


def by_positions(f: Tensor, s: Tensor, pixels: int) -> Tensor:
    return mse(gram(f) / positions(f), gram(s) / positions(s))


ONE = {"conv1": 1.0, "conv2": 1.0}
FIFTHS = {"conv1": 0.5, "conv2": 0.5}  # a fifth for each of five layers, with the same sum for two
SOURCES = {
    "lecture": Source(
        lecture_content,
        lambda f, s, pixels: lecture_style(f, s),
        lambda x: tv_power(x, 1.25),
        (0.1, 5.0, 0.01),
        tensorflow_adam(0.01, (0.9, 0.999), 1e-8),
        ONE,
    ),
    "homework": Source(
        lecture_content,
        lambda f, s, pixels: lecture_style(f, s),
        lambda x: tv_power(x, 1.25),
        (5.0, 1.0, 0.001),
        tensorflow_adam(0.05, (0.9, 0.999), 1e-8),
        ONE,
    ),
    "neural-style": Source(
        mse, by_volume, lambda x: 0.5 * tv_power(x, 1.0), (5.0, 100.0, 1e-3), lbfgs, ONE, white=255.0
    ),
    "gatys": Source(
        mse,
        lambda f, s, pixels: 1e3 / f.shape[1] ** 2 * by_positions(f, s, pixels),
        None,
        (1.0, 1.0, 0.0),
        lbfgs,
        ONE,
        white=255.0,
    ),
    "pytorch-tutorial": Source(
        mse, by_volume, None, (1.0, 1e6, 0.0), lbfgs, ONE, clamp=True, before_relu=True
    ),
    "tf2": Source(
        mse,
        by_positions,
        lambda x: x.diff(dim=2).abs().sum() + x.diff(dim=3).abs().sum(),
        (1e4, 1e-2, 30.0),
        tensorflow_adam(0.02, (0.99, 0.999), 0.1),
        FIFTHS,
        clamp=True,
    ),
    "keras": Source(
        lambda f, p: ((f - p) ** 2).sum(),
        lambda f, s, pixels: ((gram(f) - gram(s)) ** 2).sum() / (4 * 9 * pixels**2),
        lambda x: tv_power(x, 1.25),
        (2.5e-8, 1e-6, 1e-6),
        falling_sgd,
        FIFTHS,
        white=255.0,
    ),
    "wasserstein": Source(
        mse,
        lambda f, s, pixels: Wasserstein.apply(*moments(f), *moments(s)),
        nine_points,
        (0.015, 1.0, 2.0),
        lambda parameters: torch.optim.Adam(parameters, lr=0.02, betas=(0.9, 0.99)),
        {"conv1": 256 / 257, "conv2": 1 / 257},
        clamp=True,
        edges="replicate",
    ),
}


def transferred(
    source: Source,
    parameters: dict[str, Tensor],
    content: Tensor,
    style: Tensor,
    start: Tensor,
    layers,
    steps: int,
) -> tuple[list[float], Tensor]:
    """Return each step's loss and the values after the last; start is in values, content and style in 0..1."""

    def looked_at(rgb: Tensor) -> dict[str, Tensor]:
        return answers(parameters, rgb, before_relu=source.before_relu, edges=source.edges)

    wanted, painted = looked_at(content)[CONTENT], looked_at(style)
    x = start.clone().requires_grad_()
    optimizer = source.optimizer([x])
    losses = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = looked_at(x / source.white)
        of_style = sum(
            weight * source.style(found[name], painted[name], x.shape[2] * x.shape[3])
            for name, weight in layers.items()
        )
        loss = source.weights[0] * source.content(found[CONTENT], wanted) + source.weights[1] * of_style
        if source.variation is not None:
            loss = loss + source.weights[2] * source.variation(x)
        loss.backward()
        losses.append(float(loss.detach()))
        return loss

    for _ in range(steps):
        optimizer.step(closure)
        if source.clamp:
            with torch.no_grad():
                x.clamp_(0, 1)
    return losses, x.detach()
