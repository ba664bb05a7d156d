"""Codes and the ranges they stand for, in every mode and type: the numbers are TensorFlow 2.21's, on a processor."""

from pathlib import Path

import numpy as np
import pytest
import torch

import convscope
from graph_def_writer import GraphWriter

# Type, mode, narrow_range, codes, and what they stand for between -1.3 and 0.7: no end of it is a whole step.
DEQUANTIZED = [
    (
        "quint8",
        "MIN_COMBINED",
        False,
        [0, 1, 7, 100, 254, 255],
        [-1.3, -1.292157, -1.245098, -0.5156862, 0.692157, 0.7],
    ),
    (
        "quint8",
        "MIN_FIRST",
        False,
        [0, 1, 7, 100, 254, 255],
        [-1.301961, -1.294118, -1.247059, -0.517647, 0.6901962, 0.6980392],
    ),
    (
        "quint8",
        "SCALED",
        False,
        [0, 1, 7, 100, 254, 255],
        [0, 0.002745098, 0.01921569, 0.2745098, 0.6972549, 0.7],
    ),
    (
        "qint8",
        "MIN_COMBINED",
        False,
        [-128, -127, 7, 100, 126, 127],
        [-1.3, -1.292157, -0.2411764, 0.4882355, 0.692157, 0.7],
    ),
    (
        "qint8",
        "MIN_FIRST",
        False,
        [-128, -127, 7, 100, 126, 127],
        [-1.301961, -1.294118, -0.2431372, 0.4862746, 0.6901962, 0.6980393],
    ),
    (
        "qint8",
        "SCALED",
        False,
        [-128, -127, 7, 100, 126, 127],
        [-1.3, -1.289844, 0.07109375, 1.015625, 1.279687, 1.289844],
    ),
    (
        "qint8",
        "SCALED",
        True,
        [-127, -127, 7, 100, 126, 127],
        [-1.3, -1.3, 0.07165354, 1.023622, 1.289764, 1.3],
    ),
    (
        "qint16",
        "MIN_COMBINED",
        False,
        [-32768, -32767, 7, 100, 32766, 32767],
        [-1.3, -1.299969, -0.2997711, -0.2969329, 0.6999695, 0.7],
    ),
    (
        "qint16",
        "MIN_FIRST",
        False,
        [-32768, -32767, 7, 100, 32766, 32767],
        [-1.300008, -1.299977, -0.2997787, -0.2969405, 0.6999619, 0.6999924],
    ),
    (
        "qint16",
        "SCALED",
        False,
        [-32768, -32767, 7, 100, 32766, 32767],
        [-1.3, -1.29996, 0.0002777099, 0.003967285, 1.299921, 1.29996],
    ),
    (
        "qint16",
        "SCALED",
        True,
        [-32767, -32767, 7, 100, 32766, 32767],
        [-1.3, -1.3, 0.0002777184, 0.003967406, 1.29996, 1.3],
    ),
    (
        "quint16",
        "MIN_COMBINED",
        False,
        [0, 1, 7, 100, 65534, 65535],
        [-1.3, -1.299969, -1.299786, -1.296948, 0.6999695, 0.7],
    ),
    (
        "quint16",
        "MIN_FIRST",
        False,
        [0, 1, 7, 100, 65534, 65535],
        [-1.300008, -1.299977, -1.299794, -1.296956, 0.6999619, 0.6999924],
    ),
    (
        "quint16",
        "SCALED",
        False,
        [0, 1, 7, 100, 65534, 65535],
        [0, 1.068131e-05, 7.47692e-05, 0.001068132, 0.6999893, 0.7],
    ),
]
X = [-3.1, -1.23, -0.61, -0.004, 0.013, 0.77, 2.49, 5.3]
QUANTIZED = [
    ("quint8", "MIN_COMBINED", "HALF_AWAY_FROM_ZERO", [0, 4, 44, 83, 84, 132, 242, 255], [-1.3, 2.7]),
    ("quint8", "MIN_FIRST", "HALF_AWAY_FROM_ZERO", [0, 5, 44, 83, 84, 132, 242, 255], [-1.3, 2.7]),
    ("quint8", "SCALED", "HALF_AWAY_FROM_ZERO", [0, 0, 0, 0, 1, 73, 235, 255], [0, 2.7]),
    ("quint8", "SCALED", "HALF_TO_EVEN", [0, 0, 0, 0, 1, 73, 235, 255], [0, 2.7]),
    ("qint8", "MIN_COMBINED", "HALF_AWAY_FROM_ZERO", [-128, -124, -84, -45, -44, 4, 114, 127], [-1.3, 2.7]),
    ("qint8", "MIN_FIRST", "HALF_AWAY_FROM_ZERO", [-128, -123, -84, -45, -44, 4, 114, 127], [-1.3, 2.7]),
    ("qint8", "SCALED", "HALF_AWAY_FROM_ZERO", [-128, -58, -29, 0, 1, 36, 117, 127], [-2.72126, 2.7]),
    ("qint8", "SCALED", "HALF_TO_EVEN", [-128, -58, -29, 0, 1, 36, 117, 127], [-2.72126, 2.7]),
]
FAKE = [
    (8, False, -1.3, 2.7, [-1.301961, -1.223529, -0.6117647, 0, 0.01568628, 0.7686275, 2.494118, 2.698039]),
    (8, True, -1.3, 2.7, [-1.307087, -1.228346, -0.6141732, 0, 0.01574803, 0.7716535, 2.488189, 2.692913]),
    (4, False, 0.7, 5.0, [0, 0, 0, 0, 0, 0.8600001, 2.58, 4.3]),
    (
        16,
        False,
        -1.3,
        2.7,
        [
            -1.30000758,
            -1.22999918,
            -0.60999465,
            -0.00402838178,
            0.0130006867,
            0.769970238,
            2.49002814,
            2.69999242,
        ],
    ),
    (
        13,
        True,
        -1.3,
        2.7,
        [
            -1.30012214,
            -1.22979248,
            -0.61001223,
            -0.00390720414,
            0.01318681,
            0.77020764,
            2.48986578,
            2.69987798,
        ],
    ),
    (3, True, -4.0, -0.3, [-3.083333, -1.233333, -0.6166667, 0, 0, 0, 0, 0]),
]
ROUNDED = [
    (
        True,
        8,
        True,
        "HALF_TO_EVEN",
        False,
        [-2.72126, -1.233071, -0.6165354, -0, 0.02125984, 0.7653543, 2.487401, 2.7],
    ),
    (True, 4, False, "HALF_UP", True, [-3.028572, -1.514286, -0.7571429, 0, 0, 0.7571429, 2.271429, 5.3]),
    (False, 5, True, "HALF_UP", False, [0, 0, 0, 0, 0, 0.7838709, 2.525806, 2.7]),
]


