"""Each answer shown as what it is: maps as tiles, tokens as maps, a segmentation as one, a picture as a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from convscope.argument_errors import arguments_in_words
from convscope.looking.activations import activations, has_tiles
from convscope.looking.answers import answer, answer_rows, recorded
from convscope.looking.boxes import Box, boxes, find_boxes
from convscope.looking.classify import predictions
from convscope.looking.output_picture import output_picture
from convscope.looking.segmentation import class_shares, segmentation
from convscope.looking.token_maps import token_maps
from convscope.looking.values import values
from convscope.network.network import Network
from convscope.network.outputs import Output, Role, token_grid
from convscope.network.tokens import flattened_maps
from convscope.pictures.photograph import InputLike, open_photograph
from convscope.pictures.picture import Picture
from convscope.presentation.style import ThemeName
from convscope.presentation.wording import percent

_AS_A_WHOLE: dict[Role, Callable[..., Picture]] = {
    "class map": segmentation,
    "picture": output_picture,
    "tokens": token_maps,
}
_TELLING: tuple[Role, ...] = ("classes", "class map", "picture", "boxes", "tokens", "map", "vector")


def show(
    network: Network, picture: InputLike, address: str, *, theme: ThemeName = "light", **look: Any
) -> Picture:
    """Return what an address answers to a picture, shown as what it is.

    An output that is a map of classes is a segmentation, one that is a picture a picture; tokens are maps, what has
    positions is a tile a channel, and anything else is plotted. `look` is of `activations`; with ``channels`` a layer
    is shown channel by channel, whatever it is. What decides is the answer to this picture, not the file's shape.

    >>> show(network, "cat.jpg", "conv1").save("conv1.png")
    """
    photograph = picture if isinstance(picture, Tensor) else open_photograph(picture)
    unit = network.resolve(address)
    layer = unit.layer
    with recorded(network, photograph, [layer]):
        shape = answer(network, photograph, layer).shape
        if unit.channel is None and look.get("channels") is None:
            output = next((output for output in network.outputs if output.value == layer), None)
            technique = _AS_A_WHOLE.get(output.role) if output else None
            if output and output.role == "boxes" and find_boxes(network, photograph) is not None:
                return boxes(network, photograph, theme=theme)
            if technique is None and _is_of_tokens(network, photograph, layer):
                technique = token_maps
            if technique is not None:
                return technique(network, photograph, layer, theme=theme)
        if has_tiles(network, shape):
            return activations(network, photograph, address, theme=theme, **look)
        return values(network, photograph, address, order=look.get("order", "index"), theme=theme)


@arguments_in_words
def show_output(
    network: Network, picture: InputLike, output: Output | None = None, *, theme: ThemeName = "light"
) -> Picture:
    """Return one of a network's outputs for a picture, shown as what it is; by default the one that tells most.

    `output` is the value's name. Classes are bars; else as `show` has it. Numbers that are no probabilities are
    never called so.

    >>> convscope.show_output(network, "coffee").save("answer.png")
    """
    output = output or telling_output(network)
    if output.role == "classes" and output.value in network.class_values:
        return predictions(network, picture, theme=theme)
    shown = show(network, picture, output.value, theme=theme)
    if output.role != "boxes" or (shown.recipe and shown.recipe.function == "boxes"):
        return shown
    return replace(
        shown,
        caption=f"{output}: what a detector makes its boxes of, and no probabilities of the picture. {shown.caption}",
    )


def telling_output(network: Network) -> Output:
    """Return the output that tells most of a picture: classes before a map of them, plain numbers last.

    InputError for a network without outputs.
    """
    main = network.main_output
    return min(network.outputs, key=lambda output: (_TELLING.index(output.role), output.value != main))


def words_of(network: Network, picture: InputLike, output: Output, *, top: int = 5) -> list[str]:
    """Return what an output says of a picture, a line each: the classes' shares of it, or only what the output is."""
    if output.role == "boxes" and (read := find_boxes(network, picture)) is not None:
        return [str(output), *[_box_in_words(box) for box in read.found[:top]]]
    if output.role != "class map":
        return [str(output)]
    shares = class_shares(network, picture, output.value)[:top]
    lines = [f"{percent(one.share):>6} of the picture  {one.label}  ({one.address})" for one in shares]
    return [str(output), *lines]


def _box_in_words(box: Box) -> str:
    left, top, right, bottom = (f"{100 * share:.0f}" for share in box.corners)
    return f"{box.score:6.2f}  {box.label}  (x {left} to {right} %, y {top} to {bottom} %)"


def _is_of_tokens(network: Network, picture: Any, layer: str) -> bool:
    rows = answer_rows(network, picture, layer)
    spec = network.input_spec
    return (
        rows.ndim == 2
        and layer not in flattened_maps(network)
        and rows.shape[1] >= 16
        and spec is not None
        and token_grid(spec.size, len(rows)) is not None
    )
