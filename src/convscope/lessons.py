"""The course: five lessons as text, in ``docs/lessons``, and as notebooks that Jupyter opens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError

_CELL = re.compile(r"^```\{code-cell\} python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_HEADER = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)


def lessons() -> list[Path]:
    """Return the lessons' texts (MyST), in their order: of the installed package, or of the repository it runs from.

    >>> [path.name for path in lessons()][0]
    '1-imagenet-features.md'

    Raises ConvscopeError where an installation has lost them.
    """
    installed = Path(__file__).parent / "lessons"
    folder = installed if installed.is_dir() else Path(__file__).parents[2] / "docs" / "lessons"
    if not (texts := sorted(folder.glob("[0-9]-*.md"))):
        raise ConvscopeError(
            f"the lessons' texts are not in this installation ({folder} has none): install convscope again, from a "
            "wheel or the whole repository"
        )
    return texts


def title(lesson: Path) -> str:
    """Return a lesson's heading."""
    return next(line[2:] for line in lesson.read_text(encoding="utf-8").splitlines() if line.startswith("# "))


def notebook(lesson: Path) -> str:
    """Return a lesson as a notebook (``.ipynb``, format 4.5), not yet run: its prose and its code, cell by cell.

    Links to other pages of the documentation lead nowhere from a copy, so their words stay alone.
    """
    text = _HEADER.sub("", lesson.read_text(encoding="utf-8"))
    content = {
        "cells": [_cell(number, *part) for number, part in enumerate(_parts(text))],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield prose and code in turn, as the kinds of cells that notebooks have."""
    for number, part in enumerate(_CELL.split(text)):
        if part := part.strip("\n"):
            yield ("code", part) if number % 2 else ("markdown", _unlinked(part))


def _unlinked(prose: str) -> str:
    return re.sub(r"\[([^\]]+)\]\([^)]*\.md[^)]*\)", r"\1", prose)


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        **code,
        "source": source.splitlines(True),
    }
