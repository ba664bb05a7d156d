"""What people reported of ONNX files: each rebuilt small, beside onnxruntime or the right value restated."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from onnx import TensorProto, helper

import convscope
from convscope import ConvscopeWarning, open_network
from formats.onnx.oracle import assert_agrees, model_of, session

node = helper.make_node
RNG = np.random.default_rng(7)
MAPS = {"x": [1, 3, 9, 6]}


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def uniform(*shape: int) -> Any:
    return RNG.uniform(0.5, 1.5, shape).astype(np.float32)


def written(folder: Path, *args: Any, **options: Any) -> Path:
    onnx.save(model_of(*args, **options), folder / "net.onnx")
    return folder / "net.onnx"


def quantized(folder: Path, shape: list[int], weight: Any, zeros: Any, scales: Any) -> Path:
    """Write one QLinearConv that reads bytes."""
    constants = {"xs": np.float32(0.02), "xz": np.uint8(7), "w": weight, "ws": scales, "wz": zeros}
    constants |= {"ys": np.float32(0.9), "yz": np.uint8(3)}
    read = ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    model = model_of([node("QLinearConv", read, ["z"])], {}, ["z"], constants, opset=13)
    model.graph.input.append(helper.make_tensor_value_info("q", TensorProto.UINT8, shape))
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def exact(pixels: Any, weight: Any, zeros: Any, scales: Any) -> Any:
    """Return QLinearConv's answer in whole numbers, saturated where the output is and nowhere before."""
    weights = weight.astype(np.float64) - np.reshape(zeros, (-1, 1, 1, 1))
    sums = F.conv2d(torch.from_numpy(pixels.astype(np.float64) - 7), torch.from_numpy(weights)).numpy()
    return np.clip(np.rint(sums * 0.02 * np.reshape(scales, (1, -1, 1, 1)) / 0.9) + 3, 0, 255)


@pytest.mark.parametrize("opset", [10, 18, 19, 22])
def test_pytorch_183528_and_onnxruntime_16203_a_mean_divides_by_what_it_covers(
    opset: int, tmp_path: Path
) -> None:
    """The last window of ceil_mode with count_include_pad: the padded picture's part counts, nothing beyond."""
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4, "ceil_mode": 1}
    nodes = [node("AveragePool", ["x"], ["y"], count_include_pad=1, **pool)]
    network = open_network(written(tmp_path, nodes, {"x": [1, 1, 4, 4]}, ["y"], opset=opset))
    x = torch.arange(1, 17.0).reshape(1, 1, 4, 4)
    expected = torch.tensor([[1.5555556, 3.3333333, 2.0], [6.3333335, 11.0, 6.0], [4.5, 7.5, 4.0]])
    torch.testing.assert_close(network.activations(x, "y")["y"][0, 0], expected)


@pytest.mark.parametrize("op_type", ["AveragePool", "MaxPool"])
def test_onnx_4958_and_pytorch_71549_a_window_of_nothing_is_left_out(op_type: str, tmp_path: Path) -> None:
    pool = {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1] * 4, "ceil_mode": 1}
    network = open_network(
        written(tmp_path, [node(op_type, ["x"], ["y"], **pool)], {"x": [1, 3, 2, 2]}, ["y"])
    )
    x = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    function = F.max_pool2d if op_type == "MaxPool" else F.avg_pool2d
    more = {} if op_type == "MaxPool" else {"count_include_pad": False}
    expected = function(x, 3, 3, 1, ceil_mode=True, **more)  # type: ignore[operator]
    torch.testing.assert_close(network.activations(x, "y")["y"], expected)


