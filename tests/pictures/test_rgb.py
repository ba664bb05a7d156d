"""Pixels of every kind against arithmetic done by hand, and files written by other programs than the reader."""

import io
import struct

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from convscope.errors import PictureError
from convscope.pictures.photograph import open_photograph, read_picture
from convscope.pictures.rgb import Encoding, from_srgb, rgb_of_array, to_srgb

COLORS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 100, 200], [128, 128, 128], [255, 255, 255]]], np.uint8
)
SMOOTH = np.stack(
    np.broadcast_arrays(np.arange(0, 256, 4)[:, None], np.arange(0, 256, 4)[None], 90), 2
).astype(np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def difference(source: object, expected: NDArray[np.uint8]) -> float:
    return float(np.abs(read_picture(source) * 255 - expected).max())


def test_color_is_read_exactly() -> None:
    assert difference(encoded(Image.fromarray(COLORS)), COLORS) < 1e-4
    assert difference(COLORS, COLORS) < 1e-4
    assert read_picture(COLORS).dtype == np.float32


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "I;16"])
def test_every_mode_of_gray_gives_three_equal_channels(mode: str) -> None:
    gray = np.tile(np.array([0, 255], np.uint8), (4, 3))
    image = Image.fromarray(gray)
    image = Image.fromarray(gray.astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    assert image.mode == mode
    assert difference(encoded(image), np.repeat(gray[:, :, None], 3, 2)) < 1e-4


def test_16_bit_gray_keeps_its_levels_and_is_not_clipped_to_white() -> None:
    levels = np.array([[0, 255, 256, 1000], [30000, 32768, 60000, 65535]], np.uint16)
    written, png = cv2.imencode(".png", levels)
    assert written
    np.testing.assert_allclose(read_picture(png.tobytes())[:, :, 1], levels / 65535, atol=1e-6)
    np.testing.assert_allclose(read_picture(levels)[:, :, 0], levels / 65535, atol=1e-6)


def test_16_bit_color_is_right_to_an_8_bit_level() -> None:
    levels = (SMOOTH.astype(np.uint16) * 257)[:, :, ::-1]  # OpenCV writes BGR
    _, png = cv2.imencode(".png", levels)
    assert difference(png.tobytes(), SMOOTH) <= 1


@pytest.mark.parametrize("full", [1, 255])
def test_float_tiff_of_either_range(full: int) -> None:
    gray = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    tiff = encoded(Image.fromarray(gray * full), "TIFF")
    np.testing.assert_allclose(read_picture(tiff)[:, :, 2], gray, atol=1e-6)


def test_float_tiff_out_of_range_says_what_is_possible() -> None:
    tiff = encoded(Image.fromarray(np.array([[-3.0, 800.0]], np.float32)), "TIFF")
    with pytest.raises(
        PictureError, match=r"grey values from -3 to 800; possible are 16-bit integers, or floats"
    ):
        read_picture(tiff)


def test_transparency_is_shown_on_white_and_said() -> None:
    rgba = np.dstack([COLORS, np.array([[255, 0, 128], [0, 255, 255]], np.uint8)])
    alpha = rgba[:, :, 3:] / 255
    expected = COLORS * alpha + 255 * (1 - alpha)
    photograph = open_photograph(encoded(Image.fromarray(rgba)))
    np.testing.assert_allclose(photograph.pixels * 255, expected, atol=1e-3)
    assert photograph.notes == ("transparent parts shown on white",)
    np.testing.assert_allclose(read_picture(rgba) * 255, expected, atol=1e-3)
    opaque = np.dstack([COLORS, np.full((2, 3), 255, np.uint8)])
    assert open_photograph(encoded(Image.fromarray(opaque))).notes == ()


def test_a_transparent_color_of_a_palette_is_white() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert difference(encoded(image, transparency=0), np.array([[[255, 255, 255], [0, 0, 255]]])) < 1e-4
    assert (
        difference(encoded(image, "GIF", transparency=1), np.array([[[255, 0, 0], [255, 255, 255]]])) < 1e-4
    )


def without_adobe_marker(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4]) :]


def test_cmyk_is_right_with_and_without_adobes_inversion() -> None:
    cmyk = Image.fromarray(SMOOTH).convert("CMYK")
    adobe = encoded(cmyk, "JPEG", quality=100)
    plain = without_adobe_marker(encoded(Image.eval(cmyk, lambda value: 255 - value), "JPEG", quality=100))
    assert b"Adobe" in adobe
    assert b"Adobe" not in plain
    for jpeg in (adobe, plain, encoded(cmyk, "TIFF")):
        assert difference(jpeg, SMOOTH) < 12  # JPEG is lossy; an inverted picture would be 250 away
        assert open_photograph(jpeg).notes == ("converted from CMYK to RGB",)


