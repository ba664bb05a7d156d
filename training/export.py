"""Turn a run's averaged weights into the file that is shipped: batch norm folded away, half precision, one file.

    python training/export.py --run longer --name natural --size 80

writes `weights/<name>.safetensors`. Its metadata says everything a reader needs, as JSON: `operations` (the
network's steps, each with kind, name, inputs, outputs, parameters and attributes), `labels`, `input` (what a
picture must become) and `training` (how it came about).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from network import MEAN, SCALE, Classifier, Convolution, Mixed
from pictures import HERE, RUNS, class_names

WEIGHTS = HERE / "weights"


def folded(block: Convolution) -> tuple[Tensor, Tensor]:
    """A convolution's filters and biases with the batch norm behind it multiplied in."""
    norm = block.norm
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    return block.convolution.weight * gain.view(-1, 1, 1, 1), norm.bias - norm.running_mean * gain


class Recorder:
    """The list of operations and their weights, growing as the network is walked from input to output."""

    def __init__(self) -> None:
        self.operations: list[dict[str, Any]] = []
        self.weights: dict[str, Tensor] = {}

    def add(self, kind: str, name: str, type_name: str, *inputs: str, **attributes: Any) -> str:
        """Append an operation whose one output has its own name."""
        self.operations.append(
            {
                "kind": kind,
                "name": name,
                "type_name": type_name,
                "inputs": list(inputs),
                "outputs": [name],
                "parameters": {},
                "attributes": attributes,
            }
        )
        return name

    def parameters(self, **tensors: Tensor) -> None:
        """Give the last operation its weights."""
        name = self.operations[-1]["name"]
        self.operations[-1]["parameters"] = {role: f"{name}.{role}" for role in tensors}
        self.weights |= {f"{name}.{role}": tensor.half().contiguous() for role, tensor in tensors.items()}

    def convolution(self, name: str, block: Convolution, source: str) -> str:
        """Append a convolution and the ReLU that overwrites it: `conv1@conv1` before, `conv1` after."""
        stride, padding = block.convolution.stride[0], block.convolution.padding[0]
        self.add("convolution", name, "Convolution", source, stride=stride, padding=padding)
        self.operations[-1]["outputs"] = [f"{name}@{name}"]
        weight, bias = folded(block)
        self.parameters(weight=weight, bias=bias)
        self.add("relu", f"{name}_relu", "ReLU", f"{name}@{name}")
        self.operations[-1] |= {"outputs": [name], "in_place": True}
        return name

    def max_pool(self, name: str, pool: nn.MaxPool2d, source: str) -> str:
        """Append a pooling whose windows are counted as torch counts them."""
        attributes = {"kernel": pool.kernel_size, "stride": pool.stride, "padding": pool.padding}
        return self.add("max_pool", name, "Pooling", source, **attributes, rounding="floor")

    def mixed(self, name: str, block: Mixed, source: str) -> str:
        """Append a module's four branches and their joining."""
        one = self.convolution(f"{name}_1x1", block.one, source)
        narrow = self.convolution(f"{name}_3x3_bottleneck", block.three_bottleneck, source)
        three = self.convolution(f"{name}_3x3", block.three, narrow)
        narrow = self.convolution(f"{name}_5x5_bottleneck", block.five_bottleneck, source)
        five = self.convolution(f"{name}_5x5", block.five, narrow)
        pooled = self.max_pool(f"{name}_pool", block.pool, source)
        pool = self.convolution(f"{name}_pool_reduce", block.pool_reduce, pooled)
        return self.add("concat", name, "Concat", one, three, five, pool)


@torch.no_grad()
def record(network: Classifier) -> Recorder:
    """Walk the network and write down its operations and folded weights."""
    recorder, value = Recorder(), "input"
    for name, module in network.layers.named_children():
        if isinstance(module, Convolution):
            value = recorder.convolution(name, module, value)
        elif isinstance(module, Mixed):
            value = recorder.mixed(name, module, value)
        elif isinstance(module, nn.MaxPool2d):
            value = recorder.max_pool(name, module, value)
        elif isinstance(module, nn.AdaptiveAvgPool2d):
            value = recorder.add("global_average_pool", name, "Pooling", value)
        elif isinstance(module, nn.Linear):
            value = recorder.add("dense", name, "InnerProduct", value)
            recorder.parameters(weight=module.weight, bias=module.bias)
    recorder.add("softmax", "prob", "Softmax", value)
    return recorder


def export(run: str, name: str, size: int, note: str) -> Path:
    """Write `weights/<name>.safetensors` from `runs/<run>.pt`."""
    network = Classifier()
    state = torch.load(RUNS / f"{run}.pt", weights_only=True)
    network.load_state_dict(state["average"])
    recorder = record(network.eval())
    recipe = {
        "size": [size, size],
        "resize": "shorter_side",
        "resize_size": size,
        "channel_order": "RGB",
        "mean": MEAN,
        "input_scale": [1 / scale for scale in SCALE],
    }
    metadata = {
        "name": name,
        "operations": recorder.operations,
        "labels": class_names(),
        "input": recipe,
        "training": {"run": run, "epochs": state.get("epoch"), "note": note},
    }
    WEIGHTS.mkdir(exist_ok=True)
    path = WEIGHTS / f"{name}.safetensors"
    save_file(recorder.weights, path, {key: json.dumps(value) for key, value in metadata.items()})
    return path


def main() -> None:
    """Export one run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="whose averaged weights to take")
    parser.add_argument("--name", required=True, help="of the file")
    parser.add_argument("--size", type=int, default=80, help="default input size in pixels")
    parser.add_argument("--note", default="")
    arguments = parser.parse_args()
    print(export(arguments.run, arguments.name, arguments.size, arguments.note))


if __name__ == "__main__":
    main()