def test_onnxruntime_9365_and_16105_large_bytes_do_not_overflow(tmp_path: Path) -> None:
    """Some processors add two products of bytes in 16 bits; the answer has no such limit."""
    weight = RNG.integers(100, 127, (4, 3, 3, 3)).astype(np.int8)
    path = quantized(tmp_path, [1, 3, 5, 5], weight, np.int8(0), np.float32(0.01))
    pixels = RNG.integers(200, 250, (1, 3, 5, 5)).astype(np.uint8)
    found = open_network(path).activations(torch.from_numpy(pixels.astype(np.float32)), "z")["z"]
    wanted = exact(pixels, weight, 0, 0.01)
    assert wanted.min() > 20 and wanted.max() < 255
    assert np.array_equal(found.numpy(), wanted)


def test_onnxruntime_28447_and_8890_each_channel_has_its_own_zero_point(tmp_path: Path) -> None:
    weight = RNG.integers(0, 255, (2, 1, 2, 2)).astype(np.uint8)
    zeros, scales = np.array([5, 90], np.uint8), np.array([0.21, 0.34], np.float32)
    path = quantized(tmp_path, [1, 1, 4, 3], weight, zeros, scales)
    pixels = RNG.integers(0, 255, (1, 1, 4, 3)).astype(np.uint8)
    found = open_network(path).activations(torch.from_numpy(pixels.astype(np.float32)), "z")["z"]
    assert np.array_equal(found.numpy(), exact(pixels, weight, zeros, scales))


def test_onnx2torch_121_norm_of_plain_numbers(tmp_path: Path) -> None:
    norm = node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"])
    assert_agrees(written(tmp_path, [norm], {"x": [2, 5]}, ["y"], {name: uniform(5) for name in "sbmv"}))


def test_onnx2pytorch_44_norm_between_two_turns_of_the_axes(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("BatchNormalization", ["t", "s", "b", "m", "v"], ["n"], epsilon=1e-3),
        node("Transpose", ["n"], ["y"], perm=[0, 2, 3, 1]),
    ]
    assert_agrees(written(tmp_path, nodes, {"x": [1, 4, 5, 3]}, ["y"], {name: uniform(3) for name in "sbmv"}))


def test_onnx2torch_152_and_192_matlab_writes_old_versions(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        node("Relu", ["n"], ["r"]),
        node("Dropout", ["r"], ["d"], ratio=0.3),
        node("Flatten", ["d"], ["f"], axis=1),
        node("Gemm", ["f", "g", "h"], ["l"], transB=1),
        node("Softmax", ["l"], ["y"], axis=1),
    ]
    constants = {"w": normal(4, 3, 3, 3), "g": normal(5, 216), "h": normal(5)}
    constants |= {name: uniform(4) for name in "sbmv"}
    assert_agrees(written(tmp_path, nodes, MAPS, ["y"], constants, opset=7))


def test_onnx2torch_241_slices_of_the_first_version(tmp_path: Path) -> None:
    nodes = [node("Slice", ["x"], ["y"], axes=[1, 3], starts=[1, -3], ends=[2**63 - 1, -1])]
    network = assert_agrees(written(tmp_path, nodes, MAPS, ["y"], opset=9))
    assert network.shapes["y"] == (1, 2, 9, 2)


def test_onnx2torch_212_and_239_a_branch_that_the_shape_decides(tmp_path: Path) -> None:
    """What squeeze was exported as by PyTorch: is the axis of one position?"""
    branches = {
        name: helper.make_graph([made], name, [], [helper.make_empty_tensor_value_info(made.output[0])])
        for name, made in (
            ("then_branch", node("Squeeze", ["x", "one"], ["t"])),
            ("else_branch", node("Sigmoid", ["x"], ["e"])),
        )
    }
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "at"], ["channels"]),
        node("Equal", ["channels", "single"], ["condition"]),
        node("If", ["condition"], ["y"], **branches),
    ]
    constants = {"one": np.array([1]), "at": np.int64(1), "single": np.int64(1)}
    for channels, taken in ((3, torch.sigmoid), (1, lambda x: x[:, 0])):
        path = written(tmp_path, nodes, {"x": [1, channels, 9, 6]}, ["y"], constants)
        network = open_network(path)
        for height, width in ((9, 6), (14, 23)):  # the axis of channels decides, whatever the size
            x = torch.randn(1, channels, height, width)
            torch.testing.assert_close(network.activations(x, "y")["y"], taken(x))


