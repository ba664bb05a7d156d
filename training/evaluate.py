"""Judge a shipped file by numbers: accuracy by input size, dead channels, two photographs everyone has.

    python training/evaluate.py training/weights/natural.safetensors

prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import skimage.data
import torch
from pictures import PACKED, load
from shipped import Shipped
from shipped import load as load_shipped
from torch.nn import functional

PHOTOGRAPHS = PACKED.parent / "photographs"


@torch.inference_mode()
def accuracy(network: Shipped, size: int) -> tuple[float, float]:
    """Top-1 and top-5 shares on the validation pictures, whole, resized to `size`."""
    pictures, labels = load("validation")
    hits = torch.zeros(2)
    for start in range(0, len(labels), 250):
        batch = torch.from_numpy(pictures[start : start + 250].copy()).permute(0, 3, 1, 2).float() / 255
        if size != batch.shape[-1]:
            batch = functional.interpolate(batch, (size, size), mode="bilinear", antialias=True)
        best = network.values(batch, "head")["head"].topk(5).indices
        found = best == torch.from_numpy(labels[start : start + 250])[:, None]
        hits += torch.stack([found[:, 0].sum(), found.any(1).sum()])
    top1, top5 = (hits / len(labels)).tolist()
    return round(top1, 4), round(top5, 4)


@torch.inference_mode()
def strongest(network: Shipped) -> dict[str, torch.Tensor]:
    """Each channel's strongest activation anywhere in the 500 photographs, by layer; each class's score too."""
    paths = sorted(PHOTOGRAPHS.glob("*.jpg"))
    best: dict[str, torch.Tensor] = {}
    for start in range(0, len(paths), 50):
        values = network.values(torch.cat([network.picture(path) for path in paths[start : start + 50]]))
        for operation in network.operations:
            if operation["kind"] in ("relu", "concat", "dense"):
                name = operation["outputs"][0]
                peak = (
                    values[name].flatten(2).amax(2).amax(0)
                    if values[name].dim() > 2
                    else values[name].amax(0)
                )
                best[name] = torch.maximum(best.get(name, peak), peak)
    return best


@torch.inference_mode()
def answers(network: Shipped, name: str, size: int | None = None) -> list[tuple[str, float]]:
    """The five likeliest classes of one of scikit-image's photographs."""
    probabilities = network.values(network.picture(getattr(skimage.data, name)(), size))["prob"][0]
    best = probabilities.topk(5)
    return [(network.labels[i], round(p, 3)) for p, i in zip(*(t.tolist() for t in best), strict=True)]


def main() -> None:
    """Print every figure of one file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 80, 96, 128])
    arguments = parser.parse_args()
    network = load_shipped(arguments.path)
    peaks = strongest(network)
    rectified = {o["outputs"][0]: peaks[o["outputs"][0]] for o in network.operations if o["kind"] == "relu"}
    report = {
        "accuracy": {size: accuracy(network, size) for size in arguments.sizes},
        "channels": sum(len(peak) for peak in rectified.values()),
        "dead": {name: int((peak <= 0).sum()) for name, peak in rectified.items() if (peak <= 0).any()},
        "coffee": {size: answers(network, "coffee", size) for size in arguments.sizes},
        "chelsea": {size: answers(network, "chelsea", size) for size in arguments.sizes},
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
