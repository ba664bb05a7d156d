"""A network that is cut somewhere: what is said, what still works, what is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from convscope import open_network
from convscope.errors import UnknownLayer, UnsupportedLayer
from convscope.looking.layer_table import layer_table
from convscope.network.cut import CutLayer, cut_with, note_of_cut, require_uncut
from convscope.network.network import Network
from formats.onnx.oracle import model_of
from planted import planted_network

ROOT = CutLayer("proposal", "Python", "layer 'proposal' runs Python code.")
BEHIND = CutLayer("roi:pool", "ROIPooling", ROOT.reason, root="proposal")


@pytest.fixture
def network() -> Network:
    network = planted_network()
    graph = network.graph
    object.__setattr__(graph, "cut", {"rois": ROOT, "rois@2,3": BEHIND})
    return Network(graph, input_spec=network.input_spec, labels=network.labels)


def test_what_reads_a_cut_value_is_cut_for_the_same_reason() -> None:
    cut = {"rois": ROOT}
    first = cut_with(cut, ["conv5", "rois"], "roi:pool", "ROIPooling")
    assert first == BEHIND
    assert cut_with(cut | {"pooled": first}, ["pooled"], "fc6", "InnerProduct") == CutLayer(
        "fc6", "InnerProduct", ROOT.reason, root="proposal"
    )
    assert cut_with(cut, ["conv5"], "fc6", "InnerProduct") is None


def test_the_note_gives_a_reason_once_a_kind_and_counts_the_rest() -> None:
    cut = {f"p{i}": CutLayer(f"perm{i}", "Permute", f"perm{i} is unknown.") for i in range(5)}
    cut |= {"r": ROOT, "r2": ROOT, "q": BEHIND}
    assert note_of_cut(cut) == (
        "perm0 is unknown; layer 'proposal' runs Python code. 'perm0', 'perm1', 'perm2' and 3 more are cut off, "
        "and so 'roi:pool' is behind; everything else works"
    )


def test_asking_for_what_is_cut_says_why(network: Network) -> None:
    why = r"'proposal' \(Python\) is cut off: layer 'proposal' runs Python code"
    for address in ("rois", "proposal", "rois:3", "proposal:3@1,1"):
        with pytest.raises(UnsupportedLayer, match=why):
            network.resolve(address)
    for address in ("roi:pool", "rois@2,3", "roi:pool:4"):
        with pytest.raises(UnsupportedLayer, match="cut off, because it needs 'proposal'"):
            network.resolve(address)
    with pytest.raises(UnknownLayer, match="no layer 'roiz'"):
        network.resolve("roiz")


def test_the_rest_works(network: Network) -> None:
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(
        network.activations(x, "prob")["prob"], planted_network().activations(x, "prob")["prob"]
    )
    assert "rois" not in network.layers
    assert set(network.activations(x)) == set(network.layers)


def test_the_layer_table_ends_with_what_is_cut(network: Network) -> None:
    table = layer_table(network)
    assert [(row.name, row.kind) for row in table.rows[-2:]] == [
        ("rois", "Python (cut)"),
        ("rois@2,3", "ROIPooling (cut)"),
    ]
    assert str(table).splitlines()[-2].split() == ["rois@2,3", "ROIPooling", "(cut)"]
    assert table.parameters == layer_table(planted_network()).parameters
    assert '"cut": "\'proposal\' (Python) is cut off' in table.to_json()


def test_it_is_saved_cut(network: Network, tmp_path: Path) -> None:
    again = open_network(network.save(tmp_path / "cut.convscope"))
    assert again.graph.cut == network.graph.cut


def test_a_network_of_nothing_but_cut_layers_is_refused() -> None:
    require_uncut({}, 0)
    require_uncut({"rois": ROOT}, 1)
    with pytest.raises(UnsupportedLayer, match=r"^layer 'proposal' runs Python code"):
        require_uncut({"rois": BEHIND, "r": ROOT}, 0)


def test_the_last_before_a_cut_is_no_map_of_classes(tmp_path: Path) -> None:
    """As FINN's files, whose activations are MultiThreshold: a convolution before one is a layer inside."""
    helper = onnx.helper
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["maps"]),
        helper.make_node("MultiThreshold", ["maps"], ["steps"], domain="finn.custom_op.general"),
        helper.make_node("Conv", ["steps", "v"], ["y"]),
    ]
    weights = {name: np.ones((8, count, 1, 1), np.float32) for name, count in (("w", 3), ("v", 8))}
    model = model_of(nodes, {"x": [1, 3, 24, 24]}, ["y"], weights)
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.warns(match="MultiThreshold"):
        network = open_network(tmp_path / "net.onnx")
    again = open_network(network.save(tmp_path / "net.convscope"))
    for one in (network, again):
        assert [str(output) for output in one.outputs] == [
            "maps: a map of numbers, 8 × 24 × 24; the network is cut behind it"
        ]
        assert one.class_count is None
    with pytest.warns(match="MultiThreshold"):  # labels say what they are
        named = open_network(tmp_path / "net.onnx", labels=[f"kind {index}" for index in range(8)])
    assert named.outputs[0].role == "class map" and named.outputs[0].cut
    whole = open_network(model_file(model_of(nodes[:1], {"x": [1, 3, 24, 24]}, ["maps"], weights), tmp_path))
    assert [str(output) for output in whole.outputs] == ["maps: a map of 8 classes, 8 × 24 × 24"]


def model_file(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "whole.onnx")
    return folder / "whole.onnx"
