"""What a step of a dream and of a style transfer takes beside the plain loops they come from, on the same networks.

    python benchmarks/dream_style.py [--turns 3] [--size 256 512]

The loops are in `plain_loops.py`, written down from their sources. All run in turn in one process, two steps a turn;
medians of the steps, and how many times faster convscope's are. GoogLeNet has its own weights, VGG16 random ones.
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
from networks import classic_networks
from plain_loops import google_2015, plain_style, style_transfer_pytorch
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


def timed(steps: Iterator[object]) -> Seconds:
    """Yield how long each step took."""
    while True:
        began = perf_counter()
        next(steps)
        yield perf_counter() - began


def our_dream(network: Network, size: int) -> Iterator[object]:
    preset = dream_preset("google-2015")
    settings = replace(preset.settings, octaves=replace(preset.settings.octaves, count=1), iterations=10**6)
    gradient = gradient_of(network, dream_terms({DREAMED: 1.0}, preset.measure), settings)
    start = settings.values(torch.rand(1, 3, size, size))
    return dream_steps(gradient, start, settings, torch.Generator().manual_seed(0))


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
    preset = replace(style_preset("wasserstein").settings, edges="zeros", first_edge_only=False)
    yield (
        "style, style-transfer-pytorch (Wasserstein-2, Adam), VGG16",
        timed(style_transfer_pytorch(torch_network(vgg), preset, size)),
        timed(our_style(vgg, preset, size)),
    )


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
