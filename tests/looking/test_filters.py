"""Filters: planted ones are where and what they were planted, whatever kind of layer they belong to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from convscope.errors import InputError, UnknownLayer
from convscope.formats.opening import open_network
from convscope.looking.filters import filters, layers_with_filters, read_filters
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.network.parameters import Parameters
from convscope.pictures.picture import Picture
from planted import planted_network


def tile(picture: Picture, address: str) -> NDArray[np.uint8]:
    (found,) = (one for one in picture.tiles if one.address == address)
    left, top, right, bottom = found.box
    return picture.array[top:bottom, left:right]


def single(kind: str, weight: Tensor, shape: tuple[int, ...], **attributes: Any) -> Network:
    operation = Operation(kind, "op", kind, ("data",), ("out",), {"weight": "op.weight"}, attributes)
    parameters = Parameters({"op.weight": tuple(weight.shape)}, {"op.weight": weight}.__getitem__)
    graph = Graph("single", {"data": shape}, (operation,), ("out",), parameters)
    spec = InputSpec(shape[2:]) if len(shape) == 4 and shape[1] == 3 else None
    return Network(graph, input_spec=spec)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("scale", ["sheet", "tile"])
def test_the_first_layer_is_in_true_colors(order: str, scale: Any) -> None:
    picture = filters(planted_network(channel_order=order), "conv1", scale=scale, percentile=100)
    red, green, blue = (tile(picture, f"conv1:{index}").reshape(-1, 3).astype(int) for index in range(3))
    for channel, pixels in enumerate((red, green, blue)):
        others = [other for other in range(3) if other != channel]
        assert (pixels[:, channel][:, None] > pixels[:, others]).all()
    assert len(picture.tiles) == 8
    assert ("expects BGR, shown here as RGB" in picture.caption) == (order == "BGR")


def test_both_orders_give_the_same_picture() -> None:
    rgb, bgr = (filters(planted_network(channel_order=order), "conv1") for order in ("RGB", "BGR"))
    np.testing.assert_array_equal(rgb.array, bgr.array)


def test_an_edge_is_dark_above_and_bright_below() -> None:
    edge = tile(filters(planted_network(), "conv1"), "conv1:3").astype(int).mean(axis=2)
    side = len(edge)
    assert edge[: side // 3].max() < edge[2 * side // 3 :].min()
    assert (edge == edge[:, :1]).all()


def test_deeper_filters_are_a_row_each() -> None:
    picture = filters(planted_network(), "conv2", percentile=100)
    assert [one.address for one in picture.tiles] == ["conv2:0", "conv2:1", "conv2:2"]
    boxes = [one.box for one in picture.tiles]
    assert len({(left, right) for left, _, right, _ in boxes}) == 1
    assert boxes[0][3] < boxes[1][1]
    assert "a row a filter, across all 8 channels of pool1 it reads" in picture.caption
    row = tile(picture, "conv2:0").astype(int)
    step = row.shape[1] // 8
    own, other = row[row.shape[0] // 2, step // 2], row[row.shape[0] // 2, step + step // 2]
    assert own[0] > own[2] and other[2] > other[0]  # 1 is red, -0.5 blue


def test_one_filter_is_one_big_tile_or_a_tile_a_channel() -> None:
    network = planted_network()
    alone = filters(network, "conv1:3")
    assert [one.address for one in alone.tiles] == ["conv1:3"]
    assert tile(alone, "conv1:3").shape[0] >= 300
    parts = filters(network, "conv2:1")
    assert [one.address for one in parts.tiles] == [f"pool1:{index}" for index in range(8)]


def test_first_limits_and_the_caption_says_so() -> None:
    picture = filters(planted_network(), "conv1", channels=3)
    assert len(picture.tiles) == 3
    assert picture.caption.startswith("The first 3 of 8 filters of conv1, 3×5×5")
    assert filters(planted_network(), "conv1").caption.startswith("All 8 filters of conv1")


def test_fully_connected_filters_are_strips_or_maps() -> None:
    strips = filters(planted_network(), "scores")
    assert strips.caption.startswith("All 3 filters of scores, 3×1×1: a row a filter, its 3 weights across")
    assert [one.address for one in strips.tiles] == ["scores:0", "scores:1", "scores:2"]
    weight = torch.randn(4, 5 * 2 * 3)
    values = torch.randn(1, 5, 2, 3)
    read = read_filters(single("dense", weight, (1, 5, 2, 3)), "out").numbers(...)
    expected = functional.linear(values.flatten(1), weight)[0]
    np.testing.assert_allclose((read * values[0].numpy()).sum(axis=(1, 2, 3)), expected, rtol=1e-4, atol=1e-5)
    turned = read_filters(single("dense", weight.T.contiguous(), (1, 5, 2, 3), transpose=True), "out")
    np.testing.assert_array_equal(turned.numbers(...), read)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_deconvolutions_filters_are_its_answers_to_a_point(groups: int) -> None:
    weight = torch.randn(4, 6 // groups, 3, 3)
    read = read_filters(single("deconvolution", weight, (1, 4, 1, 1), groups=groups), "out")
    assert read.weights.shape == (6, 4 // groups, 3, 3)
    for index in range(4):
        point = torch.zeros(1, 4, 1, 1)
        point[0, index] = 1
        answer = functional.conv_transpose2d(point, weight, groups=groups)[0].numpy()
        for filter_, (start, weights) in enumerate(zip(read.first_input, read.numbers(...), strict=True)):
            within = 0 <= index - start < weights.shape[0]
            expected = weights[index - start] if within else np.zeros((3, 3))
            np.testing.assert_array_equal(answer[filter_], expected.astype(np.float32))


def test_grouped_filters_name_the_channels_they_read() -> None:
    network = single("convolution", torch.randn(4, 3, 3, 3), (1, 6, 8, 8), groups=2)
    assert read_filters(network, "out").first_input == (0, 0, 3, 3)
    assert [one.address for one in filters(network, "out:2").tiles] == ["data:3", "data:4", "data:5"]
    depthwise = single("convolution", torch.randn(6, 1, 3, 3), (1, 6, 8, 8), groups=6)
    assert "each reads one channel" in filters(depthwise, "out").caption


def test_filters_of_volumes_are_slices_beside_each_other() -> None:
    weight = torch.zeros(2, 3, 4, 2, 2)
    weight[1, 2, 3, 0, 1] = 1.0  # the last slice of the last channel, its upper right corner
    network = single("convolution", weight, (1, 3, 9, 9, 9))
    assert filters(network, "out").caption.startswith(
        "All 2 filters of out, 3×4×2×2: a row a filter, across all 3 channels of data it reads, 4 slices each."
    )
    one = filters(network, "out:1")
    assert "a row of slices for all 3 channels" in one.caption
    last = tile(one, "data:2 slice 3")[..., 0]
    assert last[8, -8] == 255
    assert last[8, 8] == last[-8, 8] == last[-8, -8] == 0
    assert "11 of one single value" in one.caption


def test_three_channels_deeper_down_are_no_colors() -> None:
    network = planted_network()
    assert read_filters(network, "conv1").color
    assert not read_filters(network, "conv2").color
    assert not read_filters(
        single("convolution", torch.randn(2, 3, 3, 3), (1, 6, 8, 8), groups=2), "out"
    ).color


def test_layers_without_filters_say_which_have() -> None:
    network = planted_network()
    assert layers_with_filters(network) == ["conv1", "conv2", "scores"]
    with pytest.raises(
        InputError,
        match=r"'pool1' is made by Pooling, which has no filters.*before it.*'conv1'.* conv2, scores",
    ):
        filters(network, "pool1")
    with pytest.raises(InputError, match="'data' is an input"):
        filters(network, "data")
    with pytest.raises(UnknownLayer, match=r"no layer 'conv3x'\. Did you mean"):
        filters(network, "conv3x")
    with pytest.raises(UnknownLayer, match="8 channels, 0 to 7"):
        filters(network, "conv1:8")


@pytest.mark.parametrize(
    ("kind", "shape", "attributes"),
    [
        ("power", (1, 3, 8, 8), {"scale": 0.5}),
        ("pad", (1, 3, 8, 8), {"padding": (3, 3, 3, 3)}),
        ("permute", (1, 8, 8, 3), {"order": (0, 3, 1, 2)}),
    ],
)
def test_a_photograph_changed_on_its_way_is_still_in_color(
    kind: str, shape: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    """Behind a border, and where a network turns its axes (TensorFlow's in ONNX), filters were rows of three grays."""
    scale = Operation(kind, "scale", kind, ("data",), ("scaled",), attributes=attributes)
    convolution = Operation("convolution", "conv", "Convolution", ("scaled",), ("conv",), {"weight": "w"})
    parameters = Parameters({"w": (2, 3, 3, 3)}, {"w": torch.randn(2, 3, 3, 3)}.__getitem__)
    graph = Graph("scaled", {"data": shape}, (scale, convolution), ("conv",), parameters)
    assert read_filters(Network(graph, input_spec=InputSpec((8, 8))), "conv").color


def test_googlenets_filters(shared_data: Path) -> None:
    network = open_network(shared_data / "caffe/bvlc_googlenet")
    first = filters(network, "conv1/7x7_s2")
    assert len(first.tiles) == 64
    assert min(right - left for left, _, right, _ in (one.box for one in first.tiles)) >= 24
    deeper = filters(network, "conv2/3x3")
    assert "The first 48 of 192 filters of conv2/3x3, 64×3×3" in deeper.caption
    assert "across the first 48 of 64 channels of conv2/3x3_reduce" in deeper.caption
    assert len(deeper.tiles) == 48


@pytest.mark.parametrize("first", [0, -5])
def test_first_is_at_least_one(first: int) -> None:
    with pytest.raises(InputError, match=f"at least 1, or which ones; not {first}"):
        filters(planted_network(), "conv1", channels=first)


def test_the_caption_tells_how_many_filters_fit() -> None:
    picture = filters(planted_network(), "conv1", tile_size=2000)
    assert 0 < len(picture.tiles) < 8
    assert picture.caption.startswith(f"The first {len(picture.tiles)} of 8 filters of conv1")
