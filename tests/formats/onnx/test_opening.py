"""ONNX's operators, of every version, against onnxruntime."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from convscope import open_network
from convscope.errors import ConvscopeWarning, UnsupportedLayer

from .oracle import assert_agrees, model_of

RNG = np.random.default_rng(0)
PICTURE = {"x": [1, 4, 9, 8]}


def weights(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def whole(*values):
    return np.array(values, np.int64)


def checked(tmp_path, *nodes, constants=None, inputs=PICTURE, opset=17, **more):
    path = tmp_path / "small.onnx"
    onnx.save(model_of(nodes, inputs, [nodes[-1].output[0]], constants, opset), path)
    return assert_agrees(path, **more)


def node(op_type, *inputs, outputs=("y",), **attributes):
    return helper.make_node(op_type, ["x", *inputs], list(outputs), **attributes)


ONE_INPUT = [
    *(
        node(name)
        for name in ("Relu", "Sigmoid", "Tanh", "Abs", "Exp", "Neg", "Erf", "Sign", "Floor", "Ceil")
    ),
    *(
        node(name)
        for name in ("Round", "Softplus", "Softsign", "HardSwish", "Identity", "Sin", "Cos", "Selu")
    ),
    node("LeakyRelu", alpha=0.2),
    node("Elu", alpha=0.7),
    node("HardSigmoid", alpha=0.3, beta=0.4),
    node("Softmax", axis=1),
    node("LogSoftmax", axis=-1),
    node("Transpose", perm=[0, 2, 3, 1]),
    node("Transpose"),
    *(node("Flatten", axis=axis) for axis in (0, 1, 2, -1)),
    node("DepthToSpace", blocksize=2),
    node("DepthToSpace", blocksize=2, mode="CRD"),
    node("LRN", size=3, alpha=0.5, beta=0.6, bias=2.0),
    node("GlobalAveragePool"),
    node("GlobalMaxPool"),
    node("ArgMax", axis=1, keepdims=0),
    node("ArgMin", axis=2, select_last_index=1),
    *(
        node(f"Reduce{name}", axes=[1, -1], keepdims=keep)
        for name in ("Mean", "Max", "Min")
        for keep in (0, 1)
    ),
    *(node(f"Reduce{name}", axes=[2]) for name in ("L1", "L2", "SumSquare", "LogSumExp", "Prod")),
    node("ReduceMean"),
    node("Split", outputs=("y", "z"), axis=1),
    node("Dropout", outputs=("y",)),
]


@pytest.mark.parametrize("operator", ONE_INPUT, ids=lambda n: n.op_type)
def test_an_operator_of_one_value(operator, tmp_path) -> None:
    checked(tmp_path, operator)


def test_a_local_normalization_of_even_size(tmp_path) -> None:
    """One neighbor more behind than before, by ONNX's own reference (onnxruntime refuses even sizes)."""
    shape = (4, 4, 3, 2)  # the reference counts its channels by the batch
    model = model_of([node("LRN", size=4, alpha=0.5)], {"x": shape}, ["y"])
    onnx.save(model, tmp_path / "lrn.onnx")
    x = weights(*shape)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    found = open_network(tmp_path / "lrn.onnx").activations(torch.from_numpy(x), "y")["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("opset", [7, 11, 12])
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_softmax_before_version_13_is_over_the_rest(opset, axis, tmp_path) -> None:
    checked(tmp_path, node("Softmax", axis=axis), opset=opset)


WITH_NUMBERS = [
    (node("Clip", "low", "high"), {"low": np.float32(-0.5), "high": np.float32(0.7)}, 17),
    (node("Clip", "", "high"), {"high": np.float32(0.7)}, 17),
    (node("Clip", min=-0.5, max=0.7), {}, 9),
    (node("Squeeze", "axes", outputs=("y",)), {"axes": whole(0)}, 13),
    (node("Squeeze", axes=[0]), {}, 11),
    (node("Unsqueeze", "axes"), {"axes": whole(0, -1)}, 13),
    (node("Unsqueeze", axes=[2]), {}, 9),
    (node("Reshape", "shape"), {"shape": whole(0, -1, 2)}, 13),
    (node("Slice", starts=[1, 2], ends=[3, -1], axes=[1, 3]), {}, 9),
    (node("Slice", "s", "e", "a", "t"),
     {"s": whole(-1, 1), "e": whole(-99, 9), "a": whole(2, 3), "t": whole(-2, 3)}, 13),
    (node("Gather", "i", axis=1), {"i": whole(2, 0)}, 13),
    (node("Gather", "i", axis=-1), {"i": np.array(-2)}, 13),
    (node("Pad", "p", "v"), {"p": whole(0, 0, 1, 2, 0, 0, 0, -1), "v": np.float32(0.3)}, 13),
    (node("Pad", "p", mode="reflect"), {"p": whole(0, 0, 1, 2, 0, 0, 3, 0)}, 13),
    (node("Pad", pads=[0, 1, 0, 0, 0, 0, 2, 0], mode="constant", value=0.5), {}, 9),
    (node("Pad", "p", mode="edge"), {"p": whole(0, 0, 1, 2, 0, 0, 3, 0)}, 13),
    (node("Tile", "r"), {"r": whole(1, 2, 1, 3)}, 13),
    (node("Expand", "s"), {"s": whole(3, 4, 9, 8)}, 13),
    (node("Split", "s", outputs=("y", "z"), axis=2), {"s": whole(4, 5)}, 13),
    (node("Split", outputs=("y", "z"), axis=2, split=[2, 7]), {}, 11),
    (node("Split", axis=1, split=[4]), {}, 11),
    (node("ReduceSum", "a", keepdims=0), {"a": whole(1, 3)}, 13),
    (node("ReduceMean", "a"), {"a": whole(2, 3)}, 18),
    (node("PRelu", "w"), {"w": weights(4, 1, 1)}, 16),
    (node("Add", "w"), {"w": weights(4, 1, 1)}, 14),
    (helper.make_node("Sub", ["w", "x"], ["y"]), {"w": weights(8)}, 14),
    (helper.make_node("Div", ["w", "x"], ["y"]), {"w": np.float32(255)}, 14),
    (node("Pow", "w"), {"w": np.float32(2)}, 15),
    (node("Sum", "w", "x"), {"w": weights(1, 4, 1, 1)}, 13),
    (node("Max", "w"), {"w": np.float32(0.1)}, 13),
    *((node(name, "w", "v"), {"w": weights(3, 1, 4, 1, 8), "v": weights(9, 1)}, 13)
      for name in ("Mean", "Sum", "Max", "Min")),
    (node("Mean", "w"), {"w": weights(4, 1, 1)}, 8),
    (node("MatMul", "w"), {"w": weights(8, 5)}, 13),
    (helper.make_node("MatMul", ["w", "x"], ["y"]), {"w": weights(5, 9)}, 13),
    (node("BatchNormalization", "s", "b", "m", "v", epsilon=1e-3),
     {"s": weights(4), "b": weights(4), "m": weights(4), "v": weights(4) ** 2 + 0.1}, 15),
    (node("InstanceNormalization", "s", "b"), {"s": weights(4), "b": weights(4)}, 6 + 9),
    (node("LayerNormalization", "s", "b", axis=-2), {"s": weights(9, 8), "b": weights(9, 8)}, 17),
    (node("GroupNormalization", "s", "b", num_groups=2), {"s": weights(4), "b": weights(4)}, 21),
    (node("GroupNormalization", "s", "b", num_groups=2), {"s": weights(2), "b": weights(2)}, 18),
    (node("Gelu", approximate="tanh"), {}, 20),
    (node("Gelu"), {}, 20),
    (node("Greater", "w", outputs=("y",)), {"w": np.float32(0.2)}, 13),
    (node("Upsample", "s", mode="nearest"), {"s": np.array([1, 1, 2, 3], np.float32)}, 9),
    (node("Upsample", mode="linear", scales=[1.0, 1.0, 2.0, 2.0]), {}, 7),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "constants", "opset"), WITH_NUMBERS, ids=lambda v: getattr(v, "op_type", "")
)
def test_an_operator_and_its_numbers(operator, constants, opset, tmp_path) -> None:
    checked(tmp_path, operator, constants=constants, opset=opset)


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("addend", [None, (5,), (1, 5), ()])
def test_gemm(turned, addend, tmp_path) -> None:
    constants = {"w": weights(5, 6) if turned else weights(6, 5)}
    names = ["w"]
    if addend is not None:
        constants["c"], names = weights(*addend) if addend else np.float32(0.5), ["w", "c"]
    gemm = node("Gemm", *names, transB=turned, alpha=1.0 if addend else 0.5)
    checked(tmp_path, gemm, constants=constants, inputs={"x": [2, 6]})


