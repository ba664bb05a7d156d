"""A teacher's second opinion: GoogLeNet's features of every picture, read out for the 200 classes.

GoogLeNet has seen a million pictures, but none at 64 pixels: its own answers on these are no better than
the student's. Its last features are, once a linear read-out is fitted to them. The read-out is fitted on
one half of the training pictures and asked about the other, so that no soft label is an answer learned by heart.

It is also asked about a close-up of each picture: a small student cannot know a face from near by whole cats.

    python training/teacher.py          # writes the answers to runs/, 20 minutes
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

import convscope
from convscope.network.network import Network
from pictures import RUNS, class_names, load

GOOGLENET = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "caffe" / "bvlc_googlenet"
SIZE = 128
MEAN = (104.0, 117.0, 123.0)  # Caffe's, in its order: blue, green, red
POOLED = "pool5/7x7_s1"
CATS = ("tabby", "Egyptian cat", "Persian cat")  # people show it their cats, from near
OF_EACH_CAT = 8  # close-ups; of anything else one


def googlenet() -> Network:
    """The Caffe network with its last pooling made global, so that it takes inputs other than 224 pixels."""
    text = (GOOGLENET / "deploy.prototxt").read_text()
    with tempfile.TemporaryDirectory() as folder:
        description = Path(folder) / "deploy.prototxt"
        description.write_text(text.replace("kernel_size: 7\n    stride: 1", "global_pooling: true"))
        return convscope.open_network(description, weights=GOOGLENET / "bvlc_googlenet.caffemodel")


def features(name: str, pictures: NDArray[np.uint8], batch: int = 50) -> NDArray[np.float16]:
    """GoogLeNet's pooled last layer for every picture, (N, 1024); kept under that name."""
    path = RUNS / f"teacher_{name}_features.npy"
    if path.exists():
        return np.load(path)
    network, answers = googlenet(), []
    for start in range(0, len(pictures), batch):
        larger = [
            cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)[:, :, ::-1]
            for picture in pictures[start : start + batch]
        ]
        eaten = torch.from_numpy(np.stack(larger)).permute(0, 3, 1, 2).float() - torch.tensor(MEAN).view(
            3, 1, 1
        )
        found = network.activations(eaten, POOLED)[POOLED]
        answers.append(found.reshape(-1, 1024).numpy().astype(np.float16))
        if start % 5000 == 0:
            print(name, start, flush=True)
    np.save(path, np.concatenate(answers))
    return np.load(path)


def close_ups(name: str, pictures: NDArray[np.uint8], sources: NDArray[np.int64]) -> NDArray[np.uint8]:
    """A random square of each source picture, 0.3 to 0.75 of its side, enlarged to the whole's size; kept."""
    path, side = RUNS / f"{name}.npy", pictures.shape[1]
    if path.exists():
        return np.load(path, mmap_mode="r")
    random, found = np.random.default_rng(0), np.empty_like(pictures, shape=(len(sources), side, side, 3))
    for index, source in enumerate(sources):
        length = round(side * random.uniform(0.3, 0.75))
        top, left = random.integers(0, side - length + 1, 2)
        square = pictures[source, top : top + length, left : left + length]
        found[index] = cv2.resize(square, (side, side), interpolation=cv2.INTER_CUBIC)
    np.save(path, found)
    return np.load(path, mmap_mode="r")


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
    """Write the cross-fitted soft answers to the training pictures and their close-ups, and say how good they are."""
    (pictures, given), (held_back, truth) = load("train"), load("validation")
    everything, labels = np.arange(len(pictures)), torch.from_numpy(given)
    cats = np.repeat(everything[np.isin(given, [class_names().index(name) for name in CATS])], OF_EACH_CAT)
    raw = torch.from_numpy(features("train", pictures)).float()
    mean, scale = raw.mean(0), raw.std(0) + 1e-3
    asked = {
        "teacher": (raw, everything),
        "close_ups": (features("close_ups", close_ups("close_ups", pictures, everything)), everything),
        "cats": (features("cats", close_ups("cats", pictures, cats)), cats),
    }
    inputs = (raw - mean) / scale
    held_out = (torch.from_numpy(features("validation", held_back)).float() - mean) / scale
    layers = [read_out(inputs[half::2], labels[half::2]) for half in (0, 1)]
    for half, layer in enumerate(layers):
        correct = (layer(held_out).argmax(1) == torch.from_numpy(truth)).float().mean()
        print(f"half {half}: validation top-1 {correct:.3f}")
    for name, (found, sources) in asked.items():
        seen, source = (torch.as_tensor(found).float() - mean) / scale, torch.from_numpy(sources)
        with torch.no_grad():
            odd = (source % 2 == 1)[:, None]
            logits = torch.where(odd, layers[0](seen), layers[1](seen))  # never by whom it was learned
        print(f"{name}: cross-fitted top-1 {(logits.argmax(1) == labels[source]).float().mean():.3f}")
        np.save(RUNS / f"{name}_logits.npy", logits.numpy().astype(np.float16))


if __name__ == "__main__":
    main()
