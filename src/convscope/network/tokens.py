"""Which layers answer with tokens, some numbers for each place of a grid of the picture; and a token in words."""

from __future__ import annotations

from itertools import product

from convscope.address import Address
from convscope.network.network import Network
from convscope.network.operations import kind_of
from convscope.network.outputs import token_grid

_NUMBERS = 16  # of a token, at least: fewer are coordinates, or scores


def token_grids(network: Network) -> dict[str, tuple[int, int]]:
    """Return the layers that answer with (tokens, numbers), and the grid of places of the picture that these are."""
    spec, flattened = network.input_spec, flattened_maps(network)
    names = [name for name in network.layers if name not in flattened] if spec is not None else []
    shapes = {name: network.shapes[name] for name in names}
    grids = {
        name: token_grid(spec.size, shape[1])
        for name, shape in shapes.items()
        if spec is not None and shape is not None and len(shape) == 3 and shape[2] >= _NUMBERS
    }
    return {name: grid for name, grid in grids.items() if grid is not None}


def flattened_maps(network: Network) -> set[str]:
    """Return the values that are maps in one row each: (channels, places), which a detector turns around next.

    Where the channels are a square number (DETR's 256) they would pass for tokens.
    """
    shapes, flattened = network.shapes, set[str]()
    for operation in network.graph.operations:
        for before, after in product(operation.inputs, operation.outputs):
            old, new = shapes.get(before) or (), shapes.get(after) or ()
            made_so = len(old) == 4 and new == (old[0], old[1], old[2] * old[3])
            stays_so = before in flattened and new == old and kind_of(operation.kind).activation
            if made_so or stays_so:
                flattened.add(after)
    return flattened


def token_in_words(network: Network, address: Address) -> str:
    """Return what an address stands for that names a token and no channel; nothing for any other.

    >>> token_in_words(network, network.resolve("blocks.3:0"))
    'token 0 of blocks.3, which has no place in the picture, all its 192 numbers'
    """
    shape = network.shapes.get(address.layer)
    if address.channel is None or address.position is not None or shape is None:
        return ""
    if shape != network.shape_channels_first(address.layer):
        return ""  # of channels last, a number that every token has
    if (grid := token_grids(network).get(address.layer)) is None:
        return ""
    token, (rows, columns) = int(address.channel), grid
    row, column = divmod(token - (shape[1] - rows * columns), columns)
    where = (
        "which has no place in the picture"
        if row < 0
        else f"row {row}, column {column} of {rows} × {columns}"
    )
    return f"token {token} of {address.layer}, {where}, all its {shape[2]:,} numbers"
