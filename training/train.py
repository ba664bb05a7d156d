"""Train the built-in network on the packed pictures, within a given time or number of epochs.

    python training/train.py --name natural --minutes 50
    python training/train.py --name aligned --start natural --minutes 25 --peak 0.05 --epsilon 1.0

Stops and goes on: the same command line again resumes at the last full epoch. The learning rate follows the
share of the budget that is spent, so a slow or paused machine still ends with a cooled-down network.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from augmentation import augment
from pictures import RUNS, load
from torch import Tensor
from torch.nn import functional

from network import CLASSES, Classifier, normalize


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", required=True, help="of the run: runs/<name>.pt and runs/<name>.csv")
    parser.add_argument("--start", help="name of the run whose averaged weights to begin with")
    parser.add_argument("--minutes", type=float, help="budget in wall-clock minutes")
    parser.add_argument("--epochs", type=float, help="budget in epochs (repeatable, unlike minutes)")
    parser.add_argument("--peak", type=float, default=0.2, help="highest learning rate")
    parser.add_argument("--warmup", type=float, default=0.08, help="share of the budget before the peak")
    parser.add_argument("--small", type=float, default=0.4, help="share of the budget spent at 48 pixels")
    parser.add_argument(
        "--epsilon", type=float, default=0.0, help="largest L2 length of the attack, of 0..1 values"
    )
    parser.add_argument("--teacher", type=float, default=0.5, help="weight of the teacher's soft labels")
    parser.add_argument("--smoothing", type=float, default=0.1, help="label smoothing of the hard labels")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if (arguments.minutes is None) == (arguments.epochs is None):
        parser.error("give one of --minutes and --epochs")
    return arguments


def soft_targets(labels: Tensor, teacher: float, smoothing: float) -> Tensor:
    """Each training picture's target distribution (N, 200): the smoothed label mixed with the teacher's answer."""
    hard = functional.one_hot(labels, CLASSES) * (1 - smoothing) + smoothing / CLASSES
    if teacher == 0:
        return hard
    answers = torch.from_numpy(np.load(RUNS / "teacher_logits.npy")).float().softmax(1)
    return (1 - teacher) * hard + teacher * answers


def loss_of(network: Classifier, pictures: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with soft targets; bfloat16 inside, float outside."""
    inputs = normalize(pictures).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(inputs)
    return functional.cross_entropy(logits.float(), targets)


def attack(network: Classifier, pictures: Tensor, targets: Tensor, epsilon: float) -> Tensor:
    """Move each picture up the loss by one L2 step of random length up to epsilon (Engstrom et al., 2019)."""
    network.eval()
    pictures = pictures.requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss_of(network, pictures, targets), pictures)
    network.train()
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12) / (torch.rand(len(pictures)) * epsilon)
    return (pictures + gradient / length.view(-1, 1, 1, 1)).clamp(0, 1).detach()


def learning_rate(progress: float, peak: float, warmup: float) -> float:
    """Straight up to the peak during the warm-up, then half a cosine down to nearly nothing."""
    if progress < warmup:
        return peak * (0.04 + 0.96 * progress / warmup)
    rest = (progress - warmup) / (1 - warmup)
    return peak * max(0.5 * (1 + math.cos(math.pi * min(rest, 1))), 1e-3)


@torch.no_grad()
def average_into(average: Classifier, network: Classifier, decay: float) -> None:
    """Move the averaged network (weights and batch statistics) a little towards the present one."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


@torch.inference_mode()
def accuracy(network: Classifier, size: int = 64) -> tuple[float, float]:
    """Top-1 and top-5 shares on the 5,000 validation pictures, whole, resized to `size`."""
    network.eval()
    pictures, labels = load("validation")
    hits = torch.zeros(2)
    for start in range(0, len(labels), 250):
        batch = torch.from_numpy(pictures[start : start + 250]).permute(0, 3, 1, 2).float() / 255
        if size != batch.shape[-1]:
            batch = functional.interpolate(batch, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
        inputs = normalize(batch).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            best = network(inputs).float().topk(5).indices
        found = best == torch.from_numpy(labels[start : start + 250])[:, None]
        hits += torch.stack([found[:, 0].sum(), found.any(1).sum()])
    top1, top5 = (hits / len(labels)).tolist()
    return top1, top5


def optimizer_of(network: Classifier) -> torch.optim.SGD:
    """SGD with Nesterov momentum; weights decay, biases and norms do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 5e-4}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a reader never sees half of one."""
    torch.save(state, path.with_suffix(".partial"))
    path.with_suffix(".partial").replace(path)


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Write the run's log, one row an epoch."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Train to the end of the budget."""
    arguments = options()
    path = RUNS / f"{arguments.name}.pt"
    torch.manual_seed(arguments.seed)
    network = Classifier().to(memory_format=torch.channels_last)
    if arguments.start:
        network.load_state_dict(torch.load(RUNS / f"{arguments.start}.pt", weights_only=True)["average"])
    average, optimizer = deepcopy(network), optimizer_of(network)
    epoch, elapsed, rows = 0, 0.0, []
    if path.exists():
        state = torch.load(path, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        epoch, elapsed, rows = state["epoch"], state["elapsed"], state["rows"]

    pictures, labels = load("train")
    targets = soft_targets(torch.from_numpy(labels), arguments.teacher, arguments.smoothing)
    steps = len(labels) // arguments.batch
    began, progress = time.monotonic() - elapsed, 0.0
    while progress < 1:
        random = torch.Generator().manual_seed(1000 * arguments.seed + epoch)
        torch.manual_seed(1000 * arguments.seed + epoch)
        order = torch.randperm(len(labels), generator=random)
        losses, processor = [], time.process_time()
        for step in range(steps):
            elapsed = time.monotonic() - began
            spent = (
                elapsed / 60 / arguments.minutes
                if arguments.minutes
                else (epoch + step / steps) / arguments.epochs
            )
            progress = spent
            if progress >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(progress, arguments.peak, arguments.warmup)
            chosen = order[step * arguments.batch : (step + 1) * arguments.batch].sort().values
            batch = torch.from_numpy(pictures[chosen.numpy()])
            batch = augment(batch, 48 if progress < arguments.small else 64, random)
            network.train()
            if arguments.epsilon:
                batch = attack(network, batch, targets[chosen], arguments.epsilon)
            loss = loss_of(network, batch, targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average_into(average, network, min(0.998, 1 - 1 / (1 + step + epoch * steps)))
            losses.append(loss.item())
            if step % 50 == 0:
                print(f"epoch {epoch} step {step} progress {progress:.3f} loss {losses[-1]:.3f}", flush=True)
        epoch += 1
        if not losses:
            break
        top1, top5 = accuracy(average)
        row = {
            "epoch": epoch,
            "minutes": round(elapsed / 60, 2),
            "processor_minutes": round((time.process_time() - processor) / 60, 2),
            "progress": round(progress, 4),
            "learning_rate": round(optimizer.param_groups[0]["lr"], 5),
            "loss": round(float(np.mean(losses)), 4),
            "top1": round(top1, 4),
            "top5": round(top5, 4),
        }
        print(row, flush=True)
        rows.append(row)
        save(
            path,
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "epoch": epoch,
                "elapsed": time.monotonic() - began,
                "rows": rows,
            },
        )
        write_log(path.with_suffix(".csv"), rows)


if __name__ == "__main__":
    main()