def answers(g: GraphWriter, folder: Path, *names: str) -> list[np.ndarray]:
    network = convscope.open_network(g.save(folder / "graph.pb"), input_shape=(1, 2, 2, 2))
    found = network.activations(torch.tensor(X).reshape(1, 2, 2, 2), *map(convscope.Address, names))
    return [found[name].reshape(-1).numpy() for name in names]


def limits(g: GraphWriter, low: float, high: float) -> tuple[str, str]:
    return g.const("low", np.float32(low)), g.const("high", np.float32(high))


@pytest.mark.parametrize(("kind", "mode", "narrow", "codes", "expected"), DEQUANTIZED)
def test_codes_stand_for_tensorflows_numbers(kind, mode, narrow, codes, expected, tmp_path: Path) -> None:
    g = GraphWriter()
    dtype = {"quint8": np.uint8, "qint8": np.int8, "quint16": np.uint16, "qint16": np.int16}[kind]
    options = {"T": f"DT_{kind.upper()}", "mode": mode, "narrow_range": narrow}
    weights = g.node(
        "Dequantize", "weights", g.const("codes", np.array(codes, dtype)), *limits(g, -1.3, 0.7), **options
    )
    sums = g.node("Sum", "sum", g.placeholder(shape=(1, 2, 2, 2)), g.const("axes", [0, 1, 2, 3]))
    g.node("Add", "shifted", sums, weights)
    (found,) = answers(g, tmp_path, "weights")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "mode", "rounding", "codes", "ends"), QUANTIZED)
