"""What to say of a network whose own framework computes in numbers of few digits: convscope has float32 for them."""

from __future__ import annotations

from collections.abc import Collection

_DIGITS = {"float16": "third", "bfloat16": "third", "float8": "second"}
SHORT = frozenset(_DIGITS)
"""The types of few digits in which frameworks compute."""


def note_of_short(types: Collection[str]) -> str:
    """Say in which types of few digits a network computes, that convscope does not, and how far answers are apart.

    >>> note_of_short({"bfloat16"})
    'it computes in bfloat16, convscope in single precision (float32): answers differ from about the third digit on'
    """
    found = [name for name in _DIGITS if name in types]
    digit = min(_DIGITS[name] for name in found)  # "second" comes before "third"
    return (
        f"it computes in {' and '.join(found)}, convscope in single precision (float32): answers differ from about the "
        f"{digit} digit on"
    )