def test_a_branch_that_the_height_decides_is_right_or_refused(tmp_path: Path) -> None:
    branches = {
        name: helper.make_graph([made], name, [], [helper.make_empty_tensor_value_info(made.output[0])])
        for name, made in (
            ("then_branch", node("Sigmoid", ["c"], ["t"])),
            ("else_branch", node("Identity", ["c"], ["e"])),
        )
    }
    nodes = [
        node("Neg", ["x"], ["c"]),
        node("Shape", ["c"], ["s"]),
        node("Gather", ["s", "at"], ["height"]),
        node("Greater", ["height", "limit"], ["condition"]),
        node("If", ["condition"], ["y"], **branches),
    ]
    constants = {"at": np.int64(2), "limit": np.int64(20)}
    path = written(tmp_path, nodes, {"x": [1, 3, "H", "W"]}, ["y"], constants)
    for opened, other in ((24, 17), (17, 24)):
        network = open_network(path, input_shape=(1, 3, opened, 19))
        for height in (opened, opened + 2):
            x = torch.randn(1, 3, height, 23)
            wanted = torch.sigmoid(-x) if height > 20 else -x
            torch.testing.assert_close(network.activations(x, "y")["y"], wanted)
        with pytest.raises(convscope.ConvscopeError, match="takes another branch"):
            network.activations(torch.randn(1, 3, other, 23), "y")
        assert network.activations(torch.randn(1, 3, other, 23), "c")["c"].shape == (1, 3, other, 23)


def test_onnx2torch_204_loops_of_a_known_count_and_scans(tmp_path: Path) -> None:
    """A recurrent network as exporters of TensorFlow write it: a body that goes through the steps."""

    def value(name: str, kind: int, shape: list[int]) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    state, element, told = (
        value("h", TensorProto.FLOAT, [4]),
        value("e", TensorProto.FLOAT, [3]),
        [value("h2", TensorProto.FLOAT, [4]), value("o", TensorProto.FLOAT, [4])],
    )
    steps = [
        node("MatMul", ["e", "w"], ["a"]),
        node("Add", ["a", "h"], ["b"]),
        node("Tanh", ["b"], ["h2"]),
        node("Neg", ["h2"], ["o"]),
    ]
    constants = {"w": normal(3, 4), "start": normal(4), "n": np.int64(5), "go": np.array(True)}
    scan = node(
        *("Scan", ["start", "x"], ["last", "all"]),
        body=helper.make_graph(steps, "body", [state, element], told),
        num_scan_inputs=1,
    )
    assert_agrees(written(tmp_path, [scan], {"x": [5, 3]}, ["last", "all"], constants))
    counter, going = value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, [])
    body = helper.make_graph(
        [node("Gather", ["x", "i"], ["e"]), node("Identity", ["c"], ["c2"]), *steps],
        *("body", [counter, going, state], [value("c2", TensorProto.BOOL, []), *told]),
    )
    loop = node("Loop", ["n", "go", "start"], ["last", "all"], body=body)
    assert_agrees(written(tmp_path, [loop], {"x": [5, 3]}, ["last", "all"], constants))


def test_onnx2torch_233_a_gru(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        node("GRU", ["t", "w", "r", "b"], ["g", "h"], hidden_size=2, linear_before_reset=1),
        node("Squeeze", ["g", "axis"], ["y"]),
    ]
    constants = {"w": normal(1, 6, 8), "r": normal(1, 6, 2), "b": normal(1, 12), "axis": np.array([1])}
    assert_agrees(written(tmp_path, nodes, {"x": [1, 7, 8]}, ["y"], constants))


