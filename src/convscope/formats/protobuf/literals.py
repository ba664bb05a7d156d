"""Single values of the text form: what a word or a quoted string means, and how a value is written."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from convscope.formats.protobuf.schema import INTEGER_RANGES, Field, float32
from convscope.formats.protobuf.unknown import Identifier

_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|(.))", re.DOTALL
)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_WRITTEN = {"\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\\": r"\\"}
_TRUE, _FALSE = {"true", "True", "t", "1"}, {"false", "False", "f", "0"}
_LONGEST_INTEGER = 30


def expected(field: Field) -> str:
    """Say what a field of numbers or names takes: ``"a whole number"``, ``"one of MAX, AVE, STOCHASTIC"``."""
    if field.enumeration:
        return f"one of {', '.join(field.enumeration.numbers)}"
    kinds = {"bool": "true or false", "float": "a number", "double": "a number"}
    return kinds.get(field.kind, f"a whole number ({field.kind})")


def parse_word(field: Field, word: str) -> Any:
    """Return what a number or a bare word means to a field, or None when it means nothing there."""
    if field.enumeration:
        number = parse_integer(word)
        name = word if number is None else field.enumeration.name_of(number)
        return name if name in field.enumeration.numbers else None
    if field.kind == "bool":
        return True if word in _TRUE else False if word in _FALSE else None
    if field.kind in INTEGER_RANGES:
        number, (low, high) = parse_integer(word), INTEGER_RANGES[field.kind]
        return number if number is not None and low <= number <= high else None
    value = parse_float(word)
    return value if value is None or field.kind == "double" else float32(value)


def parse_integer(word: str) -> int | None:
    """Read a decimal, octal (``017``) or hexadecimal (``0x1f``) number, or return None."""
    digits = word.removeprefix("-").lower()
    if len(digits) > _LONGEST_INTEGER or not digits[:1].isdigit():
        return None
    base = 16 if digits.startswith("0x") else 8 if digits.startswith("0") else 10
    try:
        value = int(digits, base)
    except ValueError:
        return None
    return -value if word.startswith("-") else value


def parse_float(word: str) -> float | None:
    """Read ``0.5``, ``1e-4``, ``2f``, ``inf`` or ``nan``, or return None."""
    digits = word.removeprefix("-").lower()
    if digits not in ("inf", "infinity", "nan"):
        digits = digits.removesuffix("f")
        if digits.startswith("0x") or digits[:1] not in set("0123456789."):
            return None
    return -float(digits) if word.startswith("-") else float(digits)


def guess(word: str) -> Any:
    """Return what a word looks like where no field says: a truth value, a number or a bare name."""
    if word in ("true", "false"):
        return word == "true"
    integer, number = parse_integer(word), parse_float(word)
    return integer if integer is not None else number if number is not None else Identifier(word)


def parse_quoted(token: str) -> bytes:
    """Return the bytes that a quoted string stands for, with its escapes undone."""
    return _ESCAPE.sub(_unescape, token[1:-1].encode(errors="surrogatepass"))


def write_value(field: Field, value: Any) -> str:
    """Write a value the way `parse_word` and `parse_quoted` read it, floats as short as they can be."""
    if field.kind == "bool":
        return "true" if value else "false"
    if field.kind == "float":
        return repr(
            float(str(np.float32(value)))
        )  # the fewest digits that give the same single-precision number
    if field.kind == "double":
        return str(float(value))
    return quote(value) if field.kind in ("string", "bytes") else str(value)


def write_guessed(value: Any) -> str:
    """Write a value that `guess` or a quoted string gave."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote(value) if isinstance(value, str) and not isinstance(value, Identifier) else str(value)


def quote(value: str | bytes) -> str:
    """Put text in quotes, with everything escaped that would not survive a terminal or an editor."""
    if isinstance(value, bytes):
        return f'"{"".join(_escape(chr(byte), bytes([byte])) for byte in value)}"'
    return f'"{"".join(_escape(character, character.encode(errors="replace")) for character in value)}"'


def _escape(character: str, data: bytes) -> str:
    if character in _WRITTEN:
        return _WRITTEN[character]
    plain = character.isprintable() and (character.isascii() or len(data) > 1)
    return character if plain else "".join(f"\\{byte:03o}" for byte in data)


def _unescape(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, short, long, character = match.groups()
    if short or long:
        code = int(short or long, 16)
        return chr(code).encode(errors="replace") if code < 0x110000 else b"?"
    if character is not None:
        return _ESCAPED.get(character, character)
    return bytes([(int(octal, 8) if octal else int(hexadecimal, 16)) & 255])
