"""The packed pictures, decoded once into plain arrays on disk and read back as memory maps."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).resolve().parent
RUNS = HERE / "runs"
PACKED = HERE.parent.parent / "shared" / "data" / "train"
SHARDS = {
    "train": ("tinyimagenet64_s0.npz", "tinyimagenet64_s1.npz"),
    "validation": ("tinyimagenet64_validation.npz",),
}


def decode(split: str, packed: Path = PACKED, runs: Path = RUNS) -> None:
    """Decode a split's JPEGs into `runs/<split>_pictures.npy` (N, 64, 64, 3) uint8 RGB and its labels."""
    pictures, labels = [], []
    for shard in SHARDS[split]:
        archive = np.load(packed / shard)
        data, offset = archive["data"], archive["offset"]
        labels.append(archive["label"].astype(np.int64))
        for start, stop in itertools.pairwise(offset):
            with Image.open(io.BytesIO(data[start:stop].tobytes())) as picture:
                pictures.append(np.asarray(picture.convert("RGB")))
    runs.mkdir(parents=True, exist_ok=True)
    np.save(runs / f"{split}_labels.npy", np.concatenate(labels))
    np.save(runs / f"{split}_pictures.npy", np.stack(pictures))


def load(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read a split: pictures (N, 64, 64, 3) uint8 as a memory map, labels (N,); decodes on first use."""
    path = RUNS / f"{split}_pictures.npy"
    if not path.exists():
        decode(split)
    return np.load(path, mmap_mode="r"), np.load(RUNS / f"{split}_labels.npy")


def class_names() -> list[str]:
    """The pack's 200 class names, in the order of its labels."""
    return [str(name) for name in np.load(PACKED / SHARDS["validation"][0])["names"]]
