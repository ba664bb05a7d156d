"""Opening a file, and a forward pass with every blob kept, against OpenCV and onnxruntime on the same network.

    python benchmarks/forward.py [--runs 15] [--threads 2] [--network bvlc_googlenet ...]

All engines run in one process, in turn, on the same input; the table has medians and their ratios. The limit is the
fastest matrix product this machine makes, measured in the same run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # three engines take turns: threads must not spin for long
sys.path.insert(0, str(Path(__file__).parent))

import cv2
import onnxruntime
import torch
from clock import seconds
from memory import resident
from networks import classic_networks, main_outputs
from onnx_twin import write_onnx

import convscope
from convscope.network.network import Network

Run = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", action="append")
    parser.add_argument("--opening", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    if given.opening:
        print(*opening_here(*given.opening))
        return
    limit = fastest_product()
    print(
        f"{given.threads} threads, limit {limit / 1e9:.0f} GFLOP/s; medians of {given.runs} runs, in turn\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = classic_networks(Path(folder))
        chosen = {name: paths for name, paths in files.items() if name in (given.network or files)}
        print(
            f"{'forward, all blobs kept':24}{'convscope':>11}{'OpenCV':>11}{'onnxrt':>11}{'x OpenCV':>10}"
            f"{'of onnxrt':>11}{'of limit':>10}{'error':>10}"
        )
        twins = {}
        for name, (description, weights) in chosen.items():
            network = convscope.open_network(description, weights=weights)
            twins[name] = write_onnx(network, Path(folder) / f"{name}.onnx", main_outputs(network))
            print(forward_row(name, network, description, weights, twins[name], given, limit), flush=True)
        print(
            f"\n{'opening':24}"
            + "".join(f"{engine:>11} ms  MB" for engine in ("convscope", "OpenCV", "onnxrt"))
        )
        for name, (description, weights) in chosen.items():
            print(opening_row(name, description, weights, twins[name]), flush=True)


def forward_row(
    name: str,
    network: Network,
    description: Path,
    weights: Path,
    twin: Path,
    given: argparse.Namespace,
    limit: float,
) -> str:
    x = (
        torch.randn(
            1, *next(iter(network.graph.inputs.values()))[1:], generator=torch.Generator().manual_seed(0)
        )
        * 50
    )
    outputs = main_outputs(network)
    other = cv2.dnn.readNetFromCaffe(str(description), str(weights))
    layers = [network.graph.written_by(blob)[-1].name for blob in outputs]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = given.threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(twin), options)
    array = x.numpy()

    def opencv() -> object:
        other.setInput(array)
        return other.forward(layers)

    engines: list[Run] = [
        lambda: network.activations(x),
        opencv,
        lambda: session.run(None, {next(iter(network.graph.inputs)): array}),
    ]
    ours, theirs = network.activations(x), dict(zip(outputs, engines[2](), strict=True))
    error = max(float((ours[b] - torch.from_numpy(v)).abs().max() / abs(v).max()) for b, v in theirs.items())
    times = interleaved(engines, given.runs)
    work = 2 * sum(layer.multiply_adds for layer in network.layers.values()) / network.shapes[outputs[0]][0]
    a, b, c = times
    return (
        f"{name:24}{a * 1e3:9.1f}ms{b * 1e3:9.1f}ms{c * 1e3:9.1f}ms{b / a:9.2f}x{a / c:10.2f}x"
        f"{work / a / limit:9.0%}{error:11.0e}"
    )


def opening_row(name: str, description: Path, weights: Path, twin: Path) -> str:
    """Each opening in a process of its own, five times in turn: the median of its time and of its memory."""
    found = []
    for engine in ("convscope", "opencv", "onnxruntime"):
        command = [sys.executable, __file__, "--opening", engine]
        files = [str(twin), ""] if engine == "onnxruntime" else [str(description), str(weights)]
        runs = [
            [float(word) for word in subprocess.check_output([*command, *files], text=True).split()]
            for _ in range(5)
        ]
        found += [f"{median(run[0] for run in runs) * 1e3:11.1f} {median(run[1] for run in runs) / 1e6:6.0f}"]
    return f"{name:24}" + "".join(found)


def opening_here(engine: str, first: str, second: str) -> tuple[float, int]:
    """Return the seconds and the bytes of resident memory that one opening takes, imports aside."""
    convscope.open_network  # noqa: B018  the import is not the opening
    before, start = resident(), seconds()
    if engine == "convscope":
        kept: object = convscope.open_network(first, weights=second)
    elif engine == "opencv":
        kept = cv2.dnn.readNetFromCaffe(first, second)
    else:
        kept = onnxruntime.InferenceSession(first)
    spent = seconds() - start
    assert kept is not None
    return spent, resident() - before


def interleaved(engines: list[Run], runs: int) -> list[float]:
    times: list[list[float]] = [[] for _ in engines]
    for turn in range(runs + 3):
        for kept, engine in zip(times, engines, strict=True):
            start = seconds()
            engine()
            if turn >= 3:
                kept.append(seconds() - start)
    return [median(kept) for kept in times]


def fastest_product(dtype: torch.dtype = torch.float32) -> float:
    """Return the most floating-point operations a second that a 3x3 convolution reaches here."""
    x = torch.randn(1, 256, 56, 56).to(dtype).contiguous(memory_format=torch.channels_last)
    w = torch.randn(256, 256, 3, 3).to(dtype).contiguous(memory_format=torch.channels_last)
    packed = torch.ops.mkldnn._reorder_convolution_weight(w, [1, 1], [1, 1], [1, 1], 1, list(x.shape))

    def run() -> object:
        return torch.ops.mkldnn._convolution_pointwise(
            x, packed, None, [1, 1], [1, 1], [1, 1], 1, "none", [], ""
        )

    best = min(interleaved([run], 5) + interleaved([run], 5))
    return 2 * 256 * 256 * 9 * 56 * 56 / best


if __name__ == "__main__":
    main()
