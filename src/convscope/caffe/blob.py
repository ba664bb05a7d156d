"""`caffe.Blob`: an array that a network computes or has learned, and the gradient beside it, both live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.caffe import mode
from convscope.errors import InputError

Floats = NDArray[np.float32]
Shape = tuple[int, ...]


class Memory:
    """The numbers behind one blob or several: taken when they are first looked at, kept while they suffice."""

    def __init__(self, load: Callable[[], Floats] | None = None) -> None:
        self._load = load
        self._values: Floats | None = None

    def load(self, load: Callable[[], Floats]) -> None:
        """Fill the memory: at once where somebody has looked at it, for those views stay live, else when they do."""
        if self._values is None:
            self._load = load
        else:
            values = load().reshape(-1)
            self._values[: values.size] = values

    def view(self, shape: Shape) -> Floats:
        """Return the numbers as a writable array of that shape; they are zeros until something is written."""
        count = prod(shape)
        if self._values is None and self._load is not None:
            self._values = self._load().reshape(-1)
        if self._values is None or self._values.size < count:
            self._values = np.zeros(count, np.float32)
        return self._values[:count].reshape(shape)


class Blob:
    """`data` and `diff` are numpy arrays in the blob's own memory: writing into them changes the network.

    >>> net.blobs["data"].reshape(1, 3, 227, 227)
    >>> net.blobs["data"].data[...] = picture
    >>> net.params["conv1"][1].data[0] += 1

    A view that was taken stays live through forward passes; it goes stale only when the blob is made larger.
    Nets of the oldest interface show every blob with four axes (`four_axes` says where the missing ones go).
    """

    def __init__(
        self, shape: Sequence[int] = (), load: Callable[[], Floats] | None = None, four_axes: str = ""
    ) -> None:
        self.true_shape: Shape = tuple(int(size) for size in shape)
        self._data, self._diff = Memory(load), Memory()
        self.four_axes = four_axes

    @property
    def shape(self) -> Shape:
        """The sizes of the axes."""
        ones = (1,) * (4 - len(self.true_shape))
        if self.four_axes == "behind":
            return self.true_shape + ones
        return ones + self.true_shape if self.four_axes == "in front" else self.true_shape

    @property
    def data(self) -> Floats:
        """The numbers, to read and to write into."""
        return self._data.view(self.shape)

    @data.setter
    def data(self, value: object) -> None:
        raise AttributeError("a blob's memory stays where it is: write into it, blob.data[...] = values")

    @property
    def true_data(self) -> Floats:
        """The numbers without the axes that only the oldest interface adds."""
        return self._data.view(self.true_shape)

    @property
    def diff(self) -> Floats:
        """The gradient for the numbers, to read and to write into."""
        return self._diff.view(self.shape)

    @diff.setter
    def diff(self, value: object) -> None:
        raise AttributeError("a blob's memory stays where it is: write into it, blob.diff[...] = values")

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return prod(self.true_shape)

    @property
    def num(self) -> int:
        """The size of the first axis, the batch (1 where there is none; so with the next three)."""
        return self._legacy_size(0)

    @property
    def channels(self) -> int:
        """The size of the second axis."""
        return self._legacy_size(1)

    @property
    def height(self) -> int:
        """The size of the third axis."""
        return self._legacy_size(2)

    @property
    def width(self) -> int:
        """The size of the fourth axis."""
        return self._legacy_size(3)

    def _legacy_size(self, axis: int) -> int:
        if len(self.shape) > 4:
            raise InputError(
                f"a blob of {len(self.shape)} axes has no num, channels, height, width: use blob.shape"
            )
        return self.shape[axis] if axis < len(self.shape) else 1

    def reshape(self, *dims: int) -> None:
        """Give the blob another shape; what it holds is kept as far as it fits.

        The blobs computed from it follow at the next `net.forward()` or `net.reshape()`.
        """
        if any(int(size) != size or size < 0 for size in dims):
            raise InputError(f"a blob's sizes are whole numbers from 0 on, one argument each; found {dims}")
        self.true_shape = tuple(int(size) for size in dims)

    def share_data(self, other: Blob) -> None:
        """Have the same numbers as another blob, in the same memory."""
        self._data = other._data

    def share_diff(self, other: Blob) -> None:
        """Have the same gradient as another blob, in the same memory."""
        self._diff = other._diff

    def load(self, load: Callable[[], Floats]) -> None:
        """Take the numbers from somewhere else when they are next looked at."""
        self._data.load(load)

    def tensor(self) -> Tensor:
        """Return the numbers for computing: on the CPU the same memory, elsewhere a copy."""
        return torch.from_numpy(self._data.view(self.true_shape)).to(mode.device())

    def diff_tensor(self) -> Tensor:
        """Return the gradient for computing."""
        return torch.from_numpy(self._diff.view(self.true_shape)).to(mode.device())

    def write(self, value: Tensor) -> None:
        """Copy a computed result into the memory, taking over its shape."""
        self.true_shape = tuple(value.shape)
        torch.from_numpy(self._data.view(self.true_shape)).copy_(value.detach())

    def write_diff(self, value: Tensor | None, *, add: bool = False) -> None:
        """Copy a computed gradient into the memory (None: zeros), or add it to what is there."""
        memory = torch.from_numpy(self._diff.view(self.true_shape))
        if add and value is not None:
            memory += value.to(memory.device)
        elif not add:
            memory.copy_(value if value is not None else torch.zeros(()))

    def __repr__(self) -> str:
        return f"<Blob {self.shape}>"


class Blobs(list[Blob]):
    """A layer's parameters; a Python layer adds its own in `setup`."""

    def add_blob(self, *shape: int) -> None:
        """Append a blob of zeros."""
        self.append(Blob(shape))
