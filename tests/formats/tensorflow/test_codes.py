"""Graphs on eight-bit codes, as TensorFlow's `quantize_nodes` made them: the numbers are TensorFlow 2.21's."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

import convscope
from graph_def_writer import GraphWriter
from tensorflow_graphs import on_codes, on_fused_codes

X = np.random.default_rng(0).normal(0.2, 1, (1, 9, 7, 3)).astype(np.float32)
# The mean of each value's codes, and seven of them, evenly spaced.
ANSWERS = {
    "picture:0": (140.46, [146, 85, 64, 102, 8, 199, 108]),
    "convolved": (-5664.81, [-4905, 29286, -64514, -2285, 5354, 6859, -11575]),
    "convolved/small": (147.158, [149, 235, 0, 156, 175, 178, 132]),
    "biased": (-1283.38, [-1557, 7429, -16928, -1170, 2805, 2742, -3284]),
    "rectified_sums": (1253.97, [0, 7429, 0, 0, 2805, 2742, 0]),
    "biased/small": (143.208, [141, 223, 0, 144, 181, 180, 125]),
    "rectified": (166.458, [155, 223, 155, 155, 181, 180, 155]),
    "rectified6": (166.458, [155, 223, 155, 155, 181, 180, 155]),
    "largest": (201.533, [170, 223, 217, 180, 255, 202, 170]),
    "average": (166.067, [159, 169, 166, 159, 176, 169, 162]),
    "joined": (162.294, [170, 126, 170, 150, 205, 236, 170]),
    "normalized:0": (131.036, [71, 127, 154, 148, 198, 199, 71]),
    "normed:0": (-293.217, [-670, -5520, -196, -1702, -917, -900, -683]),
    "multiplied": (2165.53, [168, 5032, 24955, 55, 364, 425, 870]),
    "resized": (147.287, [149, 141, 68, 181, 110, 143, 148]),
    "scores": (-30121.2, [-36736, -33950, -12397, -37402]),
    "scores/small": (74.25, [7, 35, 255, 0]),
    "added": (-20933.3, [-21354, 115614, -257754, -13314, 32922, 34434, -48252]),
    "logits": (-7.12108, [-8.682266, -8.032257, -2.925042, -8.844769]),
}
ENDS = {
    "convolved/ends:0": -6.287053,
    "convolved/ends:1": 3.6524034,
    "normalized:1": -2.862462,
    "normalized:2": 2.7259467,
    "scores/ends:0": -8.854496,
}


def assert_answers(
    found: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[float, list[float]]]
) -> None:
    """The mean of each value is as expected, and seven of its numbers, evenly spaced."""
    for name, (mean, numbers) in expected.items():
        row = found[name].reshape(-1)
        np.testing.assert_allclose(row[:: max(1, len(row) // 7)][:7], numbers, rtol=1e-6, err_msg=name)
        assert row.mean().item() == pytest.approx(mean, rel=1e-5), name


def test_every_op_on_codes_is_tensorflows(tmp_path: Path) -> None:
    network = convscope.open_network(on_codes().save(tmp_path / "codes.pb"))
    assert not network.graph.cut
    names = [*ANSWERS, *ENDS]
    found = network.activations(torch.from_numpy(X), *map(convscope.Address, names))
    assert_answers(found, ANSWERS)
    for name, end in ENDS.items():
        assert found[name].item() == pytest.approx(end, rel=1e-6), name


# By type, align_corners and half_pixel_centers.
RESIZED = {
    ("DT_QUINT8", False, False): [0, 203, 114, 11, 3, 228, 151, 92, 80, 103],
    ("DT_QUINT8", True, False): [0, 191, 136, 14, 3, 255, 254, 128, 33, 128],
    ("DT_QUINT8", False, True): [50, 150, 120, 38, 22, 241, 207, 113, 58, 115],
    ("DT_QUINT8", True, True): [100, 120, 110, 69, 44, 255, 254, 159, 17, 112],
    ("DT_QINT32", False, False): [-699, 728, 85, -619, -678, 893, 355, -56, -136, 18],
    ("DT_QINT32", True, False): [-699, 639, 252, -605, -678, 1085, 1080, 193, -470, 196],
    ("DT_QINT32", False, True): [-349, 353, 136, -432, -549, 989, 751, 91, -294, 107],
    ("DT_QINT32", True, True): [0, 140, 71, -214, -390, 1085, 1081, 414, -581, 85],
}


def test_maps_of_codes_are_resized_by_whole_numbers(tmp_path: Path) -> None:
    """Exact weights are up to two codes off."""
    x = np.float32([[0, 255, 17, 3], [200, 9, 130, 77], [255, 254, 1, 128]]).reshape(1, 3, 4, 1)
    g = GraphWriter()
    given = g.placeholder(shape=x.shape)
    ends = [g.const(name, np.float32(end)) for name, end in (("low", -1), ("high", 2))]
    size, same = g.const("size", [2, 5]), g.const("same", [3, 4])
    g.node("QuantizedResizeBilinear", "kept", given, same, *ends, T="DT_QINT32", half_pixel_centers=True)
    for at, (kind, corners, centers) in enumerate(RESIZED):
        options = {"T": kind, "align_corners": corners, "half_pixel_centers": centers}
        g.node("QuantizedResizeBilinear", f"at{at}", given, size, *ends, **options)
        g.node("ResizeBilinear", f"numbers{at}", given, size, **options)
    network = convscope.open_network(g.save(tmp_path / "maps.pb"), input_shape=x.shape)
    for at, ((kind, corners, centers), expected) in enumerate(RESIZED.items()):
        codes = torch.from_numpy(x if kind == "DT_QUINT8" else (x - 100) * 7)
        found = network.activations(codes, f"at{at}", "kept")
        assert found[f"at{at}"].flatten().tolist() == expected, (kind, at)
        assert torch.equal(found["kept"], codes)
        if (corners, centers) != (True, True):
            fields = [network.layers[f"{name}{at}"].receptive_field for name in ("at", "numbers")]
            assert fields[0] == fields[1]


# An even range's 0 lies right between codes 127 and 128: the last bit of a quotient decides, in each op by its own.
EVEN_RANGES = {
    0.99: (127, 128),
    1.949: (127, 128),
    2.086: (128, 127),
    3.73: (127, 127),
    3.867: (128, 128),
    4.278: (128, 127),
}


def test_0_of_an_even_range_has_tensorflows_code(tmp_path: Path) -> None:
    for end, expected in EVEN_RANGES.items():
        g, x = GraphWriter(), np.float32([[-end, 0]])
        limits = [g.const(name, np.float32(limit)) for name, limit in (("low", -end), ("high", end))]
        given = g.placeholder(shape=x.shape)
        codes = g.node(
            "QuantizeV2", "codes", given, *limits, T="DT_QUINT8", mode="MIN_FIRST", ensure_minimum_range=0.0
        )
        g.node("QuantizedRelu", "rectified", codes, f"{codes}:1", f"{codes}:2", Tinput="DT_QUINT8")
        network = convscope.open_network(g.save(tmp_path / f"{end}.pb"))
        found = network.activations(torch.from_numpy(x), convscope.Address("codes:0"), "rectified")
        assert (found["codes:0"][0, 1], found["rectified"][0, 0]) == expected, end


# Ranges, and what codes [0, 1, 77, 127, 128, 255] plus codes [255, 3, 130, 127, 128, 0] are: as a layer's bias and in a
# range shrunk to it, as a sum and in the range from -13.7 to 29.3.
SUMS = [
    (
        (-3.785, 3.785, -7.288, -1.801),
        ([-12606, -24730, -13515, -10323, -10208, -7924], [184, 0, 170, 219, 220, 255]),
        ([-100845, -197835, -108102, -82563, -81642, -63360], [48, 16, 46, 54, 54, 60]),
    ),
    (
        (0.828, 7.191, -0.8648, 0.9712),
        ([4090, 13, 6417, 9210, 9283, 14404], [72, 0, 114, 163, 164, 255]),
        ([32664, 107, 51324, 73681, 74267, 115284], [92, 81, 98, 105, 105, 119]),
    ),
    (
        (-7.086, -1.798, -1.069, 0.6985),
        ([-14779, -18770, -13091, -10742, -10678, -6639], [84, 0, 119, 169, 170, 255]),
        ([-118036, -150160, -104593, -85780, -85267, -53011], [43, 33, 48, 54, 54, 64]),
    ),
    (
        (-0.4843, 0.4843, -1.033, 0.7671),
        ([4493, -23662, -4864, -2187, -2015, -8696], [255, 0, 170, 194, 196, 136]),
        ([35761, -189297, -39000, -17585, -16208, -69554], [83, 72, 79, 80, 80, 78]),
    ),
]


@pytest.mark.parametrize(("ends", "as_bias", "as_sum"), SUMS)
def test_sums_of_codes_are_tensorflows_to_the_last_one(ends, as_bias, as_sum, tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=(1, 6))
    y = g.const("y", np.uint8([255, 3, 130, 127, 128, 0]))
    limits = [g.const(f"end{at}", np.float32(end)) for at, end in enumerate((*ends, -13.7, 29.3))]
    types = {"T": None, "T1": "DT_QUINT8", "T2": "DT_QUINT8"}
    down = {"T": None, "Tinput": "DT_QINT32", "out_type": "DT_QUINT8"}
    for op in ("QuantizedBiasAdd", "QuantizedAdd"):
        result = {"out_type" if op == "QuantizedBiasAdd" else "Toutput": "DT_QINT32"}
        g.node(op, op, x, y, *limits[:4], **types, **result)
    g.node(
        "QuantizeDownAndShrinkRange",
        "shrunk",
        "QuantizedBiasAdd",
        "QuantizedBiasAdd:1",
        "QuantizedBiasAdd:2",
        **down,
    )
    g.node("Requantize", "other", "QuantizedAdd", "QuantizedAdd:1", "QuantizedAdd:2", *limits[4:], **down)
    network = convscope.open_network(g.save(tmp_path / "sums.pb"), input_shape=(1, 6))
    codes = torch.tensor([[0.0, 1, 77, 127, 128, 255]])
    names = ("QuantizedBiasAdd", "shrunk", "QuantizedAdd", "other")
    found = [value.reshape(-1).tolist() for value in network.activations(codes, *names).values()]
    assert found == [*as_bias, *as_sum]


def test_ops_that_do_several_things_are_intels(tmp_path: Path) -> None:
    """TensorFlow 2.21's numbers with oneDNN on; what is added there is written over, so `side` is known by `sum`."""
    expected = {
        "stem": (29.8899, [0, 0, 0, 3, 0, 0, 0]),
        "sum": (7.70238, [31, 39, 0, 0, 43, 0, 0]),
        "deep": (10.0327, [0, 0, 0, 0, 0, 0, 0]),
        "wide": (743.922, [0, 0, 2296, 0, 2948, 0, 0]),
        "narrow": (11.1406, [0, 0, 34, 0, 44, 0, 0]),
        "numbers": (0.283977, [0.0, 0.0, 0.8666667, 0.0, 1.121569, 0.0, 0.0]),
        "scores": (0.743621, [4.578623, -1.818623, 2.869251, 3.275819, -5.186965]),
        "positive": (11.8, [15, 0, 20, 24, 0]),
        "wide/low": (-817430.1875, [-817430.2]),
        "wide/high": (817430.1875, [817430.2]),
    }
    x = np.random.default_rng(0).normal(0.2, 1, (1, 8, 7, 3)).astype(np.float32)
    network = convscope.open_network(on_fused_codes().save(tmp_path / "fused.pb"))
    assert not network.graph.cut
    found = network.activations(torch.from_numpy(x), *map(convscope.Address, expected))
    assert_answers(found, expected)
    gradient = network.gradient(torch.from_numpy(x), "softmax:2")
    assert gradient.abs().sum() > 0 and gradient.isfinite().all()