def test_opencv_22356_the_layer_norm_of_maps(tmp_path: Path) -> None:
    """ConvNeXt's: a mean over the channels, written out, its scales of shape channels x 1 x 1."""
    nodes = [
        node("ReduceMean", ["x"], ["m"], axes=[1]),
        node("Sub", ["x", "m"], ["d"]),
        node("Pow", ["d", "two"], ["q"]),
        node("ReduceMean", ["q"], ["v"], axes=[1]),
        node("Add", ["v", "little"], ["w"]),
        node("Sqrt", ["w"], ["s"]),
        node("Div", ["d", "s"], ["n"]),
        node("Mul", ["scale", "n"], ["k"]),
        node("Add", ["k", "shift"], ["y"]),
    ]
    constants = {"two": np.float32(2), "little": np.float32(1e-6)}
    constants |= {"scale": uniform(3, 1, 1), "shift": uniform(3, 1, 1)}
    assert_agrees(written(tmp_path, nodes, MAPS, ["y"], constants, opset=11))


def test_opencv_23174_a_border_worked_out_with_mod(tmp_path: Path) -> None:
    """UNetFormer mirrors the picture up to whole windows."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "two"], ["height"]),
        node("Mod", ["height", "four"], ["rest"]),
        node("Sub", ["four", "rest"], ["short"]),
        node("Mod", ["short", "four"], ["border"]),
        node("Unsqueeze", ["border", "axis"], ["borders"]),
        node("Concat", ["zeros", "borders", "axis"], ["pads"], axis=0),
        node("Pad", ["x", "pads"], ["y"], mode="reflect"),
    ]
    constants = {
        "two": np.int64(2),
        "four": np.int64(4),
        "axis": np.array([0]),
        "zeros": np.zeros(6, np.int64),
    }
    network = assert_agrees(written(tmp_path, nodes, MAPS, ["y"], constants))
    assert network.shapes["y"] == (1, 3, 12, 6)
    x = torch.randn(1, 3, 10, 6)
    torch.testing.assert_close(network.activations(x, "y")["y"], F.pad(x, (0, 0, 0, 2), "reflect"))


def test_opencv_18934_a_size_that_goes_through_real_numbers(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "two"], ["h"]),
        node("Cast", ["h"], ["real"], to=TensorProto.FLOAT),
        node("Mul", ["real", "factor"], ["larger"]),
        node("Floor", ["larger"], ["floor"]),
        node("Cast", ["floor"], ["whole"], to=TensorProto.INT64),
        node("Unsqueeze", ["whole"], ["one"], axes=[0]),
        node("Slice", ["s", "zero", "two_", "zero"], ["front"]),
        node("Concat", ["front", "one", "one"], ["size"], axis=0),
        node("Resize", ["x", "none", "none", "size"], ["y"], mode="linear"),
    ]
    constants = {"two": np.int64(2), "factor": np.float32(2.7), "zero": np.array([0]), "two_": np.array([2])}
    constants |= {"none": np.zeros(0, np.float32)}
    network = assert_agrees(written(tmp_path, nodes, MAPS, ["y"], constants, opset=11))
    assert network.shapes["y"] == (1, 3, 24, 24)


def test_opencv_15471_a_network_of_films(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], strides=[1, 2, 2], pads=[1, 3, 3, 1, 3, 3]),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[3, 3, 3], strides=[2, 2, 2], pads=[1] * 6),
        node("AveragePool", ["p"], ["a"], kernel_shape=[2, 3, 3]),
        node("Flatten", ["a"], ["y"]),
    ]
    constants = {"w": normal(4, 3, 3, 7, 7)}
    assert_agrees(written(tmp_path, nodes, {"x": [1, 3, 4, 15, 16]}, ["y"], constants, opset=9))


def test_openvino_13177_a_fused_convolution(tmp_path: Path) -> None:
    fused = {"activation": "HardSigmoid", "activation_params": [0.3, 0.4]}
    nodes = [node("FusedConv", ["x", "w", "b"], ["y"], domain="com.microsoft", **fused)]
    model = model_of(nodes, MAPS, ["y"], {"w": normal(8, 3, 3, 3), "b": normal(8)})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, tmp_path / "net.onnx")
    assert_agrees(tmp_path / "net.onnx")


def test_onnxruntime_20247_numbers_packed_for_one_processor(tmp_path: Path) -> None:
    """What onnxruntime writes at its highest level holds for the machine that wrote it."""
    packed = "com.microsoft.nchwc"
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Conv", ["r", "w"], ["c"], domain=packed, kernel_shape=[3, 3]),
        node("ReorderOutput", ["c"], ["y"], domain=packed, channels=8),
    ]
    model = model_of(nodes, MAPS, ["y"], {"w": normal(8, 3, 3, 3)})
    model.opset_import.append(helper.make_opsetid(packed, 1))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.warns(ConvscopeWarning, match="packed for one kind of processor: let onnxruntime .*EXTENDED"):
        assert list(open_network(tmp_path / "net.onnx").graph.producers) == ["r"]


def test_onnxruntime_8436_an_operator_of_somebodys_own_hides_nothing_else(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("_DCNv2", ["c"], ["d"], domain="custom"),
        node("Relu", ["d"], ["y"]),
        node("Sigmoid", ["c"], ["z"]),
    ]
    model = model_of(nodes, MAPS, ["y", "z"], {"w": normal(8, 3, 3, 3)})
    model.opset_import.append(helper.make_opsetid("custom", 1))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.warns(ConvscopeWarning, match=r"custom\._DCNv2 \(node 'd'\).* 'd' is cut off, and so 'y'"):
        network = open_network(tmp_path / "net.onnx")
    assert list(network.graph.producers) == ["c", "z"]
    with pytest.raises(convscope.ConvscopeError, match="_DCNv2"):
        network.activations(torch.zeros(1, 3, 9, 6), "y")


def test_onnxruntime_1284_constant_fill(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("ConstantFill", ["s"], ["f"], input_as_shape=1, value=2.5),
        node("Add", ["x", "f"], ["y"]),
    ]
    network = open_network(written(tmp_path, nodes, MAPS, ["y"], opset=9))
    x = torch.randn(1, 3, 9, 6)
    torch.testing.assert_close(network.activations(x, "y")["y"], x + 2.5)


def test_onnxruntime_6696_numbers_in_a_file_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They lie beside the network, or in a folder beside it, wherever somebody stands."""
    model = model_of([node("Conv", ["x", "w"], ["y"])], MAPS, ["y"], {"w": normal(8, 3, 3, 3)})
    x = normal(1, 3, 9, 6)
    (wanted,) = session(model).run(["y"], {"x": x})
    (tmp_path / "weights").mkdir()
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    inner = onnx.load(tmp_path / "net.onnx", load_external_data=False)
    (tmp_path / "weights" / "net.data").write_bytes((tmp_path / "net.data").read_bytes())
    inner.graph.initializer[0].external_data[0].value = "weights/net.data"
    (tmp_path / "inner.onnx").write_bytes(inner.SerializeToString())
    monkeypatch.chdir("/")
    for name in ("net.onnx", "inner.onnx"):
        found = open_network(tmp_path / name).activations(torch.from_numpy(x), "y")["y"].numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("lengths", [None, 2])
