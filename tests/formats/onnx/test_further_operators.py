"""Recurrent layers, look-ups by index, sampling, attention and their like, against onnxruntime; and written again."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from convscope import open_network
from convscope.errors import NetworkFileError

RNG = np.random.default_rng(3)


def numbers(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def whole(*values, type=np.int64):
    return np.array(values, type)


def model_of(node, feed, constants, outputs, opset):
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in feed.items()}
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in feed.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run(model, feed):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, feed)


def checked(tmp_path, op_type, feed, constants=None, *, outputs=("y",), opset=17, write=True, **attributes):
    """Hold every output against onnxruntime's, then what convscope writes of it."""
    constants = constants or {}
    order = sorted([*feed, *constants])  # inputs are named a, b, c ... in their places
    places = "abcdefgh"[: ord(order[-1]) - ord("a") + 1]
    inputs = [letter if letter in order else "" for letter in places]
    node = helper.make_node(op_type, inputs, list(outputs), **attributes)
    model = model_of(node, feed, constants, [name for name in outputs if name], opset)
    onnx.save(model, tmp_path / "small.onnx")
    wanted = run(model, feed)
    network = open_network(tmp_path / "small.onnx")
    given = {name: torch.from_numpy(value.astype(np.float32)) for name, value in feed.items()}
    agrees(network, given, outputs, wanted)
    if write:
        network.save(tmp_path / "again.onnx")
        again = onnx.load(tmp_path / "again.onnx")
        single = {name: value.astype(np.float32) for name, value in feed.items()}
        for one, other in zip(run(again, single), wanted, strict=False):
            np.testing.assert_allclose(one, other, rtol=3e-5, atol=_rounding(other))
    return network


def agrees(network, given, outputs, wanted):
    found = network.activations(given, *[name for name in outputs if name])
    for name, expected in zip([name for name in outputs if name], wanted, strict=True):
        assert tuple(found[name].shape) == expected.shape, name
        np.testing.assert_allclose(
            found[name].numpy(),
            expected.astype(np.float64),
            rtol=3e-5,
            atol=_rounding(expected),
            err_msg=name,
        )


def _rounding(expected):
    """Return what sums that end near 0 are off by where their terms are as large as the largest number."""
    return 3e-6 * max(1.0, float(np.abs(expected).max(initial=0)))


GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("cell", GATES)
def test_recurrent_layers(cell, direction, tmp_path) -> None:
    """With biases, states to begin with and lengths of their own; LSTM's peepholes too."""
    count, gates, features = 2 if direction == "bidirectional" else 1, GATES[cell], 5
    constants = {
        "b": numbers(count, gates * features, 3),
        "c": numbers(count, gates * features, features),
        "d": numbers(count, 2 * gates * features),
        "e": whole(4, 2, type=np.int32),
        "f": numbers(count, 2, features),
    }
    outputs = ("y", "h", "s") if cell == "LSTM" else ("y", "h")
    more = {"g": numbers(count, 2, features), "h": numbers(count, 3 * features)} if cell == "LSTM" else {}
    if more:
        more["g"], outputs = more["g"], ("y", "last", "state")
    checked(
        tmp_path,
        cell,
        {"a": numbers(4, 2, 3)},
        constants | more,
        outputs=outputs,
        hidden_size=features,
        direction=direction,
    )


def test_other_activations_and_a_limit(tmp_path) -> None:
    constants = {"b": numbers(1, 15, 3), "c": numbers(1, 15, 5), "d": numbers(1, 30)}
    settings = {
        "activations": ["HardSigmoid", "ScaledTanh"],
        "activation_alpha": [0.3, 1.2],
        "activation_beta": [0.4, 0.7],
    }
    checked(
        tmp_path,
        "GRU",
        {"a": numbers(4, 2, 3)},
        constants,
        outputs=("y", ""),
        hidden_size=5,
        linear_before_reset=1,
        **settings,
    )
    constants = {"b": numbers(1, 20, 3), "c": numbers(1, 20, 5)}
    checked(tmp_path, "LSTM", {"a": numbers(4, 2, 3)}, constants, hidden_size=5, clip=0.8)


