"""VGG16, GoogLeNet and SqueezeNet as ordinary torch modules, with the weights of the Caffe networks: what peers run."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from convscope.network.network import Network

Block = tuple[int, int, int, int, int, int]
INCEPTIONS: dict[str, Block] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
POOLED_BEFORE = ("4a", "5a")


def torch_network(network: Network) -> nn.Module:
    """Return VGG16, GoogLeNet or SqueezeNet 1.1 as a torch module that gives what the Caffe network gives."""
    kinds = {"conv5_3": _vgg16, "conv10": _squeezenet}
    made = next((make for layer, make in kinds.items() if layer in network.layers), InceptionV1)
    module = made()
    layers = {layer.caffe: layer for layer in module.modules() if hasattr(layer, "caffe")}
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight.copy_(network.parameters[f"{name}.weight"])
            layer.bias.copy_(network.parameters[f"{name}.bias"])
    return module.eval()


def block_of(network: Network, layer: str) -> str:
    """Return the torch module's name for a Caffe layer: features.conv2_2, inception_3b."""
    return f"features.{layer}" if "conv5_3" in network.layers else layer.partition("/")[0]


class Fire(nn.Module):
    """A squeeze, and two branches behind it, joined."""

    def __init__(self, name: str, inputs: int, squeezed: int, outputs: int) -> None:
        super().__init__()
        self.squeeze = _convolution(f"{name}/squeeze1x1", inputs, squeezed, 1)
        self.one = _convolution(f"{name}/expand1x1", squeezed, outputs // 2, 1)
        self.three = _convolution(f"{name}/expand3x3", squeezed, outputs // 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat([self.one(x), self.three(x)], 1)


def _squeezenet() -> nn.Module:
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv1=_convolution("conv1", 3, 64, 3, 2))
    layers["conv1"][0].padding = (0, 0)
    inputs = 64
    sizes = (
        *((16, 128), (16, 128), (32, 256), (32, 256)),
        *((48, 384), (48, 384), (64, 512), (64, 512)),
    )
    for number, (squeezed, outputs) in enumerate(sizes, 2):
        if number in (2, 4, 6):
            layers[f"pool{number}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        layers[f"fire{number}"] = Fire(f"fire{number}", inputs, squeezed, outputs)
        inputs = outputs
    layers |= {"conv10": _convolution("conv10", inputs, 1000, 1), "pool": nn.AdaptiveAvgPool2d(1)}
    return nn.Sequential(OrderedDict(layers, flat=nn.Flatten()))


def _convolution(caffe: str, inputs: int, filters: int, kernel: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2)
    layer.caffe = caffe
    return nn.Sequential(layer, nn.ReLU(inplace=True))


def _dense(caffe: str, inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    layer.caffe = caffe
    return layer


def _vgg16() -> nn.Module:
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = 3
    for number, (count, filters) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for index in range(1, count + 1):
            blocks[f"conv{number}_{index}"] = _convolution(f"conv{number}_{index}", inputs, filters, 3)
            inputs = filters
        blocks[f"pool{number}"] = nn.MaxPool2d(2)
    head = nn.Sequential(
        nn.AdaptiveAvgPool2d(7),
        nn.Flatten(),
        *(_dense("fc6", 25088, 4096), nn.ReLU(), _dense("fc7", 4096, 4096), nn.ReLU()),
        _dense("fc8", 4096, 1000),
    )
    return nn.Sequential(OrderedDict(features=nn.Sequential(blocks), classifier=head))


class Inception(nn.Module):
    """Four branches, joined."""

    def __init__(self, name: str, inputs: int, sizes: Block) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pool = sizes

        def layer(part: str, inputs: int, filters: int, kernel: int = 1) -> nn.Sequential:
            return _convolution(f"inception_{name}/{part}", inputs, filters, kernel)

        self.one = layer("1x1", inputs, one)
        self.three = nn.Sequential(layer("3x3_reduce", inputs, reduce3), layer("3x3", reduce3, three, 3))
        self.five = nn.Sequential(layer("5x5_reduce", inputs, reduce5), layer("5x5", reduce5, five, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), layer("pool_proj", inputs, pool))
        self.outputs = one + three + five + pool

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class InceptionV1(nn.Sequential):
    """GoogLeNet as Caffe has it, without the two heads for training."""

    def __init__(self) -> None:
        norm = {"size": 5, "alpha": 1e-4, "beta": 0.75}
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=_convolution("conv1/7x7_s2", 3, 64, 7, 2),
            pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
            norm1=nn.LocalResponseNorm(**norm),
            reduce=_convolution("conv2/3x3_reduce", 64, 64, 1),
            conv2=_convolution("conv2/3x3", 64, 192, 3),
            norm2=nn.LocalResponseNorm(**norm),
            pool2=nn.MaxPool2d(3, 2, ceil_mode=True),
        )
        inputs = 192
        for name, sizes in INCEPTIONS.items():
            if name in POOLED_BEFORE:
                layers[f"pool_{name}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
            layers[f"inception_{name}"] = block = Inception(name, inputs, sizes)
            inputs = block.outputs
        layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
        layers["classifier"] = _dense("loss3/classifier", 1024, 1000)
        super().__init__(layers)
