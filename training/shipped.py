"""Run a shipped file with nothing but torch: an independent reading of what `export.py` wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Shipped:
    """What the file says: operations, weights (as float32), labels and input."""

    operations: list[dict[str, Any]]
    weights: dict[str, Tensor]
    labels: list[str]
    input: dict[str, Any]

    def values(self, pictures: Tensor, last: str = "prob") -> dict[str, Tensor]:
        """Every value up to `last`, by name, for pictures (N, 3, H, W) in 0..1."""
        mean, scale = (torch.tensor(self.input[key]).view(1, 3, 1, 1) for key in ("mean", "input_scale"))
        values = {"input": (pictures - mean) * scale}
        for operation in self.operations:
            arguments = [values[name] for name in operation["inputs"]]
            weights = {role: self.weights[key] for role, key in operation["parameters"].items()}
            output = OPERATIONS[operation["kind"]](*arguments, **weights, **operation["attributes"])
            values[operation["outputs"][0]] = output
            if operation["outputs"][0] == last:
                break
        return values

    def picture(self, source: Path | np.ndarray, size: int | None = None) -> Tensor:
        """A picture's middle square as (1, 3, size, size) in 0..1; `size` is the default input's if not given."""
        picture = Image.open(source) if isinstance(source, Path) else Image.fromarray(source)
        side, target = min(picture.size), size or self.input["size"][0]
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.convert("RGB").crop((left, top, left + side, top + side))
        array = np.asarray(square.resize((target, target), Image.Resampling.BILINEAR))
        return torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float() / 255


def _max_pool(x: Tensor, *, kernel: int, stride: int, padding: int, rounding: str) -> Tensor:
    return functional.max_pool2d(x, kernel, stride, padding, ceil_mode=rounding == "ceil")


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "convolution": lambda x, weight, bias, stride, padding: functional.conv2d(
        x, weight, bias, stride, padding
    ),
    "relu": torch.relu,
    "max_pool": _max_pool,
    "concat": lambda *inputs: torch.cat(inputs, dim=1),
    "global_average_pool": lambda x: x.mean((2, 3), keepdim=True),
    "dense": lambda x, weight, bias: functional.linear(x.flatten(1), weight, bias),
    "softmax": lambda x: x.softmax(1),
}


def load(path: Path) -> Shipped:
    """Read a shipped file."""
    with safe_open(path, framework="pt") as file:
        metadata = {key: json.loads(value) for key, value in file.metadata().items()}
        weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    return Shipped(metadata["operations"], weights, metadata["labels"], metadata["input"])
