"""Where a network's classes are: the answer, the scores before it, and what everything that shows a class looks at."""

from dataclasses import replace

import pytest
import torch

from convscope.attribution.target import target_of
from convscope.errors import InputError
from convscope.network.class_head import holds_probabilities
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.optimization.objectives import class_score, unit
from planted import plain_picture, planted_network


def ending_in(*kinds: str) -> Graph:
    """The planted network's graph, its last operation exchanged for these; the scores are ``scores``."""
    graph, value, last = planted_network().graph, "scores", []
    for index, kind in enumerate(kinds):
        attributes = {"shape": (0, 3, 1, 1)} if kind == "reshape" else {}
        last.append(Operation(kind, f"end{index}", kind, (value,), (f"end{index}",), {}, attributes))
        value = f"end{index}"
    return replace(graph, operations=(*graph.operations[:-1], *last), outputs=(value,))


@pytest.mark.parametrize(
    "kinds, output, probabilities",
    [
        ((), "scores", False),
        (("softmax",), "end0", True),
        (("sigmoid",), "end0", True),
        (("log_softmax",), "end0", False),
        (("softmax", "reshape"), "end0", True),
        (("log_softmax", "reshape"), "end0", False),
        (("softmax", "argmax"), "end0", True),
    ],
)
def test_the_scores_are_what_squashes_them_reads(
    kinds: tuple[str, ...], output: str, probabilities: bool
) -> None:
    network = Network(ending_in(*kinds), input_spec=None)
    assert network.class_values == (output, "scores")
    assert holds_probabilities(network.graph, output) == probabilities


def test_what_tells_no_classes_apart_says_what_it_does_instead() -> None:
    network = Network(replace(planted_network().graph, operations=(), outputs=("data",)), input_spec=None)
    assert network.class_values == ()
    assert network.main_output == "data"
    with pytest.raises(InputError, match="is no classifier; its outputs are data: a picture, 3 × 32 × 32"):
        class_score(network, 1, "probability")
    nothing = Network(replace(network.graph, outputs=()), input_spec=None)
    with pytest.raises(InputError, match="planted has no output"):
        _ = nothing.class_output
    with pytest.raises(InputError, match="planted has no output"):
        _ = nothing.main_output


@pytest.mark.parametrize("count", [3, 300])  # of very many, the ways are measured at once
def test_the_deepest_of_many_outputs_that_tell_no_classes_is_the_main_one(count: int) -> None:
    graph = planted_network().graph
    ends = [Operation("relu", f"end{i}", "ReLU", ("conv1",), (f"end{i}",)) for i in range(count)]
    deep = [
        Operation("relu", f"deep{i}", "ReLU", (f"deep{i - 1}" if i else "conv1",), (f"deep{i}",))
        for i in range(2)
    ]
    outputs = ("end0", "deep1", *(one.name for one in ends[1:]))
    many = replace(graph, operations=(*graph.operations, *ends, *deep), outputs=outputs)
    assert Network(many, input_spec=None).main_output == "deep1"


@pytest.mark.parametrize("order", [("box", "scores"), ("scores", "box")])
def test_one_rule_for_several_outputs(order: tuple[str, str]) -> None:
    """What `predict` reads is what a gradient explains, wherever it stands among the outputs."""
    plain = planted_network()
    graph = plain.graph
    box = replace(graph.operations[-2], name="box", outputs=("box",))
    graph = replace(graph, operations=(*graph.operations[:-1], box), outputs=order)
    network = Network(graph, input_spec=plain.input_spec)
    picture = plain_picture((0, 1, 0))
    assert [output.role for output in network.outputs] == [
        "vector" if o == "box" else "classes" for o in order
    ]
    assert (network.class_output, network.best_classes(picture)[0][0]) == ("scores", 1)
    assert str(target_of(network, picture).address) == "scores:1"


def test_gradients_without_an_address_refuse_as_classify_does() -> None:
    plain = planted_network()
    network = Network(replace(plain.graph, outputs=("conv2",)), input_spec=plain.input_spec)
    for look in (network.predict, lambda picture: target_of(network, picture)):
        with pytest.raises(
            InputError,
            match=r"is no classifier; its outputs are conv2: a map of numbers, 3 × 16 × 16.* conv2:0; ",
        ):
            look(plain_picture())
    assert str(target_of(network, plain_picture(), "conv2:1").address) == "conv2:1"


@pytest.mark.parametrize("kind", ["softmax", "log_softmax", "sigmoid"])
def test_what_a_class_wants_to_see_and_what_speaks_for_it_are_the_same_number(kind: str) -> None:
    plain = planted_network()
    network = Network(ending_in(kind), input_spec=plain.input_spec, labels=plain.labels)
    picture = plain_picture((0, 1, 0))
    assert str(target_of(network, picture).address) == "scores:1"
    assert str(target_of(network, picture, "green").address) == "scores:1"
    assert unit(network, "end0:green").targets == ("scores:1",)


def test_a_logarithm_of_probabilities_gives_the_same_probabilities() -> None:
    plain = planted_network()
    picture = plain_picture((0, 1, 0))
    logarithm = Network(ending_in("log_softmax"), input_spec=plain.input_spec)
    torch.testing.assert_close(logarithm.probabilities(picture), plain.probabilities(picture))


def test_answers_to_several_pictures_are_not_taken_for_those_to_ones_crops() -> None:
    """The probabilities of a batch were the mean over its pictures, as those over ten crops are."""
    network = planted_network()
    pictures = torch.cat([network.preprocess(plain_picture((shade,) * 3)) for shade in (0.1, 0.5, 0.9)])
    answers = network.activations(pictures, network.class_output)[network.class_output]
    with pytest.raises(InputError, match=r"answers to 3 pictures here, and these are one's probabilities"):
        network.probabilities_of(answers)
    for one, answer in zip(pictures, answers, strict=True):
        assert torch.allclose(network.probabilities_of(answer[None]), network.probabilities(one))
    spec = network.input_spec
    assert spec is not None
    squashed = spec.replace(resize="squash", resize_size=2 * spec.size[0], crops=10)
    ten = replace(network, input_spec=squashed)
    crops = ten.activations(ten.preprocess(plain_picture()), ten.class_output)[ten.class_output]
    assert len(crops) == 10 and torch.allclose(ten.probabilities_of(crops).sum(), torch.tensor(1.0))
