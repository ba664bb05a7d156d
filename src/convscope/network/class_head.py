"""Which of a network's outputs is its answer over classes: the probabilities, and the scores they are made of.

`predict`, gradients, class objectives and labels all go by this one rule.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convscope.errors import InputError
from convscope.network.graph import Graph
from convscope.network.operations import kind_of
from convscope.network.outputs import Output
from convscope.network.producers import made_by, producer_of


def find_class_output(graph: Graph, outputs: Sequence[Output], name: str = "") -> Output:
    """Return the output that tells classes apart: the one that the labels are for, else one with probabilities.

    Of several it is the deepest, and then the last.

    InputError, with what each output is instead, where none does.
    """
    classes = [output for output in outputs if output.role == "classes"]
    if not classes:
        name = name or graph.name or "this network"
        if not outputs:
            raise InputError(f"{name} has no output")
        listed = "; ".join(map(str, outputs))
        raise InputError(
            f"{name} is no classifier; its outputs are {listed}. To explain one of their numbers point at it, as "
            f"{outputs[-1].value}:0; where they are classes, give labels that are as many"
        )
    classes = [output for output in classes if output.labeled] or classes
    sure = [output for output in classes if output.sure] or classes
    best = [output for output in sure if made_by(graph, output.value) == "softmax"] or sure
    depths = graph.depths([output.value for output in best])
    return max(zip(depths, range(len(best)), best, strict=True), key=lambda candidate: candidate[:2])[2]


def class_values(graph: Graph, outputs: Sequence[Output]) -> tuple[str, ...]:
    """Return the values of the answer over classes and of its scores; nothing for a network that is no classifier."""
    if all(output.role != "classes" for output in outputs):
        return ()
    answer = find_class_output(graph, outputs).value
    return answer, class_scores(graph, answer)


def count_classes(graph: Graph, outputs: Sequence[Output]) -> int | None:
    """Return how many classes are told apart, in the whole picture or at each place; None where none are."""
    with_shape = [output for output in outputs if output.role in ("classes", "class map") and output.shape]
    values = class_values(graph, outputs)
    candidates = [output for output in with_shape if output.value in values] or with_shape
    return candidates[0].shape[1] if candidates and candidates[0].shape else None


def class_scores(graph: Graph, output: str) -> str:
    """Return the value whose channels are the classes' scores: what a softmax, its logarithm or sigmoid reads.

    An answer that nothing squashes is the scores itself.
    """
    producer = producer_of(graph, output)
    squashed = kind_of(made_by(graph, output)).part in ("probabilities", "log_probabilities")
    return producer.inputs[0] if producer is not None and squashed else output


def holds_probabilities(graph: Graph, output: str) -> bool:
    """Tell whether an answer over classes is probabilities: what a softmax or a sigmoid makes."""
    return kind_of(made_by(graph, output)).part == "probabilities"


def class_probabilities(graph: Graph, output: str, answer: Tensor) -> Tensor:
    """Return the probability of every class, (classes,), from the answer, channels first, to each crop of a picture.

    It is averaged over the crops, and over positions where the answer is a map.
    """
    if not holds_probabilities(graph, output):
        answer = answer.softmax(dim=1)
    probabilities = answer.flatten(2).mean(2).mean(0) if answer.dim() > 2 else answer.mean(0)
    return probabilities.clamp(0, 1)


def most_probable(probabilities: Tensor, top: int) -> list[tuple[int, float]]:
    """Return the `top` most probable classes as (number, probability), equal ones in the classes' order."""
    best = probabilities.sort(descending=True, stable=True)
    return list(zip(best.indices[:top].tolist(), best.values[:top].tolist(), strict=True))
