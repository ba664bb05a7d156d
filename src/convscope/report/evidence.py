"""Where in the picture the evidence for the answer lies, by a few methods that fail in different ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from convscope.attribution.registry import METHODS
from convscope.errors import ConvscopeError
from convscope.report.context import Counter, ReportContext
from convscope.report.embedding import TitledFigure, embed_one

# From the coarsest to the finest, each with what keeps it short; one that is not there yet is left out.
_METHODS: dict[str, dict[str, Any]] = {
    "grad_cam": {},
    "smoothgrad": {"samples": 6},
    "guided_backprop": {},
}
_PARTS = 3  # of the work, where a figure is one


def evidence_parts(context: ReportContext) -> int:
    """Return how many parts of the work the section is."""
    return _PARTS * len(_chosen()) if context.network.input_spec is not None else 0


def evidence(context: ReportContext, count: Counter) -> Iterator[TitledFigure]:
    """Yield what each method finds of the most probable class, or of what else the network answers first."""
    for name in _chosen() if evidence_parts(context) else ():
        watch = count.through(_PARTS)
        words = METHODS[name].sentence
        try:
            explanation = METHODS[name].function(
                context.network, context.picture, bare=True, **_METHODS[name]
            )
        except ConvscopeError as error:
            yield TitledFigure(_title(name), str(error), None)
        else:
            command = context.command("evidence", method=name.replace("_", "-"), bare=True, **_METHODS[name])
            yield TitledFigure(_title(name), words, embed_one(explanation.picture(), command=command))
        watch(1, 1)


def _chosen() -> list[str]:
    return [name for name in _METHODS if name in METHODS]


def _title(name: str) -> str:
    return name.replace("_", " ")
