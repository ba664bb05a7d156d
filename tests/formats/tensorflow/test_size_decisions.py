"""Graphs that decide by the picture's size: right at every size, or refused where they would decide otherwise."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import open_network
from convscope.errors import ConvscopeError, ConvscopeWarning
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


def test_numbers_up_to_a_size_are_as_many_at_every_size(tmp_path) -> None:
    """``tf.gather(x, tf.range(0, tf.shape(x)[1], 2), axis=1)`` took the rows of the size that was opened."""
    g = GraphWriter()
    x = convolved(g)
    ends = [
        g.const(name, np.array(number, np.int32)) for name, number in (("zero", 0), ("two", 2), ("axis", 1))
    ]
    every = g.node("Range", "every", ends[0], height_alone(g, x), ends[1], Tidx="DT_INT32")
    kinds = {"Tparams": "DT_FLOAT", "Tindices": "DT_INT32", "Taxis": "DT_INT32"}
    g.node("GatherV2", "rows taken", x, every, ends[2], **kinds)
    network = open_network(g.save(tmp_path / "net.pb"))
    for height in (24, 17, 40):
        x = picture(height, 21)
        wanted = by_torch(x)[:, :, ::2].permute(0, 2, 3, 1)
        found = network.activations(x, "rows taken")["rows taken"]
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def _share(g: GraphWriter, x: str) -> None:
    """Twelve by the height: Python's float has made a plain number of that before the size is asked."""
    height = g.node("Cast", "height", height_alone(g, x), SrcT="DT_INT32", DstT="DT_FLOAT")
    g.node("Mul", "last", x, g.node("RealDiv", "share", g.const("of", np.array(12, np.float32)), height))


def _smaller_share(g: GraphWriter, x: str) -> None:
    sizes = g.node("Cast", "both", height_and_width(g, x), SrcT="DT_INT32", DstT="DT_FLOAT")
    shares = g.node("RealDiv", "shares", sizes, g.const("of", np.array([24, 48], np.float32)))
    limit = g.const("limit", np.array([0.75, 0.75], np.float32))
    g.node("Mul", "last", x, g.node("Minimum", "least", shares, limit))


def _share_of_rows(g: GraphWriter, x: str) -> None:
    """``x[:, :tf.cast(0.5 * rows, tf.int32)]``, of which 12 of 24 are left."""
    height = g.node("Cast", "height", height_alone(g, x), SrcT="DT_INT32", DstT="DT_FLOAT")
    share = g.node("Mul", "share", g.const("half", np.array(0.52, np.float32)), height)
    rows = g.node("Cast", "some", share, SrcT="DT_FLOAT", DstT="DT_INT32")
    zero, ones = g.const("zero", np.array(0, np.int32)), g.const("ones", np.array([1] * 4, np.int32))
    ends = g.node("Pack", "ends", zero, rows, zero, zero, T="DT_INT32", N=4, axis=0)
    begins = g.const("begins", np.array([0] * 4, np.int32))
    bounds = {"begin_mask": 15, "end_mask": 13}
    g.node("StridedSlice", "last", x, begins, ends, ones, T="DT_FLOAT", Index="DT_INT32", **bounds)


def _stated_size(g: GraphWriter, x: str) -> None:
    """TensorFlow refuses a gradient of 24 rows whose picture was not 48 of them."""
    size = g.const("size", np.array([1, 48, 48, 3], np.int32))
    kernel = g.const("kernel", np.ones((2, 2, 3, 2), np.float32))
    more = {"strides": [1, 2, 2, 1], "padding": "SAME", "data_format": "NHWC"}
    g.node("Conv2DBackpropInput", "last", size, kernel, x, **more)


def _stated_part(g: GraphWriter, x: str) -> None:
    bounds = [
        (name, np.array(at, np.int32)) for name, at in (("from", [0, 2, 0, 0]), ("much", [1, 21, -1, 2]))
    ]
    g.node("Slice", "last", x, *(g.const(*bound) for bound in bounds), T="DT_FLOAT", Index="DT_INT32")


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (_share, lambda y: y / 2),
        (_smaller_share, lambda y: y * torch.tensor([0.75, 0.5])),
        (_share_of_rows, lambda y: y[:, :12]),
        (
            _stated_size,
            lambda y: (
                y.sum(-1, keepdim=True).repeat(1, 1, 1, 3).repeat_interleave(2, 1).repeat_interleave(2, 2)
            ),
        ),
        (_stated_part, lambda y: y[:, 2:23]),
    ],
)
def test_what_holds_for_one_size_is_refused_at_others(build, wanted, tmp_path) -> None:
    g = GraphWriter()
    build(g, convolved(g))
    network = open_network(g.save(tmp_path / "net.pb"))
    x = picture(24, 24)
    found = network.activations(x, "last")["last"]
    torch.testing.assert_close(found, wanted(by_torch(x).permute(0, 2, 3, 1)), rtol=1e-5, atol=1e-5)
    with pytest.raises(ConvscopeError, match="decides otherwise at this one"):
        network.activations(picture(18, 18), "last")


def test_what_is_cut_behind_a_size_leaves_what_is_before(tmp_path) -> None:
    """Nothing but the size of the last layer was read: the graph was said to be no network."""
    g = GraphWriter()
    x = convolved(g)
    size = g.node("Shape", "size", x, out_type="DT_INT32")
    g.node("Unheard", "unheard", size)
    with pytest.warns(ConvscopeWarning, match="Unheard"):
        network = open_network(g.save(tmp_path / "net.pb"))
    assert network.graph.outputs == ("conv",)


def test_eight_bits_come_around_again(tmp_path) -> None:
    g = GraphWriter()
    x = g.node("Mul", "large", convolved(g), g.const("by", np.array(200, np.float32)))
    g.node("Cast", "bytes", g.node("Abs", "lengths", x), SrcT="DT_FLOAT", DstT="DT_UINT8")
    g.node("Cast", "signed", x, SrcT="DT_FLOAT", DstT="DT_INT8")
    network = open_network(g.save(tmp_path / "net.pb"))
    x = picture(9, 8)
    whole = (by_torch(x) * 200).permute(0, 2, 3, 1).numpy().astype(np.int32)
    for name, kind, numbers in (("bytes", np.uint8, abs(whole)), ("signed", np.int8, whole)):
        found = network.activations(x, name)[name].numpy()
        assert (found == numbers.astype(kind)).mean() > 0.999, name  # but for the last bit of a convolution