def test_migraphx_1359_burn_469_and_tract_2665_a_sequence_with_known_places(
    lengths: int | None, tmp_path: Path
) -> None:
    read = ["c"] if lengths is None else ["c", "lengths"]
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("SplitToSequence", read, ["s"], axis=1, keepdims=1),
        node("SequenceAt", ["s", "first"], ["gate"]),
        node("SequenceAt", ["s", "last"], ["value"]),
        node("Sigmoid", ["gate"], ["open"]),
        node("Mul", ["open", "value"], ["y"]),
    ]
    constants = {"w": normal(4, 3, 3, 3), "first": np.int64(0), "last": np.int64(-1), "lengths": np.int64(2)}
    network = assert_agrees(written(tmp_path, nodes, MAPS, ["y"], constants))
    assert "y" in network.graph.producers


def test_pytorch_107588_onnx_4843_and_lama_84_a_convolution_of_frequencies(tmp_path: Path) -> None:
    """LaMa's block: there and back along two axes, one of them one-sided; onnxruntime refused the way back."""
    nodes = [
        node("Unsqueeze", ["x", "end"], ["real"]),
        node("DFT", ["real", "", "width"], ["rows"], onesided=1),
        node("DFT", ["rows", "", "height"], ["both"]),
        node("Relu", ["both"], ["kept"]),
        node("DFT", ["kept", "", "height"], ["back"], inverse=1),
        node("DFT", ["back", "columns", "width"], ["whole"], inverse=1, onesided=1),
        node("Squeeze", ["whole", "end"], ["y"]),
    ]
    constants = {"end": np.array([4]), "width": np.int64(3), "height": np.int64(2), "columns": np.int64(7)}
    network = open_network(written(tmp_path, nodes, {"x": [1, 3, 9, 7]}, ["y"], constants, opset=20))
    x = normal(1, 3, 9, 7)
    spectrum = np.fft.fft(np.fft.rfft(x, axis=3), axis=2)
    kept = np.maximum(spectrum.real, 0) + 1j * np.maximum(spectrum.imag, 0)
    expected = np.fft.irfft(np.fft.ifft(kept, axis=2), 7, axis=3)
    np.testing.assert_allclose(network.activations(torch.from_numpy(x), "y")["y"], expected, atol=1e-5)


