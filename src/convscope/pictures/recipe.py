"""What made a picture: enough to make it again, byte for byte, and nothing that could run anything else.

A recipe is plain data (JSON) inside the picture it describes: a text chunk named ``convscope`` in a PNG,
the EXIF user comment in a JPEG or WebP, the source of an SVG. `convscope.pictures.recording` writes it,
`convscope.rerun` follows it.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn
from warnings import catch_warnings, simplefilter

from PIL import Image

from convscope._version import __version__
from convscope.argument_errors import arguments_in_words
from convscope.errors import RecipeError, did_you_mean
from convscope.files import parsed_json, with_escapes

KEY = "convscope"
EXIF, USER_COMMENT = 0x8769, 0x9286
_UNICODE = b"UNICODE\0"
_DEEPEST = 20  # lists in lists; a call's arguments have a few
_OF_TEXTS = ("versions", "pictures")
_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(("arguments", "versions", "options", "pictures"), dict),
    "seed": int,
    "threads": (int, type(None)),
}


def library_versions() -> dict[str, str]:
    """Return the versions that a picture's bytes depend on."""
    packages = ("torch", "numpy", "Pillow", "matplotlib")
    return {"convscope": __version__} | {package: _version(package) for package in packages}


@cache
def _version(package: str) -> str:
    """Return an installed package's version; to look it up takes milliseconds."""
    return version(package)


@dataclass(frozen=True)
class Recipe:
    """What made a picture: a function's name, its arguments, and the hashes (SHA-256) of what it was given.

    ``function`` is a name in `recipe_functions()`, ``arguments`` its keyword arguments as plain JSON data,
    ``network`` and ``weights`` what was given to `open_network`, ``picture`` the path or sample name of the
    input; None where there was none, or where it was in memory only. ``pictures`` are the hashes of the picture files
    that arguments name (a guide, a mask, styles), by those names. ``options`` are the further keywords of
    `open_network` (labels, the input's shape, preprocessing); ``input_spec_sha256`` and ``labels_sha256`` are the
    hashes of what the network was given and called its classes in the end, however it was told. ``threads`` is on how
    many the network was computed: on another number sums are added in another order and rounded otherwise.

    >>> print(convscope.filters(network, "conv1").recipe)
    filters(builtin, address='conv1', channels=None, ...), seed 0, convscope ...
    """

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    network: str | None = None
    weights: str | None = None
    network_sha256: str | None = None
    input_spec_sha256: str | None = None
    labels_sha256: str | None = None
    picture: str | None = None
    picture_sha256: str | None = None
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=library_versions)
    options: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None

    def with_arguments(self, **changes: Any) -> Recipe:
        """Return the recipe with single arguments changed; None takes one away.

        >>> recipe = convscope.filters(network, "conv1").recipe
        >>> convscope.rerun(recipe.with_arguments(channels=4)).save("four.png")
        PosixPath('four.png')
        """
        arguments = {**self.arguments, **changes}
        return replace(self, arguments={key: value for key, value in arguments.items() if value is not None})

    def to_json(self) -> str:
        """Return the recipe as one line of JSON, the same for the same recipe.

        >>> convscope.filters(network, "conv1").recipe.to_json()
        '{"function": "filters", "arguments": {"address": "conv1", ...}'
        """
        return with_escapes(json.dumps(asdict(self), ensure_ascii=False, separators=(", ", ": ")))

    @classmethod
    @arguments_in_words
    def from_json(cls, text: str, *, where: str = "the recipe") -> Recipe:
        """Read `to_json`'s text; RecipeError names ``where`` it stands and what is wrong with it.

        >>> recipe = convscope.filters(network, "conv1").recipe
        >>> convscope.Recipe.from_json(recipe.to_json()) == recipe
        True
        """
        try:
            data = parsed_json(text)
        except ValueError as error:
            raise RecipeError(f"{where} is not JSON: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("function"), str):
            raise RecipeError(f"{where} names no function; a recipe is an object with a key 'function'")
        names = {item.name for item in fields(cls)}
        for key in data.keys() - names:
            raise RecipeError(
                f"{where} has an unknown key {key!r}.{did_you_mean(key, names)} Made by a later convscope?"
            )
        for key, value in data.items():
            if not isinstance(value, _KINDS.get(key, (str, type(None)))):
                raise RecipeError(
                    f"{where} has a {type(value).__name__} for {key!r}, which is impossible there"
                )
            if key in _OF_TEXTS and not all(isinstance(one, str) for one in value.values()):
                raise RecipeError(
                    f"{where} has something else than texts in {key!r}, which is impossible there"
                )
        if _depth_over(data, _DEEPEST):
            raise RecipeError(f"{where} has lists in lists, over {_DEEPEST} deep, which no call was given")
        return cls(**data)

    def __str__(self) -> str:
        """Return a line a person can read: the function, its arguments, the network and the picture."""
        words = [f"{key}={value!r}" for key, value in self.arguments.items()]
        words = [*(place for place in (self.network, self.picture) if place), *words]
        made_by = f"convscope {self.versions.get('convscope', '?')}"
        return f"{self.function}({', '.join(words)}), seed {self.seed}, {made_by}"


def _depth_over(data: Any, most: int) -> bool:
    """Tell whether JSON data is nested deeper than this; without a call a level, as it may be very deep."""
    level = [data]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return any(isinstance(one, (dict, list)) for one in level)


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Return the recipe a picture carries; RecipeError if it carries none."""
    return Recipe.from_json(_recipe_text(Path(path)), where=f"the recipe in {os.fspath(path)}")


def _recipe_text(path: Path) -> str:
    if path.suffix.lower() == ".svg" and path.is_file():
        return _svg_text(path) or _none(path)
    try:
        with catch_warnings():
            simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
                text = image.info.get(KEY)
                text = text or decode_comment(image.getexif().get_ifd(EXIF).get(USER_COMMENT))
    except FileNotFoundError as error:
        raise RecipeError(f"there is no file {path}") from error
    except Exception as error:  # a decoder's many ways to fail mean one thing here
        raise RecipeError(
            f"{path} is no whole PNG, JPEG, WebP or SVG picture, and so none that convscope made"
        ) from error
    return str(text or _none(path))


def _none(path: Path) -> NoReturn:
    raise RecipeError(
        f"{path} carries no recipe: it was not made by convscope, or something saved it again without its text"
    )


def _svg_text(path: Path) -> str:
    """Return what an SVG gives as its source."""
    text = path.read_text(encoding="utf-8", errors="replace")
    # A pattern that looks for the end from every beginning takes minutes over a small file.
    source, end, _ = text.partition("<dc:source>")[2].partition("</dc:source>")
    return html.unescape(source) if end else ""


def encode_comment(text: str) -> bytes:
    """Return a text as EXIF stores a user comment."""
    return _UNICODE + text.encode("utf-16-be")


def decode_comment(comment: object) -> str:
    """Return the text of an EXIF user comment that `encode_comment` wrote, or nothing."""
    if not isinstance(comment, bytes) or not comment.startswith(_UNICODE):
        return ""
    return comment.removeprefix(_UNICODE).decode("utf-16-be", errors="replace")
