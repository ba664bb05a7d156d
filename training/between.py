"""Stand between two networks of one origin: weights mixed, batch norms measured anew.

    python training/between.py --start training/weights/natural.safetensors --run aligned --share 0.7 --name between

writes `runs/<name>.pt`, for export.py. Such a mixture keeps most of what both know (Wortsman et al., 2022, "Robust
fine-tuning of zero-shot models").
"""

from __future__ import annotations

import argparse

import torch
from augmentation import augment
from torch import nn
from unfolding import started

from network import Classifier, normalize
from pictures import RUNS, load

MEASURED = 1000  # pictures, for the batch norms


@torch.no_grad()
def between(start: Classifier, end: dict[str, torch.Tensor], share: float) -> Classifier:
    """The weights a share of the way from start to end; its norms know what they will see."""
    network = Classifier()
    network.load_state_dict(
        {
            name: torch.lerp(value.float(), end[name].float(), share).to(value.dtype)
            for name, value in start.state_dict().items()
        }
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean over what follows
    pictures, random = load("train")[0], torch.Generator().manual_seed(0)
    for some in torch.from_numpy(pictures[:: len(pictures) // MEASURED].copy()).split(250):
        network.train()(normalize(augment(some, 64, random)))
    return network.eval()


def main() -> None:
    """Mix and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start", required=True, help="run or shipped file, as train.py was given it")
    parser.add_argument("--run", required=True, help="that started from it; or another shipped file")
    parser.add_argument("--share", type=float, required=True, help="0 is the start, 1 the run's end")
    parser.add_argument("--name", required=True, help="of the result in runs/")
    arguments = parser.parse_args()
    network = between(started(arguments.start), started(arguments.run).state_dict(), arguments.share)
    path = RUNS / f"{arguments.name}.pt"
    torch.save({"average": network.state_dict()}, path)
    print(path)


if __name__ == "__main__":
    main()