def test_numbers_become_tensorflows_codes(kind, mode, rounding, codes, ends, tmp_path: Path) -> None:
    g = GraphWriter()
    options = {"T": f"DT_{kind.upper()}", "mode": mode, "round_mode": rounding}
    g.node("QuantizeV2", "codes", g.placeholder(shape=(1, 2, 2, 2)), *limits(g, -1.3, 2.7), **options)
    found, low, high = answers(g, tmp_path, "codes:0", "codes:1", "codes:2")
    assert found.tolist() == codes
    np.testing.assert_allclose([low.item(), high.item()], ends, rtol=1e-6)


def test_what_lies_next_to_a_half_without_a_sign_is_rounded_up(tmp_path: Path) -> None:
    """TensorFlow 2.21 adds 0.5 in single precision and cuts off: of 0.49999997 it makes code 1."""
    g = GraphWriter()
    numbers = np.float32([-0.99607843, -0.5, 0.25, 0.99607843, -0.3])
    given = g.placeholder(shape=(1, 1, 5, 1))
    g.node("QuantizeV2", "codes", given, *limits(g, -1.0, 1.0), T="DT_QUINT8", mode="MIN_COMBINED")
    network = convscope.open_network(g.save(tmp_path / "half.pb"))
    found = network.activations(torch.tensor(numbers).reshape(1, 1, 5, 1), "codes:0")["codes:0"]
    assert found.reshape(-1).tolist() == [1, 64, 159, 255, 89]


@pytest.mark.parametrize("mode", ["MIN_COMBINED", "SCALED"])
def test_the_upper_end_of_32_bits_comes_out_as_the_lowest_code(mode, tmp_path: Path) -> None:
    """It is 2**31 in single precision, one more than there are codes."""
    g = GraphWriter()
    given = g.placeholder(shape=(1, 2, 2, 2))
    g.node("QuantizeV2", "codes", given, *limits(g, -0.5, 0.5), T="DT_QINT32", mode=mode)
    (found,) = answers(g, tmp_path, "codes:0")
    assert found.tolist()[-3:] == [-(2.0**31)] * 3  # those above the range
    assert 0 < found[4] < 2.0**30


def test_a_range_below_0_has_code_0_where_there_is_no_sign(tmp_path: Path) -> None:
    g = GraphWriter()
    options = {"T": "DT_QUINT8", "mode": "SCALED", "narrow_range": True}
    g.node("QuantizeV2", "codes", g.placeholder(shape=(1, 2, 2, 2)), *limits(g, -3.0, -1.0), **options)
    found, low = answers(g, tmp_path, "codes:0", "codes:1")
    assert (
        found.tolist() == [0.0] * 4 + [255.0] * 4 and low.item() == 0
    )  # what is above 0 is beyond the last code


def test_filters_may_be_coded_in_the_graph(tmp_path: Path) -> None:
    """The code of 0 in this range is 83; the filter is the picture."""
    codes = np.array(QUANTIZED[1][3])
    g = GraphWriter()
    options = {"T": "DT_QUINT8", "mode": "MIN_FIRST"}
    ends = limits(g, -1.3, 2.7)
    numbers = g.node("Identity", "numbers", g.const("stored", np.float32(X).reshape(2, 2, 2, 1)))
    for name, read in (("coded", g.placeholder(shape=(1, 2, 2, 2))), ("filters", numbers)):
        g.node("QuantizeV2", name, read, *ends, **options)
    types = {"T": None, "Tinput": "DT_QUINT8", "Tfilter": "DT_QUINT8", "out_type": "DT_QINT32"}
    g.node(
        "QuantizedConv2D", "sum", "coded", "filters", "coded:1", "coded:2", "filters:1", "filters:2",
        strides=[1, 1, 1, 1], padding="VALID", **types,
    )  # fmt: skip
    network = convscope.open_network(g.save(tmp_path / "graph.pb"), input_shape=(1, 2, 2, 2))
    assert not network.graph.cut
    found = network.activations(torch.tensor(X).reshape(1, 2, 2, 2), "sum", "sum/high")
    assert found["sum"].item() == ((codes - 83) ** 2).sum()
    assert found["sum/high"].item() == pytest.approx((4 / 255) ** 2 * 2**31, rel=1e-5)
    weight = network.parameters["sum/filters"]
    np.testing.assert_array_equal(weight.reshape(2, 4).T.ravel(), codes - 83)


