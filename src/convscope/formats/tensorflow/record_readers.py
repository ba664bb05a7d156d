"""Ops that take numbers out of files and records: what they make is the input, for convscope reads no such files.

A SavedModel that serves requests reads ``tf.Example`` records (``ParseExample``), a speech recognizer WAV files
(``DecodeWav``), others bytes (``DecodeRaw``); a graph of training takes its batches out of a data set
(``IteratorGetNext``) or a queue (``QueueDequeueManyV2``), frozen too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from convscope.formats.protobuf.message import Message
from convscope.formats.tensorflow.made_nodes import constant_node, placeholder
from convscope.formats.tensorflow.node import Node, OutputReference
from convscope.formats.tensorflow.tensors import Array
from convscope.network.parameters import Shape

_ONE_OF_A_QUEUE = ("QueueDequeue", "QueueDequeueV2")
_QUEUES = (
    *_ONE_OF_A_QUEUE,
    "QueueDequeueMany",
    "QueueDequeueManyV2",
    "QueueDequeueUpTo",
    "QueueDequeueUpToV2",
)
READERS = (
    "ParseExample",
    "ParseExampleV2",
    "ParseSingleExample",
    "DecodeRaw",
    "DecodePaddedRaw",
    "DecodeWav",
    "IteratorGetNext",
    *_QUEUES,
)
TEXT = "DT_STRING"
_USUAL_RATE = 16_000  # samples a second, of TensorFlow's speech commands
_MOST_SAMPLES = 10_000_000


@dataclass(frozen=True)
class Records:
    """What stands in place of the readers: what is known of the new inputs, and the notes."""

    values: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def cut_readers(nodes: Sequence[Node], *, texts: bool = False) -> tuple[list[Node], Records]:
    """Return the nodes with an input of numbers for each output of a reader that another node reads.

    With `texts` a feature that is a text is one that is not there, of which all that is read is that there is one.
    """
    if not any(node.op in READERS for node in nodes):
        return list(nodes), Records()
    kept: list[Node] = []
    values: dict[str, Array] = {}
    notes: list[str] = []
    moved: dict[OutputReference, OutputReference] = {}
    read = {each for node in nodes for each in node.inputs}
    by_name = {node.name: node for node in nodes}
    sources = _sources(nodes)
    for before in nodes:
        node = replace(before, inputs=tuple(moved.get(each, each) for each in before.inputs))
        if node.op not in READERS:
            kept += [node] if node.name not in sources else []
            continue
        outputs = [
            one for one in _outputs(node, by_name, texts) if OutputReference(node.name, one.place) in read
        ]
        for one in outputs:
            kept += one.nodes
            values |= {one.nodes[0].name: one.value} if one.value is not None else {}
            moved[OutputReference(node.name, one.place)] = OutputReference(one.nodes[-1].name, 0)
        inputs = [one.nodes[0].name for one in outputs if one.value is None]
        notes += [_note(node, inputs)] if inputs else []
    return kept, Records(values, tuple(notes))


@dataclass(frozen=True)
class _Output:
    place: int
    nodes: tuple[Node, ...]  # the first is what is given, the last what the reader's readers read
    value: Array | None = None


def _outputs(node: Node, by_name: Mapping[str, Node], texts: bool) -> Iterator[_Output]:
    if node.op == "DecodeWav":
        yield from _sound(node)
    elif node.op == "IteratorGetNext" or node.op in _QUEUES:
        yield from _batch(node, by_name)
    elif node.op.startswith("Decode"):
        yield _Output(0, (placeholder(node.name, node.text("out_type", "DT_UINT8")),))
    else:
        yield from _features(node, texts)


def _features(node: Node, texts: bool) -> Iterator[_Output]:
    """Yield the dense features of records; those of open length stay text, and are cut with what reads them."""
    sparse = node.integer("Nsparse", node.integer("num_sparse"))
    batch = () if node.op == "ParseSingleExample" else (-1,)
    stated = node.attributes.get("dense_shapes")
    shapes = [] if stated is None else stated.list.shape
    types = node.attributes["Tdense"].list.type if "Tdense" in node.attributes else ()
    for at, (kind, shape) in enumerate(zip(types, shapes, strict=False)):
        place = 3 * sparse + at
        sizes = _sizes(shape, batch)
        name = f"{node.name}/{place}" if place else node.name
        if str(kind) == TEXT and texts and sizes is not None:
            one = np.zeros([max(size, 1) for size in sizes], np.int32)
            yield _Output(place, (placeholder(name, TEXT),), one)
        elif str(kind) != TEXT:
            yield _Output(place, (placeholder(name, str(kind), sizes),))


def _batch(node: Node, by_name: Mapping[str, Node]) -> Iterator[_Output]:
    """Yield what a data set or a queue gives; of a queue, the queue itself knows the shapes, without the batch."""
    queue = by_name.get(node.inputs[0].node) if node.inputs else None
    stated, types = node.attributes.get("output_shapes"), node.attributes.get("output_types")
    batch: Shape = ()
    if node.op in _QUEUES:
        stated, types = (
            queue.attributes.get("shapes") if queue else None,
            node.attributes.get("component_types"),
        )
        batch = () if node.op in _ONE_OF_A_QUEUE else (-1,)
    shapes = [] if stated is None else stated.list.shape
    for place, kind in enumerate([] if types is None else types.list.type):
        name = f"{node.name}/{place}" if place else node.name
        sizes = _sizes(shapes[place], batch) if place < len(shapes) else None
        if str(kind) != TEXT:
            yield _Output(place, (placeholder(name, str(kind), sizes),))


def _sources(nodes: Sequence[Node]) -> set[str]:
    """Return the data sets and queues that nothing else reads."""
    batches = ("IteratorGetNext", *_QUEUES)
    others = {each.node for node in nodes if node.op not in batches for each in node.inputs}
    return {each.node for node in nodes if node.op in batches for each in node.inputs} - others


def _sizes(shape: Message, batch: Shape) -> Shape | None:
    return None if shape.unknown_rank else (*batch, *(int(dim.size) for dim in shape.dim))


def _sound(node: Node) -> Iterator[_Output]:
    """Yield the samples, given with a row a channel, so that channels come where other inputs have pictures."""
    samples, channels = node.integer("desired_samples", -1), node.integer("desired_channels", -1)
    length = min(samples, _MOST_SAMPLES) if samples > 0 else _USUAL_RATE
    given = placeholder(node.name, "DT_FLOAT", (max(channels, 1), length))
    order = constant_node(f"{node.name}/order", np.array([1, 0], np.int32))
    reads = (OutputReference(given.name, 0), OutputReference(order.name, 0))
    turned = Node(f"{node.name}/samples", "Transpose", reads, {"T": given.attributes["dtype"]})
    yield _Output(0, (given, order, turned))
    rate = placeholder(f"{node.name}/rate", "DT_INT32")
    yield _Output(1, (rate,), np.asarray(_USUAL_RATE, np.int32))


def _note(node: Node, inputs: Sequence[str]) -> str:
    names = ", ".join(map(repr, inputs))
    are = "is the input" if len(inputs) == 1 else "are the inputs"
    if node.op == "DecodeWav":
        return (
            f"{names} {are}: {node.op}, which reads a WAV file, is cut off. Give its samples, from -1 to 1 and "
            f"{_USUAL_RATE:,} a second, as a NumPy file of (channels, samples)"
        )
    read = "records" if node.op.startswith(("Parse", "Decode")) else "a data set"
    return f"{names} {are}: {node.op}, which reads {read}, is cut off. Give the numbers it reads"
