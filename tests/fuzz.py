"""Damages files of every kind and opens them: ``make fuzz SECONDS=60``. Each must open, or end in one line of ours.

Each is used in a process of its own. What ends otherwise, or takes over 500 MB more than the whole file or 20 seconds
of work, is kept in ``fuzz-found/`` with the file's name, the seed and the number of the damage.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from bombs import MEGABYTES, SECONDS, measured
from convscope import open_network
from convscope.errors import ConvscopeError
from convscope.looking.layer_table import layer_table
from convscope.pictures.decoding import picture_endings
from convscope.pictures.photograph import open_photograph
from fuzz_damage import damage
from fuzz_files import write_networks, write_pictures

FOUND = Path("fuzz-found")
LONGEST_LINE = 1500


def use(file: Path) -> str:
    """Open a file and use it; return what became of it: "opened", "refused", or what must not be."""
    try:
        if file.suffix in (*picture_endings(), ".npy", ".npz"):
            open_photograph(str(file))
            return "opened"
        weights_alone = file.suffix in (".pth", ".safetensors")
        network = open_network(file, architecture=torch.nn.Identity if weights_alone else None)
        str(layer_table(network))
        zeros = {name: torch.zeros(shape) for name, shape in network.graph.inputs.items()}
        network.activations(network.preprocess(Image.new("RGB", (32, 32))) if network.input_spec else zeros)
        return "opened"
    except ConvscopeError as error:
        return "refused" if "\n" not in str(error) and len(str(error)) < LONGEST_LINE else "a long line"
    except Exception as error:
        return type(error).__name__


def outcome(file: Path, usual_megabytes: int) -> str:
    """Return what became of a damaged file, and whether it took more than it may."""
    took: dict[str, Any] = measured(file, use)
    if took["megabytes"] > usual_megabytes + MEGABYTES:
        return "large"
    return "slow" if took["seconds"] > SECONDS else str(took["said"])


def main(seconds: float, seed: int, names: list[str]) -> int:
    """Share the seconds among the files; return how many ended as none may."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wrong = 0
    with TemporaryDirectory() as place:
        files = [*write_pictures(Path(place)), *write_networks(Path(place))]
        chosen = [file for file in files if not names or any(name in file.name for name in names)]
        for file in chosen:
            data, counts, number = file.read_bytes(), Counter[str](), 0
            usual = measured(file, use)["megabytes"]
            until = time.monotonic() + seconds / len(chosen)
            while time.monotonic() < until:
                number += 1
                file.write_bytes(broken := damage(file.name, data, np.random.default_rng([seed, number])))
                counts[became := outcome(file, usual)] += 1
                if became not in ("opened", "refused"):
                    wrong += 1
                    FOUND.mkdir(exist_ok=True)
                    (FOUND / f"{file.stem}-{became}-{seed}-{number}{file.suffix}").write_bytes(broken)
            file.write_bytes(data)
            print(f"{file.name:22}", ", ".join(f"{n} {what}" for what, n in counts.most_common()), flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