def test_a_fused_op_with_too_few_inputs_is_one_sentence(tmp_path: Path) -> None:
    g = GraphWriter()
    g.node("QuantizedConv2DWithBiasAndRelu", "short", g.placeholder(), T=None)
    with pytest.raises(convscope.errors.NetworkFileError, match=r"'short': a .*AndRelu has 7 inputs"):
        convscope.open_network(g.save(tmp_path / "short.pb"))


def test_codes_have_filters_gradients_and_layers_that_can_be_saved(tmp_path: Path) -> None:
    g = on_codes()
    network = convscope.open_network(g.save(tmp_path / "codes.pb"))
    picture = torch.from_numpy(X)
    layer = network.layers["convolved"]
    assert layer.kind == "QuantizedConv2D" and layer.shape == (1, 5, 4, 6)
    weight = network.parameters["convolved/filters"]
    zero = round(0.83 * 255 / 1.44)  # 146.98: that of the code that stands for 0
    node = next(node for node in g.message.node if node.name == "filters")
    stored = next(entry.value.tensor for entry in node.attr if entry.key == "value").tensor_content
    codes = np.frombuffer(stored, np.uint8).reshape(3, 3, 3, 6).astype(np.float32)
    np.testing.assert_array_equal(weight, (codes - zero).transpose(3, 2, 0, 1))
    gradient = network.gradient(picture, "logits:2")
    assert gradient.abs().sum() > 1 and gradient.isfinite().all()
    network.save(tmp_path / "codes.convscope")
    again = convscope.open_network(tmp_path / "codes.convscope")
    (first, second) = (one.activations(picture, "logits")["logits"] for one in (network, again))
    torch.testing.assert_close(first, second)


