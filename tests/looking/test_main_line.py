"""The main line: what every path goes through, by removing each layer in turn; and GoogLeNet's stages."""

from pathlib import Path

from convscope.formats.opening import open_network
from convscope.looking.main_line import main_line, stages, vectors
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.parameters import Parameters
from planted import planted_network


def reachable(graph: Graph, without: str) -> bool:
    """Tell whether the output can still be reached from the input when one value is taken away."""
    seen = {name for name in graph.inputs if name != without}
    for operation in graph.operations:
        if seen.intersection(operation.inputs):
            seen.update(name for name in operation.outputs if name != without)
    return bool(seen.intersection(graph.outputs))


def test_the_main_line_is_what_no_path_avoids(shared_data: Path) -> None:
    for name in ("bvlc_googlenet", "squeezenet_v1.1"):
        network = open_network(shared_data / "caffe" / name)
        needed = [name for name in network.layers if name not in network.graph.inputs]
        assert main_line(network) == [name for name in needed if not reachable(network.graph, name)]


def test_residual_branches_meet_again() -> None:
    def relu(before: str, after: str) -> Operation:
        return Operation("relu", after, "ReLU", (before,), (after,))

    total = Operation("eltwise_sum", "sum", "Eltwise", ("a", "c"), ("sum",))
    operations = (relu("data", "a"), relu("a", "b"), relu("b", "c"), total, relu("sum", "out"))
    graph = Graph("residual", {"data": (1, 3, 4, 4)}, operations, ("out",), Parameters({}, {}.__getitem__))
    assert main_line(Network(graph, input_spec=None)) == ["a", "sum", "out"]


def test_the_planted_network_has_two_stages() -> None:
    found = stages(planted_network())
    assert [(stage.size, stage.layers, stage.shown) for stage in found] == [
        ((32, 32), ("conv1",), ("conv1",)),
        ((16, 16), ("pool1", "conv2"), ("conv2",)),
    ]
    assert vectors(planted_network()) == ["pool2", "scores", "prob"]


def test_googlenet_is_told_by_eight_layers(shared_data: Path) -> None:
    network = open_network(shared_data / "caffe/bvlc_googlenet")
    assert [stage.shown for stage in stages(network)] == [
        ("conv1/7x7_s2",),
        ("conv2/3x3",),
        ("inception_3a/output", "inception_3b/output"),
        ("inception_4a/output", "inception_4e/output"),
        ("inception_5a/output", "inception_5b/output"),
    ]
    assert vectors(network) == ["pool5/7x7_s1", "loss3/classifier", "prob"]
