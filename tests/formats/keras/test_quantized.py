"""Layers kept in few bits, and beside a LoRA update: Keras 3.15's arithmetic, written down again in NumPy.

What Keras 3.15 itself said (2026-11-28): of networks that it quantized and saved, as .keras, .h5 and SavedModel, int8,
int4 in blocks and float8 were within 2e-7 of it, LoRA's within 2e-6.
"""

import json
import sys
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
import torch

import convscope
from convscope.errors import ConvscopeWarning
from convscope.formats.keras.live import open_live_keras
from convscope.formats.request import Request
from plain_keras import functional, input_layer, layer, normal, sequential, write_h5, write_keras

X = normal(2, 7, scale=1.0)
UNITS = 5
K, B = normal(7, UNITS, seed=1), normal(UNITS, seed=2)
POLICIES = {
    "int8": "QuantizedDTypePolicy",
    "int4": "QuantizedDTypePolicy",
    "int4/3": "Int4DTypePolicy",
    "float8": "QuantizedFloat8DTypePolicy",
}


def policy(mode):
    return {
        "module": "keras.dtype_policies",
        "class_name": POLICIES[mode],
        "config": {"mode": mode, "source_name": "float32"},
    }


def dense(mode, class_name="Dense", **config):
    settings = {"units": UNITS, "use_bias": True, "dtype": policy(mode), **config}
    return functional(
        "net", [input_layer((7,)), layer(class_name, "d", "photo", **settings)], ["photo"], ["d"]
    )


def answer(path):
    network = convscope.open_network(path)
    return network, network.activations(torch.from_numpy(X), "d")["d"].numpy()


def largest_first(x):
    """Each row in 127 steps of its largest number, as AbsMaxQuantizer rounds it."""
    scale = 127 / (np.abs(x).max(-1, keepdims=True) + np.float32(1e-7))
    return np.clip(np.round(x * scale), -127, 127) / scale


