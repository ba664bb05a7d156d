"""Pictures that Pillow decodes: which formats are tried, how large they may be, and what is said of the others."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from math import ceil, sqrt
from pathlib import Path
from threading import Lock
from typing import IO

from PIL import Image, UnidentifiedImageError

from convscope.errors import PictureError
from convscope.pictures.bands import SMALL_FILE
from convscope.pictures.libtiff import libtiff_silent
from convscope.pictures.rgb import Appearance, rgb_of_image
from convscope.pictures.sixteen_bit import load, stored_bits

FORMATS = (
    *("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO", "ICNS"),
    *("CUR", "PCX", "DCX", "SGI", "QOI", "DDS", "PSD", "XBM", "XPM", "IM", "MSP", "SUN", "SPIDER", "PIXAR"),
    *("FITS", "BLP", "FLI", "GBR"),
)
_BY_ENDING = dict.fromkeys((".tga", ".icb", ".vda", ".vst"), "TGA")  # has no mark to be told by
SHORTENED = "read with 8 of its 16 bits"
MAXIMUM_PIXELS = 8192 * 8192  # 805 MB as floating-point RGB
_DECODED = 150_000_000  # bytes of a small file's pixels as Pillow holds them
_HELD = {
    "WEBP": 19,
    "JPEG2000": 14,
}  # bytes a pixel that these decoders hold meanwhile, several pictures at once
_DECODING = 480_000_000  # that they may hold for a small file: 25 million pixels, as cameras have them
_PIXELS_OF_SCANS = (
    1_000_000_000  # a progressive JPEG goes over its pixels once a scan, five seconds for so many
)
_FEW_PIXELS = (
    13_000_000  # above (a telephone has 12 million), a small file's picture is read at a part of its size
)
_ONE_AT_A_TIME = Lock()
"""Of pictures of many pixels out of small files: threads that read ahead would hold one each."""
_STRIP = 64  # rows of a picture made smaller, at a time
_PAGES = 100  # that are counted
_SIGNATURES = {
    b"%PDF": "a PDF document",
    b"%!PS": "PostScript",
    b"<svg": "an SVG drawing",
    b"8BPS": "a Photoshop document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
}
_NOT_READ = (".heic", ".heif", ".jxl")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NO_DECODER = "decoder error -2"  # what Pillow says where libtiff has no decoder for the compression


@cache
def picture_endings() -> tuple[str, ...]:
    """Return the endings of all files that are read as pictures, as ``.jpg``: the one list of them."""
    Image.init()
    readable = {*formats_for(), "TGA"}
    return tuple(sorted(ending for ending, form in Image.registered_extensions().items() if form in readable))


def photograph_endings() -> tuple[str, ...]:
    """Return the same and the endings of photographs that are not read, of which a folder's reader says so."""
    return (*picture_endings(), *_NOT_READ)


def formats_for(name: str = "") -> tuple[str, ...]:
    """Return the formats that are tried, the one that only an ending tells last."""
    Image.init()
    by_ending = _BY_ENDING.get(Path(name).suffix.lower())
    return tuple(form for form in (*FORMATS, *([by_ending] if by_ending else [])) if form in Image.OPEN)


def check_size(image: Image.Image, name: str, maximum_pixels: int, file_size: int | None = None) -> None:
    """Raise PictureError for a picture of too many pixels, of none, or of many out of a small file (`file_size`)."""
    width, height = image.size
    if width * height > maximum_pixels:
        raise PictureError(too_large(name, f"{width:,} x {height:,} pixels", maximum_pixels))
    if not width * height:
        raise PictureError(f"{name} has no pixels: it is {width} x {height}")
    decoded = width * height * max(1, len(image.getbands())) * (4 if image.mode in ("I", "F") else 1)
    meanwhile = width * height * _HELD.get(image.format or "", 0)
    if file_size is not None and file_size < SMALL_FILE and (decoded > _DECODED or meanwhile > _DECODING):
        raise PictureError(
            f"{name} is a file of {file_size:,} bytes that unfolds into {decoded:,} ({width:,} x {height:,} pixels): "
            "so much is not read from so little. Make it smaller first"
        )


