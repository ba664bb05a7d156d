"""Torch as convscope computes with it, whatever the caller has set around a call.

In an autocast every sum is rounded to two or three digits, in inference mode gradients are zeros, with another default
device what is made on the way lies elsewhere, and with another default kind of number it is drawn and rounded
otherwise: an answer would be another one, and nobody would be told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

_AUTOCASTS = ("cpu", "cuda")
_begun_in = os.getpid()


@contextmanager
def ordinary_torch() -> Iterator[None]:
    """Compute without autocast and inference mode, in float32 on the processor where nothing else is said.

    In a process that was forked it computes on one thread: those that its parent computed with are not there, and torch
    would wait for them forever.

    Also a decorator. The settings are as they were afterwards; all but the kind of number are the thread's own. Torch
    is not imported for it.

    >>> with torch.inference_mode(), ordinary_torch():
    ...     torch.is_inference_mode_enabled()
    False
    """
    torch = sys.modules.get("torch")
    with ExitStack() as settings:
        if torch is not None:
            _leave_threads_behind(torch)
            if torch.is_inference_mode_enabled():
                settings.enter_context(torch.inference_mode(mode=False))
            for kind in _AUTOCASTS:
                if torch.is_autocast_enabled(kind):
                    settings.enter_context(torch.autocast(kind, enabled=False))
            if torch.get_default_device().type != "cpu":
                settings.enter_context(torch.device("cpu"))
            if (kind_of_number := torch.get_default_dtype()) != torch.float32:
                torch.set_default_dtype(torch.float32)
                settings.callback(torch.set_default_dtype, kind_of_number)
        yield


def _leave_threads_behind(torch: ModuleType) -> None:
    global _begun_in
    if os.getpid() != _begun_in:
        _begun_in = os.getpid()
        torch.set_num_threads(1)
