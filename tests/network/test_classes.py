"""Where a network's classes are: the answer, the scores before it, and what everything that shows a class looks at."""

from dataclasses import replace

import pytest
import torch

from convscope.attribution.target import ask
from convscope.errors import InputError
from convscope.network.classes import class_output, class_scores, count_of_classes, holds_probabilities
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
    graph = ending_in(*kinds)
    assert class_output(graph) == output
    assert class_scores(graph) == "scores"
    assert holds_probabilities(graph) == probabilities


def test_an_answer_that_is_the_input_is_its_own_scores() -> None:
    graph = replace(planted_network().graph, operations=(), outputs=("data",))
    assert class_output(graph) == class_scores(graph) == "data"
    with pytest.raises(InputError, match="'data', which holds no probabilities"):
        class_score(Network(graph, input_spec=None), 1, "probability")


def test_a_network_without_output_has_no_classes() -> None:
    with pytest.raises(InputError, match="planted has no output"):
        class_output(replace(planted_network().graph, operations=(), outputs=()))


@pytest.mark.parametrize("kind", ["softmax", "log_softmax", "sigmoid"])
def test_what_a_class_wants_to_see_and_what_speaks_for_it_are_the_same_number(kind: str) -> None:
    plain = planted_network()
    network = Network(ending_in(kind), input_spec=plain.input_spec, labels=plain.labels)
    picture = plain_picture((0, 1, 0))
    assert str(ask(network, picture).target) == "scores:1"
    assert str(ask(network, picture, "green").target) == "scores:1"
    assert unit(network, "end0:green").targets == ("scores:1",)


def test_a_logarithm_of_probabilities_gives_the_same_probabilities() -> None:
    plain = planted_network()
    picture = plain_picture((0, 1, 0))
    logarithm = Network(ending_in("log_softmax"), input_spec=plain.input_spec)
    torch.testing.assert_close(logarithm.probabilities(picture), plain.probabilities(picture))


def test_three_axes_are_places_not_classes() -> None:
    counts = [count_of_classes(shape) for shape in ((1, 5), (1, 5, 9), (1, 5, 2, 2), (1, 5, 2, 2, 2), None)]
    assert counts == [5, None, 5, 5, None]
