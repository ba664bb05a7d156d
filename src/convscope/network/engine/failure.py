"""Which layer could not be run: torch's own words name none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, fx

from convscope.errors import ConvscopeError, InputError
from convscope.network.engine.memory import is_shortage


@contextmanager
def layer_in_words(module: fx.GraphModule, inputs: Sequence[Tensor]) -> Iterator[None]:
    """Turn what an operation raises into an InputError with the layer's name; the cut is run again to find it."""
    try:
        yield
    except (ConvscopeError, MemoryError):
        raise
    except Exception as error:
        if is_shortage(error):
            raise
        finder = _Finder(module)
        try:
            finder.run(*inputs)
        except Exception:
            name = finder.reached
        else:
            name = ""
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        place = f"layer {name!r}" if name else "the network"
        raise InputError(f"{place} cannot be run: {reason} ({type(error).__name__})") from error


class _Finder(fx.Interpreter):
    """Runs a cut node by node, and knows where it is."""

    reached = ""

    def run_node(self, node: fx.Node) -> Any:
        self.reached = node.meta.get("operation", self.reached)
        return super().run_node(node)