@pytest.mark.parametrize("of_weights_alone", [False, True])
def test_a_kernel_of_eight_bits(of_weights_alone, tmp_path):
    scale = 127 / np.abs(K).max(0)
    codes = np.round(K * scale).astype(np.int8)
    stated = {"class_name": "Int8QuantizationConfig", "config": {"activation_quantizer": None}}
    more = {"quantization_config": stated} if of_weights_alone else {}
    datasets = {f"layers/dense/vars/{at}": one for at, one in enumerate([codes, B, scale.astype(np.float32)])}
    network, found = answer(write_keras(tmp_path / "net.keras", dense("int8", **more), datasets))
    x = X if of_weights_alone else largest_first(X)
    np.testing.assert_allclose(found, x @ (codes / scale) + B, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(network.parameters["d.kernel"], (codes / scale).T, rtol=1e-6)
    assert np.abs(found - (X @ K + B)).max() > 1e-4  # it is not what it was before


def test_an_older_file_has_what_is_trained_first(tmp_path):
    scale = (127 / np.abs(K).max(0)).astype(np.float32)
    codes = np.round(K * scale).astype(np.int8)
    weights = {"d": [("d/bias", B), ("d/kernel", codes), ("d/kernel_scale", scale)]}
    _, found = answer(write_h5(tmp_path / "net.h5", dense("int8"), weights, "3.15.0"))
    np.testing.assert_allclose(found, largest_first(X) @ (codes / scale) + B, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("block", [None, 3])
def test_a_kernel_of_four_bits(block, tmp_path):
    random = np.random.default_rng(4)
    codes = random.integers(-8, 8, (7, UNITS))
    wide = np.concatenate([codes, np.zeros((7, 1), np.int64)], 1) & 0xF  # an odd count is filled up
    packed = (wide[:, ::2] | wide[:, 1::2] << 4).astype(np.uint8).view(np.int8)
    group = np.arange(7) // 3 if block else np.zeros(7, np.int64)
    scale = random.uniform(0.5, 2, (3, UNITS) if block else (UNITS,)).astype(np.float32)
    zero = random.integers(-3, 4, (3, UNITS)).astype(np.int8)
    kernel = (codes - zero[group]) * scale[group] if block else codes / scale
    blocks = [zero, group.astype(np.float32)] if block else []
    config = {"block_size": block, "activation_quantizer": None}
    description = dense(
        "int4/3" if block else "int4", quantization_config={"class_name": "C", "config": config}
    )
    datasets = {f"layers/dense/vars/{at}": one for at, one in enumerate([packed, B, scale, *blocks])}
    _, found = answer(write_keras(tmp_path / "net.keras", description, datasets))
    np.testing.assert_allclose(found, X @ kernel + B, rtol=1e-5, atol=1e-5)


def test_floats_of_eight_bits(tmp_path):
    def rounded(numbers, scale):
        steps = np.clip(numbers / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn)
        return steps.astype(np.float32) * scale

    inputs, kernel, history = np.float32(0.002), np.float32(0.01), np.zeros(4, np.float32)
    stored = [K, B, inputs, history, kernel, history, np.float32(1), history]
    datasets = {f"layers/dense/vars/{at}": one for at, one in enumerate(stored)}
    _, found = answer(write_keras(tmp_path / "net.keras", dense("float8"), datasets))
    bias = B.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_allclose(found, rounded(X, inputs) @ rounded(K, kernel) + bias, rtol=1e-5, atol=1e-5)
    assert np.abs(X).max() > 448 * inputs  # the largest are cut off


def _named(name):
    return {"class_name": "Policy", "config": {"name": name}}


def _mapped(default, inside):
    policies = {"default_policy": default, "policy_map": {"net/d/query": _named(inside)}}
    return {"class_name": "DTypePolicyMap", "config": policies}


_FEW_BITS = {"class_name": "QuantizedFloat8DTypePolicy", "config": {"mode": "float8"}}


@pytest.mark.parametrize(
    "stated, types",
    [
        ("mixed_float16", "float16"),
        ("bfloat16", "bfloat16"),
        (_named("mixed_bfloat16"), "bfloat16"),
        (_mapped("mixed_float16", "float32"), "float16"),
        (_mapped("float32", "mixed_bfloat16"), "bfloat16"),
        ({**_FEW_BITS, "config": {"mode": "float8", "source_name": "mixed_bfloat16"}}, "bfloat16 and float8"),
        ({**_FEW_BITS, "config": {"mode": "float8", "source_name": "float32"}}, ""),
        ("float32", ""),
        (["mixed_float16"], ""),
        (None, ""),
    ],
)
def test_short_numbers_of_a_policy_are_said(stated, types, tmp_path):
    scalars = [np.float32(1), np.zeros(4, np.float32)] * 3
    quantized = isinstance(stated, dict) and "mode" in stated["config"]
    stored = [K, B, *(scalars if quantized else [])]
    datasets = {f"layers/dense/vars/{at}": one for at, one in enumerate(stored)}
    path = write_keras(tmp_path / "net.keras", dense("float8", dtype=stated), datasets)
    if not types:
        convscope.open_network(path)  # without a word
        return
    with pytest.warns(ConvscopeWarning, match=f"net: it computes in {types}, convscope in single precision"):
        convscope.open_network(path)


def test_an_attention_of_floats_of_eight_bits_is_cut(tmp_path):
    settings = {"num_heads": 2, "key_dim": 2, "value_dim": 2, "use_bias": True, "attention_axes": [1]}
    layers = [
        input_layer((3, 4)),
        layer("Activation", "before", "photo", activation="tanh"),
        layer("MultiHeadAttention", "d", "before", "before", **settings),
    ]
    shapes = {one: [(4, 2, 2), (2, 2)] for one in ("query_dense", "key_dense", "value_dense")}
    shapes["output_dense"] = [(2, 2, 4), (4,)]
    datasets = {
        f"layers/multi_head_attention/{part}/vars/{at}": normal(*shape, seed=at)
        for part, both in shapes.items()
        for at, shape in enumerate(both)
    }
    description = functional("net", layers, ["photo"], ["d"])
    convscope.open_network(write_keras(tmp_path / "whole.keras", description, datasets))  # without a word
    flat = [(f"d/{at}", one) for at, one in enumerate(datasets.values())]
    old = write_h5(tmp_path / "net.h5", description, {"d": [*flat, ("d/scale", np.float32(1))]}, "3.15.0")
    with pytest.warns(ConvscopeWarning, match="'d', a MultiHeadAttention, has further numbers"):
        assert "d" in convscope.open_network(old).graph.cut
    more = {"layers/multi_head_attention/key_dense/vars/2": np.ones((), np.float32)}
    path = write_keras(tmp_path / "net.keras", description, datasets | more)
    with pytest.warns(ConvscopeWarning, match="'d', a MultiHeadAttention, has further numbers"):
        network = convscope.open_network(path)
    assert "d" in network.graph.cut
    network.activations(torch.zeros(1, 3, 4), "before")


def test_bits_that_are_not_read_cut_the_layer(tmp_path):
    datasets = {f"layers/einsum_dense/vars/{at}": K.astype(np.int8) for at in range(2)}
    settings = {"equation": "ab,bc->ac", "bias_axes": None, "output_shape": UNITS}
    layers = [
        input_layer((7,)),
        layer("Activation", "before", "photo", activation="tanh"),
        layer("EinsumDense", "d", "before", dtype=policy("int8"), **settings),
    ]
    path = write_keras(tmp_path / "net.keras", functional("net", layers, ["photo"], ["d"]), datasets)
    with pytest.warns(ConvscopeWarning, match="'d', a EinsumDense, keeps its numbers as int8"):
        network = convscope.open_network(path)
    np.testing.assert_allclose(
        network.activations(torch.from_numpy(X), "before")["before"], np.tanh(X), atol=1e-6
    )


def test_whole_numbers_of_a_layer_that_does_not_say_so_are_not_taken_for_its_kernel(tmp_path):
    description = dense("int8")
    del description["config"]["layers"][1]["config"]["dtype"]
    description["config"]["layers"].insert(1, layer("Activation", "before", "photo", activation="tanh"))
    datasets = {"layers/dense/vars/0": K.astype(np.int8), "layers/dense/vars/1": B}
    with pytest.warns(ConvscopeWarning, match="'d', a Dense, has whole numbers as its kernel"):
        convscope.open_network(write_keras(tmp_path / "net.keras", description, datasets))


@pytest.mark.parametrize("kind", ["file", "live"])
def test_an_update_stands_beside_its_kernel(kind, tmp_path, monkeypatch):
    first, second = normal(7, 2, seed=3), normal(2, UNITS, seed=4)
    description = dense("int8", lora_rank=2, lora_alpha=3)
    del description["config"]["layers"][1]["config"]["dtype"]
    named = {"d/bias": B, "d/lora_kernel_a": first, "d/lora_kernel_b": second, "d/kernel": K}
    if kind == "file":
        path = write_h5(tmp_path / "net.h5", description, {"d": list(named.items())}, "3.15.0")
        _, found = answer(path)
    else:
        in_place = {"kernel": K, "bias": B, "lora_kernel_a": first, "lora_kernel_b": second}
        weights = [SimpleNamespace(name=name, shape=one.shape, held=one) for name, one in in_place.items()]
        found = _live(description, weights, monkeypatch)
    np.testing.assert_allclose(found, X @ (K + 1.5 * first @ second) + B, rtol=1e-5, atol=1e-5)


def _live(description, weights, monkeypatch):
    ops = SimpleNamespace(convert_to_numpy=lambda variable: variable.held)
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(ops=ops))
    layers = [SimpleNamespace(name="d", weights=weights)]
    model = SimpleNamespace(name="net", layers=layers, to_json=lambda: json.dumps(description))
    graph = open_live_keras(Request(source=model)).graph
    kernel, bias = (graph.parameters[f"d.{name}"].numpy() for name in ("kernel", "bias"))
    return X @ kernel.T + bias


def test_names_say_which_of_a_live_layers_variables_is_which(monkeypatch):
    """Keras lists a spectral norm's own vector before the bias of the layer inside, which took it for its own."""
    inner = layer("Dense", "inner", units=UNITS, use_bias=True)
    layers = [
        input_layer((7,)),
        layer("SpectralNormalization", "d", "photo", layer=inner, power_iterations=1),
    ]
    held = {"kernel": K, "vector_u": normal(1, UNITS, seed=5), "bias": B}
    weights = [SimpleNamespace(name=name, shape=one.shape, held=one) for name, one in held.items()]
    found = _live(functional("net", layers, ["photo"], ["d"]), weights, monkeypatch)
    np.testing.assert_allclose(found, X @ K + B, rtol=1e-5, atol=1e-5)


def test_a_live_model_at_each_moment_has_its_own_variables(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "keras", SimpleNamespace(ops=SimpleNamespace(convert_to_numpy=lambda one: one.held))
    )
    inside = sequential("inside", [input_layer((7,)), layer("Dense", "d", units=UNITS, use_bias=True)])
    layers = [input_layer((3, 7)), layer("TimeDistributed", "each", "photo", layer=inside)]
    weights = [
        SimpleNamespace(name=name, shape=one.shape, held=one) for name, one in (("kernel", K), ("bias", B))
    ]
    dense = SimpleNamespace(name="d", weights=weights)
    each = SimpleNamespace(name="each", layer=SimpleNamespace(name="inside", layers=[dense]))
    model = SimpleNamespace(
        name="net", layers=[each], to_json=lambda: json.dumps(functional("net", layers, ["photo"], ["each"]))
    )
    network = convscope.Network(open_live_keras(Request(source=model)).graph, input_spec=None)
    x = normal(1, 3, 7, seed=9)
    found = network.activations(torch.from_numpy(x), "each")["each"]
    np.testing.assert_allclose(found, x @ K + B, rtol=1e-5, atol=1e-5)


def test_further_numbers_of_a_live_attention_cut_it(monkeypatch):
    """Those inside it were quantized: its own were taken for them by their places."""
    settings = {"num_heads": 2, "key_dim": 2, "value_dim": 2, "use_bias": False, "attention_axes": [1]}
    layers = [
        input_layer((3, 4)),
        layer("Activation", "before", "photo", activation="tanh"),
        layer("MultiHeadAttention", "d", "before", "before", **settings),
    ]
    held = [normal(*shape) for shape in [(4, 2, 2)] * 3 + [(2, 2, 4)] * 2]
    weights = [SimpleNamespace(name="kernel", shape=one.shape, held=one) for one in held]
    ops = SimpleNamespace(convert_to_numpy=lambda variable: variable.held)
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(ops=ops))
    model = SimpleNamespace(
        name="net",
        layers=[SimpleNamespace(name="d", weights=weights)],
        to_json=lambda: json.dumps(functional("net", layers, ["photo"], ["d"])),
    )
    with pytest.warns(ConvscopeWarning, match="'d', a MultiHeadAttention, has further numbers"):
        assert set(open_live_keras(Request(source=model)).graph.cut) == {"d"}