def test_an_op_on_codes_with_too_few_inputs_is_one_sentence(tmp_path: Path) -> None:
    for op in ("QuantizedConv2D", "QuantizedRelu", "QuantizedConcat", "Requantize"):
        g = GraphWriter()
        g.node(op, "short", g.placeholder(), T=None)
        with pytest.raises(convscope.errors.NetworkFileError, match=f"'short' is a {op} with 1 inputs"):
            convscope.open_network(g.save(tmp_path / "short.pb"))


def test_ranges_that_are_equal_and_types_with_a_sign(tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=(1, 2, 2, 2))
    same = g.const("same", np.float32(0.5))
    low, high = g.const("low", np.float32(-1.0)), g.const("high", np.float32(3.0))
    signed = {"T": None, "Tinput": "DT_QINT32", "out_type": "DT_QUINT8"}
    g.node("QuantizedRelu", "relu", x, low, high, T=None, Tinput="DT_QUINT8", out_type="DT_QUINT8")
    g.node(
        "QuantizedReluX",
        "relu_to_2",
        x,
        g.const("two", np.float32(2.0)),
        low,
        high,
        T=None,
        Tinput="DT_QUINT8",
    )
    g.node("QuantizedRelu", "of_one_number", x, same, same, T=None, Tinput="DT_QUINT8", out_type="DT_QUINT8")
    g.node("Requantize", "nowhere", x, low, high, same, same, **signed)
    ends = {"T": None, "T1": "DT_QINT8", "T2": "DT_QUINT8"}
    g.node("QuantizedMul", "product", x, x, low, high, low, high, **ends, Toutput="DT_QINT32")
    network = convscope.open_network(g.save(tmp_path / "ends.pb"))
    codes = torch.tensor([0.0, 63, 64, 65, 127, 191, 192, 255]).reshape(1, 2, 2, 2)
    names = ("relu", "relu_to_2", "of_one_number", "nowhere", "product")
    found = [value.reshape(-1).tolist() for value in network.activations(codes, *names).values()]
    assert found[0] == [64, 64, 64, 65, 127, 191, 192, 255]  # 0 is at 63.75 steps above -1
    assert found[1] == [64, 64, 64, 65, 127, 191, 192, 192]  # 2 at 127.5, which is rounded away from 0
    assert found[2] == [0.0, 63, 64, 65, 127, 191, 192, 255]
    assert found[3] == [0.0] * 8
    assert found[4] == [(code + 64) * (code - 64) for code in (0, 63, 64, 65, 127, 191, 192, 255)]


