"""What would be fractions of whole numbers is cut off, as onnxruntime does it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from convscope import open_network
from convscope.errors import ConvscopeWarning

from .oracle import assert_agrees, model_of

SUMMARIES = ("ReduceMean", "ReduceL2", "ReduceLogSum", "ReduceL1", "ReduceSum")
TYPES = (TensorProto.INT32, TensorProto.INT64)
FAR = {TensorProto.INT32: np.int32, TensorProto.INT64: np.int64, TensorProto.FLOAT: np.float32}


def _agrees(tmp_path, node, constants, kind, *before) -> None:
    """Hold a node's answers against onnxruntime's: `whole` are whole numbers of both signs, `y` the answer."""
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["whole"], to=kind),
        *before,
        node,
        helper.make_node("Cast", ["made"], ["y"], to=TensorProto.FLOAT),
    ]
    constants = {"scale": np.float32(9.7), **constants}
    onnx.save(model_of(nodes, {"x": [2, 3, 5, 7]}, ["y"], constants, opset=18), tmp_path / "net.onnx")
    network = assert_agrees(tmp_path / "net.onnx")
    assert "y" in network.graph.producers  # it was not cut off
    network.save(tmp_path / "again.onnx")
    assert_agrees(tmp_path / "again.onnx")


@pytest.mark.parametrize("axes", [(2, 3), (1,), ()])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("op_type", SUMMARIES)
def test_a_summary_of_whole_numbers(op_type, kind, axes, tmp_path) -> None:
    of_lengths = op_type == "ReduceLogSum"
    before = [helper.make_node("Abs", ["whole"], ["lengths"])] if of_lengths else []
    source, constants = "lengths" if of_lengths else "whole", {"axes": np.array(axes)} if axes else {}
    node = helper.make_node(op_type, [source, *constants], ["made"])
    _agrees(tmp_path, node, constants, kind, *before)


@pytest.mark.parametrize("kind", TYPES)
def test_a_root_of_whole_numbers(kind, tmp_path) -> None:
    before = helper.make_node("Abs", ["whole"], ["lengths"])
    node = helper.make_node("Pow", ["lengths", "half"], ["made"])
    _agrees(tmp_path, node, {"half": np.float32(0.5)}, kind, before)


@pytest.mark.parametrize("op_type", ["ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceSum"])
@pytest.mark.parametrize("kind", TYPES)
def test_a_summary_that_its_type_cannot_hold(op_type, kind, tmp_path) -> None:
    """Five numbers of up to 9,000 for a product, up to 900,000 else: it ends at the type's largest and smallest."""
    before = [helper.make_node("Mul", ["whole", "far"], ["farther"])]
    node = helper.make_node(op_type, ["farther", "axes"], ["made"])
    far = 301 if op_type == "ReduceProd" else 30_011
    _agrees(
        tmp_path, node, {"axes": np.array([1 if far == 301 else 3]), "far": FAR[kind](far)}, kind, *before
    )


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("kind", TYPES)
def test_arithmetic_that_its_type_cannot_hold(op_type, kind, tmp_path) -> None:
    """It comes around again, as in C."""
    before = [helper.make_node("Mul", ["whole", "far"], ["farther"])]
    node = helper.make_node(op_type, ["farther", "other"], ["made"])
    other = np.random.default_rng(4).integers(-7_001, 7_001, (3, 1, 7)).astype(FAR[kind])
    _agrees(tmp_path, node, {"far": FAR[kind](30_011), "other": other}, kind, *before)


@pytest.mark.parametrize("kind", [*TYPES, TensorProto.FLOAT])
@pytest.mark.parametrize("shape", [(), (3, 1, 7)])
@pytest.mark.parametrize("swapped", [False, True])
def test_what_is_left_with_the_sign_of_the_first(swapped, shape, kind, tmp_path) -> None:
    divisor = np.asarray(np.random.default_rng(5).integers(1, 9, shape) * 1.37 + 1, FAR[kind])
    if swapped:  # nothing is divided by 0
        before = [
            helper.make_node("Mul", ["whole", "whole"], ["square"]),
            helper.make_node("Add", ["square", "one"], ["by"]),
        ]
        node = helper.make_node("Mod", ["divisor", "by"], ["made"], fmod=1)
        _agrees(tmp_path, node, {"divisor": -divisor, "one": FAR[kind](1)}, kind, *before)
    else:
        node = helper.make_node("Mod", ["whole", "divisor"], ["made"], fmod=1)
        _agrees(tmp_path, node, {"divisor": divisor}, kind)


def test_a_sum_of_exponentials_of_whole_numbers_is_refused(tmp_path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT32),
        helper.make_node("ReduceLogSumExp", ["whole"], ["made"], axes=[1]),
    ]
    onnx.save(model_of(nodes, {"x": [1, 3, 5, 7]}, ["made"]), tmp_path / "net.onnx")
    with pytest.warns(ConvscopeWarning, match=r"ReduceLogSumExp.*floating-point numbers\. 'made' is cut off"):
        open_network(tmp_path / "net.onnx")


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.UINT8, TensorProto.INT8])
@pytest.mark.parametrize("scale", [1.7, 0.6])
def test_a_picture_of_whole_numbers_made_larger_between_them(kind, scale, tmp_path) -> None:
    before = helper.make_node("Abs", ["whole"], ["lengths"])
    nodes = [before] if kind == TensorProto.UINT8 else []
    source = "lengths" if nodes else "whole"
    node = helper.make_node("Resize", [source, "", "scales"], ["made"], mode="linear")
    _agrees(tmp_path, node, {"scales": np.float32([1, 1, scale, scale])}, kind, *nodes)


def test_places_whose_count_the_picture_decides(tmp_path) -> None:
    """Their shape is not known when the network is opened, which is no reason to cut what is added to them."""
    nodes = [
        helper.make_node("Relu", ["x"], ["above"]),
        helper.make_node("NonZero", ["above"], ["places"]),
        helper.make_node("Sub", ["places", "one"], ["before"]),
        helper.make_node("Mul", ["before", "places"], ["products"]),
        helper.make_node("ReduceSum", ["products", "along"], ["made"], keepdims=0),
    ]
    constants = {"one": np.int64(1), "along": np.array([1])}
    onnx.save(model_of(nodes, {"x": [1, 3, 5, 7]}, ["made"], constants), tmp_path / "net.onnx")
    assert "made" in assert_agrees(tmp_path / "net.onnx").graph.producers
