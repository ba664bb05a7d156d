"""The API reference: an entry for each public name, whoever adds one, by what it is for, each group with a summary."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import convscope

_GROUPS = {  # the packages whose names stand in each, in the order that they are used in
    "Networks": ("formats", "network", "address", "errors"),
    "Look": ("looking",),
    "Where the evidence lies": ("attribution",),
    "What units find": ("measuring",),
    "What units want to see": ("optimization", "objectives", "canvases", "transforms", "presets"),
    "Dreams and styles": ("dreaming", "styling"),
    "Pictures and reports": ("pictures", "rerunning", "report"),
}
_YEAR = re.compile(r"\((19|20)\d\d\)")
_ARRAY = re.compile(
    r"numpy\.ndarray\[tuple\[(?:typing\.)?Any, \.\.\.\], numpy\.dtype\[(?:numpy\.|typing\.)?(\w+)(?:\[\w*\.?Any\])?\]\]"
)
_ARRAY_LIKE = re.compile(
    r"numpy\._typing\._array_like\._Buffer \|.*?_NestedSequence\[complex \| bytes \| str\]"
)
_MODULE = re.compile(r"\b(?:[a-z_]\w*\.)+(?=[A-Z]\w)")  # of a type, which is named without it


def entries() -> str:
    """Return the groups of public names: a line for each, then their entries."""
    groups: dict[str, list[str]] = {title: [] for title in _GROUPS}
    for name in convscope.__all__:
        groups[_group(getattr(convscope, name))].append(name)
    links = " · ".join(f"[{title}](#{title.lower().replace(' ', '-')})" for title in groups)
    return "\n".join([f"\n{links}\n", *(_group_of(title, names) for title, names in groups.items())])


def _group(found: Any) -> str:
    package = (found.__name__ if inspect.ismodule(found) else found.__module__).split(".")[1]
    return next(title for title, packages in _GROUPS.items() if package in packages)


def _group_of(title: str, names: list[str]) -> str:
    lines = (f"- {{py:obj}}`{name} <convscope.{name}>`: {_first_line(name)}" for name in names)
    blocks = (_entry(name, getattr(convscope, name)) for name in names)
    return "\n".join([f"\n## {title}\n", *lines, "\n```{eval-rst}", *blocks, "```\n"])


def _first_line(name: str) -> str:
    line = (inspect.getdoc(getattr(convscope, name)) or "").split("\n\n")[0]
    return re.sub(r"`+([^`]+)`+", r"`\1`", " ".join(line.split()))


def _entry(name: str, found: object) -> str:
    if inspect.ismodule(found):
        return f".. automodule:: {found.__name__}\n   :members:\n"
    if isinstance(found, type):
        return f".. autoclass:: convscope.{name}\n   :members:\n"
    return f".. autofunction:: convscope.{name}\n"


def add_source_and_example(
    _app: object, what: str, name: str, found: Any, _options: object, lines: list[str]
) -> None:
    """Add the paragraphs of its module that name where a technique is from, and its example in the gallery."""
    public = name.removeprefix("convscope.")
    if what != "function" or "." in public:
        return
    own, module = "\n".join(lines), inspect.getdoc(sys.modules[found.__module__]) or ""
    for paragraph in module.split("\n\n"):
        if _YEAR.search(paragraph) and paragraph not in own:
            lines += ["", *paragraph.splitlines()]
    for options in dict.fromkeys(re.findall(r"`(\w+Options)`", own)):  # where its keywords are explained
        explained = inspect.getdoc(inspect.unwrap(found).__globals__.get(options))
        lines += ["", *(explained or "").splitlines()]
    for example in (Path(__file__).parent / "gallery").glob(f"*/{public}.py"):
        lines += ["", f":doc:`An example and its picture </auto_gallery/{example.parent.name}/{public}>`."]


def plain_signature(*given: Any) -> tuple[str | None, ...]:
    """Write a signature as a person would: arrays by what is in them, no modules, defaults that are words."""
    *_, signature, returned = given
    return tuple(map(_plain, (signature, returned)))


def _plain(text: str | None) -> str | None:
    text = text and _ARRAY_LIKE.sub("ArrayLike", _ARRAY.sub(r"NDArray[\1]", text.replace("~", "")))
    return text and _MODULE.sub("", text).replace("<factory>", "...")
