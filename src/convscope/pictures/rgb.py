"""Pixels of any kind as RGB between 0 and 1: what every reader of pictures must get right once."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms, ImageOps

from convscope.errors import PictureError
from convscope.pictures.sixteen_bit import joined

Pixels: TypeAlias = NDArray[np.float32]
_ROWS = 256  # that are turned into floats at once
_STEP = 3  # between the 8-bit values of a channel at which a profile is asked
_SAME = 2  # 8-bit levels that two profiles of the same colors are apart
_DEEP_GRAY = ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")
_EXIF_ORIENTATION = 0x0112
ON_WHITE = "transparent parts shown on white"
NOTHING_LEFT = "its transparent parts are shown on white, and nothing is left to see: a blank picture"
_NEARLY_WHITE = 0.98


@dataclass(frozen=True)
class Encoding:
    """How a file stores a picture: its bits a value, and the ICC profile its colors are meant in (None: sRGB)."""

    bits: int = 8
    profile: bytes | None = None

    def with_bits(self, bits: int | None) -> Encoding:
        """Return the same with so many bits a value; None changes nothing."""
        return self if bits is None else replace(self, bits=bits)


PLAIN = Encoding()


@dataclass(frozen=True, eq=False)
class Appearance:
    """What a picture looks like: float32 sRGB (height, width, 3) in 0..1, on white where it is transparent.

    ``notes`` are phrases of what was done to it, ``opacity`` (height, width) is None where it is opaque throughout.
    """

    pixels: Pixels
    notes: tuple[str, ...] = ()
    opacity: Pixels | None = None
    stored: Encoding = PLAIN


def rgb_of_image(image: Image.Image, name: str, low: Image.Image | None = None) -> Appearance:
    """Return what a Pillow image looks like; `low` holds the lower bytes of one of 16 bits in color.

    Upright as its EXIF says, transparent parts on white, embedded ICC profiles applied, 16-bit grey at its
    full range. PictureError, with ``name``, for grey values that are neither 16-bit integers nor floats in
    0..255.
    """
    notes = []
    image_format = image.format
    with contextlib.suppress(
        ValueError, TypeError, KeyError, SyntaxError, OSError
    ):  # broken EXIF: take it as it lies
        if image.getexif().get(_EXIF_ORIENTATION, 1) in range(2, 9):
            image = ImageOps.exif_transpose(image)
            low = low and ImageOps.exif_transpose(low)
            notes.append("turned upright as its EXIF says")
    if image.mode in _DEEP_GRAY:
        return Appearance(_of_deep_gray(np.asarray(image), name), tuple(notes), stored=Encoding(16))
    profile = image.info.get("icc_profile")
    if low is not None:
        return rgb_of_array(joined(image, low), profile, tuple(notes))
    if image.mode == "CMYK":
        notes.append("converted from CMYK to RGB")
        if image_format == "JPEG" and "adobe" not in image.info:
            image = ImageChops.invert(
                image
            )  # Pillow inverts every CMYK JPEG; only Adobe's are stored inverted
    color, alpha = _split_alpha(image)
    pixels = _floats(_to_srgb(color, profile))
    opacity = None if alpha is None else alpha / np.float32(255)
    return _seen(pixels, opacity, Encoding(8, _of_rgb(profile)), tuple(notes))


def rgb_of_array(
    values: NDArray[Any], profile: bytes | None = None, notes: tuple[str, ...] = ()
) -> Appearance:
    """Return what an array (height, width[, 1, 3 or 4]) looks like, its colors meant in a profile.

    Booleans, uint8, uint16 and floats in 0..1 are possible; PictureError for the rest says what to do.
    """
    if (
        values.ndim not in (2, 3)
        or (values.ndim == 3 and values.shape[2] not in (1, 3, 4))
        or not values.size
    ):
        hint = "; put its channels last" if values.ndim == 3 and values.shape[0] in (1, 3, 4) else ""
        if values.ndim == 1:
            hint = "; a network of signals takes one in classify, activations, values and report"
        if values.ndim == 4:
            hint = (
                "; a batch that is the network's input already goes in as a tensor, torch.from_numpy(array)"
            )
        raise PictureError(
            f"an array of shape {values.shape} is not a picture; give (height, width[, 1, 3 or 4]){hint}"
        )
    pixels = _unit_range(values)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    colors = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, :3]
    stored = Encoding(16 if values.dtype == np.uint16 else 8, _of_rgb(profile))
    opacity = pixels[:, :, 3] if pixels.shape[2] == 4 else None
    return _seen(to_srgb(colors, stored.profile), opacity, stored, notes)


def _seen(pixels: Pixels, opacity: Pixels | None, stored: Encoding, notes: tuple[str, ...]) -> Appearance:
    if opacity is None or opacity.min() == 1:
        return Appearance(pixels, notes, None, stored)
    alpha = opacity[:, :, None]
    whiter = pixels if pixels.flags.owndata and pixels.flags.writeable else pixels.copy()
    whiter *= alpha
    whiter += 1 - alpha
    note = NOTHING_LEFT if whiter.min() > _NEARLY_WHITE else ON_WHITE
    return Appearance(whiter, (*notes, note), opacity, stored)


def _floats(image: Image.Image) -> Pixels:
    """Return an image's values in 0..1, some rows at a time: a second copy of the whole would fill the memory."""
    pixels = np.empty((image.height, image.width, 3), np.float32)
    for top in range(0, image.height, _ROWS):
        part = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        np.divide(np.asarray(part), np.float32(255), out=pixels[top : top + _ROWS], dtype=np.float32)
    return pixels


