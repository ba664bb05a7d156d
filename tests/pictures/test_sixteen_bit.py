"""Every bit of 16-bit pictures in color, as OpenCV and tifffile write them."""

from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from convscope.pictures.photograph import open_photograph
from convscope.pictures.sixteen_bit import joined, load, stored_bits

RGB = np.random.default_rng(0).integers(0, 65536, (21, 34, 3), np.uint16)
RGBA = np.random.default_rng(1).integers(0, 65536, (21, 34, 4), np.uint16)
TIFFS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "deflated": {"compression": "zlib", "predictor": True},
    "tiled": {"tile": (16, 16)},
}


def by_opencv(values: np.ndarray, ending: str) -> bytes:
    written, data = cv2.imencode(ending, values[:, :, [2, 1, 0, 3][: values.shape[2]]])
    assert written
    return data.tobytes()


def by_tifffile(values: np.ndarray, **options: Any) -> bytes:
    buffer = BytesIO()
    extra = ["unassalpha"] if values.shape[2] == 4 else None
    tifffile.imwrite(buffer, values, photometric="rgb", extrasamples=extra, **options)
    return buffer.getvalue()


def read(data: bytes) -> np.ndarray:
    file = BytesIO(data)
    with Image.open(file) as image:
        assert stored_bits(image) == 16
        low = load(image, file)
        assert low is not None
        return joined(image, low)


@pytest.mark.parametrize("values", [RGB, RGBA], ids=["RGB", "RGBA"])
@pytest.mark.parametrize("ending", [".png", ".tif"])  # OpenCV's TIFF is packed by LZW
def test_every_value_that_opencv_wrote(values: np.ndarray, ending: str) -> None:
    assert np.array_equal(read(by_opencv(values, ending)), values)


@pytest.mark.parametrize("values", [RGB, RGBA], ids=["RGB", "RGBA"])
@pytest.mark.parametrize("options", TIFFS.values(), ids=TIFFS)
def test_every_value_that_tifffile_wrote(values: np.ndarray, options: dict[str, Any]) -> None:
    assert np.array_equal(read(by_tifffile(values, **options)), values)


def test_a_photograph_has_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    path.write_bytes(by_opencv(RGBA, ".tif"))
    for source in (path, path.read_bytes(), RGBA):
        found = open_photograph(source)
        alpha = RGBA[:, :, 3:] / 65535
        expected = RGBA[:, :, :3] / 65535 * alpha + (1 - alpha)
        assert np.abs(found.pixels - expected).max() < 1e-6
        assert found.opacity is not None
        assert np.abs(found.opacity - alpha[:, :, 0]).max() < 1e-7
        assert found.stored.bits == 16
    assert "read with 8 of its 16 bits" not in found.notes


def test_turned_upright_with_both_halves() -> None:
    image = Image.open(BytesIO(by_tifffile(RGB)))
    values = by_tifffile(RGB, extratags=[(274, "H", 1, 6, True)])
    assert image.size == (34, 21)
    found = open_photograph(values).pixels
    assert np.abs(found - RGB.transpose(1, 0, 2)[:, ::-1] / 65535).max() < 1e-6


def test_what_is_read_with_eight_bits_says_so() -> None:
    buffer = BytesIO()
    tifffile.imwrite(buffer, RGBA, photometric="separated")
    found = open_photograph(buffer.getvalue())
    assert "read with 8 of its 16 bits" in found.notes
    assert found.stored.bits == 8


def test_eight_bits_are_left_alone() -> None:
    file = BytesIO()
    Image.fromarray((RGB >> 8).astype(np.uint8)).save(file, "PNG")
    with Image.open(file) as image:
        assert (stored_bits(image), load(image, file)) == (8, None)
        assert np.array_equal(np.asarray(image), RGB >> 8)


def test_a_small_file_s_many_pixels_are_averaged_with_all_their_bits() -> None:
    values = np.full((5001, 5000), 51234, np.uint16)
    values[1::2, :2500], values[3000:] = 51237, 771
    stream = BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    photograph = open_photograph(stream.getvalue())
    assert photograph.pixels.shape == (2501, 2500, 3)
    found = np.rint(photograph.pixels[:, :, 0] * 65535)
    assert set(found[:1500, :1250].ravel()) <= {51235, 51236}  # two rows' mean, 51235.5
    assert set(found[:1500, 1250:].ravel()) == {51234}
    assert set(found[1500:].ravel()) == {771}
