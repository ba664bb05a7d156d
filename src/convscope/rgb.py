"""Pixels of any kind as RGB between 0 and 1: what every reader of pictures must get right once."""

from __future__ import annotations

import contextlib
import io
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms, ImageOps

from convscope.errors import PictureError

Pixels: TypeAlias = NDArray[np.float32]
_DEEP_GRAY = ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")
_EXIF_ORIENTATION = 0x0112
ON_WHITE = "transparent parts shown on white"


def rgb_of_image(image: Image.Image, name: str) -> tuple[Pixels, tuple[str, ...]]:
    """Return a Pillow image as float32 sRGB (height, width, 3) in 0..1, and what was done to it in phrases.

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
            notes.append("turned upright as its EXIF says")
    if image.mode in _DEEP_GRAY:
        return _of_deep_gray(np.asarray(image), name), tuple(notes)
    if image.mode == "CMYK":
        notes.append("converted from CMYK to RGB")
        if image_format == "JPEG" and "adobe" not in image.info:
            image = ImageChops.invert(
                image
            )  # Pillow inverts every CMYK JPEG; only Adobe's are stored inverted
    color, alpha = _split_alpha(image)
    pixels = np.asarray(_to_srgb(color, image.info.get("icc_profile"))).astype(np.float32)
    pixels /= 255
    if alpha is None or alpha.min() == 255:
        return pixels, tuple(notes)
    return _on_white(pixels, alpha[:, :, None] / np.float32(255)), (*notes, ON_WHITE)


def rgb_of_array(values: NDArray[Any]) -> tuple[Pixels, tuple[str, ...]]:
    """Return an array (height, width[, 1, 3 or 4]) as float32 RGB in 0..1, and what was done to it.

    Booleans, uint8, uint16 and floats in 0..1 are possible; PictureError for the rest says what to do.
    """
    if (
        values.ndim not in (2, 3)
        or (values.ndim == 3 and values.shape[2] not in (1, 3, 4))
        or not values.size
    ):
        hint = "; put its channels last" if values.ndim == 3 and values.shape[0] in (1, 3, 4) else ""
        raise PictureError(
            f"an array of shape {values.shape} is not a picture; give (height, width[, 1, 3 or 4]){hint}"
        )
    pixels = _unit_range(values)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2), ()
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:]
        notes = (ON_WHITE,) if alpha.min() < 1 else ()
        return _on_white(pixels[:, :, :3], alpha), notes
    return pixels, ()


def _on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    return pixels * alpha + (1 - alpha)


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
        hint = "divide by 255" if 1 < high <= 256 and low >= 0 else "scale it to 0..1 first"
        raise PictureError(f"a picture of floats holds 0..1, this array {low:g} to {high:g}; {hint}")
    clipped: Pixels = np.clip(values, 0, 1).astype(np.float32)
    return clipped
