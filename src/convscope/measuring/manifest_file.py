"""The JSON file that says what a folder holds, checked before anything is made of it, of measurements and atlases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convscope.errors import InputError, NetworkFileError
from convscope.files import parsed_json
from convscope.formats.json_types import require


@contextmanager
def manifest_facts(
    path: Path, what: str, schema: Mapping[str, Any], version: str
) -> Iterator[dict[str, Any]]:
    """Give the facts of a folder's manifest, of `json_types` as the schema says, to make something of.

    InputError, in one sentence, where there is none, where it is by another version that has other facts, and where
    facts are of other types or the block finds them wrong (ValueError, or any other error of wrong numbers).
    """
    try:
        facts = parsed_json(path.read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise TypeError("it is no object")
        if facts.keys() != schema.keys():
            raise InputError(
                f"{path.parent} holds {what} by another version of convscope ({facts.get('version', 'unknown')}, "
                f"this is {version}): open it with that, give another folder, or remove it"
            )
        require(facts, dict(schema), path.name)
        yield facts
    except InputError:
        raise
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        RecursionError,
        NetworkFileError,
    ) as error:
        reason = getattr(error, "strerror", None) or error
        kind = what.split()[-1]
        raise InputError(f"{path.parent} holds no {kind} that can be read: {reason} ({path})") from error
