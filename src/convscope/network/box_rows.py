"""A detector's boxes have numbers of many kinds, corners, scores, classes: what is said of all of them says nothing."""

from __future__ import annotations

from convscope.address import Address
from convscope.errors import InputError
from convscope.network.network import Network

_DETECTION = 7  # numbers of a DetectionOutput's row, of maps with a single channel


def require_one_quantity(network: Network, address: Address) -> None:
    """InputError for boxes as a whole, or for one box with all its numbers: their mean or maximum is of no quantity.

    One kind of number over all boxes is one, and so is a single number.
    """
    if address.position is not None or (numbers := numbers_of_a_box(network, address.layer)) is None:
        return
    axis, count = numbers
    if address.channel is not None and axis == 1:
        return  # one kind of number, of every box
    what = "the boxes of a detector" if address.channel is None else "one box of a detector"
    first = 0 if address.channel is None else address.channel
    one = {1: f"{address.layer}:{first}", 2: f"{address.layer}:{first}@0", 3: f"{address.layer}:0@{first},2"}
    raise InputError(
        f"{address} is {what}: {count:,} numbers of different kinds, which have no mean to look at; name one of "
        f"them, as {one[axis]}"
    )


def numbers_of_a_box(network: Network, layer: str) -> tuple[int, int] | None:
    """Return the axis, channels first, that the numbers of a layer's boxes are on, and how many; None of no boxes."""
    shape = network.shape_channels_first(layer)
    boxes = any(output.value == layer and output.role == "boxes" for output in network.outputs)
    if not boxes or shape is None or len(shape) not in (3, 4) or shape[2:] == (1,):
        return None
    if len(shape) == 4:
        return (3, shape[3]) if shape[1] == 1 and shape[3] == _DETECTION else (1, shape[1])
    return (2, shape[2]) if shape[2] == 4 or shape[2] < shape[1] else (1, shape[1])
