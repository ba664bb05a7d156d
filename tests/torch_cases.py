"""Small torch networks with what trips tools up: in-place, functional and re-used ReLUs, residuals, concatenations."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class Branches(nn.Module):
    """A residual block, then two branches that meet, an average and a linear layer; one ReLU module runs three times.

    `last` is what the branches answer, (N, 12, 6, 6); `tail` what follows.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.wide, self.narrow = nn.Conv2d(8, 7, 3, padding=1), nn.Conv2d(8, 5, 1)
        self.mix = nn.Conv2d(12, 6, 3, padding=1)
        self.scores = nn.Linear(6, 5)
        self.norm.running_mean.uniform_(-0.3, 0.3)
        self.norm.running_var.uniform_(0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.last(x))

    def last(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.first(x)))
        x = self.relu(x + self.second(x))
        x = F.max_pool2d(x, 2)
        return torch.cat([F.relu(self.wide(x)), self.relu(self.narrow(x))], 1)

    def tail(self, last: Tensor) -> Tensor:
        mixed = F.relu(self.mix(last))
        return self.scores(mixed.mean((2, 3)))


def branches() -> Branches:
    return Branches().eval().requires_grad_(False)


def noise(seed: int = 0, size: int = 24) -> Tensor:
    """Return an input of both signs, (1, 3, size, size)."""
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


class Net(nn.Sequential):
    """A convolution, dropout and a ReLU: what weights are written of."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.ReLU())


def state(folder: Path) -> Path:
    """Write the net's weights as torch does."""
    torch.save(Net().state_dict(), folder / "net.pth")
    return folder / "net.pth"


def tensors(folder: Path) -> Path:
    """Write the net's weights as safetensors."""
    save_file(Net().state_dict(), folder / "net.safetensors")
    return folder / "net.safetensors"
