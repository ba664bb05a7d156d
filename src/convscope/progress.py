"""Progress bars, in one place: for what takes longer than two seconds, on a terminal or in a notebook.

Off for one call with ``progress=False``, for a block with `bars`, for everything with the environment's
``TQDM_DISABLE=1``, which is tqdm's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from threading import RLock
from typing import Any, TypeAlias
from warnings import catch_warnings, simplefilter

Watch: TypeAlias = Callable[[int, int], None]
"""Is told how much is done of how much."""
_DELAY = 2.0  # seconds: what is done sooner shows no bar
_SHOWN: ContextVar[bool] = ContextVar("convscope progress", default=True)


@contextmanager
def bars(visible: bool) -> Iterator[None]:
    """Show no bars in this block where they are not wanted; what a block around it switched off stays off.

    >>> with bars(False):
    ...     convscope.occlusion(network, "coffee")
    """
    before = _SHOWN.set(visible and _SHOWN.get())
    try:
        yield
    finally:
        _SHOWN.reset(before)


def progress_bar(**options: Any) -> Any:
    """Return tqdm's bar, which a notebook shows as a widget; it leaves nothing behind, and no file or pipe gets it."""
    tqdm, widget = _bar_class()
    if not _SHOWN.get():
        options["disable"] = True
    elif "disable" in options:
        pass
    elif not _in_notebook() and "TQDM_DISABLE" not in os.environ:
        options["disable"] = None  # tqdm's word for: on a terminal only
    elif not widget:
        options = {"file": _Line()} | options
    return tqdm(**({"leave": False, "delay": _DELAY} | options))


class _Line:
    """One line of text in a notebook, in which a bar is drawn again and again: what is saved has it once, and empty.

    Jupyter's stdout keeps every state of a bar, one below the other, and shows what stderr gets in red.
    """

    encoding = "utf-8"  # tqdm asks for it, and draws with blocks

    def __init__(self) -> None:
        self._shown: Any = None

    def write(self, text: str) -> None:
        """Put the text in the place of the last; tqdm takes a bar away by writing spaces over it."""
        from IPython.display import display

        content = {"text/plain": text.strip("\r\n").rstrip()}
        if self._shown is not None:
            self._shown.update(content, raw=True)
        elif content["text/plain"]:
            self._shown = display(content, raw=True, display_id=True)

    def flush(self) -> None:
        """Do nothing: what is displayed is there at once."""


def _bar_class() -> tuple[Any, bool]:
    """Return tqdm's bar, and whether it is a notebook's widget; without ipywidgets it is the plain one, silently."""
    with catch_warnings():
        simplefilter("ignore")
        from tqdm.auto import tqdm
        from tqdm.std import tqdm as plain
    widget = hasattr(tqdm, "status_printer") and tqdm.status_printer is not plain.status_printer
    return _apart(tqdm), widget


@cache
def _apart(tqdm: Any) -> Any:
    """Return a kind of bar with a lock of its own, and without a thread that looks after it.

    Tqdm's lock is one for processes too, which settles for good how Python starts those: `set_start_method` is an
    error from then on.
    """
    bar: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
    bar.set_lock(RLock())
    return bar


def switch_off() -> None:
    """Show no more bars until the end of the `bars` around this."""
    _SHOWN.set(False)


@contextmanager
def watching(watch: Watch | None, unit: str) -> Iterator[Watch]:
    """Return who is told how far something is: `watch`, or a bar of so many units where nobody watches."""
    if watch is not None:
        yield watch
        return
    with progress_bar(unit=unit) as bar:

        def tell(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        yield tell


def _in_notebook() -> bool:
    """Tell whether Jupyter runs this: its output is no terminal, and shows bars all the same."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
