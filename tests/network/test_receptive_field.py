"""Receptive fields against the truth: which input pixels have a gradient at one position."""

import pytest
import torch
from torch import nn

from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.network import Network
from convscope.network.receptive_field import receptive_fields
from convscope.optimization.tiling import tiling

INPUT = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 41 dim: 37 } } }'
)


def layer(kind: str, bottom: str, top: str, more: str = "", extra: str = "") -> str:
    return f'layer {{ name: "{top}" type: "{kind}" bottom: "{bottom}" {extra} top: "{top}" {more} }}'


def convolution(bottom: str, top: str, more: str) -> str:
    filler = 'weight_filler { type: "constant" value: 1 }'
    return layer("Convolution", bottom, top, f"convolution_param {{ num_output: 1 {more} {filler} }}")


def average(bottom: str, top: str, more: str) -> str:
    return layer("Pooling", bottom, top, f"pooling_param {{ pool: AVE {more} }}")


NETS = {
    "valid": convolution("data", "a", "kernel_size: 3") + convolution("a", "b", "kernel_size: 3 stride: 2"),
    "padded": convolution("data", "a", "kernel_size: 5 pad: 2 stride: 2")
    + average("a", "b", "kernel_size: 3 stride: 2"),
    "dilated": convolution("data", "a", "kernel_size: 3 dilation: 3") + convolution("a", "b", "kernel_size: 2"),
    "oblong": convolution("data", "a", "kernel_h: 1 kernel_w: 5 stride_h: 1 stride_w: 2")
    + average("a", "b", "kernel_size: 2"),
    "branches": convolution("data", "one", "kernel_size: 1") + convolution("data", "five", "kernel_size: 5 pad: 2")
    + layer("Concat", "one", "both", extra='bottom: "five"') + convolution("both", "b", "kernel_size: 3 stride: 2"),
    "enlarged": convolution("data", "a", "kernel_size: 3 stride: 2")
    + convolution("a", "b", "kernel_size: 4 stride: 2 pad: 1").replace("Convolution", "Deconvolution"),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_the_field_is_where_the_gradient_is(name: str) -> None:
    graph = build_graph(read_text(INPUT + NETS[name]))
    network = Network(graph, input_spec=None)
    field = receptive_fields(graph, network.shapes)["b"]
    _, _, rows, columns = network.shapes["b"]
    row, column = rows // 2, columns // 2
    gradient = network.gradient(torch.rand(1, 1, 41, 37), f"b:0@{row},{column}")[0, 0]
    seen = gradient.nonzero()
    top, left, bottom, right = field.box(row, column)
    found = (*seen.min(0).values.tolist(), *(seen.max(0).values + 1).tolist())
    if name == "enlarged":  # which of the touched inputs count alternates with the position
        assert top <= found[0] and left <= found[1] and found[2] <= bottom and found[3] <= right
        assert bottom - top <= found[2] - found[0] + 2
    else:
        assert (top, left, bottom, right) == found


def test_googlenet_as_published(shared_data) -> None:
    """Araujo et al. (Distill, 2019) and the usual tables: conv1 7, pool1 11, 3a 43+16, the last one 907."""
    import convscope

    layers = convscope.open_network(shared_data / "caffe/bvlc_googlenet").layers
    fields = {
        name: str(layers[name].receptive_field) for name in ("conv1/7x7_s2", "pool1/3x3_s2", "conv2/3x3")
    }
    assert fields == {"conv1/7x7_s2": "7", "pool1/3x3_s2": "11", "conv2/3x3": "19"}
    assert int(layers["inception_5b/output"].receptive_field.size[0]) == 715


class _Gated(nn.Module):
    """A block of squeeze and excitation, behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.gate = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        near = self.near(x)
        return near * self.gate(near.mean((2, 3), keepdim=True)).sigmoid()


def test_behind_a_gate_every_position_sees_the_whole_picture_once() -> None:
    """Each block multiplied the field and the stride by the map's size: the third one's was 20,610 of 32 pixels."""
    from convscope import open_network

    module = nn.Sequential(_Gated(), nn.MaxPool2d(2), _Gated(), nn.MaxPool2d(2), _Gated()).eval()
    network = open_network(module, input_shape=(1, 3, 32, 29), mean=0, input_scale=1)
    field = network.layers["4.mul"].receptive_field
    gradient = network.gradient(torch.rand(1, 3, 32, 29), "4.mul:1@2,5")[0]
    assert gradient.abs().sum(0).min() > 0
    for position in ((0, 0), (2, 5), (7, 6)):
        assert field.box(*position) == (-1, -1, 33, 30)
    assert str(network.layers["0.near"].receptive_field) == "3"
    beside = receptive_fields(network.graph, network.shapes, gates=False)
    plain = nn.Sequential(*(part.near if isinstance(part, _Gated) else part for part in module))
    ungated = open_network(plain, input_shape=(1, 3, 32, 29), mean=0, input_scale=1)
    assert beside["4.mul"] == ungated.layers["4"].receptive_field
    for position in ((0, 0), (2, 5), (7, 6)):
        gradient = (
            ungated.gradient(torch.rand(1, 3, 32, 29), f"4:1@{position[0]},{position[1]}")[0].abs().sum(0)
        )
        top, left, bottom, right = (max(0, edge) for edge in beside["4.mul"].box(*position))
        inside = gradient[top:bottom, left:right]
        assert inside.count_nonzero() == gradient.count_nonzero() > 0.9 * inside.numel()
    assert len(tiling(network, ["4.mul"], (64, 58), 16).tiles) == 1, "a tile has another mean"