def test_numbers_of_two_bytes(tmp_path):
    halves = {name: one.astype(ml_dtypes.bfloat16) for name, one in (("kernel", K), ("bias", B))}
    description = dense("int8")
    del description["config"]["layers"][1]["config"]["dtype"]
    datasets = {f"layers/dense/vars/{at}": one.view("V2") for at, one in enumerate(halves.values())}
    _, found = answer(write_keras(tmp_path / "net.keras", description, datasets))
    kernel, bias = (one.astype(np.float32) for one in halves.values())
    np.testing.assert_allclose(found, X @ kernel + bias, rtol=1e-6, atol=1e-6)


def test_an_activation_of_somebodys_own_is_cut_or_taught(tmp_path):
    own = {"module": "builtins", "class_name": "function", "config": "twice", "registered_name": "mine>twice"}
    description = dense("int8", activation=own)
    del description["config"]["layers"][1]["config"]["dtype"]
    path = write_keras(
        tmp_path / "net.keras", description, {"layers/dense/vars/0": K, "layers/dense/vars/1": B}
    )
    with pytest.warns(ConvscopeWarning, match=r"activation 'twice'.*register_layer\('twice'"):
        network = convscope.open_network(path)
    found = network.activations(torch.from_numpy(X), "d@d")["d@d"]
    np.testing.assert_allclose(found, X @ K + B, rtol=1e-5, atol=1e-6)
    convscope.register_layer("twice", lambda x: 2 * x)
    _, found = answer(path)
    np.testing.assert_allclose(found, 2 * (X @ K + B), rtol=1e-5, atol=1e-6)
