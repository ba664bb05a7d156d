"""Layers that Keras's engines compute differently, and which of them convscope computes.

Keras 3.15 on TensorFlow beside Keras on PyTorch: a cubic resizing without antialiasing has another curve, and an
average over a window that reaches past one border further than past the other takes in repeats of that border.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import ceil

from convscope.errors import warn
from convscope.network.graph import Operation
from convscope.network.parameters import Shape

_CUBIC = "cubic resizing"
_AVERAGE = "averages over windows past the border"


def tell_of_engines(operations: Iterable[Operation], shapes: Mapping[str, Shape | None], engine: str) -> None:
    """Warn of the layers whose answer hangs on an engine that is not stated (""), or is not followed."""
    if engine not in ("", "torch"):
        return
    named: dict[str, list[str]] = {}
    for operation in operations:
        for what in _differing(operation, shapes):
            if not (engine == "torch" and what == _CUBIC):  # that one is followed
                names = named.setdefault(what, [])
                names.extend([operation.name] if operation.name not in names else [])
    if named:
        listed = "; ".join(f"{what} in {', '.join(map(repr, names))}" for what, names in named.items())
        runs = "the model runs on PyTorch" if engine else "nothing says which one the model ran on"
        warn(
            f"Keras on PyTorch answers otherwise than on TensorFlow and JAX, and {runs}; "
            f"computed as on TensorFlow: {listed}"
        )


def _differing(operation: Operation, shapes: Mapping[str, Shape | None]) -> Iterator[str]:
    before, after = shapes.get(operation.inputs[0]), shapes.get(operation.outputs[0])
    if before is None or after is None:
        return
    attributes = operation.attributes
    cubic = operation.kind == "resize" and attributes["interpolation"] == "cubic"
    if cubic and not attributes.get("antialias") and before != after:
        yield _CUBIC
    averages = operation.kind == "average_pool" or attributes.get("summary") == "mean"
    if averages and attributes.get("padding") == "same":
        places = before[1:-1] if operation.channels_last else before[2:]
        windows = list(zip(places, attributes["kernel"], attributes["stride"], strict=True))
        past = [max((ceil(size / step) - 1) * step + window - size, 0) for size, window, step in windows]
        # A window that holds one pixel and its repeat has the same mean.
        if any(one % 2 for one in past) and any(
            one and window > 2 for one, (_, window, _) in zip(past, windows, strict=True)
        ):
            yield _AVERAGE
