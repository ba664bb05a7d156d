"""Loops of a known count, as TensorFlow 1 and 2 write them, against the same loop in NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convscope import Network, open_network
from convscope.errors import ConvscopeWarning, InputError
from graph_def_writer import GraphWriter

X = np.random.default_rng(3).normal(0, 1, (2, 5, 4)).astype(np.float32)
A, B = (np.random.default_rng(seed).normal(0, 0.5, (4, 4)).astype(np.float32) for seed in (1, 2))


class Cycle:
    """A loop of TensorFlow 1: Enter, Merge, Switch for each variable; `end` closes it."""

    def __init__(self, g: GraphWriter, frame: str, *initial: str) -> None:
        self.g, self.frame = g, frame
        self.merges = []
        for at, value in enumerate(initial):
            enter = self.enter(value, f"{frame}/Enter_{at}", constant=False)
            self.merges.append(g.node("Merge", f"{frame}/Merge_{at}", enter, f"{frame}/Next_{at}"))

    def enter(self, value: str, name: str, constant: bool = True) -> str:
        return self.g.node("Enter", name, value, frame_name=self.frame, is_constant=constant)

    def ask(self, condition: str) -> list[str]:
        going = self.g.node("LoopCond", f"{self.frame}/LoopCond", condition, T=None)
        for at, merge in enumerate(self.merges):
            self.g.node("Switch", f"{self.frame}/Switch_{at}", merge, going)
        return [f"{self.frame}/Switch_{at}:1" for at in range(len(self.merges))]

    def end(self, *following: str) -> list[str]:
        for at, value in enumerate(following):
            self.g.node("NextIteration", f"{self.frame}/Next_{at}", value)
        return [
            self.g.node("Exit", f"{self.frame}/Exit_{at}", f"{self.frame}/Switch_{at}")
            for at in range(len(following))
        ]


def opened(g: GraphWriter, folder: Path) -> Network:
    return open_network(g.save(folder / "graph.pb"))


def counted(g: GraphWriter, frame: str, times: int, value: str) -> tuple[Cycle, str, str]:
    """Begin a loop that goes so many times; give it, its next count, and the value in its body."""
    zero, one, most = (
        g.const(f"{frame}/{name}", np.int32(n)) for name, n in zip("abc", (0, 1, times), strict=True)
    )
    cycle = Cycle(g, frame, zero, value)
    count, inner = cycle.ask(g.node("Less", f"{frame}/Less", cycle.merges[0], most))
    return cycle, g.node("Add", f"{frame}/count", count, one), inner


def test_a_recurrent_network_takes_its_sequence_apart_and_puts_it_together(tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    steps = g.node("Transpose", "steps", x, g.const("order", [1, 0, 2]))
    five, places = g.const("five", np.int32(5)), g.const("places", [0, 1, 2, 3, 4])
    arrays = [g.node("TensorArrayV3", name, five, T=None) for name in ("taken", "given")]
    filled = g.node("TensorArrayScatterV3", "filled", arrays[0], places, steps, "taken:1")
    zero, one = g.const("zero", np.int32(0)), g.const("one", np.int32(1))
    cycle = Cycle(g, "while", zero, g.const("begin", np.full((2, 4), 0.3, np.float32)), "given:1")
    inside = [
        cycle.enter(value, f"while/{value.replace(':', '_')}/Enter") for value in (five, *arrays, filled)
    ]
    number, state, flow = cycle.ask(g.node("Less", "while/Less", cycle.merges[0], inside[0]))
    step = g.node("TensorArrayReadV3", "while/step", inside[1], number, inside[3])
    products = [
        g.node("MatMul", f"while/product_{name}", value, g.const(name, matrix))
        for name, value, matrix in (("A", step, A), ("B", state, B))
    ]
    after = g.node("Tanh", "while/state", g.node("Add", "while/sum", *products))
    written = g.node("TensorArrayWriteV3", "while/write", inside[2], number, after, flow)
    _, last, order = cycle.end(g.node("Add", "while/count", number, one), after, written)
    whole = g.node("TensorArrayGatherV3", "whole", arrays[1], places, order)
    g.node("Relu", "states", whole)
    g.node("Neg", "end", last)
    network = opened(g, tmp_path)
    state, states = np.full((2, 4), 0.3), []
    for step in X.transpose(1, 0, 2):
        state = np.tanh(step @ A + state @ B)
        states.append(state)
    found = network.activations(torch.from_numpy(X), "states", "end", "while/state/2")
    np.testing.assert_allclose(found["states"], np.maximum(states, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["end"], -state, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["while/state/2"], states[2], rtol=1e-5, atol=1e-6)
    assert set(network.graph.outputs) == {"states", "end"}


def test_a_loop_whose_rounds_a_size_counts_takes_that_size_only(tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    zero, one, two = (g.const(name, np.int32(n)) for name, n in (("zero", 0), ("one", 1), ("two", 2)))
    ends = [g.const(name, [n]) for name, n in (("from", 1), ("to", 2), ("by", 1))]
    size = g.node("StridedSlice", "size", g.node("Shape", "shape", x), *ends, shrink_axis_mask=1)
    most = g.node("Sub", "most", size, two)
    cycle = Cycle(g, "while", zero, x)
    count, value = cycle.ask(g.node("Less", "while/Less", cycle.merges[0], cycle.enter(most, "while/most")))
    _, end = cycle.end(g.node("Add", "while/count", count, one), g.node("Sin", "while/sin", value))
    g.node("Neg", "out", end)
    network = opened(g, tmp_path)
    found = network.activations(torch.from_numpy(X), "out")["out"]
    np.testing.assert_allclose(found, -np.sin(np.sin(np.sin(X))), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match=r"opened for 5x4 and is another one for 6x4"):
        network.activations(torch.zeros(2, 6, 4), "out")


def test_a_loop_in_a_loop_goes_all_its_rounds(tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    outer, outer_count, value = counted(g, "outer", 3, x)
    inner, inner_count, inside = counted(g, "inner", 2, g.node("Exp", "outer/exp", value))
    _, end = inner.end(inner_count, g.node("Sin", "inner/sin", inside))
    _, whole = outer.end(outer_count, g.node("Mul", "outer/scaled", end, g.const("factor", np.float32(1.1))))
    g.node("Neg", "out", whole)
    expected = X
    for _ in range(3):
        expected = np.float32(1.1) * np.sin(np.sin(np.exp(expected)))
    found = opened(g, tmp_path).activations(torch.from_numpy(X), "out")["out"]
    np.testing.assert_allclose(found, -expected, rtol=1e-5)


def test_a_loop_that_the_picture_ends_cuts_what_is_behind_it(tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    total = g.node("Sum", "total", x, g.const("axes", [0, 1, 2]))
    cycle = Cycle(g, "while", total)
    (value,) = cycle.ask(g.node("Less", "while/Less", cycle.merges[0], g.const("limit", np.float32(9))))
    (end,) = cycle.end(g.node("Add", "while/more", value, g.const("one", np.float32(1))))
    g.node("Neg", "behind", end)
    g.node("Relu", "beside", x)
    with pytest.warns(ConvscopeWarning, match="how many rounds it goes depends on the picture"):
        network = opened(g, tmp_path)
    assert {"while/Exit_0", "behind"} <= set(network.graph.cut)
    np.testing.assert_array_equal(
        network.activations(torch.from_numpy(X), "beside")["beside"], np.maximum(X, 0)
    )


def test_a_cycle_without_a_condition_is_cut(tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    enter = g.node("Enter", "enter", x, frame_name="f")
    g.node("Relu", "behind", enter)
    g.node("Relu", "beside", x)
    with pytest.warns(ConvscopeWarning, match="Enter of a damaged loop"):
        assert set(opened(g, tmp_path).graph.cut) == {"enter", "behind"}


def _function(graph: Any, name: str, inputs: list[str], returns: dict[str, str]) -> Any:
    made = graph.library.function.add()
    made.signature.name = name
    for argument in inputs:
        made.signature.input_arg.add(name=argument)
    for key, value in returns.items():
        made.signature.output_arg.add(name=key)
        made.ret.add(key=key, value=value)
    return made


def test_a_loop_of_functions_keeps_its_lists(tmp_path: Path) -> None:
    """As TensorFlow 2 writes it: each round makes a new list out of the one before."""
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    shape, three = g.const("shape", [5, 4]), g.const("three", np.int32(3))
    taken = g.node("TensorListFromTensor", "taken", x, shape, T=None)
    made = g.node("TensorListReserve", "made", shape, three, T=None)
    variables = [g.const("zero", np.int32(0)), three, taken, made]
    loop = g.node("StatelessWhile", "loop", *variables, T=None)
    for key in ("cond", "body"):
        g.message.node[-1].attr.add(key=key).value.func.name = f"the_{key}"
    names = ["i", "n", "from", "to"]
    ask = _function(g.message, "the_cond", names, {"going": "less:z:0"})
    ask.node_def.add(name="less", op="Less", input=["i", "n"])
    ends = {"i_": "count:z:0", "n_": "n", "from_": "from", "to_": "set:output_handle:0"}
    body = _function(g.message, "the_body", names, ends)
    for name, value in (("one", np.int32(1)), ("two", np.int32(2)), ("inner_shape", np.int32([5, 4]))):
        other = GraphWriter()
        other.const(name, value)
        body.node_def.add().CopyFrom(other.message.node[0])
    body.node_def.add(name="count", op="AddV2", input=["i", "one:output:0"])
    body.node_def.add(name="parity", op="FloorMod", input=["i", "two:output:0"])
    body.node_def.add(
        name="get", op="TensorListGetItem", input=["from", "parity:z:0", "inner_shape:output:0"]
    )
    body.node_def.add(name="exp", op="Exp", input=["get:item:0"])
    body.node_def.add(name="set", op="TensorListSetItem", input=["to", "i", "exp:y:0"])
    g.node("TensorListStack", "out", f"{loop}:3", shape, T=None)
    found = opened(g, tmp_path).activations(torch.from_numpy(X), "out")["out"]
    np.testing.assert_allclose(found, np.exp(X[[0, 1, 0]]), rtol=1e-6)


def test_a_loop_that_decodes_files_goes_one_round_with_its_picture(tmp_path: Path) -> None:
    """As a served network's ``tf.map_fn`` over the files of a request: how many these are is asked."""
    g = GraphWriter()
    g.node("Placeholder", "files", dtype="DT_STRING", shape=(-1,))
    bounds = [g.const(name, [number]) for name, number in (("from", 0), ("to", 1), ("by", 1))]
    shape = g.node("Shape", "shape", "files", T="DT_STRING", out_type="DT_INT32")
    count = g.node("StridedSlice", "count", shape, *bounds, shrink_axis_mask=1)
    array = g.node("TensorArrayV3", "array", count, T=None)
    zero, one = g.const("zero", np.int32(0)), g.const("one", np.int32(1))
    cycle = Cycle(g, "map", zero, f"{array}:1")
    inside = [cycle.enter(value, f"map/{value}/Enter") for value in (count, array, "files")]
    number, flow = cycle.ask(g.node("Less", "map/Less", cycle.merges[0], inside[0]))
    picture = g.node("DecodeJpeg", "map/DecodeJpeg", inside[2])
    scaled = g.node(
        "Mul",
        "map/scaled",
        g.node("Cast", "map/Cast", picture, DstT="DT_FLOAT"),
        g.const("map/factor", np.float32(0.5)),
    )
    written = g.node("TensorArrayWriteV3", "map/written", inside[1], number, scaled, flow)
    _, filled = cycle.end(g.node("Add", "map/next", number, one), written)
    places = g.node("Range", "places", zero, count, one)
    g.node("Neg", "out", g.node("TensorArrayGatherV3", "pictures", array, places, filled))
    with pytest.warns(ConvscopeWarning, match="map/DecodeJpeg is the input: DecodeJpeg, which the loop 'map"):
        network = open_network(g.save(tmp_path / "graph.pb"), input_shape=(1, 5, 6, 3))
    x = np.random.default_rng(2).uniform(0, 255, (1, 5, 6, 3)).astype(np.float32)
    assert not network.graph.cut and list(network.graph.outputs) == ["out"]
    np.testing.assert_allclose(network.activations(torch.from_numpy(x), "out")["out"], -x / 2, rtol=1e-6)
    assert (network.input_spec.raw_scale, network.input_spec.mean) == (255.0, ())
