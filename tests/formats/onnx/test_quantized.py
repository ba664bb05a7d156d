"""Networks that onnxruntime quantized itself, in each of its three ways: every tensor within one step of it."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

import convscope
from convscope import open_network
from convscope.looking.stages import stages, vectors
from convscope.network.class_head import class_scores

from .oracle import every_value, model_of

quantization = pytest.importorskip("onnxruntime.quantization")
RNG = np.random.default_rng(0)


def pictures(count=1):
    return RNG.normal(size=(count, 3, 12, 11)).astype(np.float32)


class Calibration(quantization.CalibrationDataReader):
    def __init__(self):
        self.left = iter([{"x": pictures()} for _ in range(8)])

    def get_next(self):
        return next(self.left, None)


def floats(path):
    """Write a small residual network with every kind of layer that is quantized."""
    w = {
        "w1": RNG.normal(size=(8, 3, 3, 3)) * 0.3,
        "b1": RNG.normal(size=8) * 0.1,
        "w2": RNG.normal(size=(8, 8, 3, 3)) * 0.2,
        "b2": RNG.normal(size=8) * 0.1,
        "w3": RNG.normal(size=(8, 5)) * 0.3,
        "b3": RNG.normal(size=5) * 0.1,
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["r1", "c2"], ["s"]),
        helper.make_node("Sigmoid", ["s"], ["g"]),
        helper.make_node("Mul", ["s", "g"], ["m"]),
        helper.make_node("Concat", ["m", "r1"], ["k"], axis=1),
        helper.make_node("MaxPool", ["m"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["a"]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"]),
    ]
    constants = {name: value.astype(np.float32) for name, value in w.items()}
    model = model_of(nodes, {"x": [1, 3, 12, 11]}, ["y", "k"], constants, opset=17)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)


def quantized(path, manner, per_channel):
    floats(path.with_name("floats.onnx"))
    given = str(path.with_name("floats.onnx")), str(path)
    if manner == "dynamic":
        # With all eight bits onnxruntime's own sums overflow on processors without VNNI.
        quantization.quantize_dynamic(*given, per_channel=per_channel, reduce_range=True)
    else:
        form = quantization.QuantFormat[manner]
        quantization.quantize_static(*given, Calibration(), quant_format=form, per_channel=per_channel)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("manner", ["QDQ", "QOperator", "dynamic"])
def test_every_tensor_is_within_a_step(manner, per_channel, tmp_path) -> None:
    path = tmp_path / "net.onnx"
    quantized(path, manner, per_channel)
    network, model, x = open_network(path), onnx.load(path), pictures()
    made = {output for node in model.graph.node for output in node.output}
    names = [name for name in network.graph.producers if name in made]
    assert len(names) > 8
    expected = every_value(model, names, {"x": x})
    found = network.activations(torch.from_numpy(x), *names)
    for name in names:
        wanted, ours = expected[name].astype(np.float64), found[name].double().numpy()
        codes = expected[name].dtype.kind in "iu" and expected[name].dtype.itemsize == 1
        step = 1 if codes else np.abs(wanted).max() / 100
        assert np.abs(ours - wanted).max() <= step, name
    assert network.gradient(torch.from_numpy(x), "y:1").abs().max() > 0
    # Relevance goes through codes and back to numbers as it is: nearly the map of the network before.
    plain, codes = (
        convscope.relevance(one, torch.from_numpy(x), "y:1")
        for one in (open_network(path.with_name("floats.onnx")), network)
    )
    assert np.corrcoef(plain.values.ravel(), codes.values.ravel())[0, 1] > 0.95
    assert "In 1 product a gate gets nothing." in codes.how  # the scales of codes are none


@pytest.mark.parametrize("last", ["Softmax", "Gemm"])
@pytest.mark.parametrize("manner", ["QDQ", "QOperator"])
def test_a_classifier_of_eight_bits_is_one(manner, last, tmp_path) -> None:
    """Its answer goes through codes and back: it has classes all the same, and they have scores."""
    floats(tmp_path / "whole.onnx")
    model = onnx.load(tmp_path / "whole.onnx")
    if last == "Softmax":
        model.graph.node.append(helper.make_node("Softmax", ["y"], ["z"]))
    del model.graph.output[:]
    answer = "z" if last == "Softmax" else "y"
    model.graph.output.append(helper.make_empty_tensor_value_info(answer))
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "floats.onnx")
    form, path = quantization.QuantFormat[manner], tmp_path / "net.onnx"
    quantization.quantize_static(str(tmp_path / "floats.onnx"), str(path), Calibration(), quant_format=form)
    network, x = open_network(path), pictures()
    (output,) = network.outputs
    assert (output.role, output.value) == ("classes", answer)
    plain = open_network(tmp_path / "floats.onnx")
    scores = class_scores(network.graph, answer)
    assert network.shapes[scores] == plain.shapes["y"]
    assert (scores == answer) == (last == "Gemm")
    wanted = every_value(onnx.load(path), [answer], {"x": x})[answer]
    probabilities = wanted if last == "Softmax" else torch.from_numpy(wanted).softmax(1).numpy()
    found = dict(network.best_classes(torch.from_numpy(x), 5))
    np.testing.assert_allclose([found[at] for at in range(5)], probabilities[0], atol=0.01)


def test_sums_of_eight_bits_never_overflow(tmp_path) -> None:
    """Two products of uint8 and int8 are beyond sixteen bits, where onnxruntime cuts them off on older processors.

    With the weights as uint8 it cuts nothing off, anywhere: the same numbers, and the sums worked out in NumPy.
    """
    rng = np.random.default_rng(1)
    codes = rng.integers(200, 256, size=(1, 12, 1, 1)).astype(np.uint8)
    weights = rng.integers(60, 128, size=(5, 12, 1, 1)).astype(np.int8)
    scales = {"xs": 0.03, "ws": 0.004, "ys": 0.31}
    exact = (codes.astype(int).ravel() - 9) @ weights.astype(int).reshape(5, 12).T
    wanted = np.rint(exact * 0.03 * 0.004 / 0.31) + 3
    assert 0 < wanted.min() < wanted.max() < 255
    for stored, zero in (
        (weights, np.int8(0)),
        ((weights.astype(int) + 128).astype(np.uint8), np.uint8(128)),
    ):
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "one", "none"], ["q"]),
            helper.make_node("QLinearConv", ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"]),
        ]
        constants = {key: np.float32(value) for key, value in scales.items()} | {"w": stored, "wz": zero}
        constants |= {"one": np.float32(1), "none": np.uint8(0), "xz": np.uint8(9), "yz": np.uint8(3)}
        model = model_of(nodes, {"x": [1, 12, 1, 1]}, ["y"], constants, opset=13)
        onnx.save(model, tmp_path / "net.onnx")
        x = codes.astype(np.float32)
        found = open_network(tmp_path / "net.onnx").activations(torch.from_numpy(x), "y")["y"]
        np.testing.assert_array_equal(found.numpy().ravel(), wanted)
        if stored.dtype == np.uint8:
            np.testing.assert_array_equal(every_value(model, ["y"], {"x": x})["y"].ravel(), wanted)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("columns", [1, 7])
def test_sums_of_products_are_rounded_as_whole_numbers(columns, channels_last, tmp_path) -> None:
    """Many of these sums end in a half, or next to one: all codes are onnxruntime's, not one is a step off."""
    rng = np.random.default_rng(columns)
    codes = rng.integers(0, 256, (1, 6, 21, 19)).astype(np.uint8)
    shape = (columns,) if columns > 1 else ()
    steps = np.float32(0.02) * rng.choice(np.float32([0.5, 1, 2]), shape)
    unit = np.float32(0.37) * np.float32(0.02)  # a power of two of it makes halves of many sums
    constants = {
        "xs": np.float32(0.37),
        "xz": np.uint8(131),
        "ys": unit * 64,
        "yz": np.uint8(117),
        "w": rng.integers(0, 256, (7, 6, 3, 3)).astype(np.uint8),
        "ws": steps,
        "wz": np.full(shape, 128, np.uint8),
        "b": rng.integers(-900, 900, 7).astype(np.int32),
        "one": np.float32(1),
        "none": np.uint8(0),
        "m": rng.integers(0, 256, (19, 7)).astype(np.uint8),
        "zs": unit * 128,
    }
    ends = ["xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    nodes = [helper.make_node("QuantizeLinear", ["x", "one", "none"], ["q"])]
    last = {"domain": "com.microsoft", "channels_last": 1} if channels_last else {}
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["q"], ["t"], perm=[0, 2, 3, 1]))
    first = "t" if channels_last else "q"
    nodes += [
        helper.make_node("QLinearConv", [first, *ends], ["y"], **last),
        helper.make_node("QLinearMatMul", ["q", "xs", "xz", "m", "ws", "wz", "zs", "yz"], ["z"]),
    ]
    model = model_of(nodes, {"x": [1, 6, 21, 19]}, ["y", "z"], constants)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")
    x = codes.astype(np.float32)
    wanted = every_value(model, ["y", "z"], {"x": x})
    network = open_network(tmp_path / "net.onnx")
    network.save(tmp_path / "again.onnx")
    for one in (network, open_network(tmp_path / "again.onnx")):
        found = one.activations(torch.from_numpy(x), "y", "z")
        for name, numbers in wanted.items():
            assert len(np.unique(numbers)) > 50
            np.testing.assert_array_equal(found[name].numpy(), numbers.astype(np.float32))


