"""What the report shows: section by section, everything computed, nothing yet laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from convscope.attribution.target import shared_targets
from convscope.errors import ConvscopeError, warn
from convscope.looking.answers import recorded
from convscope.looking.layer_table import LayerTable, layer_table
from convscope.report.context import Counter, Progress, ReportContext
from convscope.report.evidence import evidence, evidence_parts
from convscope.report.generated import check_style, dream_parts, dreams, painting_parts, paintings
from convscope.report.looking import answers, charts, filter_sheets, plots, shown_stages
from convscope.report.units import unit_parts, units


@dataclass(frozen=True)
class Section:
    """One section of the page: what stands in it, one after the other, and how many parts of the work it is."""

    name: str
    title: str
    make: Callable[[ReportContext, Counter], Iterator[Any]]
    parts: Callable[[ReportContext], int]


_ALL = (
    Section(
        "predictions", "Predictions", charts, lambda context: 2 if context.classes else len(answers(context))
    ),
    Section("filters", "What it looks for", filter_sheets, lambda context: 3),
    Section("activations", "What it finds", shown_stages, lambda context: len(context.maps)),
    Section("values", "What it concludes", plots, lambda context: len(context.vectors)),
    Section("evidence", "Where the evidence lies", evidence, evidence_parts),
    Section("features", "What it wants to see", units, unit_parts),
    Section("dreams", "What it dreams", dreams, dream_parts),
    Section("style", "What it paints", paintings, painting_parts),
)


_OF_PICTURES = ("evidence", "features", "dreams")


@dataclass(frozen=True)
class Content:
    """All that the page shows: the layer table, what each section holds, by its name, and what is not there.

    `missing` are the sections that are not made, in the end those that Ctrl-C kept out, `left_out` those that need a
    picture where there is none, `failed` those that could not be made, or not whole, each with why.
    """

    table: LayerTable
    found: dict[str, list[Any]]
    missing: list[str] = field(default_factory=list)
    left_out: tuple[str, ...] = ()
    failed: dict[str, ConvscopeError] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing is made yet."""
        return not any(self.found.values())

    def __getattr__(self, name: str) -> list[Any]:
        try:
            return self.found[name]
        except KeyError:
            raise AttributeError(name) from None


def begin(context: ReportContext) -> Content:
    """Return the content with nothing in it yet but the layer table; what is wrong with the options is said here."""
    check_style(context)
    sections = _sections(context)
    without = [one for one in sections if one.name in _OF_PICTURES and not one.parts(context)]
    left_out = () if context.kind == "picture" else tuple(one.title for one in without)
    missing = [section.title for section in sections]
    return Content(
        layer_table(context.network), {section.name: [] for section in _ALL}, missing, left_out=left_out
    )


def gather(context: ReportContext, content: Content, progress: Progress) -> None:
    """Compute all that the report shows, into `content`; Ctrl-C ends it with what there is.

    A section that cannot be made is told of by its error, and the others stand without it. KeyboardInterrupt, or the
    first error, where there is nothing.
    """
    sections = _sections(context)
    try:
        with ExitStack() as stack:
            if context.looked_at:
                stack.enter_context(recorded(context.network, context.picture, context.looked_at))
            count = Counter(sum(section.parts(context) for section in sections), progress)
            stack.enter_context(shared_targets())
            for section in sections:
                count.section = section.title
                end = count.done + section.parts(context)
                try:
                    for one in section.make(context, count):
                        content.found[section.name].append(one)
                except ConvscopeError as error:
                    content.failed[section.title] = error
                    warn(f"{section.title}: {error}")
                    count.done = end
                content.missing.remove(section.title)
    except KeyboardInterrupt:
        if content.empty:
            raise
    if content.failed and content.empty:
        raise next(iter(content.failed.values()))


def _sections(context: ReportContext) -> list[Section]:
    names = [*context.options.sections, *(["style"] if context.options.style is not None else [])]
    return [section for section in _ALL if section.name in names]
