"""Damages files of every kind and opens them: ``make fuzz SECONDS=60``. Each must open, or end in one line of ours.

What ends otherwise, or takes longer than 20 seconds, is kept in ``fuzz-found/`` with the reader's name and the seed.
"""

import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from convscope import open_network
from convscope.errors import ConvscopeError
from planted import planted_files, planted_network
from test_formats import write_keras, write_onnx, write_tensorflow

SLOW = 20.0
FOUND = Path("fuzz-found")
VALUES = (0, 1, 2, 10, 34, 44, 91, 123, 127, 128, 255)


def state(folder: Path) -> Path:
    torch.save(dict(planted_network().parameters), folder / "planted.pth")
    return folder / "planted.pth"


def caffe(folder: Path) -> Path:
    return open_network(planted_files(folder)).save(folder / "saved.caffemodel")


TARGETS: dict[str, Callable[[Path], Path]] = {
    "caffe": caffe,
    "convscope": lambda folder: planted_network().save(folder / "planted.convscope"),
    "keras": write_keras,
    "onnx": write_onnx,
    "prototxt": lambda folder: next(planted_files(folder).glob("*.prototxt")),
    "pytorch": state,
    "tensorflow": write_tensorflow,
}


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Return a file with a few bytes changed, a piece cut out, doubled or moved; near its beginning more often."""
    content = bytearray(data)
    for _ in range(random.integers(1, 6)):
        end = len(content) if random.random() < 0.3 else min(len(content), 4096)
        at, length = int(random.integers(0, max(1, end))), int(random.integers(1, 40))
        way = random.integers(0, 5)
        if way == 0:
            del content[at:]
        elif way == 1:
            del content[at : at + length]
        elif way == 2:
            content[at:at] = content[at : at + length]
        elif content:
            content[min(at, len(content) - 1)] = VALUES[random.integers(len(VALUES))]
    return bytes(content)


def outcome(file: Path) -> str:
    """Open a file and use it; return what became of it: "opened", "refused", or the exception's name."""
    begun = time.monotonic()
    try:
        network = open_network(file, architecture=torch.nn.Identity if file.suffix == ".pth" else None)
        network.activations({name: torch.zeros(shape) for name, shape in network.graph.inputs.items()})
        found = "opened"
    except ConvscopeError as error:
        found = "refused" if "\n" not in str(error) else "several lines"
    except Exception as error:
        found = type(error).__name__
    return "slow" if time.monotonic() - begun > SLOW else found


def main(seconds: float, seed: int) -> int:
    """Share the seconds among the targets; return how many files ended as none may."""
    warnings.simplefilter("ignore")
    wrong = 0
    with TemporaryDirectory() as place:
        for name, write in TARGETS.items():
            (folder := Path(place) / name).mkdir()
            whole = write(folder)
            data, counts, number = whole.read_bytes(), Counter[str](), 0
            until = time.monotonic() + seconds / len(TARGETS)
            while time.monotonic() < until:
                number += 1
                whole.write_bytes(broken := damaged(data, np.random.default_rng([seed, number])))
                counts[found := outcome(whole)] += 1
                if found not in ("opened", "refused"):
                    wrong += 1
                    FOUND.mkdir(exist_ok=True)
                    (FOUND / f"{name}-{found}-{seed}-{number}{whole.suffix}").write_bytes(broken)
            print(
                f"{name:11}", ", ".join(f"{count} {what}" for what, count in counts.most_common()), flush=True
            )
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(float(sys.argv[1]), int(sys.argv[2]))))
