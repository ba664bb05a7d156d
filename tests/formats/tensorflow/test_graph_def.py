"""Which files are a frozen graph, and what is said of those that are not."""

from pathlib import Path

import numpy as np
import pytest

import convscope
from convscope.errors import ConvscopeWarning, NetworkFileError
from graph_def_writer import GraphWriter
from protobuf_oracle import message_class


@pytest.fixture
def small() -> GraphWriter:
    g = GraphWriter()
    g.node("Softmax", "softmax", g.placeholder(shape=(1, 4, 4, 3)))
    return g


def saved_model(g: GraphWriter, folder: Path) -> Path:
    model = message_class("SavedModel", "tensorflow")(saved_model_schema_version=1)
    model.meta_graphs.add().graph_def.CopyFrom(g.message)
    folder.mkdir(exist_ok=True)
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


def test_a_saved_model_whose_graph_is_frozen_opens_as_its_folder_or_its_file(
    small: GraphWriter, tmp_path: Path
) -> None:
    folder = saved_model(small, tmp_path / "export")
    for source in (folder, folder / "saved_model.pb"):
        assert list(convscope.open_network(source).layers) == ["input", "softmax"]


@pytest.mark.parametrize(
    "op, says",
    [
        (
            "VariableV2",
            r"in variables \(node 'v', a VariableV2\).*graph_util.convert_variables_to_constants",
        ),
        ("StatefulPartitionedCall", "it calls functions.*convert_variables_to_constants_v2"),
    ],
)
def test_one_that_is_not_frozen_says_how_to_freeze_it(
    small: GraphWriter, tmp_path: Path, op: str, says: str
) -> None:
    small.node(op, "v", dtype="DT_FLOAT")
    with pytest.raises(NetworkFileError, match=says):
        convscope.open_network(saved_model(small, tmp_path / "export"))


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "is empty. Download or copy it again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n",
            "is a Git LFS pointer, not a network",
        ),
        (b"<!DOCTYPE html><html>Sign in</html>", r"is a web page \(HTML\), not a network"),
        (b"PK\x03\x04" + bytes(40), "is a zip archive, not a TensorFlow graph"),
        (
            b'node {\n  name: "input"\n  op: "Placeholder"\n}\n',
            "the graph has no operation that a picture goes through",
        ),
        (b"\x08\x01\x12\x00", "holds no nodes"),
    ],
)
def test_a_file_of_another_kind_says_which(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(data)
    with pytest.raises(NetworkFileError, match=says):
        convscope.open_network(path)


def test_a_graph_cut_short_says_so(small: GraphWriter, tmp_path: Path) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(small.bytes()[:-20])
    with pytest.raises(NetworkFileError, match=r"graph.pb, byte \d+: "):
        convscope.open_network(path)


def test_any_damage_is_an_answer_or_an_error_of_ours(tmp_path: Path) -> None:
    """Bytes flipped one at a time: never a traceback, never memory that the file does not deserve."""
    g = GraphWriter()
    x = g.node(
        "Conv2D", "conv", g.placeholder(), g.weights("w", 2, 2, 3, 2), strides=[1, 1, 1, 1], padding="SAME"
    )
    x = g.node("BatchToSpaceND", "blocks", x, g.const("block", [1, 1]), g.const("crops", [[0, 0], [0, 1]]))
    g.node("Mean", "mean", x, g.const("axes", [1, 2], listed=True), keep_dims=True)
    whole, path = g.bytes(), tmp_path / "graph.pb"
    random, refused, count = np.random.default_rng(0), 0, 300
    for position in random.choice(len(whole), count, replace=False):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            convscope.open_network(path)
        except (convscope.ConvscopeError, ConvscopeWarning):
            refused += 1
    assert 0 < refused < count  # some damage is to weights, and shows nowhere


def test_a_constant_of_a_claimed_size_takes_no_memory(tmp_path: Path) -> None:
    g = GraphWriter()
    g.const("huge", np.float32([1]), listed=True)
    g.message.node[-1].attr[1].value.tensor.tensor_shape.dim[0].size = 2**40
    g.node("Add", "sum", g.placeholder(), "huge")
    with pytest.raises(NetworkFileError, match="says its shape is"):
        convscope.open_network(g.save(tmp_path / "graph.pb"))