def test_tensorrt_24_pytorch_9874_and_tinygrad_1103_gemm_says_broadcast(tmp_path: Path) -> None:
    nodes = [
        node("Flatten", ["x"], ["rows"]),
        node("Gemm", ["rows", "w", "b"], ["y"], alpha=1.0, beta=1.0, broadcast=1, transB=1),
    ]
    constants = {"w": normal(5, 162), "b": normal(5)}
    network = open_network(written(tmp_path, nodes, MAPS, ["y"], constants, opset=6))
    x = normal(1, 3, 9, 6)
    expected = x.reshape(1, -1) @ constants["w"].T + constants["b"]
    found = network.activations(torch.from_numpy(x), "y")["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_onnxruntime_12506_and_22687_what_a_function_is_given_reaches_the_functions_inside(
    tmp_path: Path,
) -> None:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    number = node("Constant", [], ["n"])
    number.attribute.append(onnx.AttributeProto(name="value_float", ref_attr_name="inner", type=1))
    call = node("plus", ["a"], ["b"], domain="own")
    call.attribute.append(onnx.AttributeProto(name="inner", ref_attr_name="outer", type=1))
    body = [number, node("Add", ["a", "n"], ["b"])]
    functions = [
        helper.make_function("own", "plus", ["a"], ["b"], body, opsets, ["inner"]),
        helper.make_function("own", "around", ["a"], ["b"], [call], opsets, ["outer"]),
    ]
    nodes = [node("around", ["x"], ["y"], domain="own", outer=2.5)]
    model = model_of(nodes, MAPS, ["y"], functions=functions)
    model.opset_import.append(opsets[1])
    onnx.save(model, tmp_path / "net.onnx")
    x = normal(1, 3, 9, 6)
    found = open_network(tmp_path / "net.onnx").activations(torch.from_numpy(x), "y")["y"]
    np.testing.assert_allclose(found, x + 2.5, rtol=1e-6)


def test_tvm_18952_a_region_beyond_the_map_is_zero(tmp_path: Path) -> None:
    regions = np.array([[0, 50, 60, 70, 80], [0, 2, 1, 5, 20], [0, -3, -2, 2, 4]], np.float32)
    nodes = [node("MaxRoiPool", ["x", "r"], ["y"], pooled_shape=[3, 2], spatial_scale=1.0)]
    network = assert_agrees(written(tmp_path, nodes, MAPS, ["y"], {"r": regions}))
    x = torch.randn(1, 3, 9, 6, generator=torch.Generator().manual_seed(0)) - 9
    assert not network.activations(x, "y")["y"][0].any()
