"""The table of ONNX's operators: which function turns a node of each into operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convscope.formats.onnx.node import Node, Step, require_count

Translator = Callable[[Node], Step | Sequence[Step]]

TRANSLATORS: dict[str, Translator] = {}


def translates(*names: str, inputs: int = 1) -> Callable[[Translator], Translator]:
    """Register a function for operators of these names; it is called with at least so many inputs."""

    def register(function: Translator) -> Translator:
        def checked(node: Node) -> Step | Sequence[Step]:
            require_count(node, inputs)
            return function(node)

        TRANSLATORS.update(dict.fromkeys(names, checked))
        return function

    return register


def plain(kind: str, **attributes: Any) -> Translator:
    """Return the translation of an operator with one input and nothing to say."""
    return lambda node: Step(kind, node.inputs[:1], attributes=attributes)


def renamed(kind: str, **names: tuple[str, Any]) -> Translator:
    """Return the translation of an operator whose attributes have other names here: (ONNX's name, its default)."""

    def translate(node: Node) -> Step:
        attributes: Mapping[str, Any] = {
            ours: node.attributes.get(theirs, default) for ours, (theirs, default) in names.items()
        }
        return Step(kind, node.inputs[:1], attributes=attributes)

    return translate
