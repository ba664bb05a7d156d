"""Train the built-in network on the packed pictures, within a given time or number of epochs.

    python training/train.py --name natural --minutes 53
    python training/train.py --name aligned --start natural --minutes 70 --peak 0.08 --epsilon 1.0

Stops and goes on: the same command line again resumes at the last full epoch. The learning rate follows the
share of the budget that is spent, so a slow or paused machine still ends with a cooled-down network.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import time
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from augmentation import attacked, augment
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from unfolding import started

from network import CLASSES, Classifier, normalize
from pictures import RUNS, load


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", required=True, help="of the run: runs/<name>.pt and runs/<name>.csv")
    parser.add_argument("--start", help="run, or shipped file, whose averaged weights to begin with")
    parser.add_argument("--minutes", type=float, help="budget in wall-clock minutes")
    parser.add_argument("--epochs", type=float, help="budget in epochs (repeatable, unlike minutes)")
    parser.add_argument("--peak", type=float, default=0.2, help="highest learning rate")
    parser.add_argument("--warmup", type=float, default=0.08, help="share of the budget before the peak")
    parser.add_argument("--small", type=float, default=0.4, help="share of the budget spent at 48 pixels")
    parser.add_argument(
        "--epsilon",
        type=float,
        default=0.0,
        help="largest L2 length of the attack on 64 pixels, of 0..1 values",
    )
    parser.add_argument("--teacher", type=float, default=0.5, help="weight of the teacher's soft labels")
    parser.add_argument(
        "--close-ups",
        nargs="+",
        default=[],
        metavar="NAME",
        help="learn the teacher's answers to cats or close_ups too, each as often as it is named",
    )
    parser.add_argument("--bfloat16", action="store_true", help="inside; try whether it is faster here")
    parser.add_argument("--smoothing", type=float, default=0.1, help="label smoothing of the hard labels")
    parser.add_argument("--smooth", type=float, default=5e-4, help="weight of the first filters' roughness")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, help="as many as cores are idle, if not given")
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


def loss_of(network: Classifier, pictures: Tensor, targets: Tensor, bfloat16: bool) -> Tensor:
    """Cross-entropy with soft targets; bfloat16 inside if asked for, float outside."""
    inputs = normalize(pictures).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = network(inputs)
    return functional.cross_entropy(logits.float(), targets)


def roughness(network: Classifier) -> Tensor:
    """Half the squared Laplacian of the first filters: large for noise, small for edges and blobs."""
    filters = network.layers.conv1.convolution.weight.flatten(0, 1)[:, None]
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    laplacian = functional.conv2d(functional.pad(filters, (1, 1, 1, 1), mode="replicate"), kernel)
    return laplacian.square().sum() / 2


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
def accuracy(network: Classifier) -> tuple[float, float]:
    """Top-1 and top-5 shares on the 5,000 validation pictures, whole, at their own 64 pixels."""
    network.eval()
    pictures, labels = load("validation")
    hits = torch.zeros(2)
    for start in range(0, len(labels), 250):
        batch = torch.from_numpy(pictures[start : start + 250].copy()).permute(0, 3, 1, 2).float() / 255
        best = network(normalize(batch).to(memory_format=torch.channels_last)).topk(5).indices
        found = best == torch.from_numpy(labels[start : start + 250])[:, None]
        hits += torch.stack([found[:, 0].sum(), found.any(1).sum()])
    top1, top5 = (hits / len(labels)).tolist()
    return top1, top5


def idle_cores() -> int:
    """How many cores nobody else keeps busy: more threads than that stall each other."""
    others = os.getloadavg()[0] - torch.get_num_threads()
    return max(1, (os.cpu_count() or 1) - max(0, round(others)))


def optimizer_of(network: Classifier) -> torch.optim.SGD:
    """SGD with Nesterov momentum; weights decay, biases and norms do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 5e-4}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)


