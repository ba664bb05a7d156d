"""A person's own picture, read safely: whatever it is stored as, it becomes RGB between 0 and 1.

The size is read from the header and checked before any pixel is decoded, only formats whose decoders are
self-contained are tried, and every failure is one line that names the file. Nothing changes silently: what
had to be done to the picture (turned upright, put on white, ...) stands in ``Photograph.notes``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, sqrt
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convscope.errors import PictureError, did_you_mean
from convscope.files import broken_link, user_path
from convscope.pictures.bands import SMALL_FILE, array_in, bands_of, has_bands, seen_in_gray
from convscope.pictures.rgb import PLAIN, Pixels, Seen, Stored, rgb_of_array, rgb_of_image
from convscope.pictures.sixteen_bit import load, stored_bits

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.pictures.picture import Picture

PictureLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any] | Photograph | Picture"
)
"""A file's path or bytes, an open file, a sample's name, a Pillow image, an array (H, W, 3), one of ours."""
InputLike: TypeAlias = "PictureLike | Tensor"
"""A picture, or a tensor that is the network's input already."""
FORMATS = (
    *(
        "PNG",
        "JPEG",
        "MPO",
        "GIF",
        "BMP",
        "DIB",
        "TIFF",
        "WEBP",
        "AVIF",
        "JPEG2000",
        "PPM",
        "ICO",
        "ICNS",
        "CUR",
    ),
    *(
        "PCX",
        "DCX",
        "SGI",
        "QOI",
        "DDS",
        "PSD",
        "XBM",
        "XPM",
        "IM",
        "MSP",
        "SUN",
        "SPIDER",
        "PIXAR",
        "FITS",
        "BLP",
    ),
    *("FLI", "GBR"),
)
_BY_ENDING = dict.fromkeys((".tga", ".icb", ".vda", ".vst"), "TGA")  # has no mark to be told by
SAMPLES = ("coffee", "chelsea", "astronaut")
SHORTENED = "read with 8 of its 16 bits"
MAXIMUM_PIXELS = 8192 * 8192  # 805 MB as floating-point RGB
_DECODED = 150_000_000  # bytes of a small file's pixels as Pillow holds them
_FEW_PIXELS = (
    13_000_000  # above (a telephone has 12 million), a small file's picture is read at a part of its size
)
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
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NO_DECODER = "decoder error -2"  # what Pillow says where libtiff has no decoder for the compression


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture as it was read: ``pixels`` (height, width, 3), float32 sRGB in 0..1, and what they are.

    ``source`` is the path or sample name it can be opened by again (None for bytes and arrays), ``sha256``
    the hash of the file's bytes (of an array's type, shape and values; of a Pillow image's ``pixels``),
    ``notes`` what was done to it on the way, one phrase each. ``opacity`` (height, width) in 0..1 is None where it is
    opaque throughout; ``stored`` says how to save a picture like it. ``bands`` (height, width, channels) are the
    numbers of a picture that is no photograph (`convscope.pictures.bands`); ``pixels`` are then their mean in gray.
    """

    pixels: Pixels
    source: str | None
    sha256: str
    notes: tuple[str, ...] = ()
    opacity: Pixels | None = None
    stored: Stored = PLAIN
    bands: Pixels | None = None

    @property
    def name(self) -> str:
        """What to call it in a caption: the file's name, the sample's, or "a picture"."""
        return Path(self.source).name if self.source else "a picture"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.pixels.astype(dtype or np.float32, copy=bool(copy))


@cache
def picture_endings() -> tuple[str, ...]:
    """Return the endings of all files that are read as pictures, as ``.jpg``: the one list of them."""
    Image.init()
    readable = {*_formats(), "TGA"}
    return tuple(sorted(ending for ending, form in Image.registered_extensions().items() if form in readable))


def read_picture(source: object, *, maximum_pixels: int = MAXIMUM_PIXELS) -> Pixels:
    """Return a picture as an array (height, width, 3) of float32, sRGB, between 0 and 1.

    ``source`` is a path, the bytes of a file, an open binary file, a Pillow image, a Picture, or an array
    (height, width[, 1, 3 or 4]) of booleans, uint8, uint16 or floats in 0..1; or the name of one of
    scikit-image's photographs: coffee, chelsea, astronaut. Pictures come out upright (EXIF), transparent
    parts on white, CMYK and profiled pictures as sRGB, 16-bit ones at their full range, animations by their
    first frame.

    Raises PictureError (one line) for anything else, and for more than ``maximum_pixels`` before memory is
    taken.

    >>> read_picture("coffee").shape
    (400, 600, 3)
    """
    return open_photograph(source, maximum_pixels=maximum_pixels).pixels


def open_photograph(source: object, *, maximum_pixels: int = MAXIMUM_PIXELS) -> Photograph:
    """Read a picture like `read_picture`, and keep its name, its hash and notes on what was done to it."""
    if isinstance(source, Photograph):
        return source
    if isinstance(source, Image.Image):
        return _from_pillow(source, maximum_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(io.BytesIO(source), None, maximum_pixels)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(os.fsdecode(source), maximum_pixels)
    if hasattr(source, "read"):
        return _from_file(source, None, maximum_pixels)
    return _from_array(source, maximum_pixels)


def check_pictures(names: Iterable[str]) -> None:
    """Raise PictureError for the first file that is missing or no whole picture, so that no work is begun in vain.

    Each is decoded, a JPEG at an eighth of its size, and forgotten.
    """
    for name in dict.fromkeys(names):
        path = _located(name)
        size = path.stat().st_size
        with (
            path.open("rb") as file,
            _in_one_line(name, size, file),
            Image.open(file, formats=_formats(name)) as image,
        ):
            _check_size(image, name, MAXIMUM_PIXELS, size)
            image.draft("RGB", (1, 1))
            image.load()


def picture_file_hash(name: str) -> str | None:
    """Return the hash of a picture's file (or a sample's), as a Photograph has it; None where there is none."""
    try:
        path = _located(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(path, formats=_formats(name)).close()
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (PictureError, OSError, ValueError, RuntimeError, SyntaxError, Image.DecompressionBombError):
        return None


def _from_path(name: str, maximum_pixels: int) -> Photograph:
    if "\0" in name or re.match(r"[a-z]+://", name):
        raise PictureError(
            f"{name!r} is no file; convscope fetches nothing: download the picture, give its path"
        )
    try:
        path = _located(name)
        if (values := array_in(path, maximum_pixels)) is not None:
            photograph = _from_array(values, maximum_pixels)
            return replace(photograph, source=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        with path.open("rb") as file:
            return _from_file(file, name, maximum_pixels)
    except OSError as error:
        raise PictureError(f"{name} cannot be read: {error.strerror or error}") from error


def _located(name: str) -> Path:
    path = user_path(name)
    if name in SAMPLES and not path.exists():
        import skimage

        return Path(skimage.__file__).parent / "data" / f"{name}.png"
    if path.is_dir():
        pictures = _pictures_in(path)
        inside = (
            f"it holds {len(pictures)} pictures, for instance {pictures[0]}"
            if pictures
            else "it holds no pictures"
        )
        raise PictureError(f"{name} is a folder, not a picture; {inside}")
    if not path.exists():
        if broken := broken_link(path):
            raise PictureError(f"{name} {broken}")
        folder = name.removesuffix(path.name)
        hint = did_you_mean(name, [*(folder + other for other in _pictures_in(path.parent)), *SAMPLES])
        samples = "" if path.suffix else f" Sample pictures are {', '.join(SAMPLES)}."
        raise PictureError(f"there is no picture {name!r}.{hint}{samples}")
    if not path.is_file():
        raise PictureError(f"{name} is not a regular file; a picture file is needed")
    return path


def _pictures_in(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in picture_endings())
    return []


def _from_file(file: Any, source: str | None, maximum_pixels: int) -> Photograph:
    name = source or "what was given"
    digest, size = hashlib.sha256(), 0
    while block := file.read(1 << 20):
        digest.update(block)
        size += len(block)
    if size == 0:
        raise PictureError(f"{name} is empty (0 bytes); a picture file is needed")
    file.seek(0)
    with _in_one_line(name, size, file), Image.open(file, formats=_formats(name)) as image:
        _check_size(image, name, maximum_pixels, size)
        seen = _decoded(image, name, file, small=size < SMALL_FILE)
    return _photograph(seen, source, digest.hexdigest())


def _from_pillow(image: Image.Image, maximum_pixels: int) -> Photograph:
    with _in_one_line("what was given", 0, io.BytesIO()):
        _check_size(image, "what was given", maximum_pixels)
        seen = _decoded(image, "what was given")
    return _photograph(seen, None, _hash(seen.pixels))  # of what is seen: palettes and profiles count


def _photograph(seen: Seen, source: str | None, sha256: str) -> Photograph:
    return Photograph(seen.pixels, source, sha256, seen.notes, seen.opacity, seen.stored)


def _decoded(image: Image.Image, name: str, file: IO[bytes] | None = None, *, small: bool = False) -> Seen:
    pages, bits = _pages(image), stored_bits(image)
    pixels = image.width * image.height
    many = small and pixels > _FEW_PIXELS
    low = None if file is None or many else load(image, file)
    made_smaller: tuple[str, ...] = ()
    if many:
        factor = ceil(sqrt(pixels / _FEW_PIXELS))
        made_smaller = (f"read at 1/{factor} of its size: {pixels:,} pixels came from a small file",)
        image = _reduced(image, factor)
    seen = rgb_of_image(image, name, low)
    shortened = (SHORTENED,) if bits > seen.stored.bits else ()
    first = (f"the first of {pages}",) if pages else ()
    return replace(seen, notes=(*first, *made_smaller, *shortened, *seen.notes))


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
    counted = 0
    with contextlib.suppress(EOFError):
        for counted in range(1, _PAGES + 1):  # ends with the last page there is
            image.seek(counted)
        counted = _PAGES + 1
    image.seek(0)
    if counted > _PAGES:
        return f"more than {_PAGES} frames"
    return f"its {counted} frames" if counted > 1 else ""


def _check_size(image: Image.Image, name: str, maximum_pixels: int, file_size: int | None = None) -> None:
    width, height = image.size
    if width * height > maximum_pixels:
        raise PictureError(_too_large(name, f"{width:,} x {height:,} pixels", maximum_pixels))
    if not width * height:
        raise PictureError(f"{name} has no pixels: it is {width} x {height}")
    decoded = width * height * max(1, len(image.getbands())) * (4 if image.mode in ("I", "F") else 1)
    if file_size is not None and file_size < SMALL_FILE and decoded > _DECODED:
        raise PictureError(
            f"{name} is a file of {file_size:,} bytes that unfolds into {decoded:,} ({width:,} x {height:,} pixels): "
            "so much is not read from so little. Make it smaller first"
        )


@contextlib.contextmanager
def _in_one_line(name: str, size: int, file: IO[bytes]) -> Iterator[None]:
    """Turn whatever a decoder raises into one line, and let none of its warnings out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        number = re.search(r"\d{4,}", str(error))
        raise PictureError(
            _too_large(name, f"{int(number[0]):,} pixels" if number else str(error))
        ) from error
    except UnidentifiedImageError as error:
        file.seek(0)
        raise PictureError(
            f"{name} is not a picture convscope can read, but {_what_is(file.read(512))} ({size:,} bytes). "
            f"Possible: {', '.join(_formats())}"
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


def _formats(name: str = "") -> tuple[str, ...]:
    """Return the formats that are tried, the one that only an ending tells last."""
    Image.init()
    by_ending = _BY_ENDING.get(Path(name).suffix.lower())
    return tuple(form for form in (*FORMATS, *([by_ending] if by_ending else [])) if form in Image.OPEN)


def _what_is(start: bytes) -> str:
    if start[:4] in _TIFF:
        return "a TIFF of a kind that is not read, by its bits or planes: save it as PNG, or with plain 8 or 16 bits"
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return "a HEIC photograph: export it as JPEG"
    for signature, words in _SIGNATURES.items():
        if signature in start[:200]:
            return words
    if start.isascii() and b"\0" not in start:
        return f"a text that begins {start[:24].decode()!r}"
    return f"a file that begins {start[:8].hex(' ')}"


def _too_large(name: str, size: str, maximum_pixels: int = MAXIMUM_PIXELS) -> str:
    return f"{name} is too large: {size}; up to {maximum_pixels:,} are read. Make it smaller first"


def _from_array(source: object, maximum_pixels: int) -> Photograph:
    try:
        values = np.asarray(source)
    except Exception as error:
        raise PictureError(_no_picture(source)) from error
    if values.dtype.kind not in "biuf":
        raise PictureError(_no_picture(source))
    if values.ndim > 1 and values.shape[0] * values.shape[1] > maximum_pixels:
        raise PictureError(
            _too_large("the array", f"{values.shape[1]:,} x {values.shape[0]:,}", maximum_pixels)
        )
    if has_bands(values):
        bands = bands_of(values)
        notes = (f"the mean of {bands.shape[2]} bands in gray",)
        return Photograph(seen_in_gray(bands), None, _hash(values), notes, bands=bands)
    seen = rgb_of_array(values, getattr(source, "profile", None))
    if values.ndim == 3 and values.shape[2] == 4:
        whole = _photograph(replace(seen, pixels=np.ascontiguousarray(seen.pixels)), None, _hash(values))
        return replace(whole, bands=bands_of(values))
    return _photograph(replace(seen, pixels=np.ascontiguousarray(seen.pixels)), None, _hash(values))


def _hash(values: NDArray[Any]) -> str:
    return hashlib.sha256(repr((values.dtype.str, values.shape)).encode() + values.tobytes()).hexdigest()


def _no_picture(source: object) -> str:
    return f"a {type(source).__name__} is not a picture; give a path, bytes, a Pillow image or an array"
