"""What a step of feature visualization takes beside other ways to it, on VGG16 (random weights) and GoogLeNet.

    python benchmarks/feature_visualization.py [--turns 5] [--network VGG16]

The engines run in turn in one process, three steps a turn; medians. `x lucent` is how many times faster than lucent's
defaults, `of limit` the arithmetic that the picture needs as the default transforms leave it (there and back, up to the
one channel) against the fastest convolution this machine runs in that precision.
"""

from __future__ import annotations

import argparse
import copy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from math import prod
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import torch
from clock import seconds
from forward import fastest_product
from memory import growth
from networks import classic_networks
from peers import Seconds, careful, flashtorch, horama, lucent
from torch import Tensor
from torch_networks import block_of, torch_network

import convscope
from convscope.network.engine.narrowing import narrowed
from convscope.network.network import Network
from convscope.network.shapes import infer_shapes
from convscope.optimization.ascent import ascend
from convscope.optimization.objectives import channel as channel_of
from convscope.optimization.presets import preset

TARGETS = {
    "VGG16": ("conv2_2", "conv4_1", "conv5_1"),
    "bvlc_googlenet": ("inception_3b/output", "inception_4c/output", "inception_5b/output"),
}
PEERS = {"lucent": lucent, "flashtorch": flashtorch, "Horama": horama, "careful": careful}
CHANNEL, SIZE = 7, 224


def convscope_steps(
    network: Network, layer: str, precision: str, channels: tuple[int, ...] = (CHANNEL,), size: int = SIZE
) -> Seconds:
    """The default settings, as `convscope see` has them; several channels are one batch."""
    settings = replace(
        preset("default", network.input_spec), size=(size, size), steps=10**6, precision=precision
    )
    objectives = [channel_of(layer, index) for index in channels]
    steps = ascend(network, objectives, settings, seeds=list(channels))
    while True:
        began = seconds()
        next(steps)
        yield seconds() - began


def shown_size(network: Network) -> int:
    """Return the pixels a side that the network is shown of a picture by the default transforms."""
    shown, chance = torch.zeros(1, 3, SIZE, SIZE), [torch.Generator()]
    for transform in preset("default", network.input_spec).transforms_at(1):
        shown = transform(shown, chance)
    return shown.shape[-1]


def work_of(network: Network, layer: str, size: int) -> float:
    """Return the floating-point operations of a picture's way to one channel and back."""
    graph, made = narrowed(network.graph, {layer: [CHANNEL]}, [layer])
    shapes = infer_shapes(graph, {next(iter(graph.inputs)): (1, 3, size, size)}, made.values())
    needed = [op for op in graph.needed_for(made.values()) if op.kind == "convolution"]
    weights = [graph.parameters.shapes[op.parameters["weight"]] for op in needed]
    return 4.0 * sum(
        prod(shapes[op.outputs[0]]) * prod(weight[1:]) for op, weight in zip(needed, weights, strict=True)
    )


