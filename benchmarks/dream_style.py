"""What a step of a dream and of a style transfer takes beside the plain loops they come from, on the same networks.

    python benchmarks/dream_style.py [--turns 3] [--size 256 512]

The loops are written down from their sources: Google's deepdream notebook (2015) in torch, PyTorch's style tutorial,
neural-style-pt (with Adam). All run in turn in one process, two steps a turn; medians of the steps, and how many times
faster convscope's are. GoogLeNet has its own weights, VGG16 random ones.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
import torch.nn.functional as F  # noqa: N812
from networks import classic_networks
from torch import Tensor, nn
from torch_networks import block_of, torch_network

import convscope
from convscope.network.network import Network
from convscope.optimization.dream_gradients import gradient_of
from convscope.optimization.dream_objectives import dream_terms
from convscope.optimization.dream_presets import dream_preset
from convscope.optimization.dreaming import dream_steps
from convscope.optimization.optimizers import Adam
from convscope.optimization.style_presets import style_preset
from convscope.optimization.style_settings import StyleSettings
from convscope.optimization.styling import Style, style_steps, targets_of
from convscope.techniques.style_layers import chosen_layers

Seconds = Iterator[float]
DREAMED = "inception_4c/output"
MEAN = torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)


def timed(steps: Iterator[object]) -> Seconds:
    """Yield how long each step took."""
    while True:
        began = perf_counter()
        next(steps)
        yield perf_counter() - began


def google_2015(module: nn.Module, block: str, size: int) -> Iterator[None]:
    """The notebook's make_step: jitter, forward to the layer, its answers as gradient, a step by the mean, clip."""
    module.requires_grad_(False)  # Caffe's notebook computed the weights' gradients, too
    names = [name for name, _ in module.named_children()]
    cut = nn.Sequential(*list(module.children())[: names.index(block) + 1])
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


def our_dream(network: Network, size: int) -> Iterator[object]:
    preset = dream_preset("google-2015")
    settings = replace(preset.settings, octaves=replace(preset.settings.octaves, count=1), iterations=10**6)
    gradient = gradient_of(network, dream_terms({DREAMED: 1.0}, preset.measure), settings)
    start = settings.values(torch.rand(1, 3, size, size))
    return dream_steps(gradient, start, settings, torch.Generator().manual_seed(0))


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


def our_style(network: Network, settings: StyleSettings, size: int) -> Iterator[object]:
    content, style = torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)
    targets = targets_of(network, content, [Style(style)], settings)
    return style_steps(targets, settings.values(content), 10**6)


def pairs(googlenet: Network, vgg: Network, size: int) -> Iterator[tuple[str, Seconds, Seconds]]:
    """Yield each comparison: its name, the plain loop, convscope's."""
    yield (
        f"dream, google 2015, GoogLeNet {DREAMED}",
        timed(google_2015(torch_network(googlenet), block_of(googlenet, DREAMED), size)),
        timed(our_dream(googlenet, size)),
    )
    adam = {"optimizer": Adam(), "rate": 0.01, "white": 1.0}
    for name, words, before, changes in (
        ("pytorch-tutorial", "style, PyTorch's tutorial (L-BFGS), VGG16", True, {}),
        ("neural-style", "style, neural-style-pt (Adam), VGG16", False, adam),
    ):
        preset = style_preset(name).settings
        layers = {
            f"{what}_layers": chosen_layers(vgg, getattr(preset, f"{what}_layers"), what, before_relu=before)
            for what in ("content", "style")
        }
        plain = timed(plain_style(torch_network(vgg), replace(preset, **changes), size, before_relu=before))
        yield words, plain, timed(our_style(vgg, replace(preset, **layers, **changes), size))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512])
    given = parser.parse_args()
    torch.manual_seed(0)
    print(
        f"{torch.get_num_threads()} threads\n\n| one step | size | plain loop | convscope | x |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = classic_networks(Path(folder))
        googlenet, vgg = (
            convscope.open_network(files[name][0], weights=files[name][1])
            for name in ("bvlc_googlenet", "VGG16")
        )
        for size in given.size:
            for words, plain, ours in pairs(googlenet, vgg, size):
                times: tuple[list[float], list[float]] = ([], [])
                for turn in range(given.turns + 1):  # the first one warms up
                    for engine, kept in zip((plain, ours), times, strict=True):
                        found = list(islice(engine, 2))
                        kept += found if turn else []
                theirs, own = map(median, times)
                print(
                    f"| {words} | {size} | {theirs * 1e3:.0f} ms | {own * 1e3:.0f} ms | {theirs / own:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