def reduce_jpeg(image: Image.Image, maximum_pixels: int) -> tuple[str, ...]:
    """Have a JPEG of more pixels than are taken decoded at a part of its size, and return a note of it.

    libjpeg then makes no more pixels than that; a progressive one it holds whole, which is left to be refused.
    """
    width, height = image.size
    jpeg = image.format in ("JPEG", "MPO") and not image.info.get("progressive")
    if not jpeg or not maximum_pixels < width * height <= MAXIMUM_PIXELS:
        return ()
    factor = next((one for one in (2, 4) if width * height <= maximum_pixels * one**2), 8)
    image.draft(None, (width // factor, height // factor))
    return (f"read at 1/{factor} of its size: of {width * height:,} pixels, {maximum_pixels:,} are taken",)


def decoded_image(
    image: Image.Image, name: str, file: IO[bytes] | None = None, *, small: bool = False
) -> Appearance:
    """Return what is seen of an image, with notes; one of many pixels out of a `small` file is read smaller."""
    pages, bits = _pages(image), stored_bits(image)
    pixels = image.width * image.height
    many = small and pixels > _FEW_PIXELS
    low = None if file is None or many else load(image, file)
    made_smaller: tuple[str, ...] = ()
    if many:
        factor = ceil(sqrt(pixels / _FEW_PIXELS))
        made_smaller = (f"read at 1/{factor} of its size: {pixels:,} pixels came from a small file",)
        with _ONE_AT_A_TIME:
            smaller = _reduced(image, factor)
            image.close()  # all of its pixels
            image = smaller
    appearance = rgb_of_image(image, name, low)
    shortened = (SHORTENED,) if bits > appearance.stored.bits else ()
    first = (f"the first of {pages}",) if pages else ()
    return replace(appearance, notes=(*first, *made_smaller, *shortened, *appearance.notes))


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Return a picture with each square of pixels averaged; what it is meant as stays with it.

    It is done strip by strip: all of a palette's picture in colors would take four times its memory.
    """
    info, mode = image.info, image.mode
    if mode in ("1", "P"):
        mode = "L" if mode == "1" else "RGBA" if image.has_transparency_data else "RGB"
        info = {key: value for key, value in info.items() if key != "transparency"}
    between = "I" if mode.startswith("I;16") else mode  # Pillow averages no sixteen bits
    smaller = Image.new(mode, (ceil(image.width / factor), ceil(image.height / factor)))
    for top in range(0, image.height, rows := _STRIP * factor):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        averaged = strip if strip.mode == between else strip.convert(between)
        smaller.paste(averaged.reduce(factor).convert(mode), (0, top // factor))
    smaller.info = info
    smaller._exif = image.getexif()
    return smaller


def _pages(image: Image.Image) -> str:
    """Return how many frames or pages a file has, in words; nothing for one. A TIFF's are not counted to the end."""
    if image.format == "MPO":  # its others are previews
        return ""
    if image.format != "TIFF":
        frames = int(getattr(image, "n_frames", 1))
        return f"its {frames} frames" if frames > 1 else ""
    count = 0
    with contextlib.suppress(EOFError):
        for count in range(1, _PAGES + 1):  # ends with the last page there is
            image.seek(count)
        count = _PAGES + 1
    image.seek(0)
    if count > _PAGES:
        return f"more than {_PAGES} frames"
    return f"its {count} frames" if count > 1 else ""


def check_scans(image: Image.Image, name: str, file: IO[bytes]) -> None:
    """Raise PictureError for a JPEG that goes over its pixels more often than any picture does."""
    if image.format not in ("JPEG", "MPO") or not image.info.get("progressive"):
        return
    at = file.tell()
    file.seek(0)
    scans = file.read().count(b"\xff\xda")  # nowhere else is this behind the header: it is how a scan begins
    file.seek(at)
    if scans * image.width * image.height > _PIXELS_OF_SCANS:
        raise PictureError(
            f"{name} goes over its {image.width:,} x {image.height:,} pixels {scans:,} times; a progressive JPEG does "
            "some ten times. Save it anew"
        )


@contextlib.contextmanager
def errors_in_one_line(name: str, size: int, file: IO[bytes]) -> Iterator[None]:
    """Turn whatever a decoder raises into one line, and let none of its warnings out, or of the lines of its own."""
    try:
        with warnings.catch_warnings(), libtiff_silent():
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        number = re.search(r"\d{4,}", str(error))
        raise PictureError(too_large(name, f"{int(number[0]):,} pixels" if number else str(error))) from error
    except UnidentifiedImageError as error:
        file.seek(0)
        raise PictureError(
            f"{name} is not a picture convscope can read, but {_what_is(file.read(512))} ({size:,} bytes). "
            f"Possible: {', '.join(formats_for())}"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        file.seek(0)
        if reason == _NO_DECODER and file.read(4) in _TIFF:
            raise PictureError(
                f"{name} is a TIFF whose compression is not read here, or a damaged one ({size:,} bytes). Save it "
                "with LZW or deflate, or as PNG"
            ) from error
        raise PictureError(f"{name} is damaged or incomplete ({size:,} bytes): {reason}") from error


def _what_is(start: bytes) -> str:
    if start[:4] in _TIFF:
        return "a TIFF of a kind that is not read, by its bits or planes: save it as PNG, or with plain 8 or 16 bits"
    if not start:
        return "an empty file"
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"):
        return "a HEIC photograph: export it as JPEG"
    if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "a JPEG XL photograph: export it as JPEG"
    for signature, words in _SIGNATURES.items():
        if signature in start[:200]:
            return words
    if start.isascii() and b"\0" not in start:
        return f"a text that begins {start[:24].decode()!r}"
    return f"a file that begins {start[:8].hex(' ')}"


def too_large(name: str, size: str, maximum_pixels: int = MAXIMUM_PIXELS) -> str:
    """Say that a picture of some size is too large, and how large one may be."""
    return f"{name} is too large: {size}; up to {maximum_pixels:,} are read. Make it smaller first"
