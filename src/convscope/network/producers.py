"""What makes a value: its operation, seen through roundings, and the answer that an output only passes on."""

from __future__ import annotations

from convscope.network.graph import Graph, Operation
from convscope.network.operations import kind_of

SQUASHING = ("probabilities", "log_probabilities")
_OPERATORS = {
    "mean": "reduce",
    "adaptive_avg_pool2d": "global_average_pool",
    "view": "reshape",
    "sum": "reduce",
}


def producer_of(graph: Graph, value: str) -> Operation | None:
    """Return the operation that makes a value; where it is rounded to codes of a few bits, what made it before."""
    producer = graph.producers.get(value)
    while producer is not None and producer.kind == "dequantize":
        codes = graph.producers.get(producer.inputs[0])
        if codes is None or codes.kind != "quantize":
            break
        producer = graph.producers.get(codes.inputs[0])
    return producer


def made_by(graph: Graph, value: str) -> str:
    """Return the kind of the operation that makes a value, by its own name for torch's too; nothing for an input."""
    producer = producer_of(graph, value)
    if producer is None or producer.kind != "aten":
        return producer.kind if producer else ""
    operator = str(producer.attributes["operator"]).partition(".")[0]
    return "resize" if operator.startswith("upsample") else _OPERATORS.get(operator, operator)


def answer_of(graph: Graph, output: str) -> str:
    """Return the probabilities that an output passes on in another shape, or itself, before an argmax.

    An output whose channels were moved at last, to where the network has them nowhere else, is the one before that.
    """
    value = output = _unturned(graph, output)
    while (part := kind_of(made_by(graph, value)).part) in ("rearrangement", "choice"):
        producer = producer_of(graph, value)
        value = producer.inputs[0] if producer else ""
        output = value if part == "choice" else output
    return value if kind_of(made_by(graph, value)).part in SQUASHING else output


def _unturned(graph: Graph, output: str) -> str:
    turned = (0, 3, 1, 2) if graph.channels_last else (0, 2, 3, 1)
    step = graph.producers.get(output)
    while step is not None and step.kind == "identity":
        step = graph.producers.get(step.inputs[0])
    if step is not None and step.kind == "permute" and tuple(step.attributes["order"]) == turned:
        return step.inputs[0]
    return output
