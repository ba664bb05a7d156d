"""The page itself: the content, laid out; every style and every picture inside, nothing fetched, nothing run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from convscope import __version__
from convscope.looking.answers import CENTER_OF_TEN
from convscope.looking.layer_table import HEADINGS
from convscope.network.input_spec import GUESS, InputSpec
from convscope.network.network import Network
from convscope.pictures.photograph import Photograph, open_photograph
from convscope.pictures.picture import Picture
from convscope.pictures.recording import plain, recipe_of
from convscope.presentation.wording import percent, shortened
from convscope.report.content import Content, gather
from convscope.report.context import Progress, Subject, Wishes
from convscope.report.embedding import data_uri, photograph_uri

_LONGEST = 60  # characters

Box = tuple[float, float, float, float]


def make_report(
    network: Network,
    picture: object,
    *,
    top: int = 5,
    everything: bool = False,
    features: bool = True,
    dreams: bool = True,
    style: Any = None,
    notes: Sequence[str] = (),
    progress: Progress = lambda done, total: None,
) -> str:
    """Return one self-contained HTML page of what a network does with a picture.

    `picture` is anything `read_picture` reads. `everything` shows every layer instead of a handful of each stage,
    `features` what classes and channels want to see, `dreams` the picture after a few dreams: those take longest.
    `style` paints the picture in the style of another, or of what a unit wants to see (``mixed4a:42``). `notes` are
    warnings that a reader has to know; `progress` is told how much of how much is made. The page runs no script and
    fetches nothing; names that strangers gave to layers, files and classes are only text.

    >>> Path("report.html").write_text(make_report(network, "cat.jpg"), encoding="utf-8")
    """
    wishes = Wishes(top, everything, features, dreams, style)
    subject = Subject(network, open_photograph(picture), wishes)
    content = gather(subject, progress)
    return _environment().get_template("page.html").render(_words(subject, content), notes=notes)


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


def _words(subject: Subject, content: Content) -> dict[str, Any]:
    """Return what the template is filled with."""
    network, picture = subject.network, subject.picture
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    photograph, width, height = photograph_uri(picture.pixels)
    seen = _as_seen(network, picture)
    return {
        "style": style,
        "policy": f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        "network": network,
        "picture": picture,
        "content": content,
        "photograph": {"uri": photograph, "width": width, "height": height},
        "seen": seen,
        "frame": _frame(network.input_spec, picture.pixels.shape[:2]),
        "spec_rows": _spec_rows(network.input_spec),
        "headings": HEADINGS,
        "most_parameters": max((row.parameters for row in content.table.rows), default=0) or 1,
        "most_operations": max((row.operations for row in content.table.rows), default=0) or 1,
        "everything": subject.wishes.everything,
        "command": subject.command("report", **subject.wishes.options()),
        "recipe": _recipe(subject),
        "version": __version__,
    }


def _as_seen(network: Network, picture: Photograph) -> dict[str, Any]:
    """Return what is left of the picture when the network gets it."""
    seen = network.deprocess(network.preprocess(picture))
    crops = len(seen) if seen.ndim == 4 else 1
    shown = Picture((seen[CENTER_OF_TEN] if crops > 1 else seen).astype(np.float32))
    return {"uri": data_uri(shown), "width": shown.width, "height": shown.height, "crops": crops}


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
    down, across = (min(1.0, wanted / found) for wanted, found in zip(spec.size, resized, strict=True))
    return 50 * (1 - across), 50 * (1 - down), 100 * across, 100 * down


def _spec_rows(spec: InputSpec | None) -> list[tuple[str, str, str, bool]]:
    """Return (what, value, where it was found, whether it is a guess) for each thing the network wants of a picture."""
    if spec is None:
        return []
    return [
        (name.replace("_", " "), value, reason, reason.startswith(GUESS))
        for name, value, reason in spec.rows()
    ]


def _recipe(subject: Subject) -> str:
    spec, wishes = subject.network.input_spec, subject.wishes
    wished = {item.name: plain(getattr(wishes, item.name)) for item in fields(wishes)}
    arguments = {**wished, "input": str(spec) if spec else None}
    recipe = recipe_of("report", arguments, network=subject.network, picture=subject.picture)
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
