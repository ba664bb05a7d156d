"""The page itself: the content, laid out; every style and every picture inside, nothing fetched, nothing run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any, cast

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup
from torch import Tensor

from convscope._version import __version__
from convscope.files import write_text
from convscope.looking.answers import seen_by
from convscope.looking.layer_table import HEADINGS
from convscope.network.input_spec import GUESS, InputSpec
from convscope.network.network import Network
from convscope.network.producers import made_by
from convscope.pictures.photograph import InputLike, Photograph, open_photograph
from convscope.pictures.picture import Picture
from convscope.pictures.recording import as_json, recipe_of
from convscope.presentation.wording import percent, shortened
from convscope.progress import bars, progress_bar
from convscope.report.content import Content, begin, gather
from convscope.report.context import Progress, ReportContext, ReportOptions
from convscope.report.embedding import data_uri, photograph_uri
from convscope.report.fed import fed, thumbnail

_LONGEST = 60  # characters

Box = tuple[float, float, float, float]


class Report(str):
    """The page as text; it can be saved, Jupyter shows it inline, and it knows whether Ctrl-C ended it early.

    >>> report = convscope.make_report(network, "coffee", convscope.ReportOptions(sections=("values",)))
    >>> report.save("report.html")
    PosixPath('report.html')
    """

    __slots__ = ("missing",)
    missing: tuple[str, ...]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all, and return its path; PictureError where that is impossible.

        >>> report.save("report.html")
        PosixPath('report.html')
        """
        path = Path(path)
        write_text(self, path)
        return path

    def __repr__(self) -> str:
        # Jupyter keeps it beside what is shown: the whole page would be in the notebook twice.
        return f"Report({len(self):,} characters; save() writes it)"

    def _repr_html_(self) -> str:
        page = html.escape(self, quote=True)
        return (
            f'<iframe srcdoc="{page}" sandbox style="width:100%;height:80vh;border:1px solid #8886"></iframe>'
        )


def make_report(
    network: Network,
    picture: InputLike,
    options: ReportOptions | None = None,
    *,
    notes: Sequence[str] = (),
    progress: Progress | bool = True,
) -> Report:
    """Return one self-contained HTML page of what a network does with a picture: a text that can be saved.

    `options` say what is on it, everything by default; ``ReportOptions(sections=QUICK)`` takes seconds. `notes` are
    warnings that a reader has to know; `progress` is told how many parts of how many are made, and of which section: a
    bar shows it by default, and with False nothing. Ctrl-C ends it with the sections that are made, as the page says.
    Of a network that reads no pictures but signals, volumes or vectors, `picture` is the numbers (an array, a tensor, a
    ``.npy`` file): the page shows them, and says which sections are left out, as they need a picture.
    The page runs no script and fetches nothing; names that strangers gave to layers, files and classes are only text.

    >>> options = convscope.ReportOptions(sections=("predictions", "filters"))
    >>> convscope.make_report(network, "coffee", options).save("report.html")
    """
    return begin_report(network, picture, options, notes=notes).made(progress)


@dataclass(frozen=True, eq=False)
class UnfinishedReport:
    """A page that is being made: `so_far` is what there is of it at any time, in another thread too."""

    context: ReportContext
    content: Content
    notes: Sequence[str]

    def made(self, progress: Progress | bool) -> Report:
        """Make all of it; see `make_report`."""
        with bars(progress is True), progress_bar(unit="part") as bar, bars(False):
            gather(self.context, self.content, progress if callable(progress) else partial(_on_bar, bar))
        return self.so_far()

    def so_far(self) -> Report:
        """Return the page with what is made of it, which says what is missing."""
        words = _words(self.context, self.content)
        page = _environment().get_template("page.html").render(words, notes=self.notes)
        report = Report(page.encode("utf-8", "replace").decode())  # a file's name need not be UTF-8
        report.missing = tuple(self.content.missing)
        return report


def begin_report(
    network: Network, picture: InputLike, options: ReportOptions | None = None, *, notes: Sequence[str] = ()
) -> UnfinishedReport:
    """Return the page of `make_report` with nothing on it yet."""
    given = open_photograph(picture) if network.input_spec else network.opened_input(picture)
    file = os.fsdecode(picture) if isinstance(picture, (str, os.PathLike)) else None
    context = ReportContext(network, given, options or ReportOptions(), file)
    return UnfinishedReport(context, begin(context), notes)


def _on_bar(bar: Any, done: int, total: int, section: str) -> None:
    bar.total = total
    bar.set_description_str(section, refresh=False)
    bar.update(done - bar.n)


