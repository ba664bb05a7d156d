"""Sizes that a network works out of the picture's numbers: right where they are modest, refused where they are not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper

from convscope import open_network
from convscope.errors import InputError
from convscope.network.network import Network

node = helper.make_node
Expected = Callable[[np.ndarray, int], Any]


def padded(x: np.ndarray, n: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), (n, n), (n, n)))


def of_each_and_each(x: np.ndarray, n: int) -> np.ndarray:
    return np.maximum(x, 0)[:, :, :n].reshape(-1, 1) + np.maximum(x, 0)[:, :, :n].reshape(1, -1)


# How many a size must be for over 2**26 numbers, the nodes that make "y" of "x" and "n", and what NumPy makes of them.
CASES: dict[str, tuple[int, list[Any], Expected]] = {
    "expand": (
        9000,
        [
            node("Concat", ["n", "n"], ["s"], axis=0),
            node("Expand", ["m", "s"], ["e"]),
            node("Neg", ["e"], ["y"]),
        ],
        lambda x, n: np.full((n, n), -x.mean()),
    ),
    "tile": (
        2000,
        [node("Concat", ["one", "one", "n", "n"], ["s"], axis=0), node("Tile", ["x", "s"], ["y"])],
        lambda x, n: np.tile(x, (1, 1, n, n)),
    ),
    "pad": (
        3000,
        [
            node("Concat", ["0", "0", "n", "n", "0", "0", "n", "n"], ["s"], axis=0),
            node("Pad", ["x", "s"], ["y"]),
        ],
        padded,
    ),
    "one hot": (
        10**6,
        [
            node("Squeeze", ["n"], ["depth"]),
            node("Cast", ["x"], ["i"], to=7),
            node("OneHot", ["i", "depth", "off_on"], ["y"]),
        ],
        lambda x, n: np.eye(n)[x.astype(int)],
    ),
    "each with each": (
        10**4,
        [
            node("Relu", ["x"], ["r"]),
            node("Slice", ["r", "0", "n", "two"], ["c"]),
            node("Reshape", ["c", "row"], ["a"]),
            node("Reshape", ["c", "column"], ["b"]),
            node("Add", ["a", "b"], ["y"]),
        ],
        of_each_and_each,
    ),
}


def write(nodes: list[Any], n: int, side: int, path: Path) -> Network:
    """Write nodes behind those that make `n` of the mean of the picture, and open them."""
    first = [
        node("ReduceMean", ["x"], ["m"], keepdims=0),
        node("Mul", ["m", "zero"], ["nothing"]),
        node("Add", ["nothing", "number"], ["some"]),
        node("Reshape", ["some", "one"], ["row_of_one"]),
        node("Cast", ["row_of_one"], ["n"], to=7),
    ]
    values = {
        "zero": np.float32(0),
        "number": np.float32(n),
        "off_on": np.float32([0, 1]),
        "one": [1],
        "0": [0],
        "two": [2],
        "row": [1, -1],
        "column": [-1, 1],
    }
    graph = helper.make_graph(
        [*first, *nodes],
        "live",
        [helper.make_tensor_value_info("x", 1, [1, 3, side, side])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return open_network(path)


@pytest.mark.parametrize("case", CASES)
def test_sizes_that_the_network_works_out(case: str, tmp_path: Path) -> None:
    many, nodes, expected = CASES[case]
    network = write(nodes, 5, 8, tmp_path / "modest.onnx")
    assert network.shapes["y"] is None  # nothing but the numbers says it
    x = torch.rand(1, 3, 8, 8)
    y = network.activations(x, "y")["y"]
    np.testing.assert_allclose(y.numpy(), expected(x.numpy(), 5), rtol=1e-6)
    network = write(nodes, many, 64, tmp_path / "many.onnx")
    x = torch.rand(1, 3, 64, 64)
    runs: tuple[Callable[[], object], ...] = (
        lambda: network.activations(x, "y"),
        lambda: network.gradient(x, "y"),
        lambda: network.forward_to(["y"])(x),
    )
    for run in runs:
        with pytest.raises(InputError, match=r"numbers .* made of .*: the file is damaged, or made to take"):
            run()
