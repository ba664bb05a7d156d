"""Torch as convscope computes with it, whatever the caller has set around a call.

In an autocast every sum is rounded to two or three digits, in inference mode gradients are zeros, with another default
device what is made on the way lies elsewhere, and with another default kind of number it is drawn and rounded
otherwise: an answer would be another one, and nobody would be told.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_AUTOCASTS = ("cpu", "cuda")


@contextmanager
def ordinary_torch() -> Iterator[None]:
    """Compute without autocast and inference mode, in float32 on the processor where nothing else is said.

    Also a decorator. The settings are as they were afterwards; all but the kind of number are the thread's own. Torch
    is not imported for it.

    >>> with torch.inference_mode(), ordinary_torch():
    ...     torch.is_inference_mode_enabled()
    False
    """
    torch = sys.modules.get("torch")
    with ExitStack() as settings:
        if torch is not None:
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
