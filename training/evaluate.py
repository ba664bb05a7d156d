"""Judge a shipped file by numbers: accuracy by input size, and under attack; dead channels; photographs everyone has.

    python training/evaluate.py training/weights/natural.safetensors

prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import skimage.data
import torch
from shipped import Shipped
from shipped import load as load_shipped
from torch import Tensor
from torch.nn import functional

from pictures import PACKED, load

PHOTOGRAPHS = PACKED.parent / "photographs"


def validation(size: int, every: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of the validation pictures, whole, resized to `size`: floats in 0..1, and their labels."""
    pictures, labels = load("validation")
    for start in range(0, len(labels), 250 * every):
        chosen = slice(start, start + 250 * every, every)
        batch = torch.from_numpy(pictures[chosen].copy()).permute(0, 3, 1, 2).float() / 255
        if size != batch.shape[-1]:
            batch = functional.interpolate(batch, (size, size), mode="bilinear", antialias=True)
        yield batch, torch.from_numpy(labels[chosen])


@torch.inference_mode()
def accuracy(network: Shipped, size: int) -> tuple[float, float]:
    """Top-1 and top-5 shares on the validation pictures, whole, resized to `size`."""
    found = torch.cat(
        [
            network.values(batch, "head")["head"].topk(5).indices == labels[:, None]
            for batch, labels in validation(size)
        ]
    )
    return round(float(found[:, 0].float().mean()), 4), round(float(found.any(1).float().mean()), 4)


def attacked(network: Shipped, pictures: Tensor, labels: Tensor, epsilon: float, steps: int) -> Tensor:
    """Pictures moved up the loss in steps of L2 length, never further than epsilon (Madry et al., 2018)."""
    change = torch.zeros_like(pictures)
    for _ in range(steps):
        change.requires_grad_(True)
        loss = functional.cross_entropy(network.values(pictures + change, "head")["head"], labels)
        (gradient,) = torch.autograd.grad(loss, change)
        change = change.detach() + gradient * (2.5 * epsilon / steps if steps > 1 else epsilon) / lengths(
            gradient
        )
        change = (pictures + change * (epsilon / lengths(change)).clamp(max=1)).clamp(0, 1) - pictures
    return pictures + change


def lengths(batch: Tensor) -> Tensor:
    """Each picture's L2 length, (N, 1, 1, 1)."""
    return batch.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)


def robustness(network: Shipped, epsilon: float, steps: int, every: int = 10) -> float:
    """Top-1 share of every tenth validation picture, at its own 64 pixels, after an attack."""
    found = [
        network.values(attacked(network, batch, labels, epsilon, steps), "head")["head"].argmax(1) == labels
        for batch, labels in validation(64, every)
    ]
    return round(float(torch.cat(found).float().mean()), 4)


@torch.inference_mode()
def strongest(network: Shipped) -> dict[str, Tensor]:
    """Each channel's strongest activation anywhere in the 500 photographs, by layer; each class's score too."""
    paths = sorted(PHOTOGRAPHS.glob("*.jpg"))
    best: dict[str, Tensor] = {}
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
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 80, 96])
    arguments = parser.parse_args()
    network = load_shipped(arguments.path)
    peaks = strongest(network)
    rectified = {o["outputs"][0]: peaks[o["outputs"][0]] for o in network.operations if o["kind"] == "relu"}
    report = {
        "accuracy": {size: accuracy(network, size) for size in arguments.sizes},
        "attacked": {
            f"{steps} steps, {epsilon}": robustness(network, epsilon, steps)
            for steps in (1, 10)
            for epsilon in (0.5, 1.0)
        },
        "channels": sum(len(peak) for peak in rectified.values()),
        "dead": {name: int((peak <= 0).sum()) for name, peak in rectified.items() if (peak <= 0).any()},
        "coffee": {size: answers(network, "coffee", size) for size in arguments.sizes},
        "chelsea": {size: answers(network, "chelsea", size) for size in arguments.sizes},
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