FORMS = {
    "padded": ("QLinearAveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    "rounded up": ("QLinearAveragePool", {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}),
    "global": ("QLinearGlobalAveragePool", {}),
    "softmax": ("QLinearSoftmax", {"axis": 1, "opset": 13}),
    "softmax to the end": ("QLinearSoftmax", {"axis": 1, "opset": 12}),
    "sigmoid": ("QLinearSigmoid", {}),
    "leaky": ("QLinearLeakyRelu", {"alpha": 0.07}),
    "where": ("QLinearWhere", {}),
    "channels last": (
        "QLinearAveragePool",
        {"kernel_shape": [2, 3], "pads": [0, 1, 1, 1], "channels_last": 1},
    ),
    "global, channels last": ("QLinearGlobalAveragePool", {"channels_last": 1}),
    "largest, channels last": ("NhwcMaxPool", {"kernel_shape": [2, 3], "pads": [0, 1, 1, 1]}),
    "convolution, channels last": (
        "QLinearConv",
        {"channels_last": 1, "strides": [1, 2], "pads": [1, 0, 0, 1]},
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_onnxruntimes_forms_of_eight_bits(name, tmp_path) -> None:
    op_type, attributes = FORMS[name]
    constants = {"xs": np.float32(0.021), "xz": np.uint8(120), "ys": np.float32(0.017), "yz": np.uint8(90)}
    if "softmax" in name:
        constants |= {"ys": np.float32(1 / 256), "yz": np.uint8(0)}
    read = ["q", "xs", "xz", "ys", "yz"]
    if op_type == "QLinearWhere":
        constants |= {"c": RNG.random((1, 1, 7, 6)) > 0.4, "k": RNG.integers(0, 255, (6,)).astype(np.uint8)}
        read = ["c", "q", "xs", "xz", "k", "ys", "yz", "xs", "yz"]
    if op_type == "QLinearConv":
        constants |= {"w": RNG.integers(-60, 60, (4, 6, 2, 3)).astype(np.int8), "ws": np.float32(0.004)}
        constants |= {"wz": np.int8(0)}  # larger weights overflow in onnxruntime itself
        read = ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    if op_type == "NhwcMaxPool":
        read = ["q"]
    nodes = [helper.make_node(op_type, read, ["z"], domain="com.microsoft", **attributes)]
    model = model_of(nodes, {}, ["z"], constants)
    model.graph.input.append(helper.make_tensor_value_info("q", onnx.TensorProto.UINT8, [1, 3, 7, 6]))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")
    codes = RNG.integers(0, 255, (1, 3, 7, 6)).astype(np.uint8)
    wanted = every_value(model, ["z"], {"q": codes})["z"].astype(np.float64)
    found = open_network(tmp_path / "net.onnx").activations(torch.from_numpy(codes.astype(np.float32)), "z")
    assert len(np.unique(wanted)) > 2
    assert np.abs(found["z"].double().numpy() - wanted).max() <= 1


@pytest.mark.parametrize("manner", ["QDQ", "QOperator", "dynamic"])
def test_what_onnxruntime_writes_at_its_highest_level(manner, tmp_path) -> None:
    """Channels last, or in blocks for the poolings; convolutions of real numbers in blocks are cut."""
    quantized(tmp_path / "net.onnx", manner, per_channel=True)
    options, x = onnxruntime.SessionOptions(), pictures()
    options.optimized_model_filepath = str(tmp_path / "written.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", options, ["CPUExecutionProvider"])
    (wanted,) = session.run(["y"], {"x": x})
    network = open_network(tmp_path / "written.onnx")
    found = network.activations(torch.from_numpy(x), "y")["y"].numpy()
    assert np.abs(found - wanted).max() <= np.abs(wanted).max() / (50 if manner != "dynamic" else 1e4)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("columns", [(), (5,)])
def test_products_that_make_codes_of_their_own(columns, with_bias, tmp_path) -> None:
    constants = {"w": RNG.integers(-60, 60, (8, 5)).astype(np.int8), "wz": np.zeros(columns, np.int8)}
    constants |= {"ws": RNG.uniform(0.01, 0.03, columns).astype(np.float32), "b": RNG.normal(size=5)}
    constants |= {"b": constants["b"].astype(np.float32), "qs": np.float32(0.02), "qz": np.uint8(100)}
    bias = ["b"] if with_bias else []
    nodes = [
        helper.make_node(
            "DynamicQuantizeMatMul", ["x", "w", "ws", "wz", *bias], ["y"], domain="com.microsoft"
        ),
        helper.make_node("QuantizeLinear", ["x", "qs", "qz"], ["q"]),
        helper.make_node(
            "MatMulIntegerToFloat", ["q", "w", "qs", "ws", "qz", "wz", *bias], ["z"], domain="com.microsoft"
        ),
    ]
    model = model_of(nodes, {"x": [3, 8]}, ["y", "z"], constants)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")
    x = RNG.normal(size=(3, 8)).astype(np.float32)
    wanted = every_value(model, ["y", "z"], {"x": x})
    found = open_network(tmp_path / "net.onnx").activations(torch.from_numpy(x), "y", "z")
    for name, numbers in wanted.items():
        np.testing.assert_allclose(found[name].numpy(), numbers, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op_type", ["NhwcConv", "NhwcFusedConv"])
def test_a_convolution_of_channels_last(op_type, tmp_path) -> None:
    """No processor's onnxruntime has it in single precision: beside a convolution of turned axes."""
    fused = {"activation": "Relu"} if op_type == "NhwcFusedConv" else {}
    nodes = [
        helper.make_node(op_type, ["x", "w", "b"], ["y"], domain="com.microsoft", strides=[2, 1], **fused)
    ]
    w, b = (RNG.normal(size=size).astype(np.float32) for size in ((4, 3, 3, 2), (4,)))
    model = model_of(nodes, {"x": [1, 7, 6, 3]}, ["y"], {"w": w, "b": b})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")
    x = torch.from_numpy(RNG.normal(size=(1, 7, 6, 3)).astype(np.float32))
    expected = torch.conv2d(x.permute(0, 3, 1, 2), torch.from_numpy(w), torch.from_numpy(b), (2, 1))
    expected = (expected.relu() if fused else expected).permute(0, 2, 3, 1)
    found = open_network(tmp_path / "net.onnx").activations(x, "y")["y"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["plain", "a scale a column", "masked", "causal and a past"])
def test_attention_of_eight_bits(form, tmp_path) -> None:
    columns = (24,) if form == "a scale a column" else ()
    masked, past = form == "masked", form.endswith("past")
    constants = {"w": RNG.integers(-90, 90, (6, 24)).astype(np.int8), "wz": RNG.integers(-9, 9, columns or 1)}
    constants |= {
        "ws": RNG.uniform(0.01, 0.03, columns or 1),
        "b": RNG.normal(size=24),
        "qs": np.float32(0.02),
    }
    constants = {
        name: np.asarray(value, np.float32) if name in ("ws", "b") else value
        for name, value in constants.items()
    }
    constants |= {"wz": constants["wz"].astype(np.int8), "qz": np.uint8(100)}
    constants["mask"] = np.array([[1, 0, 1, 1], [0, 1, 1, 0]], np.int32)
    read = ["q", "w", "b", "qs", "ws", "mask" if masked else "", "qz", "wz", *(["past"] if past else [])]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "qs", "qz"], ["q"]),
        helper.make_node(
            "QAttention",
            read,
            ["y", *(["present"] if past else [])],
            domain="com.microsoft",
            num_heads=2,
            unidirectional=int(past),
        ),
    ]
    inputs = {"x": [2, 4, 6]} | ({"past": [2, 2, 2, 3, 4]} if past else {})
    model = model_of(nodes, inputs, ["y"], constants)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")
    feed = {name: RNG.normal(size=shape).astype(np.float32) for name, shape in inputs.items()}
    wanted = every_value(model, ["y"], feed)["y"]
    given = {name: torch.from_numpy(value) for name, value in feed.items()}
    found = open_network(tmp_path / "net.onnx").activations(given, "y")["y"]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("op_type", ["Conv", "MatMul"])
def test_a_sum_between_codes_is_rounded_as_the_whole_number_it_is(op_type, with_bias, tmp_path) -> None:
    """Every other sum lies right between two codes, where floats fall to either side."""
    first, second = np.float32(0.1), np.float32(0.3)
    scales = {"s": first, "t": second, "st": first * second, "u": first * second * 2}
    zeros = {"z": np.uint8(7), "n": np.int8(0), "zero": np.int32(0), "m": np.uint8(0 if with_bias else 128)}
    codes = RNG.integers(-9, 10, size=(16, 48, 1, 1) if op_type == "Conv" else (48, 16)).astype(np.int8)
    constants = {**scales, **zeros, "q": codes, "b": RNG.integers(-99, 99, size=16).astype(np.int32)}
    biased = with_bias and op_type == "Conv"
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["q", "t", "n"], ["w"]),
        helper.make_node("DequantizeLinear", ["b", "st", "zero"], ["c"]),
        helper.make_node(op_type, ["xd", "w", "c"] if biased else ["xd", "w"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["r"]),
        helper.make_node("QuantizeLinear", ["r" if with_bias else "sum", "u", "m"], ["y"]),
    ]
    if (
        not with_bias
    ):  # onnxruntime joins nothing that a second node reads, and no ReLU whose 0 is not the lowest code
        del nodes[5], nodes[3]
    shape = (1, 48, 9, 9) if op_type == "Conv" else (81, 48)
    model = model_of(nodes, {"x": list(shape)}, ["y"], constants, opset=17)
    onnx.save(model, tmp_path / "net.onnx")
    whole = RNG.integers(0, 16, size=shape)
    x = ((whole - 7) * first).astype(np.float32)
    flat = codes.reshape(16, 48).T if op_type == "Conv" else codes
    sums = np.moveaxis(whole - 7, 1, -1) @ flat.astype(np.int64) + (constants["b"] if biased else 0)
    if with_bias:
        sums = np.maximum(sums, 0)
    wanted = np.clip(np.round(sums / 2) + zeros["m"], 0, 255)
    wanted = np.moveaxis(wanted, -1, 1) if op_type == "Conv" else wanted
    found = open_network(tmp_path / "net.onnx").activations(torch.from_numpy(x), "y")["y"].numpy()
    np.testing.assert_array_equal(found, wanted)
    assert (np.abs(sums) % 2 == 1).mean() > (0.2 if with_bias else 0.4)
    if op_type == "Conv":  # onnxruntime as it comes
        joined = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        np.testing.assert_array_equal(joined.run(["y"], {"x": x})[0], wanted)