@dataclass
class Run:
    """Everything that a checkpoint holds."""

    path: Path
    network: Classifier
    average: Classifier
    optimizer: torch.optim.SGD
    epoch: int = 0
    elapsed: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)

    def resume(self) -> None:
        """Take up the checkpoint, if there is one."""
        if self.path.exists():
            state = torch.load(self.path, weights_only=True)
            for name in ("network", "average", "optimizer"):
                getattr(self, name).load_state_dict(state[name])
            self.epoch, self.elapsed, self.rows = state["epoch"], state["elapsed"], state["rows"]

    def save(self) -> None:
        """Write checkpoint and log so that a reader never sees half of one."""
        state = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimizer")}
        state |= {"epoch": self.epoch, "elapsed": self.elapsed, "rows": self.rows}
        torch.save(state, self.path.with_suffix(".partial"))
        self.path.with_suffix(".partial").replace(self.path)
        with self.path.with_suffix(".csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


def begin(arguments: argparse.Namespace) -> Run:
    """A fresh run, one that starts from another's averaged weights, or the one that was interrupted."""
    torch.manual_seed(arguments.seed)
    network = started(arguments.start) if arguments.start else Classifier()
    network = network.to(memory_format=torch.channels_last)
    run = Run(RUNS / f"{arguments.name}.pt", network, deepcopy(network), optimizer_of(network))
    run.resume()
    return run


def update(run: Run, pictures: Tensor, targets: Tensor, arguments: argparse.Namespace) -> float:
    """One step of the optimizer on one batch; the loss. Leaves the pictures' own gradient with them."""
    run.network.train()
    loss = loss_of(run.network, pictures, targets, arguments.bfloat16)
    run.optimizer.zero_grad()
    (loss + arguments.smooth * roughness(run.network)).backward()
    run.optimizer.step()
    return loss.item()


def step(run: Run, batch: Tensor, targets: Tensor, arguments: argparse.Namespace) -> float:
    """One step on a batch of augmented pictures and, if asked for, a second on the same attacked; the first loss.

    The attack follows the gradient that the first step has computed anyway (Shafahi et al., 2019: free).
    """
    batch.requires_grad_(arguments.epsilon > 0)
    loss = update(run, batch, targets, arguments)
    if batch.grad is not None:
        epsilon = arguments.epsilon * batch.shape[-1] / 64  # as much a pixel, whatever the crop's size
        update(run, attacked(batch.detach(), batch.grad, epsilon), targets, arguments)
    return loss


@dataclass(frozen=True)
class Lesson:
    """What is learned from: whole pictures, then their close-ups if there are any, and a target for each of both."""

    pictures: tuple[NDArray[np.uint8], ...]
    targets: Tensor

    def batch(self, chosen: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return augmented pictures (N, 3, size, size) and their targets (N, 200)."""
        chosen = chosen.sort().values
        begins = [0, *accumulate(map(len, self.pictures))]
        parts = [
            some[(chosen[(chosen >= begin) & (chosen < begin + len(some))] - begin).numpy()]
            for begin, some in zip(begins, self.pictures, strict=False)
        ]
        found = torch.from_numpy(np.concatenate(parts))
        return augment(found, size, random, chosen >= begins[1]), self.targets[chosen]


def lesson(arguments: argparse.Namespace) -> Lesson:
    """What a run learns from; of close-ups the teacher alone says what they show."""
    pictures, labels = load("train")
    targets = soft_targets(torch.from_numpy(labels), arguments.teacher, arguments.smoothing)
    near = [np.load(RUNS / f"{name}.npy", mmap_mode="r") for name in arguments.close_ups]
    asked = [
        torch.from_numpy(np.load(RUNS / f"{name}_logits.npy")).float().softmax(1)
        for name in arguments.close_ups
    ]
    return Lesson((pictures, *near), torch.cat([targets, *asked]))


def train_epoch(run: Run, learned: Lesson, arguments: argparse.Namespace) -> bool:
    """Train until the pictures or the budget are used up, log and save; whether there is budget left."""
    count = len(learned.targets)
    steps, seed = count // arguments.batch, 1000 * arguments.seed + run.epoch
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    order = torch.randperm(count, generator=random)[: steps * arguments.batch]
    began, processor, losses = time.monotonic() - run.elapsed, time.process_time(), []
    for index, chosen in enumerate(order.split(arguments.batch)):
        run.elapsed = time.monotonic() - began
        epochs = run.epoch + index / steps
        progress = epochs / arguments.epochs if arguments.epochs else run.elapsed / 60 / arguments.minutes
        if progress >= 1:
            break
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(progress, arguments.peak, arguments.warmup)
        batch, targets = learned.batch(chosen, 48 if progress < arguments.small else 64, random)
        losses.append(step(run, batch, targets, arguments))
        average_into(run.average, run.network, min(0.998, 1 - 1 / (1 + epochs * steps)))
        if index % 50 == 0:
            torch.set_num_threads(arguments.threads or idle_cores())
            where = f"epoch {run.epoch} step {index} progress {progress:.3f}"
            print(f"{where} loss {losses[-1]:.3f} threads {torch.get_num_threads()}", flush=True)
    if losses:
        run.epoch += 1
        top1, top5 = accuracy(run.average)
        row = {
            "epoch": run.epoch,
            "minutes": run.elapsed / 60,
            "processor_minutes": (time.process_time() - processor) / 60,
            "progress": progress,
            "learning_rate": run.optimizer.param_groups[0]["lr"],
            "loss": sum(losses) / len(losses),
            "top1": top1,
            "top5": top5,
        }
        run.rows.append({key: round(value, 4) for key, value in row.items()})
        run.elapsed = time.monotonic() - began
        run.save()
        print(run.rows[-1], flush=True)
    return progress < 1


def main() -> None:
    """Train to the end of the budget."""
    arguments = options()
    run = begin(arguments)
    learned = lesson(arguments)
    while train_epoch(run, learned, arguments):
        pass


if __name__ == "__main__":
    main()
