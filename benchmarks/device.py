"""Everything on a graphics card: the same numbers as on the processor, nothing left behind, and how fast.

    python benchmarks/device.py            # the best device there is; under eight minutes
    python benchmarks/device.py --device cpu --quick

It needs this repository and what convscope needs, and no network. First the checks: each technique on the device beside
the processor, in full float32 on both, on average at most 1e-4 of its largest value apart (pictures that grow step by
step are compared after their first steps: rounding grows with them); then that memory is given back. Then the table: a
step, or one result, in float32, TF32 and bfloat16, beside a careful loop by hand in float32. The exit status is
1 where a check fails.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TQDM_DISABLE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import torch
from peers import careful
from techniques import mean_difference, techniques
from torch_networks import InceptionV1

import convscope
from convscope.network.engine.execution import best_device

BLOCK = "inception_4c"  # of GoogLeNet, which is timed
USUAL = 1e-4
# By so much steps move on rounding alone: each phase by up to a radian, a dream's by its gradient's mean size in four
# sizes, L-BFGS along whatever line it finds. On one device weights changed by 1e-7 change a dream by 1.6e-4 and
# neural-style's picture by 1.3e-2.
LIMIT = {
    "see, maco": 1e-2,
    "dream, default": 1e-3,
    "style, neural-style": 5e-2,
    "style, gatys": 1e-2,
    "style, pytorch-tutorial": 1e-2,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default=best_device())
    parser.add_argument("--quick", action="store_true", help="few and small: whether it runs at all")
    given = parser.parse_args()
    name = torch.cuda.get_device_name() if given.device.startswith("cuda") else given.device
    print(f"# {name}, torch {torch.__version__}, convscope {convscope.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CONVSCOPE_CACHE"] = (
            folder  # what an earlier run made and kept would be compared, and timed
        )
        with precision("float32"):
            failed = checks(given.device)
        print()
        table(given.device, Path(folder), quick=given.quick)
    sys.exit(bool(failed))


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Let products be computed in float32 or in TF32 (bfloat16 is convscope's own option)."""
    tf32 = name == "TF32"
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def checks(device: str) -> list[str]:
    """Compare each technique on two devices; return the names of those that fail."""
    here, there = (convscope.open_network("builtin", device=place) for place in ("cpu", device))
    held = allocated(device)
    failed = []
    print("| check | mean difference, of the largest value |\n|---|---|")
    for name, technique in techniques().items():
        try:
            apart = mean_difference(*(np.asarray(technique(network), float) for network in (here, there)))
            fine, words = apart <= LIMIT.get(name, USUAL), f"{apart:.1e}"
        except Exception as error:
            fine, words = False, f"{type(error).__name__}: {str(error)[:200]}"
        failed += [] if fine else [name]
        print(f"| {name} | {words}{'' if fine else ' FAILS'} |", flush=True)
    left = allocated(device) - held
    print(f"| memory left behind | {left / 1e6:.1f} MB{' FAILS' if left > 64e6 else ''} |")
    return failed + ["memory"] * (left > 64e6)


def allocated(device: str) -> int:
    """Return the bytes of tensors that live on the device, after what is dead was collected."""
    import gc

    gc.collect()
    return torch.cuda.memory_allocated() if device.startswith("cuda") else 0


def table(device: str, folder: Path, *, quick: bool) -> None:
    """Print how long one step or one result takes, in each precision, beside the careful loop."""
    torch.manual_seed(0)
    module = InceptionV1().eval().to(device)  # its weights are random: time does not depend on them
    network = convscope.open_network(module, device=device, input_shape=(1, 3, 224, 224), mean=0.5)
    size, turns, steps = (64, 2, 4) if quick else (224, 5, 64)
    pictures = ["coffee", "chelsea", "astronaut"] * (2 if quick else 64)
    work: dict[str, tuple[Callable[[bool], object], int]] = {
        "see, a step": (
            lambda fast: convscope.feature_visualization(
                network, f"{BLOCK}:42", size=size, steps=steps, fast=fast
            ),
            steps,
        ),
        "sheet of 16, a unit": (
            lambda fast: convscope.feature_sheet(
                network, BLOCK, channels=16, size=size // 2, steps=steps // 4, fast=fast
            ),
            16,
        ),
        "dream, a step": (
            lambda fast: convscope.deep_dream(
                network, "coffee", BLOCK, size=2 * size, steps=steps, octaves=1, fast=fast
            ),
            steps,
        ),
        "style, a step": (
            lambda fast: convscope.style_transfer(
                network, "coffee", "chelsea", size=size, steps=steps, fast=fast
            ),
            steps,
        ),
        "grad-cam": (lambda _: convscope.grad_cam(network, "coffee").values, 1),
        "occlusion": (
            lambda _: convscope.occlusion(network, "coffee", window=56, stride=size // 4).values,
            1,
        ),
        "measuring a picture": (
            lambda _: convscope.measure(network, pictures, [BLOCK], folder=tempfile.mkdtemp(dir=folder)),
            len(pictures),
        ),
        "classes of a picture": (lambda _: [network.predict(name) for name in pictures], len(pictures)),
    }
    with torch.device(device):
        loop = careful(module, BLOCK, 42, size)
        next(loop)
    if quick:
        print(
            "--quick: a step is a fourth of a run of four, its start and its verdict included; no figures to keep\n"
        )
    by_hand = median_of(lambda: [next(loop) for _ in range(steps)], turns, device) / steps
    columns = ["float32", "TF32", "bfloat16"] if device.startswith("cuda") else ["float32", "bfloat16"]
    print(f"| GoogLeNet | {' | '.join(columns)} | careful loop by hand |\n|---|{'---|' * (len(columns) + 1)}")
    for name, (act, parts) in work.items():
        cells = []
        for column in columns:
            with precision(column):
                seconds = median_of(lambda act=act, c=column: act(c == "bfloat16"), turns, device) / parts
            cells.append(f"{1e3 * seconds:.2f} ms")
        beside = f"{1e3 * by_hand:.2f} ms" if name.startswith("see") else ""
        print(f"| {name} | {' | '.join(cells)} | {beside} |", flush=True)
    if device.startswith("cuda"):
        print(f"\npeak memory {torch.cuda.max_memory_allocated() / 1e6:,.0f} MB")


def median_of(act: Callable[[], object], turns: int, device: str) -> float:
    """Return the median of so many turns in seconds, after one to warm up; the device has finished in each."""
    taken = []
    for _ in range(turns + 1):
        start = time.perf_counter()
        act()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


if __name__ == "__main__":
    main()
