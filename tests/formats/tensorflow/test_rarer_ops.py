"""Rarer ops: single steps of recurrent layers, segments, wider filters of resizing, and nodes that were fused."""

from math import ceil, floor, pi, sin

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import Address, open_network
from graph_def_writer import GraphWriter

X = np.random.default_rng(8).normal(0, 1, (3, 5, 6, 4)).astype(np.float32)
LOWEST = np.finfo(np.float32).min


def answers(tmp_path, g, *names, x=X):
    network = open_network(g.save(tmp_path / "net.pb"))
    assert not network.graph.cut
    return network.activations(torch.from_numpy(x), *names)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("peephole", [False, True])
def test_one_step_of_an_lstm(tmp_path, peephole):
    g, x = GraphWriter(2), X[:, 0, 0]
    given = g.placeholder(shape=x.shape)
    memory, hidden, weight = (np.random.default_rng(at).normal(0, 1, s).astype("f") for at, s in
                              enumerate([(3, 5), (3, 5), (9, 20)]))  # fmt: skip
    bias, *seen = np.random.default_rng(9).normal(0, 1, (4, 20)).astype("f")
    seen = [one[:5] for one in seen]
    constants = [g.const(f"c{at}", one) for at, one in enumerate((memory, hidden, weight, *seen, bias))]
    g.node("LSTMBlockCell", "cell", given, *constants, forget_bias=0.7, cell_clip=0.9, use_peephole=peephole)
    for at in range(7):
        g.node("Neg", f"n{at}", f"cell:{at}")
    found = answers(tmp_path, g, *(f"n{at}" for at in range(7)), x=x)
    put, candidate, keep, show = np.split(np.concatenate((x, hidden), 1) @ weight + bias, 4, 1)
    into, through, out = (peephole * one for one in seen)
    put, keep = sigmoid(put + memory * into), sigmoid(keep + 0.7 + memory * through)
    candidate = np.tanh(candidate)
    memory = np.clip(candidate * put + memory * keep, -0.9, 0.9)
    show, shown = sigmoid(show + memory * out), np.tanh(memory)
    for at, expected in enumerate((put, memory, keep, show, candidate, shown, shown * show)):
        np.testing.assert_allclose(found[f"n{at}"], -expected, rtol=2e-5, atol=1e-6)


def test_one_step_of_a_gru(tmp_path):
    g, x = GraphWriter(2), X[:, 0, 0]
    given = g.placeholder(shape=x.shape)
    shapes = [(3, 5), (9, 10), (9, 5), (10,), (5,)]
    arrays = [np.random.default_rng(at).normal(0, 1, s).astype("f") for at, s in enumerate(shapes)]
    g.node("GRUBlockCell", "cell", given, *(g.const(f"c{at}", one) for at, one in enumerate(arrays)))
    g.node("Neg", "answer", "cell:3")
    found = answers(tmp_path, g, "answer", x=x)["answer"]
    hidden, gate_weight, weight, gate_bias, bias = arrays
    reset, update = np.split(sigmoid(np.concatenate((x, hidden), 1) @ gate_weight + gate_bias), 2, 1)
    candidate = np.tanh(np.concatenate((x, reset * hidden), 1) @ weight + bias)
    np.testing.assert_allclose(found, -((1 - update) * candidate + update * hidden), rtol=2e-5, atol=1e-6)


SUMMARIES = {"Sum": np.sum, "Mean": np.mean, "Max": np.max, "Min": np.min, "Prod": np.prod}


