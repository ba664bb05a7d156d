"""A cursor over protobuf's text form that fills messages, and knows the line of everything it reads."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NoReturn

from convscope.errors import NetworkFileError, did_you_mean
from convscope.formats.protobuf.literals import expected, guess, parse_quoted, parse_word
from convscope.formats.protobuf.message import Message
from convscope.formats.protobuf.schema import INTEGER_RANGES, Field
from convscope.formats.protobuf.unknown import Identifier, Unknown
from convscope.formats.protobuf.wire import as_text

MAXIMUM_FIELDS = 300_000
MAXIMUM_DEPTH = 100

_LONGEST_SHOWN = 40
_LONGEST_NAME = 100

_SPACE = re.compile(r"\s+|#[^\n]*")
# What a string has read it need not read otherwise: without this a million backslashes take 100 MB to come back to.
# Python 3.10 does not know the sign.
_ONCE = "+" if sys.version_info >= (3, 11) else ""
_TOKEN = re.compile(
    r"""(?P<name>[A-Za-z_]\w*)
    |(?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?)(?![\w.]))
    |(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*ONCE"|'[^'\\\n]*(?:\\.[^'\\\n]*)*ONCE')
    |(?P<symbol>[{}<>\[\]:,;./-])""".replace("ONCE", _ONCE),
    re.VERBOSE | re.ASCII,
)
_EXTENSION = re.compile(r"\[[\w./]+\]", re.ASCII)
_PLACEHOLDER = re.compile(r"[$@%]\w+[$@%]?|\$?\{\{?[ ]*\w+[ ]*\}\}?", re.ASCII)
_TEMPLATE = " If this is a template, put a value in the place of '{}'."
_CLOSING = {"{": "}", "<": ">"}


def decoded(data: bytes) -> str:
    """Return a text file's bytes as text: UTF-16 where it says so, UTF-8, or else Latin-1."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _nothing(message: Message, field: Field) -> bool:
    return False


class Parser:
    """A cursor over the text: one token of lookahead, and the line of every offset.

    At most `budget` fields are read. An enumeration's unknown name is kept as such, where forks have more of them, but
    for the fields that are `decisive`.
    """

    def __init__(
        self,
        text: str,
        file: str,
        *,
        budget: int = 0,
        decisive: Callable[[Message, Field], bool] = _nothing,
    ) -> None:
        self._text, self._file, self._decisive = text, file, decisive
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._budget = self._most = budget or MAXIMUM_FIELDS
        self._end = 0
        self._advance()

    def _advance(self) -> None:
        self._start = self._end
        while space := _SPACE.match(self._text, self._start):
            self._start = space.end()
        match = _TOKEN.match(self._text, self._start)
        self._kind = match.lastgroup or "" if match else "end" if self._start == len(self._text) else "other"
        self._token = match[0] if match else ""
        self._end = match.end() if match else self._start

    def _line(self) -> int:
        return bisect_right(self._newlines, self._start) + 1

    def _fail(self, problem: str, line: int | None = None) -> NoReturn:
        raise NetworkFileError(f"{self._file}, line {line or self._line()}: {problem}")

    def _next_words(self) -> str:
        if self._kind == "end":
            return "the end of the file"
        rest = self._text[self._start : self._start + _LONGEST_SHOWN].split("\n")[0].rstrip()
        if self._kind == "other" and rest[:1] in ('"', "'"):
            return f"text without its closing quote: {rest}"
        return f"'{self._token[:_LONGEST_SHOWN] or rest}'"

    def _accept(self, *symbols: str) -> str:
        if self._kind != "symbol" or self._token not in symbols:
            return ""
        token = self._token
        self._advance()
        return token

    def read_fields(self, message: Message, opening: str = "", depth: int = 0) -> None:
        """Read ``name: value`` pairs into the message, up to the bracket that closes it or the end of the text."""
        counts: dict[str, int] = {}
        while not self._closes(opening, f"{message.type_name} that begins in {message.place}"):
            line = self._line()
            name = self._field_name(message.type_name)
            field = message.field(name)
            if field is None:
                message.unknown.append(Unknown(name, self._unknown_value(depth), f"line {line}"))
            else:
                if not field.repeated and name in counts:
                    field = message.field(
                        f"further_{name}"
                    )  # where forks of a format repeat what is single in it
                if field is None:
                    self._fail(
                        f"{message.type_name} has {name!r} twice (first in line {counts[name]}): keep one.",
                        line,
                    )
                counts[name] = line
                self._read_value(message, field, depth)
            self._accept(",", ";")

    def _closes(self, opening: str, what: str) -> bool:
        if self._kind == "end":
            if opening:
                self._fail(f"the file ends inside the {what}: a '{_CLOSING[opening]}' is missing.")
            return True
        return bool(opening) and bool(self._accept(_CLOSING[opening]))

    def _spend(self) -> None:
        self._budget -= 1
        if self._budget < 0:
            self._fail(f"more than {self._most:,} fields: not a network's description.")

    def _field_name(self, what: str) -> str:
        self._spend()
        extension = _EXTENSION.match(self._text, self._start)
        if self._kind != "name" and not extension:
            self._fail(f"expected the name of a field of {what}, found {self._next_words()}.")
        if extension:
            self._token, self._end = extension[0], extension.end()
        name = self._token
        if len(name) > _LONGEST_NAME:
            self._fail(f"{len(name):,} letters in a row are no field's name: {self._next_words()}.")
        self._advance()
        return name

    def _read_value(self, message: Message, field: Field, depth: int) -> None:
        colon = self._accept(":")
        if not colon and not field.message:
            self._fail(f"expected ':' and a value after {field.name!r}, found {self._next_words()}.")
        if not field.repeated:
            value = self._value(message, field, depth)
            if value is not None:
                setattr(message, field.name, value)
            return
        values = getattr(message, field.name)
        if self._accept("["):
            self._items(lambda: values.append(self._value(message, field, depth)))
        else:
            values.append(self._value(message, field, depth))

    def _value(self, message: Message, field: Field, depth: int) -> Any:
        return (
            self._message(message.empty(field), field, depth)
            if field.message
            else self._scalar(message, field)
        )

    def _items(self, read: Callable[[], object]) -> None:
        """Read the values of a list, whose '[' has been read, up to its ']'."""
        if self._accept("]"):
            return
        while True:
            self._spend()
            read()
            if self._accept("]"):
                return
            if not self._accept(","):
                self._fail(f"expected ',' or ']' in a list, found {self._next_words()}.")

    def _message(self, made: Message, field: Field, depth: int) -> Message:
        opened = self._line()
        opening = self._open(f"'{{' after {field.name!r}", depth)
        made.place = f"line {opened}"
        self.read_fields(made, opening, depth + 1)
        return made

    def _open(self, wanted: str, depth: int) -> str:
        if depth >= MAXIMUM_DEPTH:
            self._fail(f"messages are nested more than {MAXIMUM_DEPTH} deep.")
        return self._accept("{", "<") or self._fail(f"expected {wanted}, found {self._next_words()}.")

    def _scalar(self, message: Message, field: Field) -> Any:
        place, line = f"{message.type_name}.{field.name}", self._line()
        if field.kind in ("string", "bytes", "view"):
            data = self._string(f"{place} expects text in quotes")
            return as_text(data) if field.kind == "string" else data
        word = self._word(f"{place} expects {expected(field)}")
        value = parse_word(field, word)
        if value is None and field.enumeration and not self._decisive(message, field):
            # Forks have more: whether it matters is for the layer to say.
            message.unknown.append(Unknown(field.name, Identifier(word), f"line {line}"))
            return field.default
        if value is None:
            shown = word[:_LONGEST_SHOWN]
            hint = did_you_mean(shown, field.enumeration.numbers) if field.enumeration else ""
            if shown.isidentifier() and field.kind in INTEGER_RANGES:
                hint = _TEMPLATE.format(shown)
            self._fail(f"{place} expects {expected(field)}, found '{shown}'.{hint}", line)
        return value

    def _string(self, expectation: str) -> bytes:
        """Read a quoted string, or several side by side, which are one."""
        if self._kind != "string":
            self._fail(f"{expectation}, found {self._next_words()}.")
        parts = []
        while self._kind == "string":
            parts.append(parse_quoted(self._token))
            self._advance()
        return b"".join(parts)

    def _word(self, expectation: str) -> str:
        """Read a number or a name, with its sign."""
        sign = self._accept("-")
        if self._kind not in ("name", "number"):
            found = self._next_words()
            placed = (
                _PLACEHOLDER.match(self._text, self._start) if self._kind in ("other", "symbol") else None
            )
            self._fail(f"{expectation}, found {found}.{_TEMPLATE.format(placed[0]) if placed else ''}")
        word = sign + self._token
        self._advance()
        return word

    def _unknown_value(self, depth: int) -> Any:
        """Read the value of a field that no schema describes, as plain Python values."""
        colon = self._accept(":")
        if self._accept("["):
            values: list[Any] = []
            self._items(lambda: values.append(self._unknown_item(depth)))
            return values
        if not colon and self._token not in _CLOSING:
            self._fail(f"expected ':' or '{{' after a field's name, found {self._next_words()}.")
        return self._unknown_item(depth)

    def _unknown_item(self, depth: int) -> Any:
        if self._kind == "string":
            return as_text(self._string(""))
        if self._token not in _CLOSING:
            return guess(self._word("expected a value"))
        opened, opening = self._line(), self._open("'{'", depth)
        entries: dict[str, Any] = {}
        while not self._closes(opening, f"message that begins in line {opened}"):
            name = self._field_name("a message")
            value = self._unknown_value(depth + 1)
            if name in entries:
                earlier = entries[name]
                value = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
            entries[name] = value
            self._accept(",", ";")
        return entries