MAP = numbers(2, 3, 6, 5)
INDEXED = {
    "TopK": ({"a": MAP}, {"b": whole(2)}, {"outputs": ("y", "z"), "axis": 1}),
    "TopK-smallest": ({"a": MAP}, {"b": whole(4)}, {"outputs": ("y", "z"), "axis": -1, "largest": 0}),
    "GatherElements": ({"a": MAP, "b": whole([[[2, -1], [0, 5]]])}, {}, {"axis": 2}),
    "GatherND": ({"a": MAP, "b": whole([[1, -2]], [[0, 0]])}, {}, {"batch_dims": 1}),
    "ScatterElements": ({"a": MAP, "b": whole([[[2, -1], [0, 3]]]), "c": numbers(1, 1, 2, 2)}, {}, {"axis": 2}),
    "ScatterElements-add": ({"a": MAP, "b": whole([[[2, 2]]]), "c": numbers(1, 1, 1, 2)}, {},
                            {"axis": 3, "reduction": "add"}),
    "ScatterND": ({"a": MAP, "b": whole([1, -2], [0, 1]), "c": numbers(2, 6, 5)}, {}, {}),
    "ScatterND-mul": ({"a": MAP, "b": whole([1, -2], [1, 1]), "c": numbers(2, 6, 5)}, {}, {"reduction": "mul"}),
    "CumSum": ({"a": MAP}, {"b": np.array(2)}, {"exclusive": 1, "reverse": 1}),
    "OneHot": ({"a": whole([2, -1], [0, 7])}, {"b": np.array(4), "c": np.array([-0.5, 1.5], np.float32)}, {"axis": 1}),
    "Hardmax": ({"a": MAP}, {}, {"axis": 1}),
    "Hardmax-old": ({"a": MAP}, {}, {"axis": 2, "opset": 11}),
    "ReverseSequence": ({"a": MAP[0, 0]}, {"b": whole(3, 6, 2, 1, 4)}, {"time_axis": 0, "batch_axis": 1}),
    "Compress": ({"a": MAP}, {"b": np.array([True, False, True])}, {"axis": 1}),
    "NonZero": ({"a": np.round(MAP[0, 0])}, {}, {}),
    "Trilu": ({"a": MAP}, {"b": np.array(-1)}, {"upper": 0, "write": False}),
    "Unique": ({"a": np.round(MAP)}, {}, {"outputs": ("y", "first", "which", "counts"), "sorted": 1, "write": False}),
    "EyeLike": ({"a": MAP[0, 0]}, {}, {"k": 1, "write": False}),
    "GridSample": ({"a": MAP, "b": numbers(2, 4, 7, 2)}, {}, {"mode": "bilinear", "padding_mode": "reflection"}),
    "GridSample-nearest": ({"a": MAP, "b": numbers(2, 4, 7, 2)}, {}, {"mode": "nearest", "padding_mode": "border"}),
    "GridSample-cubic": ({"a": MAP, "b": numbers(2, 4, 7, 2)}, {}, {"mode": "bicubic", "align_corners": 1}),
    "RoiAlign": (
        {"a": MAP, "b": np.array([[0.3, 1.1, 4.2, 5.3], [-1, 0, 2.2, 3.1]], np.float32), "c": whole(1, 0)}, {},
        {"output_height": 2, "output_width": 3, "spatial_scale": 0.9}),
    "RoiAlign-max": (
        {"a": MAP, "b": np.array([[0.3, 1.1, 4.2, 5.3]], np.float32), "c": whole(1)}, {},
        {"output_height": 2, "output_width": 2, "sampling_ratio": 2, "mode": "max",
         "coordinate_transformation_mode": "output_half_pixel"}),
    "RoiAlign-empty": (
        {"a": MAP, "b": np.array([[3, 3, 3, 3], [0, 0, 0, 0], [2, 1, 4, 1], [4, 4, 2, 3]], np.float32),
         "c": whole(1, 0, 0, 1)}, {}, {"output_height": 2, "output_width": 3, "opset": 16}),
    "LpPool": ({"a": MAP}, {}, {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1], "p": 3}),
    "MaxPool-1d": ({"a": MAP[0]}, {}, {"kernel_shape": [3], "strides": [2], "dilations": [2], "pads": [1, 1]}),
    "MaxPool-3d": ({"a": numbers(1, 2, 5, 6, 4)}, {},
                   {"kernel_shape": [2, 3, 2], "strides": [1, 2, 1], "ceil_mode": 1}),
    "MaxPool-places": ({"a": MAP}, {}, {"outputs": ("y", "z"), "kernel_shape": [3, 2], "strides": [2, 2]}),
    "AveragePool-1d": ({"a": MAP[0]}, {}, {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    "AveragePool-3d": ({"a": numbers(1, 2, 5, 6, 4)}, {},
                       {"kernel_shape": [2, 3, 2], "pads": [1, 1, 0, 0, 1, 0], "count_include_pad": 1}),
    "GlobalAveragePool-3d": ({"a": numbers(1, 2, 5, 6, 4)}, {}, {}),
    "GlobalMaxPool-1d": ({"a": numbers(2, 3, 7)}, {}, {}),
    "GlobalLpPool": ({"a": MAP}, {}, {"p": 3, "write": False}),
    "LpNormalization": ({"a": MAP}, {}, {"axis": 1, "p": 1}),
    "LayerNormalization": ({"a": MAP, "b": numbers(6, 5)}, {"c": numbers(6, 5)},
                           {"axis": 2, "outputs": ("y", "mean", "scale"), "write": False}),
    "MeanVarianceNormalization": ({"a": MAP}, {}, {"axes": [0, 2, 3]}),
    "Conv-1d": ({"a": MAP[0]}, {"b": numbers(4, 6, 3), "c": numbers(4)}, {"pads": [2, 1]}),
    "Conv-3d": ({"a": numbers(1, 2, 5, 6, 4)}, {"b": numbers(4, 1, 2, 3, 2)}, {"group": 2, "strides": [1, 2, 1]}),
    "Conv-live": ({"a": MAP, "b": numbers(4, 3, 3, 2), "c": numbers(4)}, {},
                  {"pads": [1, 0, 0, 1], "strides": [2, 1]}),
    "ConvTranspose-shape": ({"a": MAP}, {"b": numbers(3, 4, 3, 3), "c": numbers(4)},
                            {"strides": [2, 2], "output_shape": [12, 10]}),
    "ConvTranspose-upper": ({"a": MAP}, {"b": numbers(3, 4, 4, 3)}, {"strides": [2, 3], "auto_pad": "SAME_UPPER"}),
    "ConvTranspose-lower": ({"a": MAP}, {"b": numbers(3, 4, 4, 3)},
                            {"strides": [3, 2], "auto_pad": "SAME_LOWER"}),
    "ConvTranspose-small": ({"a": MAP}, {"b": numbers(3, 4, 1, 2)}, {"strides": [2, 3], "auto_pad": "SAME_UPPER"}),
    "ConvTranspose-small-shape": ({"a": MAP}, {"b": numbers(3, 4, 1, 2)},
                                  {"strides": [3, 3], "auto_pad": "SAME_LOWER", "output_shape": [14, 16]}),
    "Slice-from-before": ({"a": numbers(1, 4, 5)}, {"b": whole(-9, 7, -6), "c": whole(-(2**31), 2**31 - 1, 2**63 - 1),
                                                    "d": whole(0, 1, -1), "e": whole(-1, -2, -1)}, {}),
    "Slice-live-from-before": ({"a": numbers(1, 4, 5), "b": whole(-9, 7), "c": whole(-(2**31), -6)},
                               {"d": whole(2, 1), "e": whole(-3, -1)}, {}),
    "Resize-part": ({"a": MAP}, {"b": np.array([0, 0, 0.2, 0.5, 1, 1, 0.9, 1], np.float32), "d": whole(2, 3, 9, 5)},
                    {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "write": False}),
    "Resize-nothing": ({"a": MAP}, {"b": np.array([0, 0, 0.2, 0.5, 1, 1, 0.9, 1], np.float32), "d": whole(2, 3, 6, 5)},
                       {"mode": "nearest", "coordinate_transformation_mode": "tf_crop_and_resize", "write": False}),
    "GRU-activations": ({"a": numbers(4, 2, 3)}, {"b": numbers(1, 15, 3), "c": numbers(1, 15, 5)},
                        {"hidden_size": 5, "activations": ["ThresholdedRelu", "Affine"], "write": False}),
    "ConvTranspose-1d": ({"a": MAP[0]}, {"b": numbers(6, 2, 3)},
                         {"strides": [2], "output_padding": [1], "pads": [1, 0]}),
    "Gemm-scaled": ({"a": MAP[0, 0]}, {"b": numbers(5, 4), "c": numbers(4)}, {"alpha": 0.7, "beta": 1.3}),
    "BatchNormalization-live": ({"a": MAP, "b": numbers(3), "c": numbers(3), "d": numbers(3)},
                                {"e": np.abs(numbers(3)) + 0.5}, {"write": False}),
    "PRelu-live": ({"a": MAP, "b": numbers(3, 1, 1)}, {}, {}),
    "Clip-live": ({"a": MAP, "b": np.array(-0.4, np.float32), "c": np.array(0.6, np.float32)}, {}, {}),
    "ReduceSum-all": ({"a": MAP}, {"b": np.zeros(0, np.int64)}, {}),
    "ReduceL1-none": ({"a": MAP}, {"b": np.zeros(0, np.int64)},
                      {"noop_with_empty_axes": 1, "opset": 18, "write": False}),
    "ReduceSum-live": ({"a": MAP, "b": whole(1, -1)}, {}, {"keepdims": 0, "write": False}),
    "Pad-live": ({"a": MAP, "b": whole(0, 1, 2, 0, 0, 0, 1, 3)}, {}, {}),
    "Pad-wrap": ({"a": MAP}, {"b": whole(0, 0, 2, 1, 0, 0, 1, 3)}, {"mode": "wrap", "opset": 19, "write": False}),
    "Pad-wrap-cut": ({"a": MAP}, {"b": whole(0, -1, 2, -2, 0, 2, -3, 3)},
                     {"mode": "wrap", "opset": 19, "write": False}),
    "Pad-channels": ({"a": MAP}, {"b": whole(1, 2, 0, -1, 0, 1, 3, 2)}, {"mode": "reflect"}),
    "Pad-batch": ({"a": MAP}, {"b": whole(2, 0, -1, 0, 3, 2, 3, -2)}, {"mode": "edge"}),
    "Cast-below": ({"a": whole([5, -3, -70000], type=np.int32)}, {}, {"to": TensorProto.UINT32, "write": False}),
    "Cast-below-long": ({"a": whole([5, -3, -70000], type=np.int32)}, {}, {"to": TensorProto.UINT64, "write": False}),
    "Abs-least": ({"a": whole(-128, 127, -3, type=np.int8)}, {}, {"write": False}),
    "Neg-least": ({"a": whole(-128, 127, -3, type=np.int8)}, {}, {"write": False}),
    "Sub-below": ({"a": whole([3, 9], [7, 0], type=np.uint64), "b": whole([4, 8], [7, 5], type=np.uint64)}, {},
                  {"write": False}),
    "Celu": ({"a": MAP}, {}, {"alpha": 0.7, "write": False}),
    "Shrink": ({"a": MAP}, {}, {"lambd": 0.4, "bias": 0.3, "write": False}),
    "Selu": ({"a": MAP}, {}, {"alpha": 1.2, "gamma": 0.8}),
    "Det": ({"a": numbers(2, 4, 4)}, {}, {"write": False}),
    "IsInf": ({"a": np.array([1, np.inf, -np.inf, np.nan], np.float32)}, {}, {"detect_negative": 0, "write": False}),
    "BitwiseXor": ({"a": whole(5, -3, 100, type=np.int32), "b": whole(9, 77, -4, type=np.int32)}, {},
                   {"opset": 18, "write": False}),
    "BitShift": ({"a": whole(5, 3, 200, type=np.uint8), "b": whole(1, 7, 2, type=np.uint8)}, {},
                 {"direction": "LEFT", "write": False}),
    "Col2Im": ({"a": numbers(2, 12, 6)}, {"b": whole(4, 5), "c": whole(3, 2)},
               {"strides": [2, 2], "pads": [1, 0, 0, 1], "opset": 18, "write": False}),
    "DeformConv": (
        {"a": numbers(2, 4, 6, 5), "b": numbers(6, 2, 3, 2), "c": numbers(2, 24, 3, 5) * np.float32(0.7)},
        {"d": numbers(6), "e": numbers(2, 12, 3, 5)},
        {"strides": [2, 1], "pads": [1, 0, 1, 1], "group": 2, "offset_group": 2, "opset": 19, "write": False}),
    "Attention": ({"a": numbers(2, 5, 12), "b": numbers(2, 7, 12), "c": numbers(2, 7, 8)}, {},
                  {"q_num_heads": 4, "kv_num_heads": 4, "scale": 0.3, "opset": 23}),
    "Attention-masked": ({"a": numbers(2, 4, 5, 3), "b": numbers(2, 2, 5, 3), "c": numbers(2, 2, 5, 3),
                          "d": numbers(5, 5)}, {}, {"is_causal": 1, "opset": 23, "write": False}),
    "RMSNormalization": ({"a": MAP}, {"b": numbers(6, 5)}, {"axis": 2, "opset": 23}),
    "RotaryEmbedding": ({"a": numbers(2, 3, 4, 6), "b": numbers(2, 4, 3), "c": numbers(2, 4, 3)}, {},
                        {"interleaved": 1, "opset": 23, "write": False}),
}  # fmt: skip


@pytest.mark.parametrize("case", INDEXED)
def test_an_operator(case, tmp_path) -> None:
    feed, constants, settings = INDEXED[case]
    checked(tmp_path, case.split("-")[0], feed, constants, **settings)


@pytest.mark.parametrize("centered", [0, 1])
def test_overlapping_boxes_are_left_out(centered, tmp_path) -> None:
    boxes, scores = np.abs(numbers(2, 30, 4)), np.abs(numbers(2, 3, 30))
    limits = {"c": whole(4), "d": np.array([0.3], np.float32), "e": np.array([0.2], np.float32)}
    checked(tmp_path, "NonMaxSuppression", {"a": boxes, "b": scores}, limits, center_point_box=centered)


def test_what_the_receptive_field_is_of_filters_that_are_worked_out(tmp_path) -> None:
    feed = {"a": numbers(1, 3, 9, 9), "b": numbers(4, 3, 3, 5)}
    network = checked(tmp_path, "Conv", feed, strides=[2, 1], write=False)
    assert str(network.layers["y"].receptive_field) == "3x5"


def test_sizes_that_are_ranks_are_known(tmp_path) -> None:
    """How many axes there are does not change with the picture: exporters work axes out of it."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Shape", ["shape"], ["rank"]),
        helper.make_node("Sub", ["rank", "one"], ["last"]),
        helper.make_node("CumSum", ["x", "axis"], ["y"]),
    ]
    nodes.insert(3, helper.make_node("Squeeze", ["last"], ["axis"]))
    graph = helper.make_graph(
        nodes,
        "ranks",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2, 5, 4))],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(whole(1), "one")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "ranks.onnx")
    x = numbers(1, 2, 5, 4)
    (wanted,) = run(model, {"x": x})
    agrees(open_network(tmp_path / "ranks.onnx"), torch.from_numpy(x), ("y",), [wanted])


def test_a_range_of_the_files_own_numbers(tmp_path) -> None:
    """It is worked out when the network is opened; one that no machine holds is not."""
    for end, fits in ((4, True), (10**12, False)):
        nodes = [
            helper.make_node("Range", ["zero", "end", "one"], ["r"]),
            helper.make_node("Gather", ["x", "r"], ["y"]),
        ]
        graph = helper.make_graph(
            nodes,
            "range",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (5, 3))],
            [helper.make_empty_tensor_value_info("y")],
            [
                numpy_helper.from_array(np.array(value), name)
                for name, value in (("zero", 0), ("end", end), ("one", 1))
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "range.onnx")
        if not fits:
            with pytest.raises(NetworkFileError, match="more than such a small file deserves"):
                open_network(tmp_path / "range.onnx")
            continue
        x = numbers(5, 3)
        agrees(open_network(tmp_path / "range.onnx"), torch.from_numpy(x), ("y",), [x[:4]])


@pytest.mark.parametrize("length", [None, 6, 9])
@pytest.mark.parametrize(
    ("last", "forms"), [(1, {}), (2, {}), (2, {"inverse": 1}), (1, {"onesided": 1}), (1, {"inverse": 1})]
)
def test_fourier_transforms(last, forms, length, tmp_path) -> None:
    stored = {} if length is None else {"b": np.array(length)}
    feed = {"a": numbers(2, 3, 7, last)}
    checked(tmp_path, "DFT", feed, stored, write=False, axis=2, **forms)
    checked(tmp_path, "DFT", feed, stored | {"c": np.array(-3)}, write=False, opset=20, **forms)


def test_the_largest_of_each_region(tmp_path) -> None:
    regions = np.array([[0, 1, 2, 9, 13], [1, 4, 0, 15, 7], [0, 3, 3, 3, 3]], np.float32)
    feed = {"a": numbers(2, 3, 8, 9), "b": regions}
    checked(tmp_path, "MaxRoiPool", feed, write=False, pooled_shape=[2, 3], spatial_scale=0.5)


@pytest.mark.parametrize(
    ("kind", "shape", "setting"),
    [
        ("CumSum", (2, 3, 4), np.array(-1)),
        ("Trilu", (2, 4, 5), np.array(1)),
        ("Split", (7, 3), np.array([4, 0, 3])),
    ],
)
def test_settings_that_are_inputs(kind, shape, setting, tmp_path) -> None:
    outputs = ("y", "z", "w") if kind == "Split" else ("y",)
    checked(tmp_path, kind, {"a": numbers(*shape), "b": setting}, outputs=outputs, write=False)


def test_limits_of_boxes_that_are_inputs(tmp_path) -> None:
    """Networks of YOLO in browsers have them so."""
    boxes = np.abs(numbers(1, 9, 4))
    boxes[..., 2:] += boxes[..., :2]
    limits = {"c": np.array([2]), "d": np.array([0.4], np.float32), "e": np.array([0.2], np.float32)}
    feed = {"a": boxes, "b": np.abs(numbers(1, 2, 9)), **limits}
    checked(tmp_path, "NonMaxSuppression", feed, write=False)


@pytest.mark.parametrize("kind", ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"])
def test_small_floats_as_codes(kind, tmp_path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (4, 50))],
        [helper.make_empty_tensor_value_info("y")],
        [
            numpy_helper.from_array(np.float32(0.13), "s"),
            helper.make_tensor("z", getattr(TensorProto, kind), [], [0.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    onnx.save(model, tmp_path / "small.onnx")
    x = numbers(4, 50) * np.float32(10.0) ** RNG.integers(-4, 5, (4, 50)).astype(np.float32)
    wanted = run(model, {"x": x})
    agrees(open_network(tmp_path / "small.onnx"), torch.from_numpy(x), ("y",), wanted)


@pytest.mark.parametrize("way", ["input_axes", "input_directions", "output_axes", "output_directions"])
def test_a_scan_along_another_axis_or_backward(way, tmp_path) -> None:
    info, plain = helper.make_tensor_value_info, TensorProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "e"], ["t"]), helper.make_node("Mul", ["t", "e"], ["o"])],
        "body",
        [info("s", plain, [3]), info("e", plain, [3])],
        [info("t", plain, [3]), info("o", plain, [3])],
    )
    feed = {"a": numbers(3), "b": numbers(*((3, 4) if way == "input_axes" else (4, 3)))}
    ways = {"body": body, "num_scan_inputs": 1, f"scan_{way}": [1]}
    checked(tmp_path, "Scan", feed, outputs=("y", "z"), write=False, **ways)