@cache
def _environment() -> Environment:
    files = resources.files(__package__)
    page = files.joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(
        loader=DictLoader({"page.html": page}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "percent": percent, "breakable": _breakable}
    environment.filters["short"] = lambda name: shortened(name, _LONGEST)
    return environment


def _words(context: ReportContext, content: Content) -> dict[str, Any]:
    """Return what the template is filled with."""
    network = context.network
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return {
        "style": style,
        "policy": f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        "network": network,
        "picture": context.picture,
        "name": context.name,
        "kind": context.kind,
        "content": content,
        "classes": context.classes,
        "class_output": _class_output(context),
        "adds_up": context.classifies and made_by(network.graph, network.class_output) != "sigmoid",
        **(_as_numbers(context) if isinstance(context.picture, Tensor) else _as_picture(context)),
        "spec_rows": _spec_rows(network.input_spec) + _other_inputs(network),
        "headings": HEADINGS,
        "most_parameters": max((row.parameters for row in content.table.rows), default=0) or 1,
        "most_operations": max((row.operations for row in content.table.rows), default=0) or 1,
        "explained": context.target if content.evidence else None,
        "everything": context.options.everything,
        "command": (command := context.report_command()),
        "from_shell": command.startswith("convscope "),
        "recipe": _recipe(context),
        "version": __version__,
    }


def _class_output(context: ReportContext) -> str:
    """Return what the output is called that tells classes, where there are others."""
    outputs = context.network.outputs if context.classifies else ()
    names = [output.name for output in outputs if output.value == context.network.class_output]
    return names[0] if names and len(outputs) > 1 else ""


def _as_picture(context: ReportContext) -> dict[str, Any]:
    """Return the picture as it was given, as the network gets it, and what is cut off in between."""
    network, picture = context.network, context.photograph
    uri, width, height = photograph_uri(picture.pixels)
    return {
        "photograph": {"uri": uri, "width": width, "height": height},
        "seen": _as_seen(network, picture),
        "frame": _frame(network.input_spec, picture.pixels.shape[:2]),
        "fed": None,
    }


def _as_numbers(context: ReportContext) -> dict[str, Any]:
    """Return the input that is no picture: its figure, a small one, and its shape."""
    network, numbers = context.network, cast(Tensor, context.picture)
    size = " × ".join(map(str, numbers.shape[1:]))
    command = context.command("activations", next(iter(network.graph.inputs)))
    return {
        "photograph": None,
        "seen": {"uri": thumbnail(network, numbers), "size": size},
        "frame": None,
        "fed": fed(network, numbers, command),
    }


def _as_seen(network: Network, picture: Photograph) -> dict[str, Any]:
    """Return what is left of the picture when the network gets it."""
    shown, crops = Picture(seen_by(network, picture)), network.picture_spec.crops
    return {"uri": data_uri(shown), "size": f"{shown.width} × {shown.height}", "crops": crops} | {
        "width": shown.width,
        "height": shown.height,
    }


def _frame(spec: InputSpec | None, size: tuple[int, ...]) -> Box | None:
    """Return the part of the picture that the center crop keeps: x, y, width, height in percent."""
    if spec is None or spec.resize == "direct" or spec.resize_size is None or spec.crops != 1:
        return None
    height, width = size
    if spec.resize == "squash":
        resized = (float(spec.resize_size), float(spec.resize_size))
    else:
        enlargement = spec.resize_size / min(height, width)
        resized = (height * enlargement, width * enlargement)
    down, across = (min(1.0, side / length) for side, length in zip(spec.size, resized, strict=True))
    return 50 * (1 - across), 50 * (1 - down), 100 * across, 100 * down


def _spec_rows(spec: InputSpec | None) -> list[tuple[str, str, str, bool]]:
    """Return (what, value, where it was found, whether it is a guess) for each thing the network wants of a picture."""
    if spec is None:
        return []
    return [
        (name.replace("_", " "), value, reason, reason.startswith(GUESS))
        for name, value, reason in spec.rows()
    ]


def _other_inputs(network: Network) -> list[tuple[str, str, str, bool]]:
    """Return what each other input got when the network was opened, as rows of the same kind."""
    rows = []
    for name, value in (network.origin.options.get("inputs") or {}).items():
        shape = getattr(value, "shape", None)
        words = str(value) if shape is None else f"numbers, {' × '.join(map(str, shape))}"
        rows.append((f"input {name}", words, "you", False))
    return rows


def _recipe(context: ReportContext) -> str:
    spec, options = context.network.input_spec, context.options
    values = {item.name: as_json(getattr(options, item.name)) for item in fields(options)}
    arguments = {**values, "input": str(spec) if spec else None}
    recipe = recipe_of("report", arguments, network=context.network, picture=context.picture)
    return json.dumps(json.loads(recipe.to_json()), ensure_ascii=False, indent=2)


def _count(number: float) -> str:
    """Write a large number as people say it: 7.0 million.

    >>> _count(6998552)
    '7.0 million'
    """
    for unit, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= unit:
            return f"{number / unit:.1f} {word}"
    return f"{number:,.0f}"


def _breakable(name: str) -> Markup:
    """Return a name as text that may break after its slashes, underscores and colons."""
    parts = re.split(r"(?<=[/_:.])(?=[^/_:.])", name)
    return Markup("<wbr>").join(parts)
