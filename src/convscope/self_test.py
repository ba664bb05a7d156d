"""The self-test: what all the rest is made of, tried in a few seconds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convscope.cache import cache_folder
from convscope.network.network import Network
from convscope.optimization.feature_visualization import feature_visualization
from convscope.pictures.picture import Picture


@dataclass(frozen=True)
class Check:
    """One thing that was tried: its name, whether it works, what was seen, how long it took in seconds."""

    name: str
    works: bool
    seen: str
    seconds: float


def self_test(network: Network) -> Iterator[Check]:
    """Try what all the rest is made of, a check at a time: a few seconds. An exception is a check that fails.

    What the built-in `network` says of a photograph; its gradient beside the change of its answer; a picture made for
    a unit; pictures written and read again; a file kept in the cache.
    """
    checks: dict[str, Callable[[], tuple[bool, str]]] = {
        "answer": lambda: _answer(network),
        "gradient": lambda: _gradient(network),
        "see": lambda: _ascent(network),
        "pictures": _pictures,
        "cache": _cache,
    }
    for name, check in checks.items():
        start = time.perf_counter()
        try:
            works, seen = check()
        except Exception as error:  # whatever it is, it is the finding
            works, seen = False, f"{type(error).__name__}: {error}"
        yield Check(name, works, seen, time.perf_counter() - start)


def _answer(network: Network) -> tuple[bool, str]:
    label, probability = network.predict("coffee")[0]
    return label == "espresso", f"the sample coffee is {label}, {probability:.1%}"


def _gradient(network: Network) -> tuple[bool, str]:
    pixels = network.preprocess("coffee")
    slope = network.gradient(pixels, "head:66")
    step = 0.05 * slope / slope.norm()
    up, down = (network.activations(pixels + way * step, "head:66")["head:66"].sum() for way in (1, -1))
    expected, measured = 0.1 * float(slope.norm()), float(up - down)
    words = f"a step changes the score by {measured:.4f}, by the gradient {expected:.4f}"
    return abs(measured - expected) < 0.02 * expected, words


def _ascent(network: Network) -> tuple[bool, str]:
    picture = feature_visualization(network, "conv2:3", steps=8, size=32, progress=False)[0]
    return "could not" not in picture.caption, picture.caption.partition(". ")[0]


def _pictures() -> tuple[bool, str]:
    pixels = np.linspace(0, 255, 24 * 20 * 3).astype(np.uint8).reshape(24, 20, 3)
    errors = {}
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("png", "jpg", "webp"):
            path = Path(folder) / f"picture.{ending}"
            Picture(pixels).save(path)
            errors[ending] = int(np.abs(Picture.open(path).in_8_bits.astype(int) - pixels).max())
    words = ", ".join(f"{ending} {error}" for ending, error in errors.items())
    return errors["png"] == 0 and max(
        errors.values()
    ) < 64, f"written and read, largest error of 255: {words}"


def _cache() -> tuple[bool, str]:
    with tempfile.NamedTemporaryFile(dir=cache_folder("doctor")) as file:
        file.write(b"kept")
        file.flush()
        return Path(file.name).read_bytes() == b"kept", "a file was kept and read"
