"""The names of a network's classes: read from the files people have, and found again by what people type."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from convscope.errors import NetworkFileError, UnknownLayer, did_you_mean
from convscope.files import parsed_json, require_regular

MAXIMUM_BYTES = 16_000_000
MOST_LABELS = 500_000
_SYNSET = re.compile(r"(n\d{8})(?:[\s,:]+|$)")
_NUMBER = re.compile(r"(\d{1,18})\s*[:,;\t]\s*(?=\S)")


class Label(str):
    """A class's short name to show ("tabby"), with all its names and its WordNet id beside.

    >>> label = imagenet_labels()[281]
    >>> label, label.names, label.synset
    ('tabby', 'tabby, tabby cat', 'n02123045')
    """

    names: str
    synset: str | None

    def __new__(cls, names: str, synset: str | None = None) -> Label:
        """Make a label of its names, separated by commas; the first is the short one."""
        names = names.strip()
        label = super().__new__(cls, names.split(",")[0].strip())
        label.names, label.synset = names, synset
        return label


@cache
def imagenet_labels() -> tuple[Label, ...]:
    """Return the 1,000 classes of ImageNet (ILSVRC 2012) in Caffe's order, that of their sorted WordNet ids."""
    text = resources.files(__package__).joinpath("imagenet_labels.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return tuple(Label(names, synset) for synset, names in rows)


@cache
def inception_labels() -> tuple[Label, ...]:
    """Return the 1,001 classes of Google's Inception networks of 2014 and 2015: a dummy, then ImageNet in their order.

    The two classes called "maillot" cannot be told apart by the names Google gives; which is which is a guess.
    """
    text = resources.files(__package__).joinpath("inception_order.txt").read_text(encoding="ascii")
    return (Label("dummy"), *(imagenet_labels()[int(number)] for number in text.split()))


def read_labels(path: str | os.PathLike[str]) -> tuple[Label, ...]:
    """Return the labels of a file, in the order of its classes.

    One class a line: ``n01440764 tench, Tinca tinca``, the same in quotes, or a name alone; a leading class number
    (``0,tench``, ``0: tench``) and a header before it are understood. Or JSON: a list of names, or an object from
    class number to name, as ``{"0": ["n01440764", "tench"]}``. NetworkFileError names the file, and the line.
    """
    text = _read_text(Path(path))
    rows = _json_rows(text, path) if text.lstrip()[:1] in ("[", "{") else None
    labels = tuple(_label(row) for row in (_line_rows(text, path) if rows is None else rows))
    if not labels:
        raise NetworkFileError(
            f"{os.fspath(path)} holds no labels; write one class a line, in the network's order"
        )
    return labels


def find_label(labels: Sequence[str], text: str) -> int:
    """Return the index of the class that ``text`` names: by number, WordNet id, short name, any name, or part of one.

    Upper and lower case are the same unless both exist. UnknownLayer if no class, or more than one, is meant: the
    message lists the closest.

    >>> find_label(imagenet_labels(), "tabby")
    281
    """
    text = text.strip()
    if text.isdecimal() and int(text) < len(labels):
        return int(text)
    for matches in _matches(labels, text):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UnknownLayer(
                f"{text!r} may be {len(matches)} classes: {_listed(labels, matches)}; give the number"
            )
    names = [name for label in labels for name in _names(label)]
    raise UnknownLayer(f"none of the {len(labels)} classes is called {text!r}.{did_you_mean(text, names)}")


def _matches(labels: Sequence[str], text: str) -> list[list[int]]:
    """Return the classes that match, from the strictest reading of ``text`` to the loosest."""
    lower = text.lower()
    word = re.compile(rf"(?<!\w){re.escape(lower)}(?!\w)")
    readings: tuple[Callable[[str], bool], ...] = (
        lambda label: getattr(label, "synset", None) == text,
        lambda label: label == text,
        lambda label: label.lower() == lower,
        lambda label: lower in (name.lower() for name in _names(label)),
        lambda label: bool(lower) and word.search(_all_names(label).lower()) is not None,
    )
    return [[index for index, label in enumerate(labels) if matches(label)] for matches in readings]


def _all_names(label: str) -> str:
    return label.names if isinstance(label, Label) else label


def _names(label: str) -> list[str]:
    return [name.strip() for name in _all_names(label).split(",")]


def _listed(labels: Sequence[str], indices: list[int]) -> str:
    words = [f"{labels[index]} ({index})" for index in indices[:8]]
    return ", ".join(words) + (f" and {len(indices) - 8} more" if len(indices) > 8 else "")


def _read_text(path: Path) -> str:
    if path.exists():
        require_regular(path)
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise NetworkFileError(f"{path} is too large for a file of labels: {path.stat().st_size:,} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise NetworkFileError(f"the labels {path} cannot be read: {error.strerror or error}") from error
    if b"\0" in content:
        raise NetworkFileError(f"{path} is not a text of labels: it holds binary data")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _json_rows(text: str, path: str | os.PathLike[str]) -> list[str] | None:
    try:
        data = parsed_json(text)
    except ValueError as error:
        if re.match(r"\s*\{\s*\d+\s*:", text):
            return None  # a Python dictionary, one entry a line
        raise NetworkFileError(f"{os.fspath(path)} begins like JSON, but is not: {error}") from error
    _require_few(len(data), path)
    if isinstance(data, dict):
        data = labels_by_number(data, path)
    rows = [" ".join(map(str, row)) if isinstance(row, list) else row for row in data]
    for index, row in enumerate(rows):
        if not isinstance(row, str):
            raise NetworkFileError(f"{os.fspath(path)}: label {index} is a {type(row).__name__}, not a name")
    return rows


def labels_by_number(table: Mapping[Any, Any], path: str | os.PathLike[str]) -> list[Any]:
    """Return the labels of {number: label}, in the numbers' order, or of {label: number} as torchvision has them.

    Of a class's several names, as torchvision's ImageNet has them, the first is its label. Raises NetworkFileError,
    naming `path`, where the numbers do not run on from 0 or 1.

    >>> labels_by_number({"dog": 1, "cat": 0}, "labels")
    ['cat', 'dog']
    """
    if all(type(number) is int for number in table.values()):
        table = {number: label for label, number in reversed([*table.items()])}
    try:
        by_number = {int(number): label for number, label in table.items()}
    except (TypeError, ValueError):
        first = str(next(number for number in table if not _NUMBER.match(f"{number}: _")))
        raise NetworkFileError(
            f"{os.fspath(path)} maps names, not class numbers, to labels: {first[:40]!r}"
        ) from None
    _check_numbers([*by_number], path)
    return [by_number[number] for number in sorted(by_number)]


def _line_rows(text: str, path: str | os.PathLike[str]) -> list[str]:
    _require_few(text.count("\n"), path)  # before each line becomes an object
    lines = text.splitlines()
    _require_few(len(lines), path)
    lines = [line.strip().lstrip("{").rstrip("},").strip() for line in lines]
    lines = [line for line in lines if line]
    numbered = [_NUMBER.match(line) for line in lines]
    if len(lines) > 1 and numbered[0] is None and all(numbered[1:]):
        lines, numbered = lines[1:], numbered[1:]  # a header such as "index,label"
    if lines and all(numbered):
        numbers = [int(match[1]) for match in numbered if match]
        _check_numbers(numbers, path)
        rows = [line[match.end() :] for line, match in zip(lines, numbered, strict=True) if match]
        return [row for _, row in sorted(zip(numbers, rows, strict=True))]
    return lines


def _require_few(count: int, path: str | os.PathLike[str]) -> None:
    if count > MOST_LABELS:
        raise NetworkFileError(
            f"{os.fspath(path)} holds {count:,} labels; no network tells so many classes apart"
        )


def _check_numbers(numbers: list[int], path: str | os.PathLike[str]) -> None:
    first = min(numbers, default=0)
    expected = set(range(first, first + len(numbers)))
    if first > 1 or set(numbers) != expected:
        missing = sorted(expected - set(numbers))
        problem = f"number {missing[0]} is missing" if missing else f"they begin at {first}"
        raise NetworkFileError(
            f"the class numbers in {os.fspath(path)} have to run on from 0 or 1; {problem}"
        )


def _label(row: str) -> Label:
    row = row.strip()
    if len(row) > 1 and row[0] == row[-1] and row[0] in "'\"":
        row = row[1:-1].replace(row[0] * 2, row[0])
    synset = _SYNSET.match(row)
    return Label(row[synset.end() :] or row, synset[1]) if synset else Label(row)
