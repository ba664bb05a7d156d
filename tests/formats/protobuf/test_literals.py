import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.formats.caffe.schema import message_type
from convscope.formats.protobuf.literals import (
    expected,
    guess,
    parse_float,
    parse_integer,
    parse_quoted,
    parse_word,
    quote,
    write_guessed,
    write_value,
)
from convscope.formats.protobuf.schema import float32
from convscope.formats.protobuf.unknown import Identifier
from convscope.formats.protobuf.wire import as_text


def field(owner, name):
    return message_type(owner).fields[name]


POOL = field("PoolingParameter", "pool")
STRIDE = field("PoolingParameter", "stride")
AXIS = field("ConcatParameter", "axis")
GLOBAL = field("PoolingParameter", "global_pooling")
ALPHA = field("LRNParameter", "alpha")

WORDS = [
    (POOL, "AVE", "AVE"),
    (POOL, "1", "AVE"),
    (POOL, "0x2", "STOCHASTIC"),
    (POOL, "9", None),
    (POOL, "ave", None),
    (STRIDE, "0", 0),
    (STRIDE, "4294967295", 4294967295),
    (STRIDE, "4294967296", None),
    (STRIDE, "-1", None),
    (STRIDE, "017", 15),
    (STRIDE, "0x1F", 31),
    (STRIDE, "08", None),
    (STRIDE, "1.0", None),
    (STRIDE, "true", None),
    (AXIS, "-2", -2),
    (AXIS, "-2147483648", -2147483648),
    (AXIS, "2147483648", None),
    (AXIS, "9" * 5000, None),
    *[(GLOBAL, word, True) for word in ("true", "True", "t", "1")],
    *[(GLOBAL, word, False) for word in ("false", "False", "f", "0")],
    (GLOBAL, "TRUE", None),
    (GLOBAL, "2", None),
    (ALPHA, "1", 1.0),
    (ALPHA, ".5", 0.5),
    (ALPHA, "5.", 5.0),
    (ALPHA, "1e-4", float32(1e-4)),
    (ALPHA, "2.5f", 2.5),
    (ALPHA, "-0.75F", -0.75),
    (ALPHA, "1e400", math.inf),
    (ALPHA, "-inf", -math.inf),
    (ALPHA, "Infinity", math.inf),
    (ALPHA, "0x10", None),
    (ALPHA, "abc", None),
    (ALPHA, "e5", None),
]


@pytest.mark.parametrize(("field", "word", "value"), WORDS)
def test_parse_word(field, word, value):
    parsed = parse_word(field, word)
    assert parsed == value
    assert type(parsed) is type(value)


def test_nan():
    assert math.isnan(parse_word(ALPHA, "nan"))
    assert math.isnan(parse_float("-NaN"))


def test_expected_names_what_is_possible():
    assert expected(POOL) == "one of MAX, AVE, STOCHASTIC, AVE_EXC_PAD, AVE_TF"
    assert expected(STRIDE) == "a whole number (uint32)"
    assert expected(ALPHA) == "a number"
    assert expected(GLOBAL) == "true or false"


@pytest.mark.parametrize(
    ("token", "data"),
    [
        (r'"plain"', b"plain"),
        (r"'it\'s'", b"it's"),
        (r'"a\nb\tc\\d\"e"', b'a\nb\tc\\d"e'),
        (r'"\101\x42\1019"', b"ABA9"),
        (r'"\377\xff"', b"\xff\xff"),
        (r'"\u00e9\U0001F600"', "é😀".encode()),
        (r'"\UFFFFFFFF"', b"?"),
        ('"日本"', "日本".encode()),
        (r'"\q"', b"q"),
    ],
)
def test_parse_quoted(token, data):
    assert parse_quoted(token) == data


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quote_is_undone_by_parse_quoted(text):
    assert parse_quoted(quote(text)).decode() == text
    assert "\n" not in quote(text)


@given(st.binary())
def test_bytes_too(data):
    quoted = quote(data)
    assert quoted.isascii()
    assert parse_quoted(quoted) == data


def test_text_of_another_age_is_latin():
    assert as_text("é".encode()) == "é"
    assert as_text(b"\xe9") == "é"


@given(st.floats(width=32, allow_nan=False))
def test_floats_are_written_short_and_exactly(number):
    written = write_value(ALPHA, number)
    assert parse_word(ALPHA, written) == number
    assert len(written) <= 20


def test_values_are_written_as_words():
    assert write_value(GLOBAL, True) == "true"
    assert write_value(ALPHA, float32(0.1)) == "0.1"
    assert write_value(POOL, "AVE") == "AVE"


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), ("7", 7), ("-0x1f", -31), ("0.5", 0.5), ("MAX", Identifier("MAX"))]
)
def test_guess_and_back(word, value):
    assert guess(word) == value
    assert type(guess(word)) is type(value)
    assert guess(write_guessed(value)) == value


@given(st.integers(-(2**63), 2**64))
def test_integers(number):
    assert parse_integer(str(number)) == number
