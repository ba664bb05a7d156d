"""Go on from a shipped file: give its convolutions, into which the batch norm was folded, batch norms again.

The network computes what the file says, to half precision, and can be trained further.
"""

from __future__ import annotations

from pathlib import Path

import torch
from augmentation import augment
from safetensors.torch import load_file
from torch import Tensor, nn

from network import FIRST_SCALE, Classifier, Convolution, normalize
from pictures import RUNS, load

CALIBRATION = 512  # pictures, to find what a norm has to take away
BRANCHES = {
    "one": "1x1",
    "three_bottleneck": "3x3_bottleneck",
    "three": "3x3",
    "five_bottleneck": "5x5_bottleneck",
    "five": "5x5",
    "pool_reduce": "pool_reduce",
}


def started(name: str) -> Classifier:
    """The averaged weights of a run, or those of a shipped file."""
    if name.endswith(".safetensors"):
        return unfolded(Path(name))
    network = Classifier()
    network.load_state_dict(torch.load(RUNS / f"{name}.pt", weights_only=True)["average"])
    return network


@torch.no_grad()
def unfolded(path: Path) -> Classifier:
    """The network of a shipped file, with batch norms that undo themselves in evaluation."""
    weights, network = load_file(path), Classifier().eval()
    for name, block in network.layers.named_modules():
        if isinstance(block, Convolution):
            layer, _, branch = name.partition(".")
            _unfold(block, weights, f"{layer}_{BRANCHES[branch]}" if branch else layer)
    network.layers.head.weight.copy_(weights["head.weight"].view_as(network.layers.head.weight))
    network.layers.head.bias.copy_(weights["head.bias"])
    pictures, _ = load("train")
    some = torch.from_numpy(pictures[:: len(pictures) // CALIBRATION].copy())
    network(normalize(augment(some, 64, torch.Generator().manual_seed(0))))
    return network


def _unfold(block: Convolution, weights: dict[str, Tensor], name: str) -> None:
    """Set a block's filters, as long as freshly started ones, and let its norm find its statistics when run."""
    usual = block.convolution.weight.square().mean().sqrt() / (FIRST_SCALE if name == "conv1" else 1)
    folded = weights[f"{name}.weight"].float()
    block.convolution.weight.copy_(folded * usual / folded.square().mean().sqrt())
    gain = folded.square().mean().sqrt() / usual

    def find(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        norm.running_var.copy_(inputs[0].var(dim=(0, 2, 3)))
        norm.running_mean.copy_(inputs[0].mean(dim=(0, 2, 3)))
        norm.weight.copy_((norm.running_var + norm.eps).sqrt() * gain)
        norm.bias.copy_(weights[f"{name}.bias"].float() + norm.running_mean * gain)
        handle.remove()

    handle = block.norm.register_forward_pre_hook(find)