@pytest.mark.parametrize(("bits", "narrow", "low", "high", "expected"), FAKE)
@pytest.mark.parametrize("by_channel", [False, True])
def test_filters_are_rounded_before_the_network_runs(
    bits, narrow, low, high, expected, by_channel, tmp_path: Path
) -> None:
    """What was trained for eight bits rounds its filters in the graph: it was cut at its first convolution."""
    g = GraphWriter()
    stored = g.const("stored", np.repeat(np.float32(X).reshape(2, 2, 2, 1), 2, axis=3))
    name = "FakeQuantWithMinMaxVars" + ("PerChannel" if by_channel else "")
    ends = [g.const(key, np.float32([end, end])) for key, end in (("lows", low), ("highs", high))]
    options = {"num_bits": bits, "narrow_range": narrow}
    g.node(name, "filters", stored, *(ends if by_channel else limits(g, low, high)), **options)
    x = g.placeholder(shape=(1, 2, 2, 2))
    g.node("Conv2D", "sum", x, "filters", strides=[1, 1, 1, 1], padding="VALID")
    network = convscope.open_network(g.save(tmp_path / "graph.pb"), input_shape=(1, 2, 2, 2))
    assert not network.graph.cut and list(network.layers) == ["input", "sum"]
    ones = torch.zeros(1, 2, 2, 2)
    ones[..., 1] = 1
    found = network.activations(ones, "sum")["sum"].ravel()
    rounded = np.array(expected, np.float32).reshape(4, 2)[:, 1].sum()
    np.testing.assert_allclose(found, [rounded] * 2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("bits", "narrow", "low", "high", "expected"), FAKE)
def test_fake_quantization_moves_its_ends_as_tensorflow_does(
    bits, narrow, low, high, expected, tmp_path: Path
) -> None:
    g = GraphWriter()
    x, options = g.placeholder(shape=(1, 2, 2, 2)), {"num_bits": bits, "narrow_range": narrow}
    g.node("FakeQuantWithMinMaxVars", "vars", x, *limits(g, low, high), **options)
    g.node("FakeQuantWithMinMaxArgs", "args", x, min=low, max=high, **options)
    ends = (g.const(name, np.float32([end, end * 3])) for name, end in (("lows", low), ("highs", high)))
    g.node("FakeQuantWithMinMaxVarsPerChannel", "channels", x, *ends, **options)
    by_inputs, by_attributes, by_channel = answers(g, tmp_path, "vars", "args", "channels")
    for found in (by_inputs, by_attributes):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(by_channel[::2], expected[::2], rtol=1e-6, atol=1e-7)
    assert np.abs(by_channel[1::2] - expected[1::2]).max() > 4e-4  # the other channel has its own range


def test_fake_quantization_to_a_single_number_is_nan_as_in_tensorflow(tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=(1, 2, 2, 2))
    g.node("FakeQuantWithMinMaxVars", "vars", x, *limits(g, 0.5, 0.5))
    ends = (g.const(name, np.float32([0.0, -0.5])) for name in ("lows", "highs"))
    g.node("FakeQuantWithMinMaxVarsPerChannel", "channels", x, *ends)
    by_inputs, by_channel = answers(g, tmp_path, "vars", "channels")
    assert np.isnan(by_inputs).all() and np.isnan(by_channel[1::2]).all()
    assert (by_channel[::2] == 0).all()  # 0 alone has a code


@pytest.mark.parametrize(("signed", "bits", "given", "rounding", "narrow", "expected"), ROUNDED)
def test_numbers_rounded_to_codes_and_back(
    signed, bits, given, rounding, narrow, expected, tmp_path: Path
) -> None:
    g = GraphWriter()
    options = {"signed_input": signed, "num_bits": bits, "range_given": given, "round_mode": rounding}
    g.node(
        "QuantizeAndDequantizeV2", "rounded", g.placeholder(shape=(1, 2, 2, 2)), *limits(g, -1.3, 2.7),
        narrow_range=narrow, axis=-1, **options,
    )  # fmt: skip
    (found,) = answers(g, tmp_path, "rounded")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