def in_turn(engines: dict[str, Seconds], turns: int) -> dict[str, float]:
    """Return each engine's median step, three steps a turn, the first of all left out."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(turns + 1):
        for name, engine in engines.items():
            found = list(islice(engine, 1 if name == "Horama" else 3))  # one of its steps is six
            times[name] += found if turn else []
    return {name: median(found) for name, found in times.items()}


def step_rows(name: str, network: Network, turns: int, limits: dict[str, float]) -> Iterator[str]:
    module = torch_network(network)
    for layer in TARGETS[name]:
        engines = {
            peer: run(copy.deepcopy(module), block_of(network, layer), CHANNEL, SIZE)
            for peer, run in PEERS.items()
        }
        engines |= {
            precision: convscope_steps(network, layer, precision) for precision in ("float32", "bfloat16")
        }
        found = in_turn(engines, turns)
        work = work_of(network, layer, shown_size(network))
        cells = [
            f"{name} {layer.removesuffix('/output')}",
            *(f"{time * 1e3:.0f} ms" for time in found.values()),
        ]
        cells += [f"{found['lucent'] / found[precision]:.1f}" for precision in limits]
        cells += [f"{work / found[precision] / limits[precision]:.0%}" for precision in limits]
        yield "| " + " | ".join(cells) + " |"


def sheet_row(name: str, network: Network, layer: str, turns: int) -> str:
    """64 channels at 128 px: lucent one by one, against batches of 16."""
    module = torch_network(network)
    channels = tuple(range(16))
    engines = {"lucent": lucent(module, block_of(network, layer), CHANNEL, 128)}
    for precision in ("float32", "bfloat16"):
        engines[precision] = convscope_steps(network, layer, precision, channels, 128)
    used, began = process_time(), perf_counter()
    found = in_turn(engines, turns)
    busy = (process_time() - used) / (perf_counter() - began) / torch.get_num_threads()
    times = [found["lucent"] * 64, found["float32"] * 4, found["bfloat16"] * 4]
    cells = [f"{time:.2f} s" for time in times] + [f"{times[0] / time:.1f}" for time in times[1:]]
    return f"| {name} {layer.removesuffix('/output')} | " + " | ".join(cells) + f" | {busy:.0%} |"


def quality_row(name: str, network: Network, layer: str) -> str:
    """What pictures made in bfloat16 reach when float32 scores them, of what those made in float32 reach.

    Beside it what others of float32 reach, which begin elsewhere: how much of the difference is chance.
    """
    channels = tuple(range(0, 64, 8))

    def reached(precision: str, first_seed: int = 0) -> Tensor:
        settings = replace(preset("default", network.input_spec), steps=128, precision=precision)
        seeds = [first_seed + channel for channel in channels]
        *_, step = ascend(network, [channel_of(layer, c) for c in channels], settings, seeds=seeds)
        answers = network.activations(network.input_spec.from_rgb(step.best()), layer)[layer]
        return torch.stack([answers[i, c].mean() for i, c in enumerate(channels)])

    first = reached("float32")
    shares = [reached("bfloat16") / first, reached("float32", first_seed=1000) / first]
    cells = [f"{share:.1%}" for each in shares for share in (each.median(), each.min())]
    return f"| {name} {layer.removesuffix('/output')} | " + " | ".join(cells) + " |"


def memory_of(engine: str, name: str, layer: str, folder: str) -> int:
    """Return the bytes a process of its own takes at most for steps of an engine, beyond what it had before."""
    command = [sys.executable, __file__, "--memory", engine, name, layer, folder]
    return int(subprocess.check_output(command, text=True).split()[-1])


def memory_here(engine: str, name: str, layer: str, folder: str) -> int:
    description, weights = classic_networks(Path(folder))[name]
    network = convscope.open_network(description, weights=weights)
    if engine in PEERS:
        steps = PEERS[engine](torch_network(network), block_of(network, layer), CHANNEL, SIZE)
    else:
        _ = [
            network.parameters[key].sum() for key in network.parameters
        ]  # weights are read when they are used
        steps = convscope_steps(network, layer, engine)
    return growth(lambda: list(islice(steps, 6)))


def table(title: str, *columns: str) -> str:
    return f"\n| {' | '.join((title, *columns))} |\n|{'---|' * (len(columns) + 1)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--network", choices=TARGETS, action="append")
    parser.add_argument("--only", choices=("steps", "sheet", "quality", "memory"), action="append")
    parser.add_argument("--memory", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.manual_seed(0)
    if given.memory:
        print(memory_here(*given.memory))
        return
    limits = {
        name: max(fastest_product(dtype) for _ in range(3))
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }
    told = ", ".join(f"{limit / 1e9:.0f} GFLOP/s in {precision}" for precision, limit in limits.items())
    print(f"{torch.get_num_threads()} threads, limit {told}")
    wanted: Callable[[str], bool] = lambda part: not given.only or part in given.only  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        files = classic_networks(Path(folder))
        networks = {
            name: convscope.open_network(files[name][0], weights=files[name][1])
            for name in given.network or TARGETS
        }
        if wanted("steps"):
            ours = ("convscope", "--fast", "x lucent", "--fast x lucent", "of limit", "--fast of limit")
            print(table(f"one step, {SIZE} px", *PEERS, *ours))
            for name, network in networks.items():
                for row in step_rows(name, network, given.turns, limits):
                    print(row, flush=True)
        middle = {name: TARGETS[name][1] for name in networks}
        if wanted("sheet"):
            print(
                table(
                    "a step of 64 channels, 128 px",
                    "lucent",
                    "convscope",
                    "--fast",
                    "x",
                    "--fast x",
                    "cores busy",
                )
            )
            for name, network in networks.items():
                print(sheet_row(name, network, middle[name], given.turns), flush=True)
        if wanted("quality"):
            columns = ("--fast, median", "least", "float32 from other seeds, median", "least")
            print(table("scored in float32, of what float32 reaches", *columns))
            for name, network in networks.items():
                print(quality_row(name, network, middle[name]), flush=True)
        if wanted("memory"):
            print(table("memory beyond the weights", *PEERS, "convscope", "--fast"))
            for name in networks:
                found = [memory_of(e, name, middle[name], folder) for e in (*PEERS, "float32", "bfloat16")]
                print(
                    f"| {name} {middle[name]} | "
                    + " | ".join(f"{count / 1e6:.0f} MB" for count in found)
                    + " |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
