"""A cursor over prototxt text that fills messages, and knows the line of everything it reads."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NoReturn

from convscope.errors import NetworkFileError, did_you_mean
from convscope.sources.caffe.literals import as_text, expected, guess, parse_quoted, parse_word
from convscope.sources.caffe.message import Message, empty_message
from convscope.sources.caffe.schema import Field
from convscope.sources.caffe.unknown import Identifier, Unknown

MAXIMUM_FIELDS = 2_000_000
MAXIMUM_DEPTH = 100

_SPACE = re.compile(r"(?:\s|#[^\n]*)+")
_TOKEN = re.compile(
    r"""(?P<name>[A-Za-z_]\w*)
    |(?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?)(?![\w.]))
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<symbol>[{}<>\[\]:,;./-])""",
    re.VERBOSE | re.ASCII,
)
_CLOSING = {"{": "}", "<": ">"}


class Parser:
    """A cursor over the text: one token of lookahead, and the line of every offset."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.budget = MAXIMUM_FIELDS
        self.end = 0
        self.advance()

    def advance(self) -> None:
        space = _SPACE.match(self.text, self.end)
        self.start = space.end() if space else self.end
        match = _TOKEN.match(self.text, self.start)
        self.kind = match.lastgroup or "" if match else "end" if self.start == len(self.text) else "other"
        self.token = match[0] if match else ""
        self.end = match.end() if match else self.start

    def line(self, offset: int | None = None) -> int:
        return bisect_right(self.newlines, self.start if offset is None else offset) + 1

    def fail(self, problem: str, line: int | None = None) -> NoReturn:
        raise NetworkFileError(f"{self.file}, line {line or self.line()}: {problem}")

    def found(self) -> str:
        if self.kind == "end":
            return "the end of the file"
        rest = self.text[self.start : self.start + 30].split("\n")[0].rstrip()
        if self.kind == "other" and rest[:1] in ('"', "'"):
            return f"text without its closing quote: {rest}"
        return f"'{self.token or rest}'"

    def accept(self, *symbols: str) -> str:
        if self.kind != "symbol" or self.token not in symbols:
            return ""
        token = self.token
        self.advance()
        return token

    def read_fields(self, message: Message, opening: str, depth: int) -> None:
        """Read ``name: value`` pairs into the message, up to the bracket that closes it."""
        opened, seen = self.line(), dict[str, int]()
        while not self.closes(opening, message.type_name, opened):
            line = self.line()
            name = self.field_name(message.type_name)
            field = message.field(name)
            if field is None:
                message.unknown.append(Unknown(name, self.unknown_value(depth), f"line {line}"))
            else:
                if not field.repeated and name in seen:
                    self.fail(
                        f"{message.type_name} has {name!r} twice (first in line {seen[name]}): keep one.",
                        line,
                    )
                seen[name] = line
                self.read_value(message, field, depth)
            self.accept(",", ";")

    def closes(self, opening: str, what: str, opened: int) -> bool:
        if self.kind == "end":
            if opening:
                self.fail(f"the file ends inside the {what} that begins in line {opened}: a '}}' is missing.")
            return True
        return bool(opening) and bool(self.accept(_CLOSING[opening]))

    def field_name(self, what: str) -> str:
        self.budget -= 1
        if self.budget < 0:
            self.fail(f"more than {MAXIMUM_FIELDS:,} fields: not a network's description.")
        name = self.token
        if self.kind != "name":
            if not self.accept("["):
                self.fail(f"expected the name of a field of {what}, found {self.found()}.")
            close = self.text.find("]", self.start)
            if close < 0:
                self.fail("the ']' that closes a field's name is missing.")
            name, self.end = f"[{self.text[self.start : close]}]", close + 1
        self.advance()
        return name

    def read_value(self, message: Message, field: Field, depth: int) -> None:
        colon = self.accept(":")
        if not colon and not field.message:
            self.fail(f"expected ':' and a value after {field.name!r}, found {self.found()}.")
        if not field.repeated:
            setattr(message, field.name, self.value(message, field, depth))
            return
        values = getattr(message, field.name)
        if self.accept("["):
            self.items(lambda: values.append(self.value(message, field, depth)))
        else:
            values.append(self.value(message, field, depth))

    def value(self, message: Message, field: Field, depth: int) -> Any:
        return self.message(field, depth) if field.message else self.scalar(message, field)

    def items(self, read: Callable[[], object]) -> None:
        """Read the values of a list, whose '[' has been read, up to its ']'."""
        if self.accept("]"):
            return
        while True:
            self.budget -= 1
            read()
            if self.accept("]"):
                return
            if not self.accept(","):
                self.fail(f"expected ',' or ']' in a list, found {self.found()}.")

    def message(self, field: Field, depth: int) -> Message:
        opened = self.line()
        opening = self.open(f"'{{' after {field.name!r}", depth)
        made = empty_message(field)
        made.place = f"line {opened}"
        self.read_fields(made, opening, depth + 1)
        return made

    def open(self, wanted: str, depth: int) -> str:
        if depth >= MAXIMUM_DEPTH:
            self.fail(f"messages are nested more than {MAXIMUM_DEPTH} deep.")
        return self.accept("{", "<") or self.fail(f"expected {wanted}, found {self.found()}.")

    def scalar(self, message: Message, field: Field) -> Any:
        place, line = f"{message.type_name}.{field.name}", self.line()
        if field.kind in ("string", "bytes"):
            data = self.string(f"{place} expects text in quotes")
            return data if field.kind == "bytes" else as_text(data)
        word = self.word(f"{place} expects {expected(field)}")
        value = parse_word(field, word)
        if (
            value is None and field.name == "engine"
        ):  # other Caffes have more engines; the numbers are the same
            message.unknown.append(Unknown(field.name, Identifier(word), f"line {line}"))
            return field.default
        if value is None:
            hint = did_you_mean(word, field.enumeration.numbers) if field.enumeration else ""
            self.fail(f"{place} expects {expected(field)}, found '{word}'.{hint}", line)
        return value

    def string(self, expectation: str) -> bytes:
        """Read a quoted string, or several side by side, which are one."""
        if self.kind != "string":
            self.fail(f"{expectation}, found {self.found()}.")
        parts = []
        while self.kind == "string":
            parts.append(parse_quoted(self.token))
            self.advance()
        return b"".join(parts)

    def word(self, expectation: str) -> str:
        """Read a number or a name, with its sign."""
        sign = self.accept("-")
        if self.kind not in ("name", "number"):
            self.fail(f"{expectation}, found {self.found()}.")
        word = sign + self.token
        self.advance()
        return word

    def unknown_value(self, depth: int) -> Any:
        """Read the value of a field that no schema describes, as plain Python values."""
        colon = self.accept(":")
        if self.accept("["):
            values: list[Any] = []
            self.items(lambda: values.append(self.unknown_item(depth)))
            return values
        if not colon and self.token not in _CLOSING:
            self.fail(f"expected ':' or '{{' after a field's name, found {self.found()}.")
        return self.unknown_item(depth)

    def unknown_item(self, depth: int) -> Any:
        if self.kind == "string":
            return as_text(self.string(""))
        if self.token not in _CLOSING:
            return guess(self.word("expected a value"))
        opened, opening = self.line(), self.open("'{'", depth)
        entries: dict[str, Any] = {}
        while not self.closes(opening, "message", opened):
            name = self.field_name("a message")
            value = self.unknown_value(depth + 1)
            if name in entries:
                earlier = entries[name]
                value = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
            entries[name] = value
            self.accept(",", ";")
        return entries
