"""Graphs that decide by the picture's size: right at every size, or refused where they would decide otherwise."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import open_network
from convscope.errors import ConvscopeError
from graph_def_writer import GraphWriter

KERNEL = np.random.default_rng(5).normal(0, 1, (3, 3, 3, 2)).astype("f")


def convolved(g: GraphWriter) -> str:
    picture = g.placeholder(shape=(1, 24, 24, 3))
    return g.node(
        "Conv2D",
        "conv",
        picture,
        g.const("k", KERNEL),
        strides=[1, 1, 1, 1],
        padding="SAME",
        data_format="NHWC",
    )


def height_and_width(g: GraphWriter, of: str) -> str:
    shape = g.node("Shape", "shape", of, out_type="DT_INT32")
    parts = [g.const(name, np.array(at, np.int32)) for name, at in (("from", [1]), ("to", [3]), ("by", [1]))]
    return g.node("StridedSlice", "sizes", shape, *parts, T="DT_INT32", Index="DT_INT32")


def height_alone(g: GraphWriter, of: str) -> str:
    parts = [
        g.const(name, np.array(at, np.int32)) for name, at in (("begin", [0]), ("end", [1]), ("step", [1]))
    ]
    reads = (height_and_width(g, of), *parts)
    return g.node("StridedSlice", "rows", *reads, T="DT_INT32", Index="DT_INT32", shrink_axis_mask=1)


def picture(height: int, width: int) -> torch.Tensor:
    numbers = np.random.default_rng(height).normal(0, 1, (1, height, width, 3)).astype("f")
    return torch.from_numpy(numbers)


def by_torch(x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x.permute(0, 3, 1, 2), torch.from_numpy(KERNEL).permute(3, 2, 0, 1), padding=1)


@pytest.mark.parametrize("op", ["Maximum", "Minimum"])
def test_the_larger_and_the_smaller_of_sizes_hold_at_every_size(tmp_path, op) -> None:
    g = GraphWriter()
    x = convolved(g)
    size = g.node(op, "size", height_and_width(g, x), g.const("limit", np.array(22, np.int32)), T="DT_INT32")
    g.node("ResizeNearestNeighbor", "resized", x, size, align_corners=False)
    network = open_network(g.save(tmp_path / "net.pb"))
    for height, width in ((24, 24), (16, 20), (40, 21)):
        x = picture(height, width)
        extent = [(max if op == "Maximum" else min)(side, 22) for side in (height, width)]
        wanted = F.interpolate(by_torch(x), extent, mode="nearest").permute(0, 2, 3, 1)
        torch.testing.assert_close(network.activations(x, "resized")["resized"], wanted, rtol=1e-5, atol=1e-5)


def test_what_is_worked_out_of_one_size_holds_at_every_size(tmp_path) -> None:
    """``tf.pad(x, [[0, 0], [0, 50 - tf.shape(x)[1]], ...])``: the rows that were seen alone were padded to."""
    g = GraphWriter()
    x = convolved(g)
    rows = height_alone(g, x)
    missing = g.node("Sub", "missing", g.const("most", np.array(50, np.int32)), rows, T="DT_INT32")
    zero, none = g.const("zero", np.array(0, np.int32)), g.const("none", np.array([0, 0], np.int32))
    after = g.node("Pack", "after", zero, missing, T="DT_INT32", N=2, axis=0)
    paddings = g.node("Pack", "paddings", none, after, none, none, T="DT_INT32", N=4, axis=0)
    g.node("Pad", "padded", x, paddings)
    network = open_network(g.save(tmp_path / "net.pb"))
    for height, width in ((24, 24), (16, 20), (40, 21)):
        x = picture(height, width)
        wanted = F.pad(by_torch(x), (0, 0, 0, 50 - height)).permute(0, 2, 3, 1)
        torch.testing.assert_close(network.activations(x, "padded")["padded"], wanted, rtol=1e-5, atol=1e-5)


def test_a_part_and_a_scale_by_size_are_right_or_refused(tmp_path) -> None:
    """``x[:, tf.shape(x)[1] // 2 - 3:]`` is cut anew at each size; times ``height / 24`` is refused at others."""
    g = GraphWriter()
    x = convolved(g)
    rows = height_alone(g, x)
    two, three = (g.const(f"n{n}", np.array(n, np.int32)) for n in (2, 3))
    half = g.node("FloorDiv", "half", rows, two, T="DT_INT32")
    first = g.node("Sub", "first", half, three, T="DT_INT32")
    zero, ones = g.const("zero", np.array(0, np.int32)), g.const("ones", np.array([1] * 4, np.int32))
    begins = g.node("Pack", "begins", zero, first, zero, zero, T="DT_INT32", N=4, axis=0)
    ends = g.const("ends", np.array([0, 0, 0, 0], np.int32))
    bounds = {"begin_mask": 13, "end_mask": 15}
    g.node("StridedSlice", "lower", x, begins, ends, ones, T="DT_FLOAT", Index="DT_INT32", **bounds)
    height = g.node("Cast", "height", rows, SrcT="DT_INT32", DstT="DT_FLOAT")
    share = g.node("RealDiv", "share", height, g.const("of", np.array(24, np.float32)))
    g.node("Mul", "scaled", x, share)
    network = open_network(g.save(tmp_path / "net.pb"))
    for rows_there in (24, 17, 40):
        x = picture(rows_there, 21)
        wanted = by_torch(x)[:, :, rows_there // 2 - 3 :].permute(0, 2, 3, 1)
        torch.testing.assert_close(network.activations(x, "lower")["lower"], wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(ConvscopeError, match="decides otherwise at this one"):
        network.activations(x, "scaled")
    x = picture(24, 21)
    wanted = by_torch(x).permute(0, 2, 3, 1)
    torch.testing.assert_close(network.activations(x, "scaled")["scaled"], wanted, rtol=1e-5, atol=1e-5)


def test_shares_of_sizes_are_checked_where_they_are_read_first(tmp_path) -> None:
    """``x * (tf.shape(x)[1:3] / 24)``, with a branch behind it in the file that does not read them."""
    g = GraphWriter()
    x = convolved(g)
    sizes = g.node("Cast", "both", height_and_width(g, x), SrcT="DT_INT32", DstT="DT_FLOAT")
    g.node("Mul", "scaled", x, g.node("RealDiv", "shares", sizes, g.const("of", np.array(24, np.float32))))
    g.node("Relu", "beside", x)
    network = open_network(g.save(tmp_path / "net.pb"))
    wanted = by_torch(picture(24, 24)).permute(0, 2, 3, 1)
    found = network.activations(picture(24, 24), "scaled")["scaled"]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(ConvscopeError, match="decides otherwise at this one"):
        network.activations(picture(30, 24), "scaled")


def test_a_choice_by_size_is_right_or_refused(tmp_path) -> None:
    g = GraphWriter()
    x = convolved(g)
    sizes = height_and_width(g, x)
    limit = g.const("limit", np.array([20, 1], np.int32))
    large = g.node("Greater", "large", sizes, limit, T="DT_INT32")
    factors = [g.const(name, np.array(pair, "f")) for name, pair in (("a", [2.5, 1]), ("b", [3.25, 1]))]
    g.node("Mul", "scaled", x, g.node("Select", "factor", large, *factors))
    network = open_network(g.save(tmp_path / "net.pb"))
    for height, width in ((24, 24), (21, 33)):
        x = picture(height, width)
        wanted = by_torch(x).permute(0, 2, 3, 1) * torch.tensor([2.5, 1])
        torch.testing.assert_close(network.activations(x, "scaled")["scaled"], wanted, rtol=1e-5, atol=1e-5)
    small = picture(16, 24)
    assert network.activations(small, "conv")["conv"].shape == (1, 16, 24, 2)
    with pytest.raises(ConvscopeError, match="decides otherwise at this one"):
        network.activations(small, "scaled")
