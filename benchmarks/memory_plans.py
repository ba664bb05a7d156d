"""What is said before the start about the memory of a dream or a style, and what a fresh process takes in truth.

    python benchmarks/memory_plans.py [--only 3]

Three steps each, at one size.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from time import perf_counter

import numpy as np
from memory import PROCESS
from networks import DATA

CASES = (
    ("dream", "builtin", "768", "0", "mixed3b"),
    ("dream", "builtin", "1536", "512", "mixed3b"),
    ("dream", "bvlc_googlenet", "1024", "0", "inception_3b/output"),
    ("dream", "bvlc_googlenet", "1024", "256", "inception_3b/output"),
    ("dream", "bvlc_googlenet", "1536", "0", "inception_3b/output"),
    ("style", "builtin", "768", "0"),
    ("style", "squeezenet_v1.1", "640", "0"),
    ("style", "squeezenet_v1.1", "1024", "256"),
)


def said_and_taken(kind: str, source: str, side: str, tile: str, *layers: str) -> tuple[int, int, float]:
    """Return the bytes that are said, those that this process takes, and the seconds it took to say."""
    from convscope import open_network
    from convscope.dreaming.deep_dream import dream_of
    from convscope.styling.style_transfer import transfer_of

    network = open_network(source if source == "builtin" else DATA / source)
    picture = np.random.default_rng(0).random((int(side), int(side) * 7 // 8, 3), np.float32)
    options = {"size": int(side), "tile": int(tile) or None, "steps": 3}
    began = perf_counter()
    if kind == "dream":
        job, plan = dream_of(network, picture, *layers, octaves=1, **options).within(None)
        seconds, steps = perf_counter() - began, job.steps()
    else:
        styles = picture[::-1] ** 2
        restyled, plan = transfer_of(network, picture, styles, coarsest=int(side), **options).within(None)
        seconds, steps = perf_counter() - began, restyled.steps()
    (PROCESS / "clear_refs").write_text("5")  # what saying it took does not count
    for _ in steps:
        pass
    status = (PROCESS / "status").read_text()
    return plan.needed, 1024 * int(status.split("VmHWM:")[1].split()[0]), seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=int, help="this case, counted from 1")
    parser.add_argument("--here", action="store_true", help="in this process, as numbers")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(said_and_taken(*CASES[given.only - 1])))
        return
    print(
        "| what | pixels | tile | said | taken | said / taken | seconds to say |\n|---|---|---|---|---|---|---|"
    )
    for number, (kind, source, side, tile, *layers) in enumerate(CASES, 1):
        if given.only not in (None, number):
            continue
        command = [sys.executable, __file__, "--here", "--only", str(number)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        said, taken, seconds = json.loads(done.stdout)
        size = f"{int(side) * 7 // 8} x {side}"
        row = (" ".join((kind, source, *layers)), size, tile if int(tile) else "", f"{said / 1e6:,.0f} MB")
        print(
            f"| {' | '.join(row)} | {taken / 1e6:,.0f} MB | {said / taken:.2f} | {seconds:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
