"""Operators with one step each, look-ups and truths: against NumPy's of the same name, from graphs written by hand."""

import numpy as np
import pytest
import torch
from scipy.special import erfc

from convscope import open_network
from convscope.errors import ConvscopeWarning, InputError
from graph_def_writer import GraphWriter

X = np.random.default_rng(6).normal(0, 1, (1, 5, 6, 4)).astype(np.float32)
SMALL = (0.3 * X).clip(-0.9, 0.9)
INT = {"Tidx": "DT_INT32"}

ALONE = {
    "Floor": np.floor, "Ceil": np.ceil, "Sin": np.sin, "Cos": np.cos, "Tan": np.tan, "Sinh": np.sinh,
    "Cosh": np.cosh, "Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan, "Asinh": np.arcsinh,
    "Atanh": np.arctanh, "Log1p": np.log1p, "Expm1": np.expm1, "Erfc": erfc, "ZerosLike": np.zeros_like,
    "OnesLike": np.ones_like, "IsNan": np.isnan,
}  # fmt: skip


def answers(tmp_path, g, *names):
    network = open_network(g.save(tmp_path / "net.pb"))
    return network, network.activations(torch.from_numpy(SMALL), *names)


def test_functions_of_a_number_are_numpys(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    for op in ALONE:
        g.node(op, f"of_{op}", x)
    _, found = answers(tmp_path, g, *(f"of_{op}" for op in ALONE))
    for op, function in ALONE.items():
        np.testing.assert_allclose(found[f"of_{op}"], function(SMALL), rtol=1e-5, atol=1e-6, err_msg=op)


def test_functions_of_two_values_are_numpys(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    other = g.node("Add", "other", x, g.const("two", np.float32(1.3)))
    pairs = {"Atan2": np.arctan2, "FloorDiv": np.floor_divide, "FloorMod": np.mod}
    for op in pairs:
        g.node(op, f"of_{op}", x, other)
    _, found = answers(tmp_path, g, *(f"of_{op}" for op in pairs))
    for op, function in pairs.items():
        expected = function(SMALL, SMALL + np.float32(1.3))
        np.testing.assert_allclose(found[f"of_{op}"], expected, rtol=1e-5, atol=1e-6, err_msg=op)


def test_look_ups_sums_along_and_turns_are_numpys(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    axis = {at: g.const(f"axis{at}", np.int32(at)) for at in (1, 2, 3)}
    g.node("GatherV2", "gather", x, g.const("places", [2, 0]), axis[3], batch_dims=0)
    g.node("TopKV2", "most", x, g.const("count", np.int32(2)), sorted=True)
    g.node("Identity", "second", "most:1")
    g.node("Unpack", "parts", x, num=4, axis=3)
    g.node("Relu", "third", "parts:2")
    g.node("Cumsum", "sums", x, axis[2], exclusive=True, reverse=False, **INT)
    g.node("ReverseV2", "turned", x, g.const("axes", [1, 2]), **INT)
    g.node("Roll", "rolled", x, g.const("by", [1, 2]), g.const("along", [1, 2]))
    g.node("Einsum", "product", x, x, equation="bhwc,bhwd->bcd", N=2)
    above = g.node("Greater", "above", x, g.const("limit", np.float32(0.2)))
    g.node("Any", "any", above, g.const("both", [1, 2]), keep_dims=False, **INT)
    g.node("All", "all", above, axis[3], keep_dims=True, **INT)
    names = ("gather", "most:0", "second", "third", "sums", "turned", "rolled", "product", "any", "all")
    _, found = answers(tmp_path, g, *names)
    order = np.argsort(-SMALL, axis=-1, kind="stable")[..., :2]
    sums = SMALL.cumsum(2) - SMALL
    expected = {
        "gather": SMALL[..., [2, 0]],
        "most:0": np.take_along_axis(SMALL, order, -1),
        "second": order,
        "third": np.maximum(SMALL[..., 2], 0),
        "sums": sums,
        "turned": SMALL[:, ::-1, ::-1],
        "rolled": np.roll(SMALL, (1, 2), (1, 2)),
        "product": np.einsum("bhwc,bhwd->bcd", SMALL, SMALL),
        "any": (SMALL > 0.2).any((1, 2)),
        "all": (SMALL > 0.2).all(3, keepdims=True),
    }
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=2e-6, err_msg=name)


def test_the_last_before_a_cut_is_no_output(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    g.node("Odd", "odd", g.node("Exp", "last", x))
    g.node("Relu", "beside", x)
    with pytest.warns(ConvscopeWarning, match=r"Odd.*cut off"):
        network, _ = answers(tmp_path, g, "beside")
    assert {output.name for output in network.outputs if output.cut} == {"last"}
    assert set(network.graph.outputs) == {"last", "beside"}


def test_what_does_not_fit_cuts_what_is_behind_it(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    g.node("Reshape", "odd", x, g.const("shape", [7, 7]), Tshape="DT_INT32")
    g.node("Exp", "behind", "odd")
    g.node("Relu", "beside", x)
    with pytest.warns(ConvscopeWarning, match=r"its Reshape cannot take .*'behind' is behind"):
        network, found = answers(tmp_path, g, "beside")
    assert set(network.graph.cut) == {"odd", "behind"}
    np.testing.assert_array_equal(found["beside"], np.maximum(SMALL, 0))


def test_products_of_turned_matrices_and_computed_look_ups_are_numpys(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    other = g.node("Sin", "other", x)
    g.node("BatchMatMulV2", "one", x, other, adj_x=True)
    turned = g.node("Transpose", "turned", x, g.const("order", [0, 1, 3, 2]))
    g.node("BatchMatMulV2", "both", x, turned, adj_x=True, adj_y=True)
    rows = [
        g.node("Reshape", f"rows_{name}", value, g.const(name, [30, 4]))
        for name, value in (("a", x), ("b", other))
    ]
    g.node("MatMul", "matrix", *rows, transpose_a=True)
    where = g.node("ArgMax", "where", x, g.const("axis", np.int32(3)), **INT)
    table = np.random.default_rng(2).normal(0, 1, (4, 3)).astype(np.float32)
    g.node("GatherV2", "looked_up", g.const("table", table), where, g.const("first", np.int32(0)))
    g.node("GatherNd", "points", x, g.const("places", [[0, 1, 2], [0, 3, 5]]))
    g.node("TensorScatterUpdate", "written", x, g.const("batch", [[0]]), other)
    sizes = [g.const("kernel", [1, 2, 3, 1]), g.const("stride", [1, 1, 3, 1])]
    g.node("MaxPoolV2", "pooled", x, *sizes, padding="VALID")
    g.node("MirrorPad", "mirrored", x, g.const("margins", [[0, 0], [2, 1], [0, 3], [0, 0]]), mode="SYMMETRIC")
    names = ("one", "both", "matrix", "looked_up", "points", "written", "pooled", "mirrored")
    _, found = answers(tmp_path, g, *names)
    y = np.sin(SMALL)
    windows = np.lib.stride_tricks.sliding_window_view(SMALL, (2, 3), (1, 2))[:, :, ::3]
    expected = {
        "one": np.einsum("bhij,bhik->bhjk", SMALL, y),
        "both": np.einsum("bhij,bhik->bhjk", SMALL, SMALL),
        "matrix": SMALL.reshape(30, 4).T @ y.reshape(30, 4),
        "looked_up": table[SMALL.argmax(3)],
        "points": SMALL[[0, 0], [1, 3], [2, 5]],
        "written": y,
        "pooled": windows.max((-1, -2)),
        "mirrored": np.pad(SMALL, ((0, 0), (2, 1), (0, 3), (0, 0)), "symmetric"),
    }
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("op", ["BlockLSTM", "BlockLSTMV2"])
def test_a_fused_lstm_is_its_steps(tmp_path, op):
    """Gates are input, candidate, forget, output in the first version; in the second forget is before the candidate."""
    random = np.random.default_rng(7)
    sequence = random.normal(0, 1, (5, 2, 4)).astype(np.float32)
    weight, bias, *peepholes = (
        random.normal(0, 0.6, shape).astype(np.float32) for shape in ((7, 12), (12,), (3,), (3,), (3,))
    )
    memory, hidden = (random.normal(0, 1, (2, 3)).astype(np.float32) for _ in range(2))
    g = GraphWriter()
    x = g.placeholder(shape=sequence.shape)
    given = [g.const(f"c{at}", value) for at, value in enumerate((memory, hidden, weight, *peepholes, bias))]
    length = g.const("length", np.array(4, np.int64))
    attributes = {"use_peephole": True, "cell_clip": 0.7} | (
        {"forget_bias": 0.3} if op == "BlockLSTM" else {}
    )
    g.node(op, "lstm", length, x, *given, **attributes)
    g.node("Identity", "memories", "lstm:1")
    g.node("Identity", "answers", "lstm:6")
    network = open_network(g.save(tmp_path / "net.pb"))
    found = network.activations(torch.from_numpy(sequence), "memories", "answers")

    def sigmoid(values):
        return 1 / (1 + np.exp(-values))

    expected = np.zeros((2, 5, 2, 3))
    for at in range(4):
        gates = np.split(np.concatenate([sequence[at], hidden], 1) @ weight + bias, 4, 1)
        put, candidate, keep, show = gates if op == "BlockLSTM" else [gates[place] for place in (0, 2, 1, 3)]
        keep = sigmoid(keep + memory * peepholes[1] + (0.3 if op == "BlockLSTM" else 0))
        memory = np.clip(np.tanh(candidate) * sigmoid(put + memory * peepholes[0]) + memory * keep, -0.7, 0.7)
        hidden = np.tanh(memory) * sigmoid(show + memory * peepholes[2])
        expected[:, at] = memory, hidden
    np.testing.assert_allclose(found["memories"], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["answers"], expected[1], rtol=1e-5, atol=1e-6)


def left_boxes(corners, scores, overlap, least, most):
    """The boxes (two corners in either order) that overlap no better one, one after the other."""
    low, high = corners.min(1), corners.max(1)
    kept: list[int] = []
    for box in np.argsort(-scores, kind="stable"):
        shared = [
            np.clip(np.minimum(high[box], high[one]) - np.maximum(low[box], low[one]), 0, None).prod()
            for one in kept
        ]
        areas = [np.prod(high[box] - low[box]) + np.prod(high[one] - low[one]) for one in kept]
        apart = all(s <= overlap * (a - s) for s, a in zip(shared, areas, strict=True))
        if scores[box] > least and apart and len(kept) < most:
            kept.append(int(box))
    return kept


@pytest.mark.parametrize("version", ["", "V2", "V3"])
def test_boxes_that_overlap_a_better_one_are_dropped(tmp_path, version):
    """Places of boxes, the best first; TensorFlow 2.21 gives the same, corners in either order."""
    random = np.random.default_rng(2)
    corners = random.uniform(0, 1, (40, 2, 2)).astype(np.float32)
    scores = random.uniform(0, 1, 40).astype(np.float32)
    g = GraphWriter()
    boxes = g.placeholder("boxes", (40, 4))
    settings = [
        g.const("count", np.int32(9)),
        g.const("overlap", np.float32(0.1)),
        g.const("least", np.float32(0.45)),
    ]
    more = settings[: 1 + int(version.removeprefix("V") or 1) - 1]
    g.node(f"NonMaxSuppression{version}", "best", boxes, g.const("scores", scores), *more, iou_threshold=0.1)
    network = open_network(g.save(tmp_path / "net.pb"))
    found = network.activations(torch.from_numpy(corners.reshape(40, 4)), "best")["best"]
    kept = left_boxes(corners, scores, 0.1, 0.45 if version == "V3" else -np.inf, 9)
    assert len(kept) > 4 and kept != list(np.argsort(-scores)[: len(kept)])
    assert found.tolist() == kept


@pytest.mark.parametrize(("version", "padded"), [("V4", True), ("V4", False), ("V5", True), ("V5", False)])
def test_boxes_that_are_left_are_counted_and_padded(tmp_path, version, padded):
    random = np.random.default_rng(4)
    corners, scores = (
        random.uniform(0, 1, (30, 2, 2)).astype(np.float32),
        random.uniform(0, 1, 30).astype(np.float32),
    )
    g = GraphWriter()
    limits = [g.const(f"limit{at}", np.float32(value)) for at, value in enumerate((0.1, 0.4, 0.0))]
    inputs = [g.placeholder("boxes", (30, 4)), g.const("scores", scores), g.const("count", np.int32(20))]
    more = limits if version == "V5" else limits[:2]
    best = g.node(f"NonMaxSuppression{version}", "best", *inputs, *more, pad_to_max_output_size=padded)
    network = open_network(g.save(tmp_path / "net.pb"))
    names = [f"{best}:{output}" for output in range(3 if version == "V5" else 2)]
    found = network.activations(torch.from_numpy(corners.reshape(30, 4)), *names)
    kept = left_boxes(corners, scores, 0.1, 0.4, 20)
    behind = [0.0] * (20 - len(kept)) if padded else []
    assert 3 < len(kept) < 20 and found[names[0]].tolist() == kept + behind
    assert float(found[names[-1]]) == len(kept)
    if version == "V5":
        np.testing.assert_array_equal(found[names[1]], [*scores[kept], *behind])


@pytest.mark.parametrize(("shared", "short", "clip"), [(True, False, True), (False, True, False)])
def test_combined_suppression_has_the_best_boxes_of_all_classes(tmp_path, shared, short, clip):
    random = np.random.default_rng(5)
    boxes = random.uniform(-0.2, 1.2, (2, 25, 1 if shared else 3, 4)).astype(np.float32)
    scores = random.uniform(0, 1, (2, 25, 3)).astype(np.float32)
    g = GraphWriter()
    numbers = (np.int32(4), np.int32(15), np.float32(0.2), np.float32(0.5))
    inputs = [g.placeholder("boxes", boxes.shape), g.const("scores", scores)]
    inputs += [g.const(f"limit{at}", number) for at, number in enumerate(numbers)]
    best = g.node("CombinedNonMaxSuppression", "best", *inputs, pad_per_class=short, clip_boxes=clip)
    names = [g.node("Identity", f"out{at}", f"{best}:{at}" if at else best) for at in range(4)]
    found = open_network(g.save(tmp_path / "net.pb")).activations(torch.from_numpy(boxes), *names)
    for picture in range(2):
        rows = []
        for label in range(3):
            own, score = boxes[picture, :, 0 if shared else label], scores[picture, :, label]
            kept = left_boxes(own.reshape(-1, 2, 2), score, 0.2, 0.5, 4)
            rows += [(score[box], label, np.clip(own[box], 0, 1) if clip else own[box]) for box in kept]
        rows = sorted(rows, key=lambda row: -row[0])
        count = int(found["out3"][picture])
        assert count == len(rows) > 6 and found["out1"].shape == (2, 12 if short else 15)
        np.testing.assert_array_equal(found["out1"][picture, :count], [row[0] for row in rows])
        np.testing.assert_array_equal(found["out2"][picture, :count], [row[1] for row in rows])
        np.testing.assert_array_equal(found["out0"][picture, :count], [row[2] for row in rows])
        assert not found["out0"][picture, count:].any()


def of_tensorflow(size: int, new: int, *, centers: bool) -> np.ndarray:
    """Return the positions that TensorFlow's kernel takes: in single precision, times the size before over after."""
    scale, x = np.float32(size) / np.float32(new), np.arange(new, dtype=np.float32)
    places = (x + np.float32(0.5)) * scale if centers else x * scale
    return np.minimum(np.floor(places), size - 1).astype(int)


@pytest.mark.parametrize("centers", [False, True])
def test_the_nearest_pixels_are_tensorflows(tmp_path, centers):
    """Of 28 pixels in 64 the seventeenth is the eighth: divided by 64 / 28 it is the seventh."""
    numbers = np.random.default_rng(8).normal(0, 1, (1, 28, 22, 2)).astype(np.float32)
    for new in ((64, 33), (4, 121), (56, 44)):
        g = GraphWriter()
        size = g.const("size", np.array(new, np.int32))
        x = g.placeholder(shape=numbers.shape)
        g.node("ResizeNearestNeighbor", "resized", x, size, half_pixel_centers=centers)
        network = open_network(g.save(tmp_path / "net.pb"))
        found = network.activations(torch.from_numpy(numbers), "resized")["resized"].numpy()
        rows, columns = (of_tensorflow(*pair, centers=centers) for pair in ((28, new[0]), (22, new[1])))
        np.testing.assert_array_equal(found, numbers[:, rows][:, :, columns])
        if new == (64, 33) and not centers:
            with pytest.raises(
                InputError, match="its Resize of 28 to 64 takes other pixels than ONNX's does"
            ):
                network.save(tmp_path / "net.onnx")
        elif new == (56, 44):
            network.save(tmp_path / "net.onnx")
            again = open_network(tmp_path / "net.onnx")
            found = again.activations(torch.from_numpy(numbers), again.graph.outputs[0])
            np.testing.assert_array_equal(found[again.graph.outputs[0]], numbers[:, rows][:, :, columns])
