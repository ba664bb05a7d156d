"""What a process really holds for tensors that are made and let go: more than they are, where some are small.

The C library asks the system for a large block by itself and gives it back at once. Smaller ones lie side by side in
its heap, which keeps the holes between them (see `allocation`): tensors of other sizes fit in badly.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from convscope.network.engine.allocation import KEPT_BYTES, LARGEST_MMAP_THRESHOLD

Event: TypeAlias = tuple[int, int]
"""A tensor's number, and the bytes it is made with; 0 when it is let go."""
_ALIGNED = 64  # torch's tensors begin at a multiple of so many bytes


def peak_bytes(events: Iterable[Event]) -> int:
    """Return the most bytes held at a time for tensors allocated and freed in this order."""
    heap, large, sizes, most = _Heap(), 0, dict[int, int](), 0
    for number, size in events:
        if size == 0:
            size = sizes.pop(number)
            if size >= LARGEST_MMAP_THRESHOLD:
                large -= size
            else:
                heap.let_go(number)
            continue
        sizes[number] = size
        if size >= LARGEST_MMAP_THRESHOLD:
            large += size
        else:
            heap.make(number, size)
        most = max(most, heap.top + large)
    return most


@dataclass
class _Heap:
    """Blocks side by side, each in the smallest hole it fits in; `top` is where they end."""

    top: int = 0
    _blocks: dict[int, tuple[int, int]] = field(default_factory=dict)
    _holes: list[tuple[int, int]] = field(default_factory=list)
    _by_start: dict[int, int] = field(default_factory=dict)
    _by_end: dict[int, int] = field(default_factory=dict)

    def make(self, number: int, size: int) -> None:
        """Place a block."""
        size = -(-size // _ALIGNED) * _ALIGNED
        index = bisect_left(self._holes, (size, 0))
        if index == len(self._holes):
            begin = self._by_end.get(self.top, self.top)
            if begin < self.top:
                self._remove(begin, self.top - begin)
            self.top = begin + size
        else:
            room, begin = self._holes[index]
            self._remove(begin, room)
            if room > size:
                self._add(begin + size, room - size)
        self._blocks[number] = (begin, size)

    def let_go(self, number: int) -> None:
        """Make a hole of a block, one with the holes beside it; a large one at the end is given back."""
        begin, size = self._blocks.pop(number)
        if (behind := self._by_start.get(begin + size)) is not None:
            self._remove(begin + size, behind)
            size += behind
        if (before := self._by_end.get(begin)) is not None:
            self._remove(before, begin - before)
            begin, size = before, size + begin - before
        if begin + size == self.top and size > KEPT_BYTES:
            self.top = begin
        else:
            self._add(begin, size)

    def _add(self, begin: int, size: int) -> None:
        insort(self._holes, (size, begin))
        self._by_start[begin], self._by_end[begin + size] = size, begin

    def _remove(self, begin: int, size: int) -> None:
        del self._holes[bisect_left(self._holes, (size, begin))]
        del self._by_start[begin], self._by_end[begin + size]
