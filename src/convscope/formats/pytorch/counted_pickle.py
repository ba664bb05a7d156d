"""A pickle is a program that makes objects; here it makes as many as a network has, and not what a stranger likes.

A few bytes can name a class (a kilobyte), a set (200 bytes), or a copy of a list that is already there, as often as
they are repeated.
"""

from __future__ import annotations

import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

MOST_OBJECTS = 400_000  # a tensor takes four

_COPIED = (list, tuple, dict, set, frozenset, str, bytes)
_Load: TypeAlias = Callable[[Any], None]


def _counted(load: _Load) -> _Load:
    def counted(unpickler: CountedUnpickler) -> None:
        unpickler.count(1)
        load(unpickler)

    return counted


def _counted_with_content(load: _Load) -> _Load:
    """Count what is given to a function too: it may be copied."""

    def counted(unpickler: CountedUnpickler) -> None:
        made, given = unpickler.stack[-2:]
        parts = (given, *given) if isinstance(given, tuple) else (given,)
        copied = (
            sum(len(part) for part in parts if isinstance(part, _COPIED)) if unpickler.copies(made) else 0
        )
        unpickler.count(1 + copied)
        load(unpickler)

    return counted


def _load_bytearray(unpickler: CountedUnpickler) -> None:
    """Read an array of bytes as long as the file has them; pickle's own makes room for what the length says."""
    (length,) = struct.unpack("<Q", unpickler.read(8))
    unpickler.append(bytearray(unpickler.read(min(length, sys.maxsize))))


_LOADS: dict[int, _Load] = pickle._Unpickler.dispatch
_MAKING = (
    *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX),
    *(pickle.EMPTY_SET, pickle.FROZENSET, pickle.PERSID, pickle.BINPERSID),
)


# Its memo is a dictionary, which the faster one's is not: no number in a file makes it large.
class CountedUnpickler(pickle._Unpickler):
    """Reads a pickle; UnpicklingError where it makes more objects than a network has."""

    dispatch: ClassVar[dict[int, _Load]] = {
        **_LOADS,
        **{code[0]: _counted(_LOADS[code[0]]) for code in _MAKING},
        **{code[0]: _counted_with_content(_LOADS[code[0]]) for code in (pickle.REDUCE, pickle.BUILD)},
        pickle.BYTEARRAY8[0]: _load_bytearray,
    }
    stack: list[Any]
    read: Callable[[int], bytes]
    append: _Load
    made = 0

    def load(self) -> Any:
        """Return what the pickle makes."""
        try:
            return super().load()
        except IndexError as error:
            raise pickle.UnpicklingError("stack underflow") from error

    def count(self, objects: int) -> None:
        """Count objects that are made."""
        self.made += objects
        if self.made > MOST_OBJECTS:
            raise pickle.UnpicklingError(
                f"it makes more than {MOST_OBJECTS:,} objects; no network has so many"
            )

    def copies(self, made: Any) -> bool:
        """Whether a function, or an object that gets a state, copies what it is given."""
        return True
