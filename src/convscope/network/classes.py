"""Which values of a graph are its answer over classes: the probabilities, and the scores they are made of."""

from __future__ import annotations

from torch import Tensor

from convscope.errors import InputError
from convscope.network.graph import Graph
from convscope.network.parameters import Shape

_CHOOSING = ("argmax", "find_extreme")
_PASSING_ON = (*_CHOOSING, "identity", "reshape", "squeeze", "unsqueeze", "flatten")
_OF_CLASSES = (2, 4, 5)
"""How many axes an answer has whose axis 1 is the classes: with three they are of places, as a detector's boxes."""
_PROBABILITIES = ("softmax", "sigmoid")
_SQUASHING = (*_PROBABILITIES, "log_softmax")


def class_output(graph: Graph) -> str:
    """Return the value whose channels are the classes: the last softmax that is an output, else the last output.

    What only passes an answer on in another shape, or says which class is the highest, is looked through.
    """
    if not graph.outputs:
        raise InputError(f"{graph.name or 'this network'} has no output")
    answers = [_answer(graph, output) for output in graph.outputs]
    softmaxes = [value for value in answers if _made_by(graph, value) == "softmax"]
    return (softmaxes or answers)[-1]


def class_scores(graph: Graph) -> str:
    """Return the value whose channels are the classes' scores: what the last softmax, its logarithm or sigmoid reads.

    An answer that nothing squashes is the scores itself.
    """
    output = class_output(graph)
    return graph.producers[output].inputs[0] if _made_by(graph, output) in _SQUASHING else output


def holds_probabilities(graph: Graph) -> bool:
    """Tell whether the answer over classes is probabilities: what a softmax or a sigmoid makes."""
    return _made_by(graph, class_output(graph)) in _PROBABILITIES


def count_of_classes(shape: Shape | None) -> int | None:
    """Return how many classes an answer of this shape, channels first, tells apart; None when it is not one a class."""
    return shape[1] if shape is not None and len(shape) in _OF_CLASSES else None


def class_probabilities(graph: Graph, answer: Tensor) -> Tensor:
    """Return the probability of every class, (classes,), from the answer, channels first, to each crop of a picture.

    It is averaged over the crops, and over positions where the answer is a map.
    """
    output = class_output(graph)
    single = count_of_classes(tuple(answer.shape)) == 1 and _made_by(graph, output) != "sigmoid"
    if single or answer.dim() not in _OF_CLASSES:
        raise InputError(f"{output!r} is not an answer over classes: its shape is {tuple(answer.shape)}")
    if not holds_probabilities(graph):
        answer = answer.softmax(dim=1)
    found = answer.flatten(2).mean(2).mean(0) if answer.dim() > 2 else answer.mean(0)
    if not found.isfinite().all():
        raise InputError(f"{output!r} answers with NaN or infinity to this picture")
    return found.clamp(0, 1)


def _made_by(graph: Graph, value: str) -> str:
    """Return the kind of the operation that makes a value; nothing for an input."""
    producer = graph.producers.get(value)
    return producer.kind if producer else ""


def _answer(graph: Graph, output: str) -> str:
    """Return the probabilities an output passes on, or the output itself, before an argmax."""
    value = output
    while (kind := _made_by(graph, value)) in _PASSING_ON:
        value = graph.producers[value].inputs[0]
        output = value if kind in _CHOOSING else output
    return value if kind in _SQUASHING else output
