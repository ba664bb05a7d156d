"""A loop run on a small picture to know what it will hold for a large one: its tensors and the network's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor

from convscope.errors import ConvscopeWarning
from convscope.network.engine.allocation_log import AllocationLog
from convscope.network.engine.differentiable import Precision, type_of
from convscope.network.engine.heap import Event, peak_bytes
from convscope.network.engine.memory import resident_memory
from convscope.network.engine.tape_memory import filter_bytes, tape_events
from convscope.network.network import Network
from convscope.pictures.resizing import Size

SIDE = 128  # pixels of the small picture: room for every blur, roll and pyramid
STEPS = 3  # of the loop: by the third, everything has been made once and let go once
_WINDOWS = 3  # by the third, the heap has found its places
_HOLES = (
    1.13  # between the blocks of a long run: more than a short one leaves, up to an eighth of all (measured)
)
_STARTED = 35_000_000  # what torch's own machinery takes when it is used for the first time


@dataclass(frozen=True)
class MemoryProbe:
    """A network's way to some layers and back for windows of one size, in the course of a loop over larger pictures.

    `scalar` makes one number of the layers' answers. With `tiled` there are several windows.
    """

    network: Network
    layers: Sequence[str]
    size: Size
    window: Size
    scalar: Callable[[Sequence[Tensor]], Tensor]
    tiled: bool
    precision: Precision = "float32"
    log: AllocationLog = field(default_factory=AllocationLog)

    @contextmanager
    def small_pictures(self) -> Iterator[None]:
        """Log what is allocated for small pictures here as if they had the full size."""
        _ = self._tape  # before anything is logged
        self.log.scale = _pixels(self.size) / SIDE**2
        with self.log, catch_warnings():
            simplefilter("ignore", ConvscopeWarning)
            yield

    def keep(self, count: int) -> None:
        """Log so many bytes that are kept throughout."""
        if count:
            self.log.insert([(0, count)])

    def gradient(self, values: Tensor, pictures: Callable[[Tensor], Tensor]) -> Tensor:
        """Return a stand-in for the gradient of values, and log what computing one allocates.

        `pictures` are the values in 0..1.
        """
        spec = self.network.input_spec
        assert spec is not None
        slope, scale = (torch.ones_like(values) if self.tiled else None), self.log.scale
        self.log.scale = _pixels(self.window) / SIDE**2
        tensor = values
        for _ in range(_WINDOWS if self.tiled else 1):
            leaf = values.detach().requires_grad_()
            with torch.enable_grad():
                input = spec.from_rgb(pictures(leaf))
                self.log.insert(self._tape)
                (tensor,) = torch.autograd.grad(input.sum(), leaf)
        self.log.scale = scale
        return tensor if slope is None else slope

    def bytes_taken(self) -> int:
        """Return the most bytes that the process will hold, with what it holds by now."""
        shapes = self.network.input_shapes(self.window)
        filters = filter_bytes(self.network.graph, self.layers, shapes, type_of(self.precision))
        return int(_HOLES * (resident_memory() + _STARTED + filters + peak_bytes(self.log.events)))

    @cached_property
    def _tape(self) -> list[Event]:
        return self.tape_at(self.window)

    def tape_at(self, window: Size) -> list[Event]:
        """Return what the network makes and lets go for a window of another size."""
        shapes = self.network.input_shapes(window)
        return tape_events(self.network.graph, self.layers, shapes, self.scalar, type_of(self.precision))


def _pixels(size: Size) -> int:
    return size[0] * size[1]
