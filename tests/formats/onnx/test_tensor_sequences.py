"""Sequences of tensors, as PyTorch's older exporter writes them for chunks and lists, against onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from convscope import ConvscopeWarning, open_network

from .oracle import assert_agrees, model_of

node = helper.make_node
PLACES = {"first": np.int64(0), "second": np.int64(1), "last": np.int64(-1), "two": np.int64(2)}


def agrees(
    folder: Path, nodes: list[Any], outputs: list[str], constants: Any = None, shape: Any = None
) -> Any:
    model = model_of(nodes, {"x": shape or [2, 7, 5]}, outputs, {**PLACES, **(constants or {})})
    onnx.save(model, folder / "net.onnx")
    network = assert_agrees(folder / "net.onnx")
    assert not network.graph.cut
    assert set(outputs) <= network.graph.producers.keys()
    return network


@pytest.mark.parametrize(
    ("said", "axis", "keeps"),
    [(None, 1, 1), (None, -1, 0), (np.int64(3), 1, 1), (np.array([1, 4, 2]), 1, 1), (np.array([5]), 2, 1)],
)
def test_a_tensor_is_split_and_joined_again(said: Any, axis: int, keeps: int, tmp_path: Path) -> None:
    read = ["r"] if said is None else ["r", "lengths"]
    new = int(said is None and not keeps)
    nodes = [
        node("Neg", ["x"], ["r"]),
        node("SplitToSequence", read, ["s"], axis=axis, keepdims=keeps),
        node("SequenceAt", ["s", "last"], ["a"]),
        node("Exp", ["a"], ["y"]),
        node("ConcatFromSequence", ["s"], ["z"], axis=axis, new_axis=new),
    ]
    agrees(tmp_path, nodes, ["y", "z"], {} if said is None else {"lengths": said})


def test_tensors_are_put_into_a_sequence_and_taken_out(tmp_path: Path) -> None:
    nodes = [
        node("SequenceEmpty", [], ["s0"]),
        node("Neg", ["x"], ["a"]),
        node("Exp", ["x"], ["b"]),
        node("Sin", ["x"], ["c"]),
        node("SequenceInsert", ["s0", "a"], ["s1"]),
        node("SequenceInsert", ["s1", "b", "first"], ["s2"]),
        node("SequenceInsert", ["s2", "c", "last"], ["s3"]),
        node("Identity", ["s3"], ["s4"]),
        node("ConcatFromSequence", ["s4"], ["y"], axis=-1),
        node("SequenceErase", ["s4", "second"], ["s5"]),
        node("SequenceErase", ["s4"], ["s6"]),
        node("SequenceAt", ["s5", "second"], ["z"]),
        node("SequenceAt", ["s6", "last"], ["w"]),
        node("SequenceLength", ["s6"], ["n"]),
        node("Cast", ["n"], ["length"], to=TensorProto.FLOAT),
        node("Mul", ["w", "length"], ["v"]),
        node("SequenceConstruct", ["a", "v"], ["s7"]),
        node("ConcatFromSequence", ["s7"], ["u"], axis=1, new_axis=1),
        node("Identity", ["z"], ["end"]),
    ]
    agrees(tmp_path, nodes, ["y", "end", "v", "u"])


def test_a_loop_collects_a_sequence(tmp_path: Path) -> None:
    """So the older exporter writes what a list gathers in a loop."""
    body = helper.make_graph(
        [
            node("Identity", ["go"], ["going"]),
            node("Gather", ["x", "i"], ["row"], axis=1),
            node("SequenceInsert", ["held", "row"], ["more"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_sequence_value_info("held", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_sequence_value_info("more", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        node("SequenceEmpty", [], ["s"]),
        node("Loop", ["two", "", "s"], ["rows"], body=body),
        node("ConcatFromSequence", ["rows"], ["y"], axis=0, new_axis=1),
    ]
    agrees(tmp_path, nodes, ["y"])


def test_an_output_that_is_a_sequence_is_its_tensors(tmp_path: Path) -> None:
    nodes = [node("SplitToSequence", ["x", "two"], ["s"], axis=1)]
    model = model_of(nodes, {"x": [1, 5, 3]}, ["s"], PLACES)
    onnx.save(model, tmp_path / "net.onnx")
    shapes = [layer.shape for layer in open_network(tmp_path / "net.onnx").layers.values()]
    assert shapes[1:] == [(1, 2, 3), (1, 2, 3), (1, 1, 3)]


def test_a_place_that_the_picture_decides_is_cut(tmp_path: Path) -> None:
    nodes = [
        node("Neg", ["x"], ["r"]),
        node("ReduceMax", ["x"], ["m"], keepdims=0),
        node("Cast", ["m"], ["place"], to=TensorProto.INT64),
        node("SplitToSequence", ["r"], ["s"], axis=1),
        node("SequenceAt", ["s", "place"], ["y"]),
    ]
    onnx.save(model_of(nodes, {"x": [1, 5, 3]}, ["y"], {}), tmp_path / "net.onnx")
    with pytest.warns(ConvscopeWarning, match=r"SequenceAt.*place in the sequence is worked out"):
        assert "y" in open_network(tmp_path / "net.onnx").graph.cut
