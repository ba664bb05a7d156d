"""Which tensors some code allocates and frees, logged while it runs on small tensors that stand for large ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from convscope.network.engine.heap import Event


class AllocationLog(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Logs the tensors that operations allocate under it, each as `scale` times its size."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.scale = 1.0
        self._events: list[Event] = []
        self._held: dict[int, tuple[StorageWeakRef, int]] = {}
        self._count = 0

    @property
    def events(self) -> list[Event]:
        """What was allocated and freed so far."""
        self._note_what_is_gone()
        return [*self._events]

    def insert(self, events: Iterable[Event]) -> None:
        """Log what was logged elsewhere as if it happened now."""
        self._note_what_is_gone()
        numbers = dict[int, int]()
        for number, size in events:
            if number not in numbers:
                self._count += 1
                numbers[number] = self._count
            self._events.append((numbers[number], size))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._note_what_is_gone()
        result = func(*args, **(kwargs or {}))
        # What is made empty stands for a shape (`max_pool_gradient`), and is never touched.
        if func is not torch.ops.aten.empty.memory_format:
            there = {storage._cdata for storage in _storages((args, kwargs))}
            for storage in _storages(result):
                if storage._cdata not in there:
                    self._note(storage)
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        size = int(storage.nbytes() * self.scale)
        if storage._cdata not in self._held and size:
            self._count += 1
            self._held[storage._cdata] = StorageWeakRef(storage), self._count  # type: ignore[no-untyped-call]
            self._events.append((self._count, size))

    def _note_what_is_gone(self) -> None:
        for key, (reference, number) in [*self._held.items()]:
            if reference.expired():  # type: ignore[no-untyped-call]
                del self._held[key]
                self._events.append((number, 0))


def _storages(value: Any) -> list[torch.UntypedStorage]:
    tensors = [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
    return [
        tensor.untyped_storage() for tensor in tensors if not tensor.is_mkldnn
    ]  # packed filters show none
