"""What a Caffe layer becomes: an operation with its blobs, an input of the network, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from convscope.errors import NetworkFileError, UnsupportedLayer
from convscope.formats.caffe.layers.fillers import WEIGHTS, ZEROS, filler_of
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan

Shape = tuple[int, ...]
InputShape = tuple[int | None, ...]
ShapeRule = Callable[[Sequence[Shape]], Shape]


@dataclass(frozen=True)
class LearnedBlob:
    """A blob of a layer, as its plan has it under the operation's keyword; a weight file has them in that order.

    `filler` is how it is filled without a weight file, `shape` gives its shape for those of the layer's inputs (None:
    the weight file tells). `stored` says whether a weight file has it at all, `loose` that it may have further axes of
    size 1 there, `optional` that it may leave it out.

    >>> LearnedBlob(filler_of(parameters, "bias_filler", ZEROS), lambda inputs: inputs[0][1:2])
    """

    filler: Message | None = None
    shape: ShapeRule | None = None
    stored: bool = True
    loose: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Translation:
    """A layer's place in the network: what it computes, or that it is an input, or why it is neither.

    The plan's parameters are `LearnedBlob`. It writes the tops with the indices `tops` (None: all), and `largest` are
    their largest shapes where those depend on the numbers.

    An input of the network has `input_shapes`, one a top: None where nothing is known, None for a size that is
    not. A layer that is left out has only a `note`; elsewhere the note says what to know about the translation. One
    that cannot be computed is `cut`, which is the sentence that says why.
    """

    plan: OperationPlan | None = None
    tops: tuple[int, ...] | None = None
    largest: tuple[Shape, ...] = ()
    input_shapes: tuple[InputShape | None, ...] | None = None
    note: str = ""
    cut: str = ""

    @property
    def is_input(self) -> bool:
        """Whether the layer's tops are inputs of the network."""
        return self.input_shapes is not None

    @property
    def skip(self) -> bool:
        """Whether the layer is left out; `note` says why."""
        return not (self.plan or self.is_input or self.cut)

    @property
    def blobs(self) -> Mapping[str, LearnedBlob]:
        """The layer's blobs, in the order of a weight file, by the operation's keywords."""
        return self.plan.parameters if self.plan else {}

    @property
    def stored_blobs(self) -> bool:
        """Whether the layer has numbers that a weight file would hold."""
        return any(blob.stored for blob in self.blobs.values())


def blob_per_channel(filler: Message) -> LearnedBlob:
    """Return a blob with one number a channel, however many further axes a weight file gives it."""
    return LearnedBlob(filler, lambda inputs: inputs[0][1:2], loose=True)


def weight_and_bias(parameters: Message, shape: ShapeRule) -> dict[str, LearnedBlob]:
    """Return a layer's weight, which has that shape, and its bias where its settings ask for one."""
    blobs = {"weight": LearnedBlob(filler_of(parameters, "weight_filler", WEIGHTS), shape)}
    if parameters.bias_term:
        count = (parameters.num_output,)
        blobs["bias"] = LearnedBlob(filler_of(parameters, "bias_filler", ZEROS), lambda inputs: count)
    return blobs


def blob_shapes(blobs: Mapping[str, LearnedBlob], inputs: Sequence[Shape]) -> tuple[Shape, ...] | None:
    """Return the shape of each blob for inputs of these shapes; None where only the weight file tells.

    >>> blob_shapes(translate(convolution_layer).blobs, [(1, 3, 227, 227)])
    ((96, 3, 11, 11), (96,))
    """
    rules = [blob.shape for blob in blobs.values()]
    shapes = [rule(inputs) for rule in rules if rule is not None]
    return tuple(shapes) if len(shapes) == len(rules) else None


def wrong(layer: Message, what: str) -> NetworkFileError:
    """Return the error that says what is wrong with a layer, and where it stands."""
    place = f" ({layer.place})" if layer.place else ""
    return NetworkFileError(f"layer {layer.name!r}{place}, a {layer.type}: {what}")


def incomplete(layer: Message, what: str) -> UnsupportedLayer:
    """Return the error for a fork's layer that cannot be computed as it is written: the network is cut there."""
    return UnsupportedLayer(str(wrong(layer, what)))
