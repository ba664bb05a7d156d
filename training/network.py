"""The built-in network: a small GoogLeNet whose every part has a name a person can say.

conv1 → pool1 → conv2 → mixed3a → mixed3b → pool3 → mixed4a … mixed4c → pool4 → mixed5a → mixed5b
→ pooling → head. Every convolution is followed by batch norm (folded away when shipped) and a ReLU.
After "Going deeper with convolutions" (Szegedy et al., 2014).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CLASSES = 200
MEAN = (0.480, 0.448, 0.398)
SCALE = (0.277, 0.269, 0.282)
FIRST_SCALE = 0.02  # smooth first filters: the noise they start from is too faint to survive


@dataclass(frozen=True)
class Widths:
    """Channels of one mixed module's branches: 1x1, 3x3 with its bottleneck, 5x5 with its own, pooling."""

    one: int
    three: tuple[int, int]
    five: tuple[int, int]
    pool: int

    @property
    def total(self) -> int:
        """Channels of the module's output."""
        return self.one + self.three[1] + self.five[1] + self.pool


MIXED = {
    "mixed3a": Widths(64, (64, 96), (16, 32), 32),
    "mixed3b": Widths(64, (64, 128), (16, 32), 32),
    "mixed4a": Widths(96, (96, 160), (32, 48), 48),
    "mixed4b": Widths(96, (96, 160), (32, 48), 48),
    "mixed4c": Widths(96, (96, 160), (32, 48), 48),
    "mixed5a": Widths(160, (128, 224), (32, 64), 64),
    "mixed5b": Widths(160, (128, 224), (32, 64), 64),
}


class Convolution(nn.Sequential):
    """Convolution, batch norm, ReLU; padded to keep the size (halved by stride 2)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            OrderedDict(
                convolution=nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
                norm=nn.BatchNorm2d(outputs),
                relu=nn.ReLU(inplace=True),
            )
        )


class Mixed(nn.Module):
    """Four looks at the same picture, side by side: 1x1, 3x3, 5x5 and pooled, joined along the channels."""

    def __init__(self, inputs: int, widths: Widths) -> None:
        super().__init__()
        self.one = Convolution(inputs, widths.one, 1)
        self.three_bottleneck = Convolution(inputs, widths.three[0], 1)
        self.three = Convolution(widths.three[0], widths.three[1], 3)
        self.five_bottleneck = Convolution(inputs, widths.five[0], 1)
        self.five = Convolution(widths.five[0], widths.five[1], 5)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.pool_reduce = Convolution(inputs, widths.pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, total, H, W)."""
        three = self.three(self.three_bottleneck(x))
        five = self.five(self.five_bottleneck(x))
        return torch.cat([self.one(x), three, five, self.pool_reduce(self.pool(x))], dim=1)


class Classifier(nn.Module):
    """The whole network: normalized RGB (N, 3, H, W), 64 pixels or more, to 200 logits."""

    def __init__(self) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=Convolution(3, 48, 7, stride=2),
            pool1=nn.MaxPool2d(3, stride=2, padding=1),
            conv2=Convolution(48, 128, 3),
        )
        channels = 128
        for name, widths in MIXED.items():
            if name.endswith("a") and name != "mixed3a":
                layers[f"pool{int(name[5]) - 1}"] = nn.MaxPool2d(3, stride=2, padding=1)
            layers[name] = Mixed(channels, widths)
            channels = widths.total
        layers["pooling"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["head"] = nn.Linear(channels, CLASSES)
        self.layers = nn.Sequential(layers)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 200)."""
        return self.layers(x)


def initialize(network: Classifier) -> None:
    """He's initialization everywhere, but the first filters far fainter than usual."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    with torch.no_grad():
        network.layers.conv1.convolution.weight.mul_(FIRST_SCALE)
        network.layers.head.weight.mul_(0.1)
        network.layers.head.bias.zero_()


def normalize(pictures: Tensor) -> Tensor:
    """RGB in 0..1 to what the network takes."""
    mean, scale = (torch.tensor(v, dtype=pictures.dtype).view(1, 3, 1, 1) for v in (MEAN, SCALE))
    return (pictures - mean) / scale
