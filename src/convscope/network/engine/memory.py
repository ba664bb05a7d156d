"""Memory, asked about before it is taken: a stranger's file may claim any size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path

from convscope.errors import InputError
from convscope.network.graph import Graph
from convscope.network.parameters import Shape

BYTES_PER_NUMBER = 4
_SHORTAGE = ("can't allocate memory", "out of memory", "not enough memory", "size calculation overflowed")
_LARGE = 2**25  # numbers, 134 MB: what any network may make of its input
_TIMES_GIVEN = 1000  # larger values are at most so many times its input and its parameters


def machine_memory() -> int:
    """Return how many bytes of memory this machine has; 16 GB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 16 * 10**9


def resident_memory() -> int:
    """Return how many bytes this process holds now; 300 MB where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 300 * 10**6


def is_shortage(error: Exception) -> bool:
    """Whether numpy or torch say that there is not enough memory."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _SHORTAGE)


@contextmanager
def shortage_in_words() -> Iterator[None]:
    """Turn the failure to get memory, in numpy's or torch's words, into an InputError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_shortage(error):
            raise InputError(
                "this run needs more memory than there is left: use a smaller input, fewer pictures at a time, "
                "or ask for fewer layers"
            ) from error
        raise


def require_memory(graph: Graph, shapes: Mapping[str, Shape | None], targets: Iterable[str]) -> None:
    """Raise InputError, naming the largest part, when a run would need more memory than the machine has."""
    operations = graph.needed_for(targets)
    keys = {key for operation in operations for key in operation.parameters.values()}
    parameters = {key: graph.parameters.shapes[key] for key in keys} | {
        value: shapes.get(value) for value in targets
    }
    steps = [{value: shapes.get(value) for value in (*op.inputs, *op.outputs)} for op in operations]
    # What is kept all along, and the largest step between: values in between are freed after their last reader.
    sizes = parameters | max(steps, key=_count, default={})
    needed = BYTES_PER_NUMBER * _count(sizes)
    if needed > machine_memory():
        largest = max(sizes, key=lambda name: prod(sizes[name] or (0,)))
        raise InputError(
            f"this run would take {needed / 1e9:,.0f} GB of memory, most of it for {largest!r} "
            f"({'x'.join(map(str, sizes[largest] or ()))}); this machine has {machine_memory() / 1e9:,.0f} GB. "
            "Use a smaller input or fewer pictures at a time"
        )
    _require_proportion(graph, {name: shape for step in steps for name, shape in step.items()}, parameters)


def _require_proportion(
    graph: Graph, sizes: Mapping[str, Shape | None], kept: Mapping[str, Shape | None]
) -> None:
    """Raise InputError where a value, or all that are kept, are out of proportion to what they are made of."""
    start = _count({name: sizes.get(name) for name in graph.inputs}) + _count(
        {key: graph.parameters.shapes[key] for key in kept if key in graph.parameters.shapes}
    )
    for name, shape in sizes.items():
        if shape is not None:
            require_proportion(name, shape, start)
    values = {name: shape for name, shape in kept.items() if name not in graph.parameters.shapes}
    if (together := _count(values)) > max(_LARGE, _TIMES_GIVEN * start):
        raise InputError(
            f"the {len(values):,} layers asked for have {together:,} numbers together, made of {start:,}: ask for fewer"
        )


def require_proportion(name: str, shape: Shape, given: int) -> None:
    """Raise InputError where a value is out of proportion to the numbers that it is made of."""
    if prod(shape) > max(_LARGE, _TIMES_GIVEN * given):
        raise InputError(
            f"{name!r} would have {prod(shape):,} numbers ({'x'.join(map(str, shape))}), made of {given:,}: "
            "the file is damaged, or made to take memory"
        )


def _count(sizes: Mapping[str, Shape | None]) -> int:
    """How many numbers these values are together; an unknown shape counts as none."""
    return sum(prod(shape) for shape in sizes.values() if shape is not None)
