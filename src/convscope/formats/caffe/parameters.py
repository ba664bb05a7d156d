"""Where each parameter of a Caffe net comes from: its weight file, or its filler when there is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import InputError, NetworkFileError, WeightsMismatch, warn
from convscope.formats.caffe.layers import LearnedBlob, blob_shapes, fill
from convscope.formats.caffe.layers.fillers import is_known
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.weights import Blob, Weights
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Shape

_WAYS_OUT = "Use the weights' own prototxt, or rename the layer to leave it out"


MOST_FILLED = 2**28  # a gigabyte; all of VGG19 has half as many


@dataclass(frozen=True)
class ParameterSource:
    """The parameter `key` of `layer`: its shape in this net, its blob, and how it is filled where it has none.

    `stored` is False for numbers that are never in a weight file, such as the constants of a DummyData layer.
    `same_as` is the parameter whose numbers it has in another shape (shared, PERMISSIVE).
    """

    key: str
    layer: str
    shape: Shape
    filler: Message | None
    stored: bool
    blob: Blob | None
    same_as: ParameterSource | None = None

    def load(self) -> Tensor:
        """Read or fill the numbers."""
        if self.same_as is not None:
            return self.same_as.load().reshape(self.shape)
        values = filled(self.key, self.filler, self.shape) if self.blob is None else self.blob.array()
        return torch.from_numpy(values).reshape(self.shape)


def needed_shapes(
    layer: str,
    type_name: str,
    blobs: Mapping[str, LearnedBlob],
    inputs: Sequence[Shape | None],
    shapes_in_file: Sequence[Shape],
) -> tuple[Shape, ...]:
    """Return the shapes of a layer's parameters for inputs of these shapes (None: not known).

    Those of a registered layer without a rule are what the weights hold, `shapes_in_file`. InputError names the layer.
    """
    if not blobs:
        return ()
    sizes = [shape for shape in inputs if shape is not None]
    if len(sizes) == len(inputs):
        try:
            shapes = blob_shapes(blobs, sizes)
        except (IndexError, ZeroDivisionError, ValueError) as error:
            read = ", ".join(map(dimensions, sizes)) or "nothing"
            reason = f": {error}" if isinstance(error, InputError) else ""
            raise InputError(f"layer {layer!r}: a {type_name} cannot take {read}{reason}") from error
        if shapes is not None:
            return shapes
    if len(shapes_in_file) != len(blobs):
        raise InputError(
            f"layer {layer!r} ({type_name}) has {len(blobs)} blobs whose shapes only the weights tell; "
            f"they hold {len(shapes_in_file)}"
        )
    return tuple(shapes_in_file)


def match_blobs(
    weights: Weights,
    layer: str,
    shapes: Sequence[Shape],
    shared: Collection[int] = (),
    *,
    loose: bool = False,
) -> dict[int, Blob]:
    """Return the blobs of a layer's parameters by index, as Caffe matches them; none when the file has no such layer.

    WeightsMismatch names the layer where there are more or fewer blobs than `shapes`, or one does not fit. HDF5 files
    leave out parameters that belong to an earlier layer: those with the indices `shared`. With `loose` a blob may have
    further axes of size 1.
    """
    blobs_by_index = {index: blob for index, blob in enumerate(weights.get(layer, ())) if blob is not None}
    needed = set(range(len(shapes)))
    if blobs_by_index and not needed.difference(shared) <= set(blobs_by_index) <= needed:
        raise WeightsMismatch(
            f"{weights.file}: layer {layer!r} has {len(blobs_by_index)} blobs, but the network needs {len(shapes)}. "
            f"{_WAYS_OUT}"
        )
    for index, blob in blobs_by_index.items():
        same = loose and _without_ones(blob.shape) == _without_ones(shapes[index])
        if not (same or blob.fits(shapes[index])):
            raise WeightsMismatch(
                f"{weights.file}: layer {layer!r}, blob {index} is {dimensions(blob.shape)}, but the network needs "
                f"{dimensions(shapes[index])}. {_WAYS_OUT}"
            )
    return blobs_by_index


def _without_ones(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def tell_missing(sources: Collection[ParameterSource], weights: Weights) -> None:
    """Warn of layers that the weights do not have; WeightsMismatch where they have none of the network's."""
    layers = list(dict.fromkeys(source.layer for source in sources if source.stored and not source.same_as))
    layers_with_blobs = {source.layer for source in sources if source.blob is not None}
    if layers and not layers_with_blobs:
        raise WeightsMismatch(
            f"{weights.file} has weights for none of the network's layers: it holds {_few(list(weights))}; "
            f"the network has {_few(layers)}. Is it another network's?"
        )
    if missing := [layer for layer in layers if layer not in layers_with_blobs]:
        warn(f"{weights.file} has no weights for {_few(missing)}: they are random (seed 0)")


IN_PLACE = "msra"
"""What stands for the filler of a fork: numbers that are random in any case."""


def filled(key: str, filler: Message | None, shape: Shape, seed: int = 0) -> NDArray[np.float32]:
    """Return a parameter as its filler says; its name counts into the seed, so the order of loading does not matter."""
    if prod(shape) > MOST_FILLED:
        raise NetworkFileError(
            f"{key!r} would be {prod(shape):,} random numbers, and convscope makes up to {MOST_FILLED:,}: "
            "give the weights"
        )
    if filler is None:
        return np.zeros(shape, np.float32)
    if not is_known(filler):
        filler = Message("FillerParameter", type=IN_PLACE)
    return fill(filler, shape, np.random.default_rng([crc32(key.encode()), seed]))


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
