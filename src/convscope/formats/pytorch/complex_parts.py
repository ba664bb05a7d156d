"""``z.real = x`` and ``z.imag = x`` while a module is traced: what torch does past all that can be followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def assigned_parts() -> Iterator[None]:
    """Let an assignment to a part of complex numbers be a copy into that part, which torch itself makes of it."""
    try:
        for name, part in (("real", torch.real), ("imag", torch.imag)):
            setattr(Tensor, name, _assigned(getattr(torch._C.TensorBase, name), part))
        yield
    finally:
        for name in ("real", "imag"):
            if name in vars(Tensor):
                delattr(Tensor, name)


def _assigned(own: Any, part: Callable[[Tensor], Tensor]) -> property:
    def assign(numbers: Tensor, new: Tensor) -> None:
        part(numbers).copy_(new)

    return property(own.__get__, assign)
