import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convscope.errors import NetworkFileError
from convscope.formats.protobuf.records import (
    FIXED32,
    FIXED64,
    GROUP,
    LENGTH,
    VARINT,
    ByteSource,
    open_source,
    read_record,
    read_varint,
)


def source(data):
    return ByteSource(data, "net.caffemodel")


def first(data):
    return read_record(source(data), 0, len(data))


@pytest.mark.parametrize(
    ("data", "number", "wire", "start", "stop", "value"),
    [
        (b"\x08\x96\x01", 1, VARINT, 1, 3, 150),
        (b"\xa2\x06\x02ab", 100, LENGTH, 3, 5, 0),
        (b"\x2d\0\0\0\0", 5, FIXED32, 1, 5, 0),
        (b"\x41" + bytes(8), 8, FIXED64, 1, 9, 0),
        (b"\x0b\x08\x01\x13\x14\x0c\xff", 1, GROUP, 1, 6, 0),
        (b"\x08" + b"\xff" * 9 + b"\x01", 1, VARINT, 1, 11, 2**64 - 1),
    ],
)
def test_every_wire_type(data, number, wire, start, stop, value):
    record = first(data)
    assert (record.number, record.wire, record.tag, record.start, record.stop, record.value) == (
        number, wire, 0, start, stop, value,
    )  # fmt: skip


@given(st.integers(0, 2**64 - 1))
@example(0)
@example(127)
@example(128)
def test_varints(number):
    data, rest = bytearray(), number
    while rest > 127:
        data.append(rest & 127 | 128)
        rest >>= 7
    data.append(rest)
    assert read_varint(source(bytes(data)), 0, len(data)) == (number, len(data))


INCOMPLETE = (
    "the file ends after {} bytes, inside a field: it is incomplete or damaged. Download or copy it again."
)
DAMAGED = [
    (b"\x08", 1, INCOMPLETE.format(1)),
    (b"\x08\x80", 1, INCOMPLETE.format(2)),
    (b"\x0a\x05abc", 0, INCOMPLETE.format(5)),
    (b"\x0a" + b"\xff" * 9 + b"\x01abc", 0, INCOMPLETE.format(14)),
    (b"\x2d\0\0", 0, INCOMPLETE.format(3)),
    (b"\x0b\x08\x01", 3, INCOMPLETE.format(3)),
    (b"\x00\x00", 0, "no field begins like this: the file is damaged, or of another kind."),
    (b"\x0e\x00", 0, "no field begins like this: the file is damaged, or of another kind."),
    (b"\xff" * 9 + b"\x01", 0, "no field begins like this: the file is damaged, or of another kind."),
    (b"\xff" * 12, 0, "a whole number is longer than 10 bytes: the file is damaged, or of another kind."),
    (b"\x0c", 0, "group 1 ends where none began: the file is damaged."),
    (b"\x0b\x14", 1, "another group ends inside the group of byte 0: the file is damaged."),
    (b"\x0b" * 5000, 101, "groups are nested more than 100 deep: the file is damaged."),
]


@pytest.mark.parametrize(("data", "position", "problem"), DAMAGED)
def test_damage_is_named_with_its_byte(data, position, problem):
    with pytest.raises(NetworkFileError) as error:
        first(data)
    assert str(error.value) == f"net.caffemodel, byte {position}: {problem}"


def test_a_field_may_not_run_out_of_its_message():
    data = b"\x0a\x05abcdefgh"
    with pytest.raises(
        NetworkFileError, match="byte 0: a field runs past byte 4, where the message around it ends"
    ):
        read_record(source(data), 0, 4)


def test_records_are_counted():
    data = b"\x08\x01" * 5
    counted = source(data)
    counted.budget = 3
    position = 0
    with pytest.raises(NetworkFileError, match=r"byte 6: more than 300,000 fields"):
        while position < len(data):
            position = read_record(counted, position, len(data)).stop


def test_a_mapped_file_is_never_written(tmp_path):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(b"\x0a\x03abc")
    first_view, second_view = open_source(path).view, open_source(path).view
    first_view[2] = 0
    assert second_view[2] == ord("a")
    assert path.read_bytes() == b"\x0a\x03abc"


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(NetworkFileError, match=r"nowhere does not exist: give the path of a file\.$"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(NetworkFileError, match=r"not a file: give the path of a file\.$"):
        open_source(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NetworkFileError, match=r"pipe is a pipe, not a file: give the path of a file\.$"):
        open_source(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    assert len(open_source(tmp_path / "empty").view) == 0
