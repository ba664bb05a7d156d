"""A model's own functions, as PyTorch's first exporter of programs writes them, against onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from .oracle import assert_agrees, model_of

node = helper.make_node


def function(name: str, attribute: str, body: list[Any], overload: str = "") -> Any:
    made = helper.make_function(
        "own", name, ["a"], ["b"], body, [helper.make_opsetid("", 18)], [attribute] if attribute else []
    )
    made.overload = overload
    return made


def reference(made: Any, name: str, of: str, kind: int) -> Any:
    made.attribute.append(onnx.AttributeProto(name=name, ref_attr_name=of, type=kind))
    return made


def saved(folder: Path, nodes: list[Any], functions: list[Any], constants: Any = None) -> Path:
    model = model_of(nodes, {"x": [2, 3, 5]}, ["y"], constants, opset=18, functions=functions)
    model.ir_version = 10
    model.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def test_a_branch_inside_a_function_has_the_attributes_of_the_call(tmp_path: Path) -> None:
    """They are said by reference, and a reference that nobody followed was 0."""
    softmax = reference(node("Softmax", ["a"], ["s"]), "axis", "along", onnx.AttributeProto.INT)
    then = [softmax, node("Neg", ["s"], ["inner"])]
    branch = helper.make_graph(then, "then", [], [helper.make_empty_tensor_value_info("inner")])
    other = helper.make_graph(
        [node("Abs", ["a"], ["outer"])], "else", [], [helper.make_empty_tensor_value_info("outer")]
    )
    body = [
        node("Constant", [], ["yes"], value=helper.make_tensor("yes", TensorProto.BOOL, [], [True])),
        node("If", ["yes"], ["b"], then_branch=branch, else_branch=other),
    ]
    made = function("soft", "along", body)
    nodes = [
        node("soft", ["x"], ["h"], domain="own", along=1),
        node("soft", ["h"], ["y"], domain="own", along=2),
    ]
    assert not assert_agrees(saved(tmp_path, nodes, [made])).graph.cut


def test_functions_of_one_name_are_told_apart_by_their_overload(tmp_path: Path) -> None:
    functions = [
        function("act", "", [node("Exp", ["a"], ["b"])], "first"),
        function("act", "", [node("Sin", ["a"], ["b"])], "second"),
    ]
    nodes = [
        node("act", ["x"], ["h"], domain="own", overload="second"),
        node("act", ["h"], ["y"], domain="own"),
    ]
    nodes[1].overload = "first"
    path = saved(tmp_path, nodes, functions)
    network = assert_agrees(path)
    x = np.random.default_rng(1).normal(size=(2, 3, 5)).astype(np.float32)
    np.testing.assert_allclose(
        network.activations(torch.from_numpy(x), "y")["y"], np.exp(np.sin(x)), rtol=1e-5
    )