def test_segments_of_rows(tmp_path):
    """A number that no row has: 0 where the numbers are sorted, else the type's limits; a product is 1."""
    g, x = GraphWriter(), X.reshape(15, 24)
    given = g.placeholder(shape=x.shape)
    ordered, mixed = (
        [0, 0, 0, 1, 1, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4],
        [2, 0, 2, 4, 4, -1, 0, 2, 2, 0, 4, 2, 0, 0, 2],
    )
    places, others = g.const("ordered", ordered), g.const("mixed", mixed)
    count = g.const("count", np.int32(5))
    for name in SUMMARIES:
        g.node(f"Segment{name}", f"of_{name}", given, places)
        if name != "Mean":
            g.node(f"UnsortedSegment{name}", f"un_{name}", given, others, count)
    names = [one for name in SUMMARIES for one in (f"of_{name}", f"un_{name}") if one != "un_Mean"]
    found = answers(tmp_path, g, *names, x=x)
    empty = {"Sum": 0, "Prod": 1, "Max": LOWEST, "Min": -LOWEST}
    for name, function in SUMMARIES.items():
        for start, numbers in (("of", ordered), ("un", mixed)):
            if f"{start}_{name}" not in names:
                continue
            nothing = 0 if start == "of" and name != "Prod" else empty.get(name)
            rows = [x[[at for at, one in enumerate(numbers) if one == row]] for row in range(5)]
            expected = [function(one, 0) if len(one) else np.full(24, nothing) for one in rows]
            np.testing.assert_allclose(found[f"{start}_{name}"], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_steps_that_are_one_function(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    g.node("L2Loss", "half", x)
    g.node("EuclideanNorm", "length", x, g.const("axes", [1, 2]), keep_dims=True, Tidx="DT_INT32")
    lower, upper, every = (g.const(f"n{at}", np.int64(at)) for at in (1, 2, -1))
    g.node("MatrixBandPart", "below", x, every, upper)
    g.node("MatrixBandPart", "above", x, lower, every)
    g.node("Reverse", "turned", x, g.const("marks", np.array([False, True, False, True])))
    g.node("EnsureShape", "same", g.node("Inv", "inverse", x))
    g.node("TruncateMod", "rest", x, g.const("by", np.float32(0.3)))
    g.node("CumulativeLogsumexp", "logs", x, lower, Tidx="DT_INT64")
    found = answers(tmp_path, g, "half", "length", "below", "above", "turned", "same", "rest", "logs")
    expected = {
        "half": np.square(X).sum() / 2,
        "length": np.sqrt(np.square(X).sum((1, 2), keepdims=True)),
        "below": np.tril(X, 2),
        "above": np.triu(X, -1),
        "turned": X[:, ::-1, :, ::-1],
        "same": 1 / X,
        "logs": np.log(np.exp(X).cumsum(1)),
        "rest": np.fmod(X, np.float32(0.3)),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def lanczos(size, new, smooth):
    """Return the (new, size) weights of a picture's row, in double precision."""
    weights, wide = np.zeros((new, size)), max(size / new, 1) if smooth else 1
    for at in range(new):
        middle = (at + 0.5) * size / new
        for pixel in range(ceil(middle - 3 * wide - 0.5), floor(middle + 3 * wide - 0.5) + 1):
            far = abs(pixel + 0.5 - middle) / wide
            value = 1 if far < 1e-3 else 3 * sin(pi * far) * sin(pi * far / 3) / (pi * far) ** 2
            if 0 <= pixel < size and far <= 3:
                weights[at, pixel] = value
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("smooth", [False, True])
def test_resizing_by_lanczos(tmp_path, smooth):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    scale, nowhere = np.array([3 / 5, 8 / 6], np.float32), np.zeros(2, np.float32)
    given = [g.const("size", [3, 8]), g.const("scale", scale), g.const("nowhere", nowhere)]
    g.node("ScaleAndTranslate", "resized", x, *given, kernel_type="lanczos3", antialias=smooth)
    found = answers(tmp_path, g, "resized")["resized"]
    expected = np.einsum("ab,nbwc,dw->nadc", lanczos(5, 3, smooth), X, lanczos(6, 8, smooth))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_transposed_filters_of_volumes_and_of_each_channel(tmp_path):
    """TensorFlow says the size: of what is too much half is cut off before, the odd one behind."""
    g = GraphWriter(1)
    x = g.placeholder(shape=X.shape)
    volume = g.node("ExpandDims", "volume", x, g.const("four", np.int32(4)))
    kernel, each = (np.random.default_rng(at).normal(0, 1, shape).astype("f") for at, shape in
                    enumerate([(2, 3, 3, 2, 1), (3, 3, 4, 1)]))  # fmt: skip
    settings = {"padding": "SAME", "data_format": "NDHWC", "Tshape": "DT_INT32"}
    g.node("Conv3DBackpropInputV2", "up", g.const("size", [3, 10, 12, 8, 2]), g.const("kernel", kernel), volume,
           strides=[1, 2, 2, 2, 1], **settings)  # fmt: skip
    settings = {"strides": [1, 2, 2, 1], "padding": "SAME", "data_format": "NHWC"}
    g.node("DepthwiseConv2dNativeBackpropInput", "apart", g.const("sizes", [3, 10, 11, 4]), g.const("each", each), x,
           **settings)  # fmt: skip
    found = answers(tmp_path, g, "up", "apart")
    whole = F.conv_transpose3d(
        torch.from_numpy(X)[:, None], torch.from_numpy(kernel).permute(4, 3, 0, 1, 2), stride=2
    )
    np.testing.assert_allclose(found["up"], whole[:, :, :10, :12, :8].movedim(1, -1), rtol=1e-4, atol=1e-5)
    weight = torch.from_numpy(each).permute(2, 3, 0, 1)
    whole = F.conv_transpose2d(torch.from_numpy(X).movedim(-1, 1), weight, stride=2, groups=4)
    np.testing.assert_allclose(found["apart"], whole[:, :, :10, 1:12].movedim(1, -1), rtol=1e-4, atol=1e-5)


def test_old_blocks_are_those_of_two_axes(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    margins = g.const("margins", [[1, 0], [0, 2]])
    g.node("SpaceToBatch", "old", x, margins, block_size=2)
    g.node("SpaceToBatchND", "new", x, g.const("block", [2, 2]), margins)
    g.node("BatchToSpace", "back", "old", margins, block_size=2)
    found = answers(tmp_path, g, "old", "new", "back")
    assert found["old"].shape == (12, 3, 4, 4)
    torch.testing.assert_close(found["old"], found["new"])
    np.testing.assert_array_equal(found["back"], X)


def test_fused_nodes_are_the_plain_ones(tmp_path):
    """As `optimize_for_inference` makes them; of several pictures TensorFlow's own kernel gets only the first right."""
    g = GraphWriter(4)
    x = g.placeholder(shape=X.shape)
    kernel, border, size = (
        g.weights("kernel", 3, 3, 4, 2),
        g.const("border", [[0, 0], [2, 1], [1, 2], [0, 0]]),
        None,
    )
    size = g.const("size", [7, 9])
    window = {"strides": [1, 2, 1, 1], "padding": "VALID"}
    g.node("FusedPadConv2D", "mirrored", x, border, kernel, mode="REFLECT", **window)
    g.node("FusedResizeAndPadConv2D", "larger", x, size, border, kernel, mode="SYMMETRIC",
           resize_align_corners=True, **window)  # fmt: skip
    found = answers(tmp_path, g, "mirrored", "larger")
    maps, weight = torch.from_numpy(X).movedim(-1, 1), None
    array = np.random.default_rng(4).normal(0, np.sqrt(2 / 36), (3, 3, 4, 2)).astype(np.float32)
    weight = torch.from_numpy(array).permute(3, 2, 0, 1)

    def filtered(pictures, mode):
        padded = np.pad(pictures, ((0, 0), (0, 0), (2, 1), (1, 2)), mode)
        return F.conv2d(torch.from_numpy(padded), weight, stride=(2, 1)).movedim(1, -1)

    torch.testing.assert_close(found["mirrored"], filtered(maps.numpy(), "reflect"), rtol=1e-4, atol=1e-5)
    corners = F.interpolate(maps, (7, 9), mode="bilinear", align_corners=True).numpy()
    torch.testing.assert_close(found["larger"], filtered(corners, "symmetric"), rtol=1e-4, atol=1e-5)


BOXES = [
    *(
        [0.4, 1.2, 7.2, 4.8],
        [4.0, 2.9, 3.0, 8.8],
        [0.5, 2.2, 4.8, 4.9],
        [2.4, 0.8, 8.4, 6.5],
        [5.8, 7.6, 3.7, 0.6],
    ),
    *([2.0, 2.6, 3.2, 7.2], [2.2, 2.9, 5.2, 3.5], [2.2, 2.9, 5.2, 3.5], [1.4, 3.2, 4.2, 6.8]),
]
SCORES = [0.33, 0.75, 0.74, 0.26, 0.84, 0.67, 0.7, 0.83, 0.46]


@pytest.mark.parametrize(
    ("sigma", "least", "most", "places", "scores"),
    [
        (
            *(0.5, 0.0, 9, [4, 7, 1, 2, 5, 8, 6, 0, 3]),
            [0.84, 0.827242, 0.740654, 0.703804, 0.636372, 0.33428, 0.247765, 0.243164, 0.182814],
        ),
        (0.3, 0.2, 6, [4, 7, 1, 2, 5, 8], [0.84, 0.825408, 0.734488, 0.680662, 0.614897, 0.270196]),
        (0.5, 0.4, 3, [4, 7, 1], [0.84, 0.827242, 0.740654]),
        (0.5, 0.9, 3, [], []),
    ],
)
def test_boxes_that_overlap_lose_score_as_tensorflow_has_it(sigma, least, most, places, scores, tmp_path):
    """TensorFlow 2.21's own numbers; two boxes are the same, and one names its other corners."""
    g = GraphWriter()
    x = g.placeholder(shape=(1, 3, 3, 4))
    boxes = g.node("Reshape", "boxes", x, g.const("rows", [9, 4]), Tshape="DT_INT32")
    limits = [
        g.const(f"limit{at}", value)
        for at, value in enumerate([np.int32(most), *np.float32([0.5, least, sigma])])
    ]
    sums = g.node("Sum", "sums", boxes, g.const("axis", [1]), Tidx="DT_INT32")
    factors = np.float32(SCORES) / np.float32(BOXES).sum(1)
    values = g.node("Mul", "scores", sums, g.const("factors", factors))
    g.node("NonMaxSuppressionV5", "left", boxes, values, *limits, pad_to_max_output_size=True)
    network = open_network(g.save(tmp_path / "soft.pb"))
    picture = torch.tensor(BOXES).reshape(1, 3, 3, 4)
    names = [Address(f"left:{output}") for output in range(3)]
    found = list(network.activations(picture, *names).values())
    padded = [0] * (most - len(places))
    assert found[0].tolist() == [*places, *padded] and found[2].item() == len(places)
    np.testing.assert_allclose(found[1], [*scores, *padded], rtol=0, atol=2e-6)
