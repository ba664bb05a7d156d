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
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import PictureError, did_you_mean
from convscope.files import broken_link, sha256_of, user_path
from convscope.pictures.bands import SMALL_FILE, array_in, bands_of, channels_last, has_bands, seen_in_gray
from convscope.pictures.decoding import (
    MAXIMUM_PIXELS,
    check_scans,
    check_size,
    decoded_image,
    errors_in_one_line,
    formats_for,
    picture_endings,
    reduce_jpeg,
    too_large,
)
from convscope.pictures.rgb import PLAIN, Appearance, Encoding, Pixels, rgb_of_array

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.pictures.picture import Picture

PictureLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any] | Photograph | Picture"
)
"""A file's path or bytes, an open file, a sample's name, a Pillow image, an array (H, W, 3), one of ours."""
InputLike: TypeAlias = "PictureLike | Tensor"
"""A picture, or a tensor that is the network's input already."""
SAMPLES = ("coffee", "chelsea", "astronaut")


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
    stored: Encoding = PLAIN
    bands: Pixels | None = None

    @property
    def name(self) -> str:
        """What to call it in a caption: the file's name, the sample's, or "a picture"."""
        return Path(self.source).name if self.source else "a picture"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.pixels.astype(dtype or np.float32, copy=bool(copy))


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
        if (values := array_in(path, MAXIMUM_PIXELS)) is not None:
            _from_array(values, MAXIMUM_PIXELS)
            continue
        size = path.stat().st_size
        with (
            path.open("rb") as file,
            errors_in_one_line(name, size, file),
            Image.open(file, formats=formats_for(name)) as image,
        ):
            check_size(image, name, MAXIMUM_PIXELS, size)
            check_scans(image, name, file)
            image.draft("RGB", (1, 1))
            image.load()


def picture_file_hash(name: str) -> str | None:
    """Return the hash of a picture's file (or a sample's), as a Photograph has it; None where there is none."""
    try:
        path = _located(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(path, formats=formats_for(name)).close()
        return sha256_of(path)
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
            return replace(photograph, source=name, sha256=sha256_of(path))
        with path.open("rb") as file:
            return _from_file(file, name, maximum_pixels)
    except OSError as error:
        raise PictureError(f"{name} cannot be read: {error.strerror or error}") from error


def path_of(name: str) -> Path:
    """Return where a picture's file is or would be: ``~`` is one's home, and a sample goes by its name alone."""
    path = user_path(name)
    if name in SAMPLES and not path.exists():
        import skimage

        return Path(skimage.__file__).parent / "data" / f"{name}.png"
    return path


def _located(name: str) -> Path:
    path = path_of(name)
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
        if re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE):
            raise PictureError(
                f"{name} is an address on the web, and nothing is fetched: save the picture first"
            )
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
    with errors_in_one_line(name, size, file), Image.open(file, formats=formats_for(name)) as image:
        reduced = reduce_jpeg(image, maximum_pixels)
        check_size(image, name, maximum_pixels, size)
        check_scans(image, name, file)
        appearance = decoded_image(image, name, file, small=size < SMALL_FILE)
    noted = replace(appearance, notes=(*reduced, *appearance.notes))
    return _photograph(noted, source, digest.hexdigest())


def _from_pillow(image: Image.Image, maximum_pixels: int) -> Photograph:
    with errors_in_one_line("what was given", 0, io.BytesIO()):
        check_size(image, "what was given", maximum_pixels)
        appearance = decoded_image(image, "what was given")
    return _photograph(
        appearance, None, _hash(appearance.pixels)
    )  # of what is seen: palettes and profiles count


def _photograph(appearance: Appearance, source: str | None, sha256: str) -> Photograph:
    return Photograph(
        appearance.pixels, source, sha256, appearance.notes, appearance.opacity, appearance.stored
    )


def _from_array(source: object, maximum_pixels: int) -> Photograph:
    try:
        values = np.asarray(source)
    except Exception as error:
        raise PictureError(_no_picture(source)) from error
    if values.dtype.kind not in "biuf":
        raise PictureError(_no_picture(source))
    if values.ndim == 4 and len(values) == 1:  # a batch of one
        values = values[0]
    if values.ndim == 3 and len(values) == 4:  # bands first, or colors and opacity
        values = channels_last(values)
    if values.ndim > 1 and values.shape[0] * values.shape[1] > maximum_pixels:
        raise PictureError(
            too_large("the array", f"{values.shape[1]:,} x {values.shape[0]:,}", maximum_pixels)
        )
    if has_bands(values):
        bands = bands_of(values)
        notes = (f"the mean of {bands.shape[2]} bands in gray",)
        return Photograph(seen_in_gray(bands), None, _hash(values), notes, bands=bands)
    of_torch = type(source).__module__.partition(".")[0] == "torch"
    if of_torch and (values.ndim != 3 or values.shape[2] not in (1, 3, 4)) and values.ndim != 2:
        raise PictureError(
            f"a tensor of shape {values.shape} is no picture: what explains one answer takes it as its input, "
            "and what reads pictures needs them as they are stored; network.deprocess(tensor) is what it shows"
        )
    appearance = rgb_of_array(values, getattr(source, "profile", None))
    if values.ndim == 3 and values.shape[2] == 4:
        whole = _photograph(
            replace(appearance, pixels=np.ascontiguousarray(appearance.pixels)), None, _hash(values)
        )
        return replace(whole, bands=bands_of(values))
    return _photograph(
        replace(appearance, pixels=np.ascontiguousarray(appearance.pixels)), None, _hash(values)
    )


def _hash(values: NDArray[Any]) -> str:
    return hashlib.sha256(repr((values.dtype.str, values.shape)).encode() + values.tobytes()).hexdigest()


def _no_picture(source: object) -> str:
    one = ". Of several give one after the other" if isinstance(source, list | tuple) else ""
    return f"a {type(source).__name__} is not a picture; give a path, bytes, a Pillow image or an array{one}"
