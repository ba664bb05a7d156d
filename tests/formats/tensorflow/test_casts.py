"""Types of numbers, bits of whole ones, and products of known numbers: against NumPy and ml_dtypes."""

import ml_dtypes
import numpy as np
import pytest
import torch

from convscope import open_network
from convscope.errors import ConvscopeWarning
from graph_def_writer import GraphWriter

X = np.random.default_rng(8).normal(0, 1, (1, 4, 5, 3)).astype(np.float32)


def answers(tmp_path, g, *names, x=X):
    network = open_network(g.save(tmp_path / "net.pb"))
    return network.activations(torch.from_numpy(x), *names)


def cast(g, name, value, before, behind):
    return g.node("Cast", name, value, SrcT=f"DT_{before}", DstT=f"DT_{behind}")


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2"])
def test_floats_of_eight_bits_are_rounded_to_wherever_they_stand(tmp_path, kind):
    """As Keras 3 exports what `quantize("float8")` made: weights and values alike."""
    g, weights = GraphWriter(), np.random.default_rng(9).normal(0, 1, (3, 4)).astype(np.float32)
    small = cast(g, "small", g.placeholder(shape=X.shape), "FLOAT", kind.upper())
    value = cast(g, "value", small, kind.upper(), "FLOAT")
    stored = cast(
        g, "stored", cast(g, "known", g.const("w", weights), "FLOAT", kind.upper()), kind.upper(), "FLOAT"
    )
    rows = g.node("Reshape", "rows", value, g.const("shape", [20, 3]), Tshape="DT_INT32")
    g.node("MatMul", "product", rows, stored)
    found = answers(tmp_path, g, "value", "product")
    rounded = [one.astype(getattr(ml_dtypes, kind)).astype(np.float32) for one in (X, weights)]
    np.testing.assert_array_equal(found["value"], rounded[0])
    np.testing.assert_allclose(found["product"], rounded[0].reshape(20, 3) @ rounded[1], rtol=1e-5, atol=1e-5)


def test_a_type_that_is_not_read_is_cut_and_never_taken_for_another(tmp_path):
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    g.node("Relu", "relu", x)
    for name, value in (("of_value", x), ("of_known", g.const("w", np.float32([0.3, 0.6, 0.9])))):
        cast(g, name, value, "FLOAT", "INT4")
        g.node("Mul", f"times_{name}", x, name)
    with pytest.warns(
        ConvscopeWarning, match="'of_value': convscope does not run a Cast to a type of numbers"
    ):
        network = open_network(g.save(tmp_path / "net.pb"))
    assert {"times_of_value", "times_of_known"} <= set(network.graph.cut)


def test_bits_of_whole_numbers_known_and_not(tmp_path):
    """As a kernel of four bits is unpacked: two numbers a byte, the first in its lower half."""
    g, bytes_ = GraphWriter(), np.int8([-128, -37, -1, 0, 5, 100, 127])
    four, mask, eight = (g.const(name, np.int8(n)) for name, n in (("four", 4), ("mask", 15), ("eight", 8)))
    x = g.placeholder(shape=(1, 7))
    expected = {"low": bytes_ & 15, "high": bytes_ >> 4, "or": bytes_ | 8, "xor": bytes_ ^ 15}
    expected |= {"left": np.left_shift(bytes_, np.int8(4)), "not": ~bytes_}
    known, names = g.const("known", bytes_[None]), []
    for source, value in (("known", known), ("live", cast(g, "bytes", x, "FLOAT", "INT8"))):
        for name, op, *more in (
            *(("low", "BitwiseAnd", mask), ("high", "RightShift", four), ("or", "BitwiseOr", eight)),
            *(("xor", "BitwiseXor", mask), ("left", "LeftShift", four), ("not", "Invert")),
        ):
            node = g.node(op, f"{source}/{name}", value, *more, T="DT_INT8")
            names.append(
                g.node("Add", f"{source}/{name}/out", x, cast(g, f"{node}/f", node, "INT8", "FLOAT"))
            )
    found = answers(tmp_path, g, *names, x=bytes_[None].astype(np.float32))
    for name in names:
        np.testing.assert_array_equal(
            found[name][0], expected[name.split("/")[1]] + bytes_.astype(np.float32), name
        )


def test_filters_with_an_update_beside_them(tmp_path):
    """As Keras 3 exports what `enable_lora` made: the update is a product of known numbers."""
    g, random = GraphWriter(), np.random.default_rng(2)
    kernel, first, second = (
        random.normal(0, 1, shape).astype(np.float32) for shape in ((3, 3, 3, 4), (4, 2), (3, 3, 3, 2))
    )
    product = g.node(
        "BatchMatMulV2", "product", g.const("b", second), g.const("a", first), adj_x=False, adj_y=True
    )
    filters = g.node("AddV2", "filters", g.const("kernel", kernel), product)
    window = {"strides": [1, 1, 1, 1], "padding": "VALID"}
    g.node("Conv2D", "conv", g.placeholder(shape=X.shape), filters, **window)
    whole = torch.from_numpy(kernel + second @ first.T).permute(3, 2, 0, 1)
    expected = torch.nn.functional.conv2d(torch.from_numpy(X).permute(0, 3, 1, 2), whole).permute(0, 2, 3, 1)
    torch.testing.assert_close(answers(tmp_path, g, "conv")["conv"], expected, rtol=1e-5, atol=1e-5)
