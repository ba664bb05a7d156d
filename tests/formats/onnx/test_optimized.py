"""What onnxruntime writes at its basic and extended levels opens, and is the network that it was made of."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from convscope import ConvscopeWarning, open_network

from .oracle import model_of, session

RNG = np.random.default_rng(0)


def network():
    constants = {
        "w1": RNG.normal(size=(8, 3, 3, 3)) * 0.3,
        "b1": RNG.normal(size=8),
        "s1": RNG.uniform(0.5, 1.5, 8),
        "m1": RNG.normal(size=8),
        "w2": RNG.normal(size=(8, 8, 1, 1)) * 0.3,
        "w4": RNG.normal(size=(8, 6)),
        "b4": RNG.normal(size=6),
        "g": RNG.uniform(0.5, 1.5, 6),
        "bias": RNG.normal(size=6),
        "root": np.float32(2**0.5),
        "one": np.float32(1),
        "half": np.float32(0.5),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c1", "s1", "b1", "m1", "s1"], ["n1"]),
        helper.make_node("LeakyRelu", ["n1"], ["r1"], alpha=0.13),
        helper.make_node("Conv", ["r1", "w2"], ["c2"]),
        helper.make_node("Add", ["c2", "r1"], ["a2"]),
        helper.make_node("Relu", ["a2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("Add", ["e", "bias"], ["z"]),
        helper.make_node("Div", ["z", "root"], ["q"]),
        helper.make_node("Erf", ["q"], ["erf"]),
        helper.make_node("Add", ["erf", "one"], ["u"]),
        helper.make_node("Mul", ["z", "u"], ["v"]),
        helper.make_node("Mul", ["v", "half"], ["h"]),
        helper.make_node("Add", ["h", "e"], ["k"]),
        helper.make_node("LayerNormalization", ["k", "g", "bias"], ["y"]),
    ]
    constants = {name: np.asarray(value, np.float32) for name, value in constants.items()}
    return model_of(nodes, {"x": [1, 3, 9, 8]}, ["y"], constants, opset=17)


@pytest.mark.parametrize(("level", "expected"), [("BASIC", "LeakyRelu"), ("EXTENDED", "FusedConv")])
def test_an_optimized_network_is_the_same(level, expected, tmp_path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.optimized_model_filepath = str(tmp_path / "net.onnx")
    options.log_severity_level = 4
    model = network()
    onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    assert expected in {node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node}
    x = RNG.normal(size=(1, 3, 9, 8)).astype(np.float32)
    found = open_network(tmp_path / "net.onnx").activations(torch.from_numpy(x), "y")["y"].numpy()
    np.testing.assert_allclose(found, session(model).run(["y"], {"x": x})[0], rtol=1e-4, atol=1e-5)


def assert_onnxruntimes(nodes, inputs, constants, tmp_path, names=("y",), low=None, atol=1e-4):
    """Hold operators of onnxruntime's own domain against onnxruntime."""
    model = model_of(nodes, inputs, list(names), constants)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")
    feed = {name: RNG.normal(size=shape).astype(np.float32) for name, shape in inputs.items()}
    if low is not None:
        feed = {name: RNG.integers(low, low + 9, shape).astype(np.float32) for name, shape in inputs.items()}
    wanted = session(model).run(list(names), feed)
    given = {name: torch.from_numpy(value) for name, value in feed.items()}
    found = open_network(tmp_path / "net.onnx").activations(given, *names)
    for name, numbers in zip(names, wanted, strict=True):
        np.testing.assert_allclose(found[name].numpy(), numbers, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("slope", [1.0, 1.702, 0.4])
def test_a_silu_and_its_slope(slope, tmp_path) -> None:
    """Onnxruntime writes every x times sigmoid(alpha x) so."""
    nodes = [helper.make_node("QuickGelu", ["x"], ["y"], domain="com.microsoft", alpha=slope)]
    assert_onnxruntimes(nodes, {"x": [2, 7]}, {}, tmp_path)


@pytest.mark.parametrize(("bits", "zeros"), [(4, None), (4, "codes"), (4, "floats"), (8, None), (8, "codes")])
def test_products_with_weights_of_a_few_bits(bits, zeros, tmp_path) -> None:
    rows, columns, block = 6, 80, 32
    blocks, codes = 3, RNG.integers(0, 256, (rows, 3, block * bits // 8)).astype(np.uint8)
    constants = {"w": codes, "s": RNG.uniform(0.01, 0.1, rows * blocks).astype(np.float32)}
    if zeros == "codes":
        constants["z"] = RNG.integers(0, 256, rows * -(-blocks * bits // 8)).astype(np.uint8)
    elif zeros == "floats":
        constants["z"] = RNG.uniform(4, 11, rows * blocks).astype(np.float32)
    read = ["x", "w", "s", *(["z"] if zeros else [])]
    sizes = {"N": rows, "K": columns, "bits": bits, "block_size": block}
    nodes = [helper.make_node("MatMulNBits", read, ["y"], domain="com.microsoft", **sizes)]
    assert_onnxruntimes(nodes, {"x": [2, 3, columns]}, constants, tmp_path)


def test_a_sum_and_its_rms_norm(tmp_path) -> None:
    read, made = ["x", "k", "g", "b"], ["y", "", "", "s"]
    nodes = [
        helper.make_node("SkipSimplifiedLayerNormalization", read, made, domain="com.microsoft", epsilon=0.1)
    ]
    constants = {"g": RNG.uniform(0.5, 1.5, 7).astype(np.float32), "b": RNG.normal(size=7).astype(np.float32)}
    assert_onnxruntimes(nodes, {"x": [2, 3, 7], "k": [2, 3, 7]}, constants, tmp_path, ("y", "s"))


@pytest.mark.parametrize(
    "settings", [{}, {"unidirectional": 1, "scale": 0.3}, {"qkv_hidden_sizes": [8, 8, 4]}]
)
@pytest.mark.parametrize("biased", [False, True])
def test_onnxruntimes_own_attention(settings, biased, tmp_path) -> None:
    """It has the name of ONNX's, and other inputs: one product makes queries, keys and values."""
    width = sum(settings.get("qkv_hidden_sizes", [8, 8, 8]))
    read = ["x", "w", "b", *(["", "", "added"] if biased else [])]
    nodes = [helper.make_node("Attention", read, ["y"], domain="com.microsoft", num_heads=2, **settings)]
    constants = {
        "w": RNG.normal(size=(6, width)).astype(np.float32),
        "b": RNG.normal(size=width).astype(np.float32),
    }
    inputs = {"x": [2, 5, 6]} | ({"added": [1, 2, 5, 5]} if biased else {})
    assert_onnxruntimes(nodes, inputs, constants, tmp_path)


MASKS = {
    "of keys": [[1, 1, 0, 1, 0], [1, 1, 1, 0, 1]],
    "of queries": [[[1, 0, 1, 1, 0], [1, 1, 0, 0, 1], [1, 0, 0, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 0, 1]]] * 2,
    "ends": [3, 5],
    "ends and beginnings": [4, 5, 1, 2],
    "nothing left": [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0]],
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("settings", [{}, {"unidirectional": 1}, {"mask_filter_value": -3.0}])
def test_masks_of_onnxruntimes_attention(kind, settings, tmp_path) -> None:
    read = ["x", "w", "b", "mask", "", "added"]
    nodes = [helper.make_node("Attention", read, ["y"], domain="com.microsoft", num_heads=2, **settings)]
    constants = {
        "w": RNG.normal(size=(6, 24)).astype(np.float32),
        "b": RNG.normal(size=24).astype(np.float32),
    }
    constants |= {
        "mask": np.array(MASKS[kind], np.int32),
        "added": RNG.normal(size=(1, 2, 5, 5)).astype(np.float32),
    }
    # Where all keys of a row are hidden, its scores are of 10,000 and have three digits behind the point.
    hidden = kind in ("nothing left", "ends and beginnings")
    assert_onnxruntimes(nodes, {"x": [2, 5, 6]}, constants, tmp_path, atol=2e-2 if hidden else 1e-4)


def test_keys_of_before_and_a_mask_of_all(tmp_path) -> None:
    read = ["x", "w", "b", "mask", "past"]
    nodes = [
        helper.make_node("Cast", ["m"], ["mask"], to=6),
        helper.make_node("Attention", read, ["y", "present"], domain="com.microsoft", num_heads=2),
    ]
    constants = {
        "w": RNG.normal(size=(6, 24)).astype(np.float32),
        "b": RNG.normal(size=24).astype(np.float32),
    }
    inputs = {"x": [2, 3, 6], "past": [2, 2, 2, 4, 4], "m": [2, 7]}
    assert_onnxruntimes(nodes, inputs, constants, tmp_path, low=0)


@pytest.mark.parametrize("segments", [False, True])
def test_the_embedding_of_a_text(segments, tmp_path) -> None:
    read = ["words", "segments" if segments else "", "w", "p", "s" if segments else "", "g", "b", "mask"]
    nodes = [
        helper.make_node("Cast", ["x"], ["words"], to=6),
        helper.make_node("Cast", ["x"], ["segments"], to=6),
        helper.make_node(
            "EmbedLayerNormalization", read, ["y", "count"], domain="com.microsoft", epsilon=1e-3
        ),
        helper.make_node("Cast", ["count"], ["c"], to=1),
    ]
    constants = {name: RNG.normal(size=(9, 8)).astype(np.float32) for name in "wps"}
    constants |= {name: RNG.normal(size=8).astype(np.float32) for name in "gb"}
    constants["mask"] = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], np.int32)
    assert_onnxruntimes(nodes, {"x": [2, 4]}, constants, tmp_path, ("y", "c"), low=0)


@pytest.mark.parametrize("form", ["plain", "biases", "added", "heads apart"])
def test_onnxruntimes_attention_of_heads(form, tmp_path) -> None:
    others = (
        {"k": [2, 2, 7, 4], "v": [2, 2, 7, 4]} if form == "heads apart" else {"k": [2, 7, 8], "v": [2, 7, 6]}
    )
    read, constants = ["q", "k", "v"], {}
    if form == "biases":
        read, constants = [*read, "b"], {"b": RNG.normal(size=22).astype(np.float32)}
    if form == "added":
        read, others = [*read, "", "", "added"], others | {"added": [2, 1, 5, 7]}
    plain = {"scale": 0.7} if form == "added" else {}
    nodes = [
        helper.make_node("MultiHeadAttention", read, ["y"], domain="com.microsoft", num_heads=2, **plain)
    ]
    assert_onnxruntimes(nodes, {"q": [2, 5, 8]} | others, constants, tmp_path)


@pytest.mark.parametrize("form", ["masked", "with a past"])
def test_onnxruntimes_attention_of_heads_in_its_other_forms(form, tmp_path) -> None:
    read, inputs, constants, made = (
        ["q", "k", "v"],
        {"q": [2, 5, 8], "k": [2, 5, 8], "v": [2, 5, 8]},
        {},
        ["y"],
    )
    if form == "masked":
        read, constants = (
            [*read, "", "mask"],
            {"mask": np.array([[1, 0, 1, 1, 0], [0, 1, 1, 1, 1]], np.int32)},
        )
    else:
        read, made = [*read, "", "", "", "pk", "pv"], ["y", "keys", "values"]
        inputs |= {"pk": [2, 2, 3, 4], "pv": [2, 2, 3, 4]}
    nodes = [helper.make_node("MultiHeadAttention", read, made, domain="com.microsoft", num_heads=2)]
    assert_onnxruntimes(nodes, inputs, constants, tmp_path, made)


@pytest.mark.parametrize(("name", "read"), [("Attention", ["x", "w", "b", "mask"]), ("Unique", ["x"])])
def test_what_is_not_the_same_in_onnxruntimes_domain_is_cut(name, read, tmp_path) -> None:
    """Attention with a mask of another kind (Megatron's); Unique, which has three outputs in another order."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node(
            name, ["r", *read[1:]], ["y"], domain="com.microsoft", **({"num_heads": 2} if read[1:] else {})
        ),
    ]
    constants = {
        "w": RNG.normal(size=(8, 24)).astype(np.float32),
        "b": RNG.normal(size=24).astype(np.float32),
        "mask": np.zeros((1, 1, 8, 8), np.int32),
    }
    model = model_of(nodes, {"x": [1, 8, 8]}, ["y"], constants)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.warns(ConvscopeWarning, match=name):
        made = open_network(tmp_path / "net.onnx").graph.producers
    assert "r" in made and "y" not in made
