"""Damaged and foreign NumPy files and TIFFs end in one sentence, whatever the library that reads them trips over."""

import os
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convscope.errors import InputError, NetworkFileError, PictureError
from convscope.network.fixed_inputs import read_input
from convscope.pictures.numpy_file import read_numbers
from convscope.pictures.photograph import read_picture


def saved(values: object) -> bytes:
    stream = BytesIO()
    np.save(stream, values, allow_pickle=True)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize(
    "values",
    [
        np.float64(0.375),
        np.arange(12, dtype=">i2").reshape(3, 4),
        np.asfortranarray(np.random.default_rng(3).random((4, 3, 2))),
        np.zeros((3, 0)),
        np.array([True, False]),
    ],
)
def test_the_numbers_are_numpys(values: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values)
    found = read_numbers(tmp_path / "a.npy")
    assert found.dtype == values.dtype
    assert np.array_equal(found, np.load(tmp_path / "a.npy"))


@settings(max_examples=150, deadline=None)
@given(cut=st.tuples(st.integers(0, 140), st.binary(max_size=5)), length=st.integers(0, 6))
def test_a_damaged_file_is_a_value_error_of_one_line(
    cut: tuple[int, bytes], length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at, put = cut
    whole = saved(np.random.default_rng(0).random((2, 3)))
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(whole[:at] + put + whole[at + length :])
    try:
        assert read_numbers(path).dtype.kind in "bfiu"
    except ValueError as error:
        assert str(error)
        assert "\n" not in str(error)


OPEN_BRACKET = saved(np.zeros(3)).replace(b"}", b"(")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (OPEN_BRACKET, "EOF in multi-line statement"),
        (saved(np.array([print])), "holds object, not numbers"),
        (saved(np.zeros(3)).replace(b"(3,)", b"(3, 10000000, 10000000)"), "its header says"),
        (b"", "."),
    ],
)
def test_as_a_picture_and_as_an_input(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    for read, kind in ((read_picture, PictureError), (read_input, InputError)):
        with pytest.raises(kind, match=words) as caught:
            read(str(tmp_path / "a.npy"))  # type: ignore[operator]
        assert "\n" not in str(caught.value)


def test_an_input_that_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(NetworkFileError, match="is a pipe, not a file"):
        read_input(str(tmp_path / "a.npy"))


@pytest.mark.parametrize("tag", [256, 257, 258, 262, 273, 277, 278, 279, 284])
@pytest.mark.parametrize("count", [0, 2, 2**31])
def test_a_tiff_with_several_values_where_one_belongs(tag: int, count: int, tmp_path: Path) -> None:
    stream = BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (5, 7, 3), np.uint8)).save(stream, "TIFF")
    content, first = bytearray(stream.getvalue()), struct.unpack_from("<I", stream.getvalue(), 4)[0]
    for entry in range(struct.unpack_from("<H", content, first)[0]):
        if struct.unpack_from("<H", content, first + 2 + 12 * entry)[0] == tag:
            struct.pack_into("<I", content, first + 2 + 12 * entry + 4, count)
    (tmp_path / "a.tif").write_bytes(content)
    try:
        assert read_picture(tmp_path / "a.tif").shape[2] == 3
    except PictureError as error:
        assert "\n" not in str(error)
