"""A device of torch's for tests: it computes with the processor's numbers, and refuses what a graphics card refuses.

Whoever mixes its tensors with the processor's gets the error that a card gives, on a machine that has none. The process
that calls `add_device` keeps it: torch has no way back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "elsewhere"
CROSSING = {"_to_copy", "copy_"}  # what takes numbers from one device to another
INDEXING = {
    "index",
    "index_put",
    "index_put_",
    "_index_put_impl_",
}  # a card takes the processor's whole numbers there


class There(Tensor):
    """A tensor of that device: its numbers lie in an ordinary one, `held`."""

    __module__ = "torch"  # what convscope knows a tensor by
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        return Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )

    def __init__(self, held: Tensor) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, function: Any, _: Any, positional: Any = (), keywords: Any = None) -> Any:
        return compute(function, positional, keywords or {})

    # What follows C++ does for an ordinary device, by ways that know of no device like this one.

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(_indices(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_indices(index), value)

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype).to(device or self.device)

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first")

    def __array__(self, dtype: Any = None) -> Any:
        return self.numpy()


def compute(function: Any, positional: Any, keywords: Any) -> Any:
    """Run one of torch's operators on what the tensors hold; RuntimeError where they are on two devices."""
    name = function._schema.name.partition("::")[2]
    tensors = [leaf for leaf in pytree.arg_tree_leaves(*positional, **keywords) if isinstance(leaf, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, There)]
    strangers = [tensor for tensor in tensors if not isinstance(tensor, There) and tensor.dim()]
    if name in INDEXING:
        strangers = [
            one for one in strangers if one is positional[0] or one.dtype not in (torch.int64, torch.bool)
        ]
    if there and strangers and name not in CROSSING:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and cpu! ({name})"
        )
    asked = keywords.get("device")
    goes = bool(there) if asked is None else torch.device(asked).type == NAME
    processor = {"device": torch.device("cpu")} if asked is not None else {}
    opened, options = pytree.tree_map_only(There, lambda one: one.held, (positional, dict(keywords)))
    result = function(*opened, **(options | processor))
    if name in ("copy_", "set_", "resize_"):
        return positional[0]
    if not goes:
        return result
    wrapped = pytree.tree_map_only(Tensor, lambda one: There(one.resolve_conj().resolve_neg()), result)
    return return_and_correct_aliasing(function, positional, keywords, wrapped) if there else wrapped


def _indices(index: Any) -> Any:
    def one(part: Any) -> Any:
        return (
            torch.tensor(part, dtype=None if part else torch.long).to(NAME)
            if isinstance(part, list)
            else part
        )

    return tuple(map(one, index)) if isinstance(index, tuple) else one(index)


def _made_first(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """One of torch's makers that C++ fills in place: filled on the processor, then moved."""

    @functools.wraps(make)
    def maker(*data: Any, device: Any = None, **options: Any) -> Tensor:
        if device is None or torch.device(device).type != NAME:
            return make(*data, device=device, **options)
        return make(*data, **options).to(device)

    return maker


class Backend:
    """What torch asks a device's module."""

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def _lazy_init(self) -> None: ...

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0


@functools.cache
def add_device() -> torch.library.Library:
    """Let torch know the device by its name, ``"elsewhere"``."""
    for name in ("tensor", "as_tensor", "eye", "linspace", "arange"):
        setattr(torch, name, _made_first(getattr(torch, name)))
    _setup_privateuseone_for_python_backend(NAME, Backend())
    library = torch.library.Library("_", "IMPL")
    library.fallback(lambda function, *given, **keywords: compute(function, given, keywords), "PrivateUse1")
    return library
