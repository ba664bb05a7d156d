"""The memory that a style transfer takes beside style-transfer-pytorch's loop: Wasserstein-2 and Adam on VGG16.

    python benchmarks/style_memory.py [--size 256 512]

Each runs three steps in a process of its own; what counts is how far the resident memory grows from the opened network
to its peak, by pixel. The difference of two sizes leaves out what does not depend on the size (filters, libraries).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import replace
from itertools import islice
from pathlib import Path

from dream_style import our_style
from memory import growth
from networks import classic_networks
from plain_loops import style_transfer_pytorch
from torch_networks import torch_network

import convscope
from convscope.styling.presets import style_preset


def growth_of(engine: str, size: int) -> int:
    """Return how many bytes the memory grows by in this process, from the opened network to the peak."""
    with tempfile.TemporaryDirectory() as folder:
        description, weights = classic_networks(Path(folder))["VGG16"]
        network = convscope.open_network(description, weights=weights)
        settings = replace(style_preset("wasserstein").settings, edges="zeros", first_edge_only=False)
        module = torch_network(network)
        if engine == "convscope":
            steps = our_style(network, settings, size).steps("float32")
        else:
            steps = style_transfer_pytorch(module, settings, size)
        return growth(lambda: deque(islice(steps, 3), maxlen=0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--engine", help="only this one, in this process: its bytes")
    given = parser.parse_args()
    if given.engine:
        print(growth_of(given.engine, given.size[0]))
        return
    print("| engine | size | growth | a pixel | a pixel more |\n|---|---|---|---|---|")
    for engine in ("style-transfer-pytorch", "convscope"):
        earlier: tuple[int, int] | None = None
        for size in given.size:
            command = [sys.executable, __file__, "--engine", engine, "--size", str(size)]
            grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            more = "" if earlier is None else f"{(grown - earlier[1]) / (size**2 - earlier[0] ** 2):,.0f} B"
            row = f"| {engine} | {size} | {grown / 1e6:,.0f} MB | {grown / size**2:,.0f} B | {more} |"
            print(row, flush=True)
            earlier = size, grown


if __name__ == "__main__":
    main()