many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
small = st.integers(1, 3)


@st.composite
def windows(draw):
    kernel = [draw(st.integers(1, 4)), draw(st.integers(1, 4))]
    # onnxruntime lets the last window of a rounded-up pooling begin behind the input where it steps over more than it
    # sees; nobody else does.
    attributes = {"strides": [draw(st.integers(1, size)) for size in kernel]}
    if draw(st.booleans()):
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    else:
        attributes["pads"] = [draw(st.integers(0, size - 1)) for size in (*kernel, *kernel)]
    return kernel, attributes


@many
@given(
    window=windows(), groups=st.sampled_from([1, 2, 4]), dilations=st.tuples(small, small), bias=st.booleans()
)
def test_convolutions(window, groups, dilations, bias, tmp_path) -> None:
    kernel, attributes = window
    if attributes.get("auto_pad") in ("SAME_UPPER", "SAME_LOWER"):
        dilations = (1, 1)  # onnxruntime refuses both together
    assume(all(d * (k - 1) < 7 for d, k in zip(dilations, kernel, strict=True)))
    constants = {"w": weights(4, 4 // groups, *kernel)} | ({"b": weights(4)} if bias else {})
    names = [name for name in ("w", "b") if name in constants]
    checked(
        tmp_path, node("Conv", *names, group=groups, dilations=dilations, **attributes), constants=constants
    )


@many
@given(window=windows(), groups=st.sampled_from([1, 2]), more=st.integers(0, 1))
def test_transposed_convolutions(window, groups, more, tmp_path) -> None:
    kernel, attributes = window
    attributes.pop("auto_pad", None)
    strides = attributes["strides"]
    attributes["output_padding"] = [min(more, stride - 1) for stride in strides]
    constants = {"w": weights(4, 3, *kernel), "b": weights(3 * groups)}
    checked(tmp_path, node("ConvTranspose", "w", "b", group=groups, **attributes), constants=constants)


@many
@given(
    window=windows(),
    ceil=st.booleans(),
    counted=st.booleans(),
    kind=st.sampled_from(["MaxPool", "AveragePool"]),
)
def test_poolings(window, ceil, counted, kind, tmp_path) -> None:
    kernel, attributes = window
    if "auto_pad" not in attributes:
        attributes["ceil_mode"] = int(ceil)
    if kind == "AveragePool":
        attributes["count_include_pad"] = int(counted)
    checked(tmp_path, node(kind, kernel_shape=kernel, **attributes), opset=19)


COORDINATES = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"]


@many
@given(
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    by_size=st.booleans(),
    mode=st.sampled_from(["nearest", "linear", "cubic"]),
    coordinates=st.sampled_from(COORDINATES),
    nearest=st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
)
def test_resizings(sizes, by_size, mode, coordinates, nearest, tmp_path) -> None:
    scales = np.array([1, 1, sizes[0] / 8, sizes[1] / 4], np.float32)
    constants = {"s": whole(1, 4, *sizes)} if by_size else {"s": scales}
    assume(by_size or min(9 * scales[2], 8 * scales[3]) >= 1)
    names = ("", "", "s") if by_size else ("", "s")
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
    checked(tmp_path, node("Resize", *names, **attributes), constants=constants, relative=1e-4)


def test_sizes_follow_the_input(tmp_path) -> None:
    """What PyTorch's exporter makes of ``x.view(x.size(0), x.size(1) // 2, -1)``, at three sizes of input."""
    nodes = [
        node("Shape", outputs=("size",)),
        helper.make_node("Gather", ["size", "zero"], ["batch"]),
        helper.make_node("Gather", ["size", "one"], ["channels"]),
        helper.make_node("Div", ["channels", "two"], ["half"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["a"]),
        helper.make_node("Unsqueeze", ["half", "axes"], ["b"]),
        helper.make_node("Concat", ["a", "b", "rest"], ["shape"], axis=0),
        node("Reshape", "shape"),
    ]
    constants = {
        "zero": np.array(0),
        "one": np.array(1),
        "two": np.array(2),
        "axes": whole(0),
        "rest": whole(-1),
    }
    path = tmp_path / "view.onnx"
    onnx.save(model_of(nodes, {"x": ["n", 4, "h", "w"]}, ["y"], constants), path)
    network = assert_agrees(path, shape=(3, 4, 5, 7))
    assert network.graph.inputs == {"x": (1, 4, 224, 224)}
    assert list(network.layers) == ["x", "y"]
    assert network.activations(torch.zeros(2, 4, 3, 3), "y")["y"].shape == (2, 2, 18)


def test_eight_bits_and_back(tmp_path) -> None:
    constants = {
        "s": np.float32(0.02),
        "z": np.uint8(120),
        "w": RNG.integers(-99, 99, (4, 4, 3, 3)).astype(np.int8),
    }
    constants |= {"ws": np.abs(weights(4)) / 50, "wz": np.zeros(4, np.int8)}
    nodes = [
        node("QuantizeLinear", "s", "z", outputs=("q",)),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["f"], axis=0),
        helper.make_node("Conv", ["d", "f"], ["y"]),
    ]
    network = checked(tmp_path, *nodes, constants=constants)
    gradient = network.gradient(torch.rand(1, 4, 9, 8), "y")
    assert gradient.abs().min() > 0  # rounding is passed straight through


def test_an_unknown_operator_cuts_only_what_needs_it(tmp_path) -> None:
    nodes = [
        node("Relu", outputs=("a",)),
        helper.make_node("Bernoulli", ["a"], ["d"], name="det"),
        helper.make_node("Exp", ["d"], ["behind"]),
        helper.make_node("Sigmoid", ["a"], ["beside"]),
    ]
    onnx.save(model_of(nodes, PICTURE, ["behind", "beside"]), tmp_path / "net.onnx")
    with pytest.warns(
        ConvscopeWarning, match=r"does not compute Bernoulli \(node 'det'\).*everything else works"
    ):
        network = open_network(tmp_path / "net.onnx")
    x = torch.rand(1, 4, 9, 8)
    found = network.activations(x, "beside")["beside"]
    torch.testing.assert_close(found, x.sigmoid())
    with pytest.raises(UnsupportedLayer, match=r"'behind' .Exp. is cut off, because it needs 'det'"):
        network.activations(x, "behind")


def test_a_network_of_nothing_else_is_refused(tmp_path) -> None:
    onnx.save(model_of([node("Bernoulli")], {"x": [1, 3, 3]}, ["y"]), tmp_path / "net.onnx")
    with pytest.raises(UnsupportedLayer, match=r"does not compute Bernoulli .*look at the layers before it"):
        open_network(tmp_path / "net.onnx")


def test_products_with_stored_numbers_are_counted(tmp_path) -> None:
    """A transformer's fully-connected layers: as many multiply-adds as torch's Linear has, on either side."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("MatMul", ["v", "y"], ["z"]),
        helper.make_node("MatMul", ["z", "z"], ["both"]),
    ]
    network = checked(
        tmp_path, *nodes, inputs={"x": [2, 5, 6, 7]}, constants={"w": weights(7, 3), "v": weights(3, 6)}
    )
    counts = [network.layers[name].multiply_adds for name in ("y", "z", "both")]
    assert counts == [2 * 5 * 6 * 3 * 7, 2 * 5 * 3 * 3 * 6, 0]