@pytest.mark.filterwarnings("ignore")
def test_codes_are_no_stages_and_numbers_are_shown_before_they_are_rounded(tmp_path):
    node = helper.make_node
    constants = {"s": np.float32(0.02), "z": np.uint8(128)}
    constants |= {"w": RNG.normal(size=(4, 3, 3, 3)).astype(np.float32), "to": np.array([1, -1])}
    nodes = [
        *(
            node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
            node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        ),
        *(node("Conv", ["xd", "w"], ["c"], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"])),
        *(
            node("QuantizeLinear", ["r", "s", "z"], ["rq"]),
            node("DequantizeLinear", ["rq", "s", "z"], ["rd"]),
        ),
        node("GlobalAveragePool", ["rd"], ["p"]),
        *(
            node("QuantizeLinear", ["p", "s", "z"], ["pq"]),
            node("DequantizeLinear", ["pq", "s", "z"], ["pd"]),
        ),
        node("Reshape", ["pd", "to"], ["y"]),
    ]
    onnx.save(model_of(nodes, {"x": [1, 3, 12, 12]}, ["y"], constants), tmp_path / "net.onnx")
    network = open_network(tmp_path / "net.onnx")
    assert [stage.shown for stage in stages(network)] == [("r",)]
    assert vectors(network) == ["p", "y"]
