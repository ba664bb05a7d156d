"""What a Caffe layer becomes: an operation with its attributes, an input of the network, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from convscope.errors import NetworkFileError, UnsupportedLayer
from convscope.formats.caffe.message import Message

Shape = tuple[int, ...]
InputShape = tuple[int | None, ...]
ShapeRule = Callable[[Sequence[Shape]], tuple[Shape, ...]]


@dataclass(frozen=True)
class Translation:
    """A layer in convscope's terms.

    An operation has a `kind` (a name in `OPERATIONS`) and `attributes`, its keywords. Its blobs are, in order,
    the keywords `roles`; `fillers` are how they are filled without a weight file, `shape_rule` gives their shapes
    (see `parameter_shapes`), and `stored` says whether a weight file has them; `loose` that they may have further axes
    of size 1 there. `nominal` are the tops' largest shapes where those depend on the numbers. It reads the first
    `bottoms` bottoms (None: all) and writes the tops with the indices `tops` (None: all).

    An input of the network has `input_shapes`, one a top: None where nothing is known, None for a size that is
    not. A layer that is left out has only a `note`; elsewhere the note says what to know about the translation. One
    that cannot be computed is `cut`, which is the sentence that says why.
    """

    kind: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    fillers: tuple[Message, ...] = ()
    shape_rule: ShapeRule | None = None
    stored: bool = True
    bottoms: int | None = None
    tops: tuple[int, ...] | None = None
    input_shapes: tuple[InputShape | None, ...] | None = None
    loose: bool = False
    nominal: tuple[Shape, ...] = ()
    note: str = ""
    cut: str = ""

    @property
    def is_input(self) -> bool:
        """Whether the layer's tops are inputs of the network."""
        return self.input_shapes is not None

    @property
    def skip(self) -> bool:
        """Whether the layer is left out; `note` says why."""
        return not (self.kind or self.is_input or self.cut)


def parameter_shapes(translation: Translation, input_shapes: Sequence[Shape]) -> tuple[Shape, ...] | None:
    """Return the shape of each blob, in the order of the roles, for inputs of these shapes.

    None for a custom layer that has blobs but no rule for them: they are what the weight file says.

    >>> parameter_shapes(translate(convolution_layer), [(1, 3, 227, 227)])
    ((96, 3, 11, 11), (96,))
    """
    if translation.shape_rule is None:
        return None if translation.roles else ()
    return translation.shape_rule(input_shapes)


def wrong(layer: Message, what: str) -> NetworkFileError:
    """Return the error that says what is wrong with a layer, and where it stands."""
    place = f" ({layer.place})" if layer.place else ""
    return NetworkFileError(f"layer {layer.name!r}{place}, a {layer.type}: {what}")


def incomplete(layer: Message, what: str) -> UnsupportedLayer:
    """Return the error for a fork's layer that cannot be computed as it is written: the network is cut there."""
    return UnsupportedLayer(str(wrong(layer, what)))