# The upper end of the range that sums are to have, its lower one being half as far, and their codes.
NARROWED = [
    (2.0, [0, 0, 86, 86, 255, 255]),
    (0.2, [0, 0, 92, 92, 255, 255]),
    (0.02, [255, 0, 152, 152, 255, 255]),
    (0.002, [0, 255, 255, 255, 0, 0]),
]


@pytest.mark.parametrize(("most", "expected"), NARROWED)
def test_far_narrower_ranges_overflow_as_tensorflows_whole_numbers_do(most, expected, tmp_path: Path) -> None:
    """The codes are those of TensorFlow 2.21, whose products have 64 bits and come around."""
    g = GraphWriter()
    ends = (("low", -1310720.0), ("high", 1310720.0), ("least", -most / 2), ("most", most))
    reads = [g.const(name, np.float32(end)) for name, end in ends]
    x = g.placeholder(shape=(1, 1, 6, 1))
    g.node("Requantize", "codes", x, *reads, T=None, Tinput="DT_QINT32", out_type="DT_QUINT8")
    network = convscope.open_network(g.save(tmp_path / "narrow.pb"))
    sums = torch.tensor([-11437.0, -4844, 13, 13, 3367, 14816]).reshape(1, 1, 6, 1)
    assert network.activations(sums, "codes")["codes"].reshape(-1).tolist() == expected
