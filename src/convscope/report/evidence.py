"""Where in the picture the evidence for the answer lies, by a few methods that fail in different ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from convscope.attribution.compare import compare_targets
from convscope.attribution.registry import METHODS
from convscope.attribution.relevance_tree import RelevanceTree
from convscope.errors import ConvscopeError
from convscope.report.context import QUICK, TREE, Counter, ReportContext
from convscope.report.embedding import TitledFigure, embed_one

# From the coarsest to the finest; the slow ones take hundreds of runs.
_METHODS = ("grad_cam", "occlusion", "relevance", "integrated_gradients")
_QUICK_METHODS = ("grad_cam", "relevance")
_OF_NUMBERS = ("grad_cam", "occlusion", "integrated_gradients")  # relevance and its tree are for pictures
_QUICK_OF_NUMBERS = ("grad_cam", "integrated_gradients")
_PARTS = 3  # of the work, where a figure is one
_TREE_PARTS = 12


def evidence_parts(context: ReportContext) -> int:
    """Return how many parts of the work the section is."""
    if not context.sees_pictures:
        return _PARTS * len(_methods(context)) if context.kind in ("signal", "volume") else 0
    classes = _may_be_slow(context) and bool(context.network.class_values)
    return _PARTS * (len(_methods(context)) + classes) + _TREE_PARTS * _may_be_slow(context)


def evidence(context: ReportContext, count: Counter) -> Iterator[TitledFigure]:
    """Yield what each method finds of the most probable class, or of what else the network answers first.

    Then the most probable classes on one scale, and the channels that the answer came from, unless what takes long is
    left out.
    """
    if not evidence_parts(context):
        return
    refused = set[str]()
    for parts, make in _figures(context):
        watch, figure = count.through(parts), make()
        if figure.figure is not None or figure.words not in refused:  # the same reason is told once
            yield figure
        if figure.figure is None:
            refused.add(figure.words)
        watch(1, 1)


def _figures(context: ReportContext) -> Iterator[tuple[int, Callable[[], TitledFigure]]]:
    """Yield how many parts of the work a figure is, and what makes it."""
    network, picture = context.network, context.picture
    for name in _methods(context):
        options, method = _options(context, name), METHODS[name]
        map = partial(method.function, network, picture, context.target, bare=True, **options)
        words = method.sentence
        if not context.sees_pictures:
            words = words.replace("a black picture", "zeros").replace("the picture", f"the {context.kind}")
        yield _PARTS, partial(_figure, context, name, words, map, options)
    if not context.sees_pictures:
        return
    if _may_be_slow(context) and network.class_values:
        words = "grad cam of the most probable classes: what is bright for one is as much for the others"
        compared = partial(compare_targets, network, picture, bare=True)
        yield _PARTS, partial(_figure, context, "compare_targets", words, compared, {})
    if _may_be_slow(context):
        words = "the channels that gave most to it, and those behind each: what they want to see, where they fire here"
        yield _TREE_PARTS, partial(_figure, context, "relevance_tree", words, partial(_tree, context), TREE)


def _tree(context: ReportContext) -> RelevanceTree:
    if isinstance(context.tree, ConvscopeError):
        raise context.tree
    return context.tree


def _figure(
    context: ReportContext, name: str, words: str, make: Callable[[], Any], options: Mapping[str, Any]
) -> TitledFigure:
    chosen = {"one_scale": True} if name == "compare_targets" else {"method": name.replace("_", "-")}
    named = [] if context.target is None else [context.target]
    command = context.command("evidence", *named, **chosen, bare=True, **options)
    try:  # the caption measures what the map is worth, as late as it is asked for
        return TitledFigure(_title(name), words, embed_one(make(), command=command))
    except ConvscopeError as error:
        return TitledFigure(_title(name), str(error), None)


def _methods(context: ReportContext) -> tuple[str, ...]:
    if not context.sees_pictures:
        return _OF_NUMBERS if _may_be_slow(context) else _QUICK_OF_NUMBERS
    return _METHODS if _may_be_slow(context) else _QUICK_METHODS


def _may_be_slow(context: ReportContext) -> bool:
    return context.options.sections != QUICK


def _options(context: ReportContext, name: str) -> dict[str, Any]:
    """Return a method's options: for those that take hundreds of runs, fewer than they take alone."""
    spec = context.network.input_spec
    if name == "occlusion" and spec is not None:
        return {"stride": max(1, max(spec.size) // 8)}
    return {"max_steps": 32} if name == "integrated_gradients" else {}


def _title(name: str) -> str:
    return "classes on one scale" if name == "compare_targets" else name.replace("_", " ")
