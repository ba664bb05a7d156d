"""What the processor does fast, where that decides which of two ways to the same numbers is taken.

It is told by what the processor is, not measured: the same machine takes the same way every time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch


def products_are_fast() -> bool:
    """Whether Intel's library multiplies matrices here, on an Intel processor: there it is faster than oneDNN's."""
    return _is_intel() and bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]


def bfloat16_is_fast() -> bool:
    """Whether half precision is computed faster than single.

    Intel's since 2023 (those with AVX512-FP16) have fast instructions for it in AMX alone, which a virtual machine may
    hide: what is left takes 1.6 times as long as single precision.
    """
    there: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    only_slow = _is_intel() and _known().get("avx512_fp16") and not _known().get("amx_bf16")
    return there and not only_slow


def _is_intel() -> bool:
    return str(_known().get("cpu_name", "")).startswith("Intel")


@cache
def _known() -> Mapping[str, Any]:
    """Return what torch says of the processor: older versions say nothing."""
    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return known
