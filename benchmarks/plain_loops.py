"""The plain loops that dreams and style transfers come from, written down from their sources in torch alone.

Google's deepdream notebook (2015); PyTorch's style tutorial; neural-style-pt (with Adam); style-transfer-pytorch, whose
matrix roots are Newton-Schulz iterations there and back (Lin and Maji 2017, arXiv:1707.06772).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from convscope.optimization.optimizers import Adam
from convscope.styling.settings import StyleSettings

MEAN = torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
ROOT_STEPS = 12


def google_2015(module: nn.Module, block: str, size: int) -> Iterator[None]:
    """The notebook's make_step: jitter, forward to the layer, its answers as gradient, a step by the mean, clip."""
    module.requires_grad_(False)  # Caffe's notebook computed the weights' gradients, too
    owner, _, last = block.rpartition(".")
    children = dict(module.get_submodule(owner).named_children())
    cut = nn.Sequential(*list(children.values())[: list(children).index(last) + 1])
    x = torch.rand(1, 3, size, size) * 255 - MEAN
    while True:
        down, right = torch.randint(-32, 33, (2,)).tolist()
        x = x.roll((down, right), (2, 3)).detach().requires_grad_()
        answers = cut(x)
        answers.backward(answers.detach())
        with torch.no_grad():
            moved = x + 1.5 / x.grad.abs().mean() * x.grad
            x = moved.roll((-down, -right), (2, 3)).clamp(-MEAN, 255 - MEAN)
        yield


def gram(value: Tensor) -> Tensor:
    flat = value.view(value.shape[1], -1)
    return flat @ flat.t() / value.numel()


def answers_of(module: nn.Module, x: Tensor, deepest: str, *, before_relu: bool) -> dict[str, Tensor]:
    """Run VGG's blocks and keep what each convolution answers."""
    found, value = {}, x.flip(1) * 255 - MEAN
    for name, block in module.features.named_children():
        value = block[0](value) if isinstance(block, nn.Sequential) else block(value)
        if isinstance(block, nn.Sequential):
            relued = F.relu(value)
            found[name] = value if before_relu else relued
            value = relued
        if name == deepest:
            break
    return found


def plain_style(
    module: nn.Module, settings: StyleSettings, size: int, *, before_relu: bool
) -> Iterator[None]:
    """The tutorial's and neural-style-pt's loops, which differ in layers, weights and optimizer."""
    module.requires_grad_(False)
    (content_layer,), style_layers = settings.content_layers, list(settings.style_layers)
    deepest = max(content_layer, *style_layers)
    content, style = torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)
    wanted = answers_of(module, content, deepest, before_relu=before_relu)[content_layer]
    seen = answers_of(module, style, deepest, before_relu=before_relu)
    grams = {name: gram(seen[name]) for name in style_layers}
    x = content.clone().requires_grad_()
    adam = isinstance(settings.optimizer, Adam)
    optimizer = torch.optim.Adam([x], lr=0.01) if adam else torch.optim.LBFGS([x], max_iter=1)

    def closure() -> Tensor:
        with torch.no_grad():
            x.clamp_(0, 1)
        optimizer.zero_grad()
        found = answers_of(module, x, deepest, before_relu=before_relu)
        loss = settings.content_weight * F.mse_loss(found[content_layer], wanted)
        for name in style_layers:
            loss = loss + settings.style_weight * F.mse_loss(gram(found[name]), grams[name])
        if settings.smoothness is not None:
            across, down = x.diff(dim=3).square().sum(), x.diff(dim=2).square().sum()
            loss = loss + settings.smoothness_weight * (across + down)
        loss.backward()
        return loss

    while True:
        optimizer.step(closure)
        yield


class Root(torch.autograd.Function):
    """A symmetric matrix's square root."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        length, identity = matrix.norm(), torch.eye(len(matrix))
        root, inverse = matrix / length, identity
        for _ in range(ROOT_STEPS):
            half = (3 * identity - inverse @ root) / 2
            root, inverse = root @ half, half @ inverse
        root = root * length.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (root,), (gradient,) = ctx.saved_tensors, gradients
        length, identity = root.norm(), 3 * torch.eye(len(root))
        a, q = root / length, gradient / length
        for _ in range(ROOT_STEPS):
            rest = identity - a @ a
            q = (q @ rest - a.t() @ (a.t() @ q - q @ a)) / 2
            a = a @ rest / 2
        return q / 2


def moments(value: Tensor, epsilon: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Return the mean and the covariance of a layer's answers over its positions."""
    flat = value.view(value.shape[1], -1)
    mean = flat.mean(1)
    centered = flat - mean[:, None]
    return mean, centered @ centered.t() / flat.shape[1] + epsilon * torch.eye(len(flat))


def wasserstein(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the squared Wasserstein-2 distance of two normal distributions, by the number of channels."""
    (mean, covariance), (their_mean, theirs, root) = found, wanted
    both = torch.trace(covariance + theirs - 2 * Root.apply(root @ covariance @ root))
    return (mean - their_mean).square().mean() + both / len(mean)


def style_transfer_pytorch(module: nn.Module, settings: StyleSettings, size: int) -> Iterator[None]:
    """Its inner loop: Adam on content, Wasserstein style and smoothness, clamped; the average of the pictures."""
    module.requires_grad_(False)
    (content_layer,), style_layers = settings.content_layers, settings.style_layers
    deepest = max(content_layer, *style_layers)
    content, style = torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)
    target = answers_of(module, content, deepest, before_relu=False)[content_layer]
    seen = answers_of(module, style, deepest, before_relu=False)
    wanted = {name: (*(known := moments(seen[name])), Root.apply(known[1])) for name in style_layers}
    x = content.clone().requires_grad_()
    optimizer, average = torch.optim.Adam([x], lr=0.02, betas=(0.9, 0.99)), content.clone()
    while True:
        found = answers_of(module, x, deepest, before_relu=False)
        difference = found[content_layer] - target
        loss = settings.content_weight * difference.square().sum() / (difference.abs().sum() + 1e-8)
        for name, weight in style_layers.items():
            loss = loss + weight * wasserstein(moments(found[name]), wanted[name])
        padded = F.pad(x, (0, 1, 0, 1), "replicate")
        across, down = padded.diff(dim=3)[:, :, :-1], padded.diff(dim=2)[:, :, :, :-1]
        loss = loss + settings.smoothness_weight * (across.square() + down.square()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0, 1)
            average.lerp_(x, 0.01)
        yield
