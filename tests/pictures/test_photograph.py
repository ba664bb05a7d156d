"""Files of every kind: what can be read is read, what cannot is refused in one line, before memory is taken."""

import hashlib
import io
import os
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convscope.errors import PictureError
from convscope.pictures.decoding import FORMATS
from convscope.pictures.photograph import open_photograph, read_picture

GRADIENT = np.stack(
    np.broadcast_arrays(np.arange(0, 240, 8)[:, None], np.arange(0, 200, 8)[None], 60), 2
).astype(np.uint8)


@pytest.fixture(autouse=True)
def no_warning_leaks() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def encoded(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GRADIENT).save(buffer, form, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9))
        + chunk(b"IEND", b"")
    )


def message_of(source: object) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM"])
def test_every_format_is_read(form: str, tmp_path: Path) -> None:
    assert form in FORMATS
    path = tmp_path / "picture.of-any-name"
    path.write_bytes(encoded(form))
    assert np.abs(read_picture(path) * 255 - GRADIENT).mean() < 4
    assert open_photograph(path).notes == ()


def test_every_kind_of_source_gives_the_same_pixels(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded("PNG"))
    sources = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), GRADIENT]
    sources += [
        Image.open(path),
        Image.fromarray(GRADIENT),
        open_photograph(path),
        memoryview(path.read_bytes()),
    ]
    for source in sources:
        np.testing.assert_array_equal(read_picture(source), GRADIENT / np.float32(255))


def test_a_photograph_knows_its_source_and_the_hash_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded("PNG"))
    photograph = open_photograph(path)
    assert (photograph.source, photograph.name) == (str(path), "picture.png")
    assert photograph.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    in_memory = open_photograph(GRADIENT)
    assert (in_memory.source, in_memory.name) == (None, "a picture")
    assert (
        in_memory.sha256 == open_photograph(GRADIENT.copy()).sha256 != open_photograph(GRADIENT[::-1]).sha256
    )


@pytest.mark.parametrize(
    ("name", "shape"), [("coffee", (400, 600, 3)), ("chelsea", (300, 451, 3)), ("astronaut", (512, 512, 3))]
)
def test_sample_photographs(name: str, shape: tuple[int, ...]) -> None:
    assert read_picture(name).shape == shape
    assert open_photograph(name).source == name


def test_an_animation_gives_its_first_frame_and_says_so() -> None:
    buffer = io.BytesIO()
    frames = [Image.fromarray(GRADIENT), Image.new("RGB", (25, 30), "red")]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    photograph = open_photograph(buffer.getvalue())
    assert np.abs(photograph.pixels * 255 - GRADIENT).max() < 1e-3
    assert photograph.notes == ("the first of its 2 frames",)


@pytest.mark.parametrize(
    "size", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (8_193, 8_192), (12_000, 10_000)]
)
def test_a_huge_picture_is_refused_from_its_header(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(*size))
    tracemalloc.start()
    message = message_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message.startswith(f"{path} is too large: ")
    assert "up to 67,108,864 are read" in message
    assert peak < 5_000_000


def test_the_limit_is_an_argument() -> None:
    with pytest.raises(PictureError, match="25 x 30 pixels; up to 700 are read"):
        read_picture(encoded("PNG"), maximum_pixels=700)
    with pytest.raises(PictureError, match="too large: 25 x 30"):
        read_picture(GRADIENT, maximum_pixels=700)
    with pytest.raises(PictureError, match="too large: 25 x 30"):
        read_picture(encoded("JPEG", progressive=True), maximum_pixels=700)  # all of it would be held


def test_a_jpeg_of_more_pixels_is_read_at_a_part_of_its_size() -> None:
    half = open_photograph(encoded("JPEG", quality=100), maximum_pixels=700)
    assert half.pixels.shape == (15, 13, 3)
    assert "read at 1/2 of its size: of 750 pixels, 700 are taken" in half.notes
    means = GRADIENT[:30, :24].reshape(15, 2, 12, 2, 3).mean((1, 3)) / 255
    np.testing.assert_allclose(half.pixels[:, :12], means, atol=0.06)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_a_truncated_file_is_damaged(form: str, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    whole = encoded(form)
    path.write_bytes(whole[: len(whole) // 2])
    message = message_of(path)
    assert str(path) in message
    assert "damaged or incomplete" in message or "is not a picture" in message


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    for content, words in {
        b"": "is empty (0 bytes)",
        b"layer { name: 'conv1' }": "a text that begins \"layer { name: 'conv1' }\" (23 bytes). Possible: PNG, JPEG",
        b"%PDF-1.4": "a PDF document",
        b"\x89HDF\r\n\x1a\n": "an HDF5 file",
        b"\0\0\0\x18ftypheic" + b"\0" * 20: "a HEIC photograph: export it as JPEG",
        bytes(range(128, 160)): "a file that begins 80 81 82",
    }.items():
        path = tmp_path / "thing"
        path.write_bytes(content)
        assert words in message_of(path)
        assert str(path) in message_of(path)


def test_a_missing_file_offers_the_closest(tmp_path: Path) -> None:
    (tmp_path / "kitten.jpg").write_bytes(b"")
    assert "Did you mean " in message_of(tmp_path / "kiten.jpg")
    assert "kitten.jpg" in message_of(tmp_path / "kiten.jpg")
    assert "Did you mean 'coffee'" in message_of("cofee")
    assert "coffee, chelsea, astronaut" in message_of("nothing like that")


def test_folders_devices_addresses_and_other_objects(tmp_path: Path) -> None:
    assert "is a folder, not a picture; it holds no pictures" in message_of(tmp_path)
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    assert "it holds 1 pictures, for instance a.png" in message_of(tmp_path)
    assert "is no file; convscope fetches nothing" in message_of("https://example.org/cat.jpg")
    assert "is no file" in message_of("a\0b")
    assert "is not a regular file" in message_of("/dev/null")
    for thing in (None, 3j, object(), {"a": 1}, [["a"]], [[1], [1, 2]]):
        assert "is not a picture; give a path, bytes, a Pillow image or an array" in message_of(thing)
    assert message_of(["a.png", "b.png"]).endswith("an array. Of several give one after the other")


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded("PNG"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "Permission denied" in message_of(path)


@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]), st.data())
def test_damaged_files_never_give_more_than_one_line(form: str, data: st.DataObject) -> None:
    content = bytearray(encoded(form))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        picture = read_picture(bytes(content), maximum_pixels=1_000_000)
    except PictureError as error:
        assert "\n" not in str(error)
    else:
        assert picture.shape[2] == 3
        assert 0 <= picture.min() <= picture.max() <= 1


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(content: bytes) -> None:
    assert "what was given" in message_of(content)


def test_a_palette_counts_into_the_hash() -> None:
    first = Image.new("P", (2, 2))
    first.putpalette([255, 0, 0])
    second = first.copy()
    second.putpalette([0, 0, 255])
    assert first.tobytes() == second.tobytes()
    assert open_photograph(first).sha256 == open_photograph(first.copy()).sha256
    assert open_photograph(first).sha256 != open_photograph(second).sha256


@pytest.mark.parametrize("shape", [(1, 3, 20, 24), (3, 20, 24), (1, 1, 8, 8)])
def test_a_networks_input_is_not_taken_for_a_picture(shape: tuple[int, ...]) -> None:
    tensor = torch.zeros(shape) - 40
    assert "is no picture: what explains one answer takes it" in message_of(tensor)
    assert "network.deprocess(tensor) is what it shows" in message_of(tensor)
