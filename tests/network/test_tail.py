"""What lies behind a layer, run by itself, of networks that were saved for one picture alone."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from convscope import open_network
from convscope.network.tail import Tail


@pytest.mark.filterwarnings("ignore")
def test_several_answers_go_one_after_the_other_where_the_file_fixes_the_size(tmp_path: Path) -> None:
    # As exporters write attention: one size is read from the input, the rest joined to it, and then a size is fixed.
    node = helper.make_node
    generator = np.random.default_rng(5)
    arrays = {
        "w": generator.normal(size=(6, 3, 2, 2)),
        "head": generator.normal(size=(3, 3)),
        "place": generator.normal(size=(1, 16, 6)),
    }
    rest, place = (
        node("Constant", [], [name], value=numpy_helper.from_array(array, name))
        for name, array in (("rest", np.array([-1])), ("place", arrays.pop("place").astype(np.float32)))
    )
    sizes = {"begin": [0], "end": [2], "halves": [16, 2, 3]}
    nodes = [
        node("Conv", ["x", "w"], ["c"], strides=[2, 2]),
        rest,
        place,
        node("Shape", ["c"], ["shape"]),
        node("Slice", ["shape", "begin", "end"], ["outer"]),
        node("Concat", ["outer", "rest"], ["rows"], axis=0),
        node("Reshape", ["c", "rows"], ["channels"]),
        node("Transpose", ["channels"], ["without"], perm=[0, 2, 1]),
        node("Add", ["without", "place"], ["tokens"]),
        node("Reshape", ["tokens", "halves"], ["parts"]),
        node("Transpose", ["parts"], ["heads"], perm=[1, 0, 2]),
        node("ReduceMax", ["heads"], ["most"], axes=[1], keepdims=0),
        node("MatMul", ["most", "head"], ["scored"]),
        node("ReduceMean", ["scored"], ["y"], axes=[0], keepdims=1),
    ]
    initializers = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    initializers += [numpy_helper.from_array(np.array(array), name) for name, array in sizes.items()]
    graph = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    network = open_network(tmp_path / "net.onnx")

    tail = Tail(network, torch.zeros(1, 3, 8, 8), "c", ["y"])
    answers = torch.from_numpy(generator.normal(size=(5, 6, 4, 4)).astype(np.float32)).requires_grad_()
    found = tail.run(answers)["y"]
    tokens = answers.flatten(2).transpose(1, 2) + torch.from_numpy(
        numpy_helper.to_array(place.attribute[0].t)
    )
    most = tokens.unflatten(2, (2, 3)).amax(1)
    expected = (most @ torch.from_numpy(arrays["head"].astype(np.float32))).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(scores[:, 1].sum(), answers)[0] for scores in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
