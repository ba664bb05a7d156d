"""A picture convscope made: its pixels, the words that explain it, and the recipe that makes it again."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, SupportsIndex, TypeAlias, overload
from warnings import catch_warnings, simplefilter

import numpy as np
import png
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from convscope.argument_errors import arguments_in_words
from convscope.errors import PictureError, RecipeError
from convscope.files import parsed_json, saved, sha256_of, writing
from convscope.pictures.recipe import EXIF, KEY, USER_COMMENT, Recipe, decode_comment, encode_comment
from convscope.pictures.sixteen_bit import joined, load

_TILES = f"{KEY}-tiles"
_DESCRIPTION = 0x010E
_LEGIBLE = 224  # pixels on a screen: what is smaller is shown some times as large, each pixel a square
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_FORMATS |= {".svg": "SVG", ".pdf": "PDF"}
_LINES = ("SVG", "PDF")
_NUMBERS = "numbers are written by numpy.save: a picture's are its array, an Attribution's its values"


Drawing: TypeAlias = "Callable[[str, dict[str, str]], bytes]"
"""Draws a chart again, in lines: from "svg" or "pdf", and the words it carries, to the file's bytes."""


@dataclass(frozen=True)
class Tile:
    """Where an address is shown: ``box`` is (left, top, right, bottom) in pixels, the last two excluded."""

    address: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with its caption and its recipe; Jupyter shows it, `save` keeps all three.

    ``array`` is uint8, or floats in 0..1 which become uint8, or uint16, which a PNG keeps; its shape (height, width),
    (height, width, 3) for RGB or (height, width, 4) for RGBA. ``profile`` is the ICC profile its colors are meant in
    (None: sRGB). ``tiles`` says where each address is, for pages where it can be
    clicked; a ``pixel_ratio`` of 2 means: made for screens twice as fine, to be shown at half its size. A chart has a
    ``drawing``, and can be saved as lines: as SVG or PDF.
    PictureError for any other array.

    >>> convscope.Picture(numpy.zeros((2, 3)), "nothing at all").save("nothing.png")
    PosixPath('nothing.png')
    """

    array: NDArray[Any]
    caption: str = ""
    recipe: Recipe | None = None
    tiles: tuple[Tile, ...] = ()
    pixel_ratio: int = 1
    profile: bytes | None = None
    drawing: Drawing | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "array", _to_integers(self.array))
        # Names in a caption may come from file names that are not UTF-8.
        object.__setattr__(self, "caption", self.caption.encode("utf-8", "replace").decode())

    @property
    def height(self) -> int:
        """Rows of pixels.

        >>> picture = convscope.filters(network, "conv1")
        >>> picture.height, picture.width, picture.array.shape
        (548, 556, (548, 556, 3))
        """
        return int(self.array.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels.

        >>> convscope.Picture(numpy.zeros((2, 3)), "nothing at all").width
        3
        """
        return int(self.array.shape[1])

    @property
    def in_8_bits(self) -> NDArray[np.uint8]:
        """The array, of 16 bits only the upper eight, rounded.

        >>> convscope.Picture(numpy.full((2, 3), 65535, numpy.uint16)).in_8_bits.max()
        np.uint8(255)
        """
        if self.array.dtype == np.uint8:
            return self.array
        return np.round(self.array / 257).astype(np.uint8)

    @arguments_in_words
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a PNG, JPEG or WebP (by the path's ending), a chart as SVG or PDF too; return the path.

        Caption and recipe go with it. The file appears whole or not at all, and the same picture gives the same bytes.
        PNG and WebP keep every pixel; a JPEG is close, has no transparency (such parts are put on white) and no tiles.
        Only a PNG has 16 bits, where the picture has.
        PictureError for another ending, when the file cannot be written, or when it holds a photograph that this
        picture was made from.

        >>> convscope.filters(network, "conv1").save("conv1.png")
        PosixPath('conv1.png')
        >>> convscope.values(network, "coffee", "prob").save("prob.svg")
        PosixPath('prob.svg')
        """
        path = Path(path)
        form = _FORMATS.get(path.suffix.lower())
        if form is None or (form in _LINES and self.drawing is None):
            possible = [ending for ending, one in _FORMATS.items() if self.drawing or one not in _LINES]
            why = "it is made of pixels, not of lines" if form else "its ending says no format"
            why = _NUMBERS if path.suffix.lower() in (".npy", ".npz") else why
            raise PictureError(f"cannot save {path}: {why}; possible: {', '.join(possible)}")
        if self._is_input(path):
            raise PictureError(f"{path} is what this picture was made from: save it under another name")
        with writing(path, ValueError, then="A PNG has the fewest limits"):
            content = self.encode(form)
        with saved(path) as partial:
            partial.write_bytes(content)
        return path

    @arguments_in_words
    def encode(self, form: str = "PNG") -> bytes:
        """Return the bytes of the file that `save` writes; ``form`` is "PNG", "JPEG", "WEBP"; of a chart "SVG".

        >>> convscope.filters(network, "conv1").encode("PNG")[1:4]
        b'PNG'
        """
        if form in _LINES and self.drawing is not None:
            words = {"caption": self.caption, KEY: self.recipe.to_json() if self.recipe else ""}
            return self.drawing(form.lower(), words)
        if form == "PNG" and self.array.dtype == np.uint16:
            return self._deep_png()
        buffer = io.BytesIO()
        image = Image.fromarray(self.in_8_bits)
        options: dict[str, Any] = {"icc_profile": self.profile} if self.profile else {}
        if form == "PNG":
            options |= {"dpi": (96 * self.pixel_ratio,) * 2} if self.pixel_ratio > 1 else {}
            image.save(buffer, "PNG", pnginfo=self._text_chunks(), compress_level=6, **options)
        else:
            if form == "JPEG":
                image = on_white(image)
            # A lossless WebP's quality is the effort: with more, the file is 3 % smaller in twice the time.
            lossless = {"lossless": True, "exact": True, "quality": 50, "method": 2}
            options |= {"quality": 95, "subsampling": 0} if form == "JPEG" else lossless
            try:
                image.save(buffer, form, exif=self.exif(), **options)
            except KeyError as error:  # Pillow's own word for a format that it has no writer of
                raise PictureError(f"no picture is written as {form!r}; PNG has the fewest limits") from error
        return buffer.getvalue()

    def _deep_png(self) -> bytes:
        """Return a PNG of 16 bits, which Pillow cannot write in color, with what the others carry."""
        gray, alpha = self.array.ndim == 2, self.array.shape[-1] == 4 and self.array.ndim == 3
        buffer, whole = io.BytesIO(), io.BytesIO()
        rows = (row.astype(">u2").tobytes() for row in self.array)
        png.Writer(self.width, self.height, greyscale=gray, alpha=alpha, bitdepth=16).write_packed(
            buffer, rows
        )
        header, *pixels = png.Reader(bytes=buffer.getvalue()).chunks()
        more = [(kind, data) for kind, data, *_ in self._text_chunks().chunks]
        if self.pixel_ratio > 1:
            dots = round(96 * self.pixel_ratio / 0.0254)
            more.insert(0, (b"pHYs", struct.pack(">IIB", dots, dots, 1)))
        if self.profile:
            more.insert(0, (b"iCCP", b"ICC Profile\0\0" + zlib.compress(self.profile)))
        png.write_chunks(whole, [header, *more, *pixels])
        return whole.getvalue()

    @classmethod
    @arguments_in_words
    def open(cls, path: str | os.PathLike[str]) -> Picture:
        """Read a picture that `save` wrote: pixels, caption, recipe and, from a PNG, tiles.

        >>> path = convscope.filters(network, "conv1").save("conv1.png")
        >>> convscope.Picture.open(path).recipe.function
        'filters'

        PictureError for what is no picture; RecipeError for a recipe that cannot be read.
        """
        name = os.fspath(path)
        try:
            with catch_warnings():
                simplefilter("ignore")
                with (
                    Path(path).open("rb") as file,
                    Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image,
                ):
                    low = load(image, file)
                    text, exif = image.info, image.getexif()
                    array = _array_of(image) if low is None else joined(image, low)
        except FileNotFoundError as error:
            raise PictureError(f"there is no picture {name!r}") from error
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise PictureError(f"cannot open {name} as a picture of convscope's: {reason}") from error
        recipe = text.get(KEY) or decode_comment(exif.get_ifd(EXIF).get(USER_COMMENT))
        ratio = round(text["dpi"][0] / 96) if image.format == "PNG" and "dpi" in text else 1
        return cls(
            array,
            text.get("Description") or _from_exif(exif.get(_DESCRIPTION, "")),
            Recipe.from_json(recipe, where=f"the recipe in {name}") if recipe else None,
            _read_tiles(text.get(_TILES, "[]"), name),
            max(1, ratio),
            text.get("icc_profile"),
        )

    def data_uri(self) -> str:
        """Return the PNG as a ``data:`` address, for an HTML page that stands alone.

        >>> convscope.filters(network, "conv1").data_uri()[:22]
        'data:image/png;base64,'
        """
        return "data:image/png;base64," + base64.b64encode(self.encode()).decode("ascii")

    def show(self) -> None:
        """Show the picture: in the notebook, or in the system's viewer."""
        try:
            from IPython import get_ipython  # type: ignore[import-not-found,unused-ignore]
            from IPython.display import display  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            Image.fromarray(self.in_8_bits).show()
            return
        display(self) if get_ipython() else Image.fromarray(self.in_8_bits).show()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.array.astype(dtype or self.array.dtype, copy=bool(copy))

    def __repr__(self) -> str:
        return f"Picture({self.width} x {self.height} pixels, {self.caption!r})"

    def _repr_html_(self) -> str:
        # The one form that a notebook keeps: as a PNG beside it the picture would be stored twice.
        caption = html.escape(self.caption)
        width = self.width // self.pixel_ratio
        enlarged = max(1, _LEGIBLE // max(width, 1))
        sharp = "image-rendering:pixelated;" if enlarged > 1 else ""
        return (
            f'<figure style="margin:0"><img src="{self.data_uri()}" alt="{caption}" '
            f'width="{width * enlarged}" style="{sharp}max-width:100%;height:auto">'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def _is_input(self, path: Path) -> bool:
        """Tell whether a file is one that the recipe names as read, by its bytes: wherever that lies now."""
        if self.recipe is None or not path.is_file():
            return False
        inputs = {self.recipe.picture_sha256, *self.recipe.pictures.values()}
        with contextlib.suppress(OSError):
            return sha256_of(path) in inputs
        return False

    def _text_chunks(self) -> PngInfo:
        chunks = PngInfo()
        if self.caption:
            chunks.add_itxt("Description", self.caption)
        if self.recipe:
            chunks.add_itxt(KEY, self.recipe.to_json())
        if self.tiles:
            chunks.add_itxt(_TILES, json.dumps([asdict(tile) for tile in self.tiles]), zip=True)
        return chunks

    def exif(self) -> Image.Exif:
        """Return caption and recipe as JPEG, WebP and AVIF carry them.

        >>> convscope.filters(network, "conv1").exif()[0x010E][:26]  # ImageDescription
        b'All 48 filters of conv1, 3'
        """
        exif = Image.Exif()
        if self.caption:
            exif[_DESCRIPTION] = self.caption.encode()  # Pillow keeps only the ASCII of a str
        if self.recipe:
            exif.get_ifd(EXIF)[USER_COMMENT] = encode_comment(self.recipe.to_json())
        return exif


class Pictures(list[Picture]):
    """Several pictures: a list, which Jupyter shows as a row, and so are its slices and sums.

    Functions that make several pictures return it; put those of your own into one.

    >>> looks = convscope.activations(network, "chelsea", ["conv1", "conv2"], channels=4)
    >>> type(looks).__name__, len(looks[1:])
    ('Pictures', 1)
    """

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Picture: ...

    @overload
    def __getitem__(self, index: slice, /) -> Pictures: ...

    def __getitem__(self, index: SupportsIndex | slice, /) -> Picture | Pictures:
        """Return a picture, or those of a slice as a row again."""
        item = super().__getitem__(index)
        return Pictures(item) if isinstance(item, list) else item

    def __add__(self, others: list[Any], /) -> Pictures:  # type: ignore[override]
        """Return these and others in one row."""
        return Pictures(super().__add__(others))

    def copy(self) -> Pictures:
        """Return the same pictures in a row of its own.

        >>> looks.copy() is looks
        False
        """
        return Pictures(self)

    def _repr_html_(self) -> str:
        cells = "".join(f'<div style="max-width:20rem">{picture._repr_html_()}</div>' for picture in self)
        return f'<div style="display:flex;flex-wrap:wrap;gap:1rem">{cells}</div>'


def _to_integers(values: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(values)
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)) or not values.size:
        raise PictureError(f"an array of shape {values.shape} is no picture; give (height, width[, 3 or 4])")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise PictureError("a picture cannot hold NaN or infinity; scale the values to 0..1 first")
        values = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
    if values.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"a picture is uint8, uint16 or floats in 0..1, not {values.dtype}")
    values = np.ascontiguousarray(values)
    if values.flags.writeable:
        values = values.copy()
        values.flags.writeable = False
    return values


def on_white(image: Image.Image) -> Image.Image:
    """Return a picture without opacity, what is transparent on white; one that has none as it is."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _array_of(image: Image.Image) -> NDArray[Any]:
    if image.mode == "I;16":
        return np.asarray(image, np.uint16)
    return np.asarray(image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB"))


def _from_exif(text: str) -> str:
    """Read UTF-8 that Pillow took for Latin-1."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _read_tiles(text: str, name: str) -> tuple[Tile, ...]:
    try:
        boxes = [(item["address"], [int(edge) for edge in item["box"]]) for item in parsed_json(text)]
        return tuple(
            Tile(str(address), (left, top, right, bottom)) for address, (left, top, right, bottom) in boxes
        )
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError(f"the tiles in {name} cannot be read: {error}") from error
