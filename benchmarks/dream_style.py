"""What a step of a dream and of a style transfer takes beside the plain loops they come from, on the same networks.

    python benchmarks/dream_style.py [--turns 3] [--size 256 512] [--only dream]

The loops are in `plain_loops.py`, written down from their sources. All run in turn in one process, two steps a turn;
medians of the steps, and how many times faster convscope's are, in full precision and in half (`--fast`); with
`--memory` what each takes at most beyond the opened network, in a process of its own. What half
precision comes to is measured in full: how far the objective rises, or the loss falls, in 20 steps, by what it does in
full precision. GoogLeNet has its own weights, VGG16 random ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import TypeAlias

import torch
from clock import seconds
from memory import growth
from networks import classic_networks
from plain_loops import google_2015, plain_style, style_transfer_pytorch
from torch import Tensor
from torch_networks import block_of, torch_network

import convscope
from convscope.dreaming.gradients import gradient_of
from convscope.dreaming.objectives import dream_terms
from convscope.dreaming.presets import dream_preset
from convscope.dreaming.steps import DreamStep, dream_steps
from convscope.network.engine.differentiable import Precision
from convscope.network.network import Network
from convscope.optimization.optimizers import Adam
from convscope.styling.layers import chosen_layers
from convscope.styling.presets import style_preset
from convscope.styling.settings import StyleSettings
from convscope.styling.steps import StyleStep, style_steps
from convscope.styling.targets import Style, targets_of

Seconds = Iterator[float]


def timed(steps: Iterator[object]) -> Seconds:
    """Yield how long each step took."""
    while True:
        began = seconds()
        next(steps)
        yield seconds() - began


@dataclass(frozen=True)
class Ours:
    """convscope's way: its steps in a precision, and what values are worth in full precision."""

    steps: Callable[[Precision], Iterator[DreamStep | StyleStep]]
    worth: Callable[[Tensor], float]
    start: Tensor

    def kept(self, count: int = 20) -> float:
        """Return what half precision gains in so many steps, by what full precision does."""
        begun = self.worth(self.start)
        full, half = (
            self.worth(deque(islice(self.steps(precision), count), maxlen=1)[0].values) - begun
            for precision in ("float32", "bfloat16")
        )
        return half / full


Pair: TypeAlias = tuple[str, Iterator[None], Ours]


def our_dream(network: Network, layer: str, size: int) -> Ours:
    preset = dream_preset("google-2015")
    settings = replace(preset.settings, octaves=replace(preset.settings.octaves, count=1), steps=10**6)
    terms, start = dream_terms({layer: 1.0}, preset.measure), settings.values(torch.rand(1, 3, size, size))

    def steps(precision: Precision) -> Iterator[DreamStep]:
        gradient = gradient_of(network, terms, replace(settings, precision=precision))
        return dream_steps(gradient, start, settings, torch.Generator().manual_seed(0))

    exact = gradient_of(network, terms, settings)
    return Ours(steps, lambda values: float(exact(values)[0].sum()), start)


def our_style(network: Network, settings: StyleSettings, size: int) -> Ours:
    content, style = torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)
    exact = targets_of(network, content, [Style(style)], settings)

    def steps(precision: Precision) -> Iterator[StyleStep]:
        fast = targets_of(network, content, [Style(style)], replace(settings, precision=precision))
        return style_steps(fast, settings.values(content), 10**6)

    return Ours(
        steps, lambda values: float(sum(exact.gradient(values)[0].values())), settings.values(content)
    )


def dreams(googlenet: Network, vgg: Network, size: int) -> Iterator[Pair]:
    """Yield each dream: its name, the plain loop, convscope's."""
    for words, network, layer in (
        ("GoogLeNet inception_3b", googlenet, "inception_3b/output"),
        ("GoogLeNet inception_4c", googlenet, "inception_4c/output"),
        ("VGG16 conv4_3", vgg, "conv4_3"),
    ):
        plain = google_2015(torch_network(network), block_of(network, layer), size)
        yield f"dream, google 2015, {words}", plain, our_dream(network, layer, size)


def styles(vgg: Network, size: int) -> Iterator[Pair]:
    """Yield each style transfer: its name, the plain loop, convscope's."""
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
        plain = plain_style(torch_network(vgg), replace(preset, **changes), size, before_relu=before)
        yield words, plain, our_style(vgg, replace(preset, **layers, **changes), size)
    preset = replace(style_preset("wasserstein").settings, edges="zeros", first_edge_only=False)
    plain = style_transfer_pytorch(torch_network(vgg), preset, size)
    words = "style, style-transfer-pytorch (Wasserstein-2, Adam), VGG16"
    yield words, plain, our_style(vgg, preset, size)


def measured(engines: Sequence[Iterator[object]], turns: int) -> list[float]:
    """Return each engine's median step in seconds; they take turns of two steps, the first to warm up."""
    times: list[list[float]] = [[] for _ in engines]
    for turn in range(turns + 1):
        for engine, kept in zip(engines, times, strict=True):
            found = list(islice(timed(engine), 2))
            kept += found if turn else []
    return [*map(median, times)]


def memory_of(engine: str, words: str, size: int, folder: str) -> int:
    """Return the bytes a process of its own takes at most for three steps, beyond the opened network."""
    command = [sys.executable, __file__, "--only", words, "--size", str(size), "--growth", engine, folder]
    return int(subprocess.check_output(command, text=True).split()[-1])


def pairs(folder: Path, size: int, only: str) -> Iterator[Pair]:
    """Yield what is compared at a size, where its name has `only` in it."""
    files = classic_networks(folder)
    googlenet, vgg = (
        convscope.open_network(files[name][0], weights=files[name][1]) for name in ("bvlc_googlenet", "VGG16")
    )
    for pair in chain(dreams(googlenet, vgg, size), styles(vgg, size)):
        if only in pair[0]:
            yield pair


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--only", default="", help="a part of the names of what is compared")
    parser.add_argument("--memory", action="store_true", help="how much each takes, instead of how long")
    parser.add_argument("--growth", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.manual_seed(0)
    if given.growth:
        engine, folder = given.growth
        _, plain, ours = next(pairs(Path(folder), given.size[0], given.only))
        print(growth(lambda: deque(islice(plain if engine == "plain" else ours.steps(engine), 3), maxlen=1)))
        return
    times = "plain loop | convscope | x | --fast | x | gained by --fast |"
    print(f"{torch.get_num_threads()} threads\n")
    print(f"| one step | size | {'plain loop | convscope |' if given.memory else times}")
    print(f"|{'---|' * (4 if given.memory else 8)}")
    with tempfile.TemporaryDirectory() as folder:
        for size in given.size:
            for words, plain, ours in pairs(Path(folder), size, given.only):
                if given.memory:
                    found = (memory_of(engine, words, size, folder) for engine in ("plain", "float32"))
                    row = " | ".join(f"{count / 1e6:.0f} MB" for count in found)
                else:
                    row = time_row(plain, ours, given.turns)
                print(f"| {words} | {size} | {row} |", flush=True)


def time_row(plain: Iterator[None], ours: Ours, turns: int) -> str:
    """Return the cells of a row of seconds."""
    theirs, full, half = measured((plain, ours.steps("float32"), ours.steps("bfloat16")), turns)
    times = f"{theirs * 1e3:.0f} ms | {full * 1e3:.0f} ms | {theirs / full:.1f}"
    return f"{times} | {half * 1e3:.0f} ms | {theirs / half:.1f} | {ours.kept():.1%}"


if __name__ == "__main__":
    main()
