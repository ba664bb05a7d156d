"""Python's own `len`, `max` and `min` as a module sees them while it is traced."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from convscope.formats.decisions import note_leak
from convscope.formats.pytorch.complex_parts import assigned_parts
from convscope.formats.pytorch.values import Values
from convscope.formats.sizes import Size, TracedShape, largest, smallest
from convscope.formats.sizes import plain as plain_number
from convscope.network.without_compiler import without_compiler

_WORDS = ("chr", "hex", "oct", "bin")  # make a word of a size, whatever is made of that
_BUILTINS = RLock()  # one thread at a time has a `len` of its own


def _not_compiled() -> AbstractContextManager[Any]:
    """Run what torch compiles, `@torch.compile`, as it is written, where its compiler is there at all."""
    loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if loaded else nullcontext()


@contextmanager
def sized_builtins(values: Values, sizes: Callable[[Tensor], TracedShape]) -> Iterator[None]:
    """Let `len` of a tensor be a size too, of which Python makes a plain number, and `max` and `min` of sizes.

    What is imported or compiled meanwhile has Python's own: torch's compiler keeps what it finds for good.
    """
    with _BUILTINS, without_compiler(), assigned_parts():
        plain = {name: getattr(builtins, name) for name in ("len", "max", "min", "__import__", *_WORDS)}
        compile_ = torch.compile

        def length(thing: Any) -> Any:
            followed = isinstance(thing, Tensor) and thing in values and thing.dim()
            return sizes(thing)[0] if followed else plain["len"](thing)

        def leaking(function: Callable[..., Any]) -> Callable[..., Any]:
            def word(number: Any) -> Any:
                if isinstance(number, Size):
                    note_leak(number.expression, plain_number(number))
                return function(number)

            return word

        def undisturbed(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                vars(builtins).update(plain)
                try:
                    return function(*args, **kwargs)
                finally:
                    vars(builtins).update(ours)

            return run

        ours = {
            "len": length,
            "max": largest,
            "min": smallest,
            "__import__": undisturbed(plain["__import__"]),
            **{name: leaking(plain[name]) for name in _WORDS},
        }
        vars(builtins).update(ours)
        torch.compile = lambda *args, **kwargs: undisturbed(compile_(*args, **kwargs))
        try:
            with _not_compiled():
                yield
        finally:
            torch.compile = compile_
            vars(builtins).update(plain)