def to_srgb(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Return colors of a profile, float32 (height, width, 3) in 0..1, as sRGB."""
    srgb = ImageCms.createProfile("sRGB")
    return pixels if profile is None else _converted(pixels, _opened(profile), srgb)


def from_srgb(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Return sRGB colors, float32 (height, width, 3) in 0..1, as those of a profile."""
    srgb = ImageCms.createProfile("sRGB")
    return pixels if profile is None else _converted(pixels, srgb, _opened(profile))


def _converted(pixels: Pixels, source: Any, target: Any) -> Pixels:
    """Convert colors from one profile to another, to about an 8-bit level and without steps between the levels.

    Pillow's color management takes 8 bits: it is asked for a grid of colors, and the rest lies between them. Profiles
    that differ by roundings are the same, and change nothing.
    """
    from scipy.ndimage import map_coordinates  # type: ignore[import-untyped]

    levels = np.arange(0, 256, _STEP, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    image = Image.fromarray(grid.reshape(-1, len(levels), 3))
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    table = np.asarray(converted, np.float32).reshape(grid.shape)
    if np.abs(table - grid).max() <= _SAME:
        return pixels
    result = np.empty_like(pixels)
    for row, colors in enumerate(
        pixels
    ):  # a row at a time: a whole picture's coordinates would fill the memory
        places = colors.T * (len(levels) - 1)
        for channel in range(3):
            result[row, :, channel] = map_coordinates(table[..., channel], places, order=1, mode="nearest")
    result /= 255
    return result


def _opened(profile: bytes) -> Any:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def _of_rgb(profile: bytes | None) -> bytes | None:
    """Return a profile that colors can be converted by and back; None for a broken one, or one of ink or gray."""
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        if profile:
            opened, srgb = _opened(profile), ImageCms.createProfile("sRGB")
            for source, target in ((opened, srgb), (srgb, opened)):
                ImageCms.buildTransform(source, target, "RGB", "RGB")
            return profile
    return None


def _split_alpha(image: Image.Image) -> tuple[Image.Image, NDArray[np.uint8] | None]:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return image.convert("RGB"), np.asarray(image.getchannel("A"))
    if image.mode == "1":
        return image.convert("L"), None
    return (image if image.mode in ("L", "RGB", "CMYK", "LAB") else image.convert("RGB")), None


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile or image.mode == "LAB":
        # A profile that is broken or made for another kind of picture is ignored, as viewers do.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            stored = (
                ImageCms.createProfile("LAB")
                if not profile
                else ImageCms.ImageCmsProfile(io.BytesIO(profile))
            )
            converted = ImageCms.profileToProfile(
                image, stored, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return converted or image.convert("RGB")
    return image.convert("RGB")


def _of_deep_gray(values: NDArray[Any], name: str) -> Pixels:
    low, high = float(values.min()), float(values.max())
    integers = values.dtype.kind != "f"
    if not (low >= 0 and high <= (65535 if integers else 255)):
        raise PictureError(
            f"{name} holds grey values from {low:g} to {high:g}; possible are 16-bit integers, "
            "or floats from 0 to 1 or 0 to 255: rescale it"
        )
    full = 65535 if integers else 255 if high > 1 else 1
    gray = values.astype(np.float32) / np.float32(full)
    return np.repeat(gray[:, :, None], 3, axis=2)


_NO_PICTURE = (
    "scale it to 0..1 first (a signal or a volume that a network takes as it is, classify, activations, values and "
    "evidence read)"
)


def _unit_range(values: NDArray[Any]) -> Pixels:
    if values.dtype.kind == "b":
        return values.astype(np.float32)
    if values.dtype in (np.uint8, np.uint16):
        scaled: Pixels = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
        return scaled
    if values.dtype.kind != "f":
        raise PictureError(
            f"an array of {values.dtype} is not a picture; convert it to uint8, uint16 or floats in 0..1"
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also false for NaN; rounding may overshoot a little
        hint = "divide by 255" if 1 < high <= 256 and low >= 0 else _NO_PICTURE
        raise PictureError(f"a picture of floats holds 0..1, this array {low:g} to {high:g}; {hint}")
    clipped: Pixels = np.clip(values, 0, 1).astype(np.float32)
    return clipped
