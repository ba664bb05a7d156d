"""Receptive fields against the truth: which input pixels have a gradient at one position."""

from math import ceil, floor
from typing import Any, get_args

import pytest
import torch
from torch import nn

from convscope import open_network
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.operations.resizing import Coordinates, Nearest, resize
from convscope.network.parameters import Parameters
from convscope.network.receptive_field import receptive_fields
from convscope.network.resized_window import resized_window
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
    assert (top, left, bottom, right) == found


@pytest.mark.parametrize(
    "border", [{"padding": (0, 0, 2, 1, 0, 0, 0, 3), "axis": 0}, {"padding": (1, 3, 2, 0)}, None]
)
def test_a_border_of_its_own_moves_what_is_seen(border: dict[str, Any] | None) -> None:
    """ONNX pads all four axes: its border was left out; and one worked out of a size was the whole picture's."""
    torch.manual_seed(0)
    live = Operation("shape_of", "sizes", "Shape", ("data",), ("sizes",))
    less = Operation("add", "border", "Add", ("sizes", "few"), ("border",))
    few = Operation("tensor", "few", "Constant", (), ("few",), attributes={"values": (-1, -1, -7, -8)})
    both = Operation(
        "concat", "borders", "Concat", ("border", "border"), ("borders",), attributes={"axis": 0}
    )
    pad = Operation("pad", "pad", "Pad", ("data", "borders"), ("pad",), attributes={"axis": 0})
    steps = (live, few, less, both, pad)
    if border is not None:
        steps = (Operation("pad", "pad", "Pad", ("data",), ("pad",), attributes=border),)
    convolution = Operation("convolution", "conv", "Conv", ("pad",), ("conv",), {"weight": "w"})
    parameters = Parameters({"w": (1, 1, 5, 3)}, {"w": torch.rand(1, 1, 5, 3) + 1}.__getitem__)
    graph = Graph("bordered", {"data": (1, 1, 9, 11)}, (*steps, convolution), ("conv",), parameters)
    network = Network(graph, input_spec=None)
    field = receptive_fields(graph, network.shapes)["conv"]
    assert tuple(field.size) == ((9, 9) if border is None else (5, 3)), "no more than the border is wide"
    for row, column in ((0, 1), (3, 4)):
        seen = network.gradient(torch.rand(1, 1, 9, 11), f"conv:0@{row},{column}")[0, 0].nonzero()
        found = (*seen.min(0).values.tolist(), *(seen.max(0).values + 1).tolist())
        box = field.box(row, column)
        clipped = (max(0, box[0]), max(0, box[1]), min(9, box[2]), min(11, box[3]))
        inside = clipped[0] <= found[0] and clipped[1] <= found[1] and clipped[2:] >= found[2:]
        assert inside if border is None else found == clipped


def _upsample(mode: str, **how: Any) -> nn.Module:
    return nn.Upsample(mode=mode, **how)


RESIZED = {
    "bilinear": [_upsample("bilinear", scale_factor=2)],
    "corners": [_upsample("bilinear", scale_factor=3, align_corners=True)],
    "cubic": [_upsample("bicubic", scale_factor=2)],
    "nearest": [_upsample("nearest", scale_factor=2)],
    "to a size": [_upsample("bilinear", size=(31, 23)), nn.Conv2d(2, 2, 3, 2, 1)],
    "smaller": [_upsample("bilinear", size=(8, 7))],
    "twice": [_upsample("bilinear", scale_factor=2), nn.Conv2d(2, 2, 3, 1, 1), _upsample("bilinear", scale_factor=2)],
    "transposed": [nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.Conv2d(2, 2, 3, padding=1)],
    "transposed with holes": [nn.ConvTranspose2d(2, 2, 2, 3)],
    "shuffled": [nn.Conv2d(2, 8, 1), nn.PixelShuffle(2), nn.Conv2d(2, 2, (3, 1), padding=(1, 0))],
}  # fmt: skip


@pytest.mark.parametrize("name", RESIZED)
def test_behind_a_layer_that_enlarges_each_position_sees_what_changes_it(name: str) -> None:
    """Resized maps were left out: of 11 pixels that a position saw, 9 were shown, and with the stride before."""
    torch.manual_seed(5)
    begin = [nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, 2, 1), nn.Conv2d(2, 2, 3, padding=1)]
    module = nn.Sequential(*begin, *RESIZED[name]).double().eval()
    network = open_network(module, input_shape=(1, 1, 35, 29), mean=0, input_scale=1)
    layer, field = list(network.layers)[-1], list(network.layers.values())[-1].receptive_field
    picture = torch.rand(1, 1, 35, 29, dtype=torch.float64, requires_grad=True)
    answer = module(picture)[0, 1]
    assert tuple(answer.shape) == tuple(network.layers[layer].shape[2:])
    most, around = [0, 0], field.enclosing()
    for row, column in ((0, 0), (1, 2), (5, 4), (6, 5), (7, 6), (4, 3), answer.shape):
        row, column = min(row, answer.shape[0] - 1), min(column, answer.shape[1] - 1)
        (gradient,) = torch.autograd.grad(answer[row, column], picture, retain_graph=True)
        seen = (gradient[0, 0].abs() > 1e-12).nonzero()
        box, loose = field.box(row, column), around.box(row, column)
        if not len(seen):  # between the holes
            assert box[2] <= box[0] or box[3] <= box[1] or name == "transposed with holes"
            continue
        found = (*seen.min(0).values.tolist(), *(seen.max(0).values + 1).tolist())
        clipped = tuple(min(max(0, edge), length) for edge, length in zip(box, (35, 29) * 2, strict=True))
        assert clipped == found
        assert loose[0] <= box[0] and loose[1] <= box[1] and loose[2] >= box[2] and loose[3] >= box[3]
        most = [max(most[axis], box[axis + 2] - box[axis]) for axis in (0, 1)]
    assert most == [int(extent) for extent in field.size]


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "nearest"])
@pytest.mark.parametrize("coordinates", sorted({*get_args(Coordinates)} - {"tf_crop_and_resize"}))
def test_a_resized_map_sees_what_its_gradient_reads(interpolation: str, coordinates: str) -> None:
    for size, new in ((7, 19), (9, 18), (11, 4), (6, 6)):
        attributes = {"shape": (0, 0, new, 5), "interpolation": interpolation, "coordinates": coordinates}
        rounding = get_args(Nearest) if interpolation == "nearest" else ("floor",)
        for nearest in rounding:
            operation = Operation(
                "resize", "y", "Resize", ("x",), ("y",), attributes={**attributes, "nearest": nearest}
            )
            for antialias in (False, True) if interpolation != "nearest" else (False,):
                operation.attributes["antialias"] = antialias
                kernel, stride, padding = (one[0] for one in resized_window(operation, (size, 5), (new, 5)))
                line = torch.rand(1, 1, size, 5, dtype=torch.float64, requires_grad=True)
                resized = resize(line, **operation.attributes)[0, 0, :, 2]
                for at in range(new):
                    (gradient,) = torch.autograd.grad(resized[at], line, retain_graph=True)
                    read = (gradient[0, 0, :, 2].abs() > 1e-5).nonzero()[:, 0].tolist()
                    first = min(max(0, ceil(at * stride - padding)), size - 1)
                    last = min(max(0, floor(at * stride - padding + kernel - 1)), size - 1)
                    assert first <= read[0] and read[-1] <= last
                    assert last - first <= read[-1] - read[0] + (0 if interpolation == "linear" else 2)


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
    torch.manual_seed(0)
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
