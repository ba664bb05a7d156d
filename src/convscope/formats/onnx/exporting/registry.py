"""The table of exporters: which function writes an operation of each kind as nodes."""

from __future__ import annotations

from collections.abc import Callable

from convscope.formats.onnx.exporting.writer import Part

Exporter = Callable[[Part], None]

EXPORTERS: dict[str, Exporter] = {}


def exports(*kinds: str) -> Callable[[Exporter], Exporter]:
    """Register the function that writes operations of these kinds."""

    def register(function: Exporter) -> Exporter:
        EXPORTERS.update(dict.fromkeys(kinds, function))
        return function

    return register


def straight(op_type: str, **attributes: object) -> Exporter:
    """Return the exporter of an operation that one operator computes, from the same inputs."""
    return lambda part: part.write(op_type, *part.inputs, **attributes)
