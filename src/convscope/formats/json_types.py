"""Whether JSON from a file is what it should be, told in one sentence before anything is made of it.

A schema is plain Python: ``str``, ``bool``, ``int`` (a whole number), ``float`` (any number), None; ``[schema]`` a list
of such; ``{"key": schema, "key?": schema}`` an object with these keys, some optional; `Each` an object with any keys; a
tuple is one of several. ``object`` is anything JSON has.

>>> require({"name": "conv1", "shape": [1, 3.5]}, {"name": str, "shape": [int]}, "layers[0]")
Traceback (most recent call last):
convscope.errors.NetworkFileError: layers[0].shape[1] is 3.5, not a whole number
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from convscope.errors import NetworkFileError

LARGEST = 2**53  # beyond it JSON's numbers are no longer whole in every program
_WORDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", None: "null"}


@dataclass(frozen=True)
class Each:
    """An object with any keys, all of whose values are of one schema."""

    schema: Any


def require(value: Any, schema: Any, place: str) -> None:
    """Raise NetworkFileError, with the place and what is there, where a value is not as the schema says."""
    if isinstance(schema, tuple):
        if not any(_fits(value, one) for one in schema):
            for one in schema:  # the one that is meant says what in it is wrong
                if (isinstance(value, list) and isinstance(one, list)) or (
                    isinstance(value, dict) and isinstance(one, dict | Each)
                ):
                    require(value, one, place)
            raise _wrong(value, " or ".join(map(_in_words, schema)), place)
    elif isinstance(schema, list):
        _require_type(value, list, "a list", place)
        for index, item in enumerate(value):
            require(item, schema[0], f"{place}[{index}]")
    elif isinstance(schema, Each):
        _require_type(value, dict, "an object", place)
        for key, item in value.items():
            require(item, schema.schema, f"{place}.{key}")
    elif isinstance(schema, dict):
        _require_type(value, dict, "an object", place)
        for key, inner in schema.items():
            name = key.removesuffix("?")
            if name in value:
                require(value[name], inner, f"{place}.{name}")
            elif name == key:
                raise NetworkFileError(f"{place} has no {name!r}")
    elif schema is not object and not _is(value, schema):
        raise _wrong(value, _in_words(schema), place)


def _require_type(value: Any, kind: type, words: str, place: str) -> None:
    if not isinstance(value, kind):
        raise _wrong(value, words, place)


def _fits(value: Any, schema: Any) -> bool:
    try:
        require(value, schema, "")
    except NetworkFileError:
        return False
    return True


def _is(value: Any, kind: type | None) -> bool:
    if kind is None or kind is bool or kind is str:
        return value is None if kind is None else isinstance(value, kind)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return kind is float or (isinstance(value, int) and abs(value) <= LARGEST)


def _in_words(schema: Any) -> str:
    if isinstance(schema, list):
        return "a list"
    return "an object" if isinstance(schema, dict | Each) else _WORDS.get(schema, "anything")


def _wrong(value: Any, words: str, place: str) -> NetworkFileError:
    text = json.dumps(value, default=str)
    return NetworkFileError(f"{place} is {text if len(text) <= 60 else text[:57] + '...'}, not {words}")
