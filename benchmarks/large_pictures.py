"""What pictures that do not fit take, said before the start and in truth: a dream of 8192 and a style of 4096 pixels.

    python benchmarks/large_pictures.py [--steps 2] [--only dream]

Each runs as a command in a process of its own, in the largest tiles that fit the memory it is given. GoogLeNet dreams
at one size; SqueezeNet paints at all sizes on the way up.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from networks import DATA
from PIL import Image

PICTURES = DATA.parent / "pictures"
JOBS = {
    "dream, GoogLeNet inception_3b": (
        ("sky1024px.jpg", (8192, 8192), "8GB"),
        ("dream", DATA / "bvlc_googlenet", "--layer", "inception_3b/output", "--octaves", 1),
    ),
    "style, SqueezeNet": (
        ("tubingen.jpg", (4096, 3072), "3.5GB"),
        ("style", DATA / "squeezenet_v1.1", "--style", PICTURES / "starry_night_google.jpg"),
    ),
}


def run(command: Sequence[object]) -> tuple[str, int, float]:
    """Return what a convscope command says on stderr, the most bytes it held, and how many seconds it took."""
    began = perf_counter()
    program = [sys.executable, "-c", "from convscope.cli import main; main()", *map(str, command)]
    with subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said)
    return said, usage.ru_maxrss * 1024, perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2, help="at each size")
    parser.add_argument("--only", choices=("dream", "style"))
    given = parser.parse_args()
    print("| what | pixels | given | said | taken | seconds |\n|---|---|---|---|---|---|")
    for name, ((file, size, memory), command) in JOBS.items():
        if given.only not in (None, command[0]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "large.png"
            Image.open(PICTURES / file).convert("RGB").resize(size, Image.Resampling.BICUBIC).save(picture)
            wishes = ("--size", max(size), "--steps", given.steps, "--memory", memory)
            said, taken, seconds = run((*command, picture, *wishes, "-o", Path(folder) / "made.png"))
        plan = next(line for line in said.splitlines() if " x " in line).split(": ")[1]
        row = (name, f"{size[0]} x {size[1]}", memory, plan, f"{taken / 1e9:.1f} GB", f"{seconds:.0f}")
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
