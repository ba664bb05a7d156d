"""A teacher's second opinion: GoogLeNet's features of every picture, read out for the 200 classes.

GoogLeNet has seen a million pictures, but none at 64 pixels: its own answers on these are no better than
the student's. Its last features are, once a linear read-out is fitted to them. The read-out is fitted on
one half of the training pictures and asked about the other, so that no soft label is an answer learned by heart.

    python training/teacher.py          # writes runs/teacher_logits.npy, about 8 minutes on two cores
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pictures import RUNS, load
from torch import Tensor
from torch.nn import functional

GOOGLENET = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "caffe" / "bvlc_googlenet"
SIZE = 128
MEAN = (104.0, 117.0, 123.0)


def googlenet() -> cv2.dnn.Net:
    """The Caffe network with its last pooling made global, so that it takes inputs other than 224 pixels."""
    text = (GOOGLENET / "deploy.prototxt").read_text()
    text = text.replace("kernel_size: 7\n    stride: 1", "global_pooling: true")
    weights = np.fromfile(GOOGLENET / "bvlc_googlenet.caffemodel", np.uint8)
    return cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), weights)


def features(split: str, batch: int = 50) -> NDArray[np.float16]:
    """GoogLeNet's pooled last layer for every picture of a split, (N, 1024)."""
    path = RUNS / f"teacher_{split}_features.npy"
    if path.exists():
        return np.load(path)
    network, (pictures, _) = googlenet(), load(split)
    answers = []
    for start in range(0, len(pictures), batch):
        blob = cv2.dnn.blobFromImages(
            [
                cv2.resize(p, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
                for p in pictures[start : start + batch]
            ],
            mean=MEAN[::-1],
            swapRB=True,
        )
        network.setInput(blob)
        answers.append(network.forward("pool5/7x7_s1").reshape(-1, 1024).astype(np.float16))
        if start % 5000 == 0:
            print(split, start, flush=True)
    np.save(path, np.concatenate(answers))
    return np.load(path)


def read_out(inputs: Tensor, labels: Tensor, epochs: int = 12) -> torch.nn.Linear:
    """A linear classifier of the 200 classes on standardized features, fitted by AdamW."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(inputs.shape[1], 200)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=2e-3, weight_decay=0.05)
    steps = epochs * (len(inputs) // 500)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        for chosen in order[: len(inputs) // 500 * 500].split(500):
            dropped = functional.dropout(inputs[chosen], 0.3)
            loss = functional.cross_entropy(layer(dropped), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return layer


def main() -> None:
    """Write the cross-fitted soft answers of the training pictures, and say how good they are."""
    raw = torch.from_numpy(features("train")).float()
    mean, scale = raw.mean(0), raw.std(0) + 1e-3
    inputs, labels = (raw - mean) / scale, torch.from_numpy(load("train")[1])
    held_out = (torch.from_numpy(features("validation")).float() - mean) / scale
    truth = torch.from_numpy(load("validation")[1])
    fold = torch.arange(len(inputs)) % 2
    logits = torch.empty(len(inputs), 200)
    for half in (0, 1):
        layer = read_out(inputs[fold != half], labels[fold != half])
        with torch.no_grad():
            logits[fold == half] = layer(inputs[fold == half])
            correct = (layer(held_out).argmax(1) == truth).float().mean()
        print(f"half {half}: validation top-1 {correct:.3f}")
    print(f"cross-fitted top-1 on the training pictures {(logits.argmax(1) == labels).float().mean():.3f}")
    np.save(RUNS / "teacher_logits.npy", logits.numpy().astype(np.float16))


if __name__ == "__main__":
    main()