def test_an_embedded_profile_is_applied() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"xxxx").replace(b"bXYZ", b"rXYZ").replace(b"xxxx", b"bXYZ")
    assert difference(encoded(Image.fromarray(SMOOTH), icc_profile=srgb), SMOOTH) < 1.5
    # The profile's red is blue and its blue red, so the same file has its outer channels exchanged.
    assert difference(encoded(Image.fromarray(SMOOTH), icc_profile=swapped), SMOOTH[:, :, ::-1]) < 4


ADOBE = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
SRGB = np.array([[0.43604, 0.38512, 0.14305], [0.22248, 0.71690, 0.06061], [0.01392, 0.09707, 0.71393]])


def adobe_rgb() -> bytes:
    """Pillow's sRGB profile with the primaries of Adobe RGB and its gamma."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC"), (*ADOBE.T, None), strict=True):
        offset, size = struct.unpack(">II", data[data.index(name) + 4 :][:8])
        values = b"XYZ " if column is not None else b"para"
        numbers = column if column is not None else [2.19921875]
        body = (
            values
            + bytes(8 if column is None else 4)
            + b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)
        )
        data[offset : offset + size] = body.ljust(size, b"\0")
    return bytes(data)


def adobe_as_srgb(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the colors are in sRGB, by the two standards' formulas."""
    linear = values**2.19921875 @ ADOBE.T @ np.linalg.inv(SRGB).T
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055)


def test_a_wide_profile_of_16_bits_is_applied_without_steps_and_taken_back() -> None:
    ramp = np.linspace(0.3, 0.7, 4096)
    colors = np.stack([ramp, 0.9 * ramp, 0.8 * ramp + 0.1], axis=1)[None]
    values = np.round(colors * 65535).astype(np.uint16)
    profile = adobe_rgb()
    found = rgb_of_array(values, profile)
    assert found.stored == Encoding(16, profile)
    expected = adobe_as_srgb(values / 65535)
    assert np.abs(expected - values / 65535).max() > 4 / 255  # or nothing would be shown by what follows
    assert np.abs(found.pixels - expected).max() < 1 / 255
    assert len(np.unique(np.round(found.pixels[:, :, 0] * 65535))) > 4000
    back = from_srgb(found.pixels, profile)
    assert np.abs(back - values / 65535).max() < 1.5 / 255


def test_srgb_under_another_name_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = (SMOOTH / 255).astype(np.float32)
    assert to_srgb(pixels, srgb) is pixels
    assert from_srgb(pixels, None) is pixels


def test_profiles_that_lead_nowhere_are_not_kept() -> None:
    for profile in (
        b"not a profile",
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
        None,
    ):
        assert rgb_of_array(SMOOTH, profile).stored == Encoding(8, None)


@pytest.mark.parametrize("profile", [b"", b"not a profile", b"\0" * 200])
def test_a_profile_that_does_not_fit_is_ignored(profile: bytes) -> None:
    assert difference(encoded(Image.fromarray(SMOOTH), icc_profile=profile), SMOOTH) < 1e-4
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert difference(encoded(Image.fromarray(SMOOTH).convert("L"), icc_profile=srgb), SMOOTH) < 256


TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("orientation", TURNED)
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph = open_photograph(encoded(Image.fromarray(COLORS), exif=exif))
    np.testing.assert_allclose(photograph.pixels * 255, TURNED[orientation](COLORS), atol=1e-4)
    assert bool(photograph.notes) == (orientation != 1)


def test_a_broken_exif_block_is_no_reason_to_refuse() -> None:
    assert difference(encoded(Image.fromarray(COLORS), exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), COLORS) < 1e-4


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((0, 8, 3)), r"shape \(0, 8, 3\)"),
        (np.zeros(8), r"shape \(8,\)"),
        (np.full((4, 4), 200.0), "holds 0..1, this array 200 to 200; divide by 255"),
        (np.full((4, 4), np.nan), "nan to nan; scale it to 0..1 first"),
        (np.full((4, 4), -1.0), "-1 to -1; scale it"),
        (np.zeros((4, 4), np.int64), "int64.*convert it to uint8"),
    ],
)
def test_arrays_that_are_no_pictures_say_why(array: NDArray[np.generic], words: str) -> None:
    with pytest.raises(PictureError, match=words):
        read_picture(array)


def test_arrays_of_every_shape_and_kind() -> None:
    gray = np.linspace(0, 1, 6).reshape(2, 3)
    for array in (gray, gray[:, :, None], np.repeat(gray[:, :, None], 3, 2), gray.astype(np.float16)):
        np.testing.assert_allclose(read_picture(array), np.repeat(gray[:, :, None], 3, 2), atol=1e-3)
    assert read_picture(gray > 0.5).max() == 1
    assert read_picture(np.array([[-1e-7, 1 + 1e-7]])).tolist() == [[[0] * 3, [1] * 3]]
