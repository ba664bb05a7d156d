"""QONNX's operators beside their published definition, and beside torch's own small floats."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from convscope import open_network
from convscope.errors import UnsupportedLayer

from .oracle import model_of

GENERAL, BREVITAS = "qonnx.custom_op.general", "onnx.brevitas"
LAST = "qonnx.custom_op.channels_last"
# Halves on both sides of 0 and of the ends, what lies outside, and what has no sign.
NUMBERS = np.concatenate([np.arange(-9, 9.25, 0.25), [0.0, -0.0, 1e-30, -1e-30, 300, -300, np.inf, -np.inf]])
NUMBERS = NUMBERS.astype(np.float32).reshape(1, 1, -1, 1)
ROUNDINGS = {
    "ROUND": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.fix,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def opened(path, nodes, constants, shape=NUMBERS.shape):
    constants = {name: np.asarray(value, np.float32) for name, value in constants.items()}
    model = model_of(nodes, {"x": list(shape)}, [nodes[-1].output[0]], constants)
    model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in (GENERAL, BREVITAS, LAST))
    onnx.save(model, path)
    return open_network(path)


def quant(values, scale, zero, bits, signed, narrow, rounding):
    """Return what QONNX's page of Quant says."""
    codes = values / scale + zero
    if bits == 1 and signed:
        codes = np.where(codes >= 0, 1, -1)
    else:
        low = (-(2 ** (bits - 1)) + narrow) if signed else 0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        codes = ROUNDINGS[rounding](np.clip(codes, low, high))
    return ((codes - zero) * scale).astype(np.float32)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "scale", "zero"),
    [
        (4, 1, 0, 0.5, 0),
        (4, 1, 1, 1, 0),
        (3, 0, 0, 0.5, 3),
        (2, 0, 1, 1, 1),
        (1, 1, 0, 0.3, 0),
        (8, 1, 1, 0.1, 0),
    ],
)
def test_a_quant_is_what_its_page_says(bits, signed, narrow, scale, zero, rounding, tmp_path) -> None:
    settings = {"signed": signed, "narrow": narrow, "rounding_mode": rounding.lower(), "domain": BREVITAS}
    nodes = [helper.make_node("Quant", ["x", "s", "z", "b"], ["y"], **settings)]
    network = opened(tmp_path / "net.onnx", nodes, {"s": scale, "z": zero, "b": bits})
    found = network.activations(torch.from_numpy(NUMBERS), "y")["y"].numpy()
    wanted = quant(NUMBERS, np.float32(scale), np.float32(zero), bits, signed, narrow, rounding)
    np.testing.assert_array_equal(found, wanted)
    inside = torch.full(NUMBERS.shape, 0.6 * scale)
    assert network.gradient(inside, "y").abs().min() > 0  # straight through
    if rounding in ("ROUND", "CEIL", "FLOOR") and (bits, signed) != (1, 1):
        network.save(tmp_path / "again.onnx")
        again = open_network(tmp_path / "again.onnx").activations(torch.from_numpy(NUMBERS), "y")["y"]
        np.testing.assert_array_equal(again, found)


@pytest.mark.parametrize("newer", [False, True])
def test_a_trunc_is_what_its_page_says(newer, tmp_path) -> None:
    """Steps of 0.25 of eight bits, cut off to four: sixteen times as large, but in the first version."""
    numbers = {"s": 0.25, "z": 0, "b": 8, "o": 4, "t": 4}
    names = ["x", "s", "z", "b", "t", "o"] if newer else ["x", "s", "z", "b", "o"]
    nodes = [helper.make_node("Trunc", names, ["y"], rounding_mode="FLOOR", domain=GENERAL)]
    found = opened(tmp_path / "net.onnx", nodes, numbers).activations(torch.from_numpy(NUMBERS), "y")["y"]
    codes = np.round(NUMBERS / np.float32(0.25)) / 16
    wanted = np.floor(np.clip(codes, -8, 7)) * 4 if newer else np.floor(codes) * np.float32(0.25)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("exponent", "digits", "largest", "kind"),
    [(4, 3, 448, torch.float8_e4m3fn), (5, 2, 57344, torch.float8_e5m2)],
)
def test_a_float_quant_gives_torchs_small_floats(exponent, digits, largest, kind, tmp_path) -> None:
    parts = {"s": 0.5, "e": exponent, "m": digits, "b": 2 ** (exponent - 1) - 1, "l": largest}
    nodes = [helper.make_node("FloatQuant", ["x", "s", "e", "m", "b", "l"], ["y"], domain=GENERAL, has_nan=0)]
    rng = np.random.default_rng(5)
    values = np.exp(rng.uniform(-14, 7, NUMBERS.shape)) * rng.choice([-1, 1], NUMBERS.shape)
    values = values.astype(np.float32)
    values[0, 0, :4, 0] = 1.0625, 1.1875, 0, -0.53125  # halves, and nothing
    found = opened(tmp_path / "net.onnx", nodes, parts).activations(torch.from_numpy(values), "y")["y"]
    wanted = (torch.from_numpy(values) / 0.5).clamp(-largest, largest).to(kind).float() * 0.5
    assert torch.equal(found, wanted)


def test_channels_last_are_turned_and_signs_have_a_scale(tmp_path) -> None:
    rng = np.random.default_rng(2)
    filters, x = rng.normal(size=(5, 3, 2, 3)), rng.normal(size=(1, 6, 7, 3)).astype(np.float32)
    nodes = [
        helper.make_node("BipolarQuant", ["w", "s"], ["q"], domain=GENERAL),
        helper.make_node(
            "Conv", ["x", "q"], ["c"], domain=LAST, kernel_shape=[3, 2], strides=[1, 2], group=1
        ),
        helper.make_node("MaxPool", ["c"], ["y"], domain=LAST, kernel_shape=[2, 2]),
    ]
    network = opened(tmp_path / "net.onnx", nodes, {"w": filters, "s": 0.3}, x.shape)
    found = network.activations({"x": torch.from_numpy(x)}, "y")["y"]
    signs = torch.from_numpy(np.where(filters >= 0, 0.3, -0.3).astype(np.float32)).permute(0, 3, 1, 2)
    wanted = torch.conv2d(torch.from_numpy(x).permute(0, 3, 1, 2), signs, stride=(1, 2))
    wanted = torch.max_pool2d(wanted, 2, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("settings", "constants", "reason"),
    [
        ({"op_type": "Quant", "rounding_mode": "NEVER"}, {}, "it rounds by 'NEVER'"),
        ({"op_type": "Quant"}, {"b": [4, 8]}, r"its width in bits is \[4.0, 8.0\], not one number"),
        ({"op_type": "BipolarQuant"}, {"s": -1}, "its scale is not above 0"),
    ],
)
def test_what_is_not_known_is_refused(settings, constants, reason, tmp_path) -> None:
    names = ["x", "s"] if settings["op_type"] == "BipolarQuant" else ["x", "s", "z", "b"]
    node = helper.make_node(inputs=names, outputs=["y"], domain=GENERAL, **settings)
    with pytest.raises(UnsupportedLayer, match=reason):
        opened(tmp_path / "net.onnx", [node], {"s": 1, "z": 0, "b": 4, **constants})
