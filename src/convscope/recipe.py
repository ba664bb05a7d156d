"""What made a picture: enough to make it again, byte for byte, and nothing that could run anything else.

A recipe is plain data (JSON) inside the picture it describes: a text chunk named ``convscope`` in a PNG,
the EXIF user comment in a JPEG or WebP. `rerun` looks its function up in a table of functions marked with
`recipe_function`; a name that is not in the table is an error, so a stranger's picture calls nothing else.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from warnings import catch_warnings, simplefilter, warn

import numpy as np
from PIL import Image

from convscope import __version__
from convscope.address import Address
from convscope.errors import ConvscopeWarning, RecipeError, did_you_mean
from convscope.photograph import Photograph, open_photograph

if TYPE_CHECKING:
    from convscope.picture import Picture

KEY = "convscope"
EXIF, USER_COMMENT = 0x8769, 0x9286
_UNICODE = b"UNICODE\0"
_INPUTS = ("network", "picture", "seed")
_LONGEST = 4096
_FUNCTIONS: dict[str, Callable[..., Picture]] = {}
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _versions() -> dict[str, str]:
    packages = ("torch", "numpy", "Pillow", "matplotlib")
    return {"convscope": __version__} | {package: version(package) for package in packages}


@dataclass(frozen=True)
class Recipe:
    """What made a picture: a function's name, its arguments, and the hashes (SHA-256) of what it was given.

    ``function`` is a name in `recipe_functions()`, ``arguments`` its keyword arguments as plain JSON data,
    ``network`` and ``weights`` what was given to `open_network`, ``picture`` the path or sample name of the
    input; None where there was none, or where it was in memory only. ``options`` are the further keywords of
    `open_network` (labels, the input's shape, preprocessing).

    >>> print(Picture.open("filters.png").recipe)
    filters(bvlc_googlenet/deploy.prototxt, address='conv1/7x7_s2'), seed 0, convscope 0.1.0
    """

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    network: str | None = None
    weights: str | None = None
    network_sha256: str | None = None
    picture: str | None = None
    picture_sha256: str | None = None
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=_versions)
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the recipe as one line of JSON, the same for the same recipe."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(", ", ": "))

    @classmethod
    def from_json(cls, text: str, *, where: str = "the recipe") -> Recipe:
        """Read `to_json`'s text; RecipeError names ``where`` it stands and what is wrong with it."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"{where} is not JSON: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("function"), str):
            raise RecipeError(f"{where} names no function; a recipe is an object with a key 'function'")
        known = {item.name for item in fields(cls)}
        for key in data.keys() - known:
            raise RecipeError(
                f"{where} has an unknown key {key!r}.{did_you_mean(key, known)} Made by a later convscope?"
            )
        for key, value in data.items():
            kind = (
                dict
                if key in ("arguments", "versions", "options")
                else int
                if key == "seed"
                else (str, type(None))
            )
            if not isinstance(value, kind):
                raise RecipeError(
                    f"{where} has a {type(value).__name__} for {key!r}, which is impossible there"
                )
        return cls(**data)

    def __str__(self) -> str:
        """Return a line a person can read: the function, its arguments, the network and the picture."""
        words = [f"{key}={value!r}" for key, value in self.arguments.items()]
        words = [*(place for place in (self.network, self.picture) if place), *words]
        made_by = f"convscope {self.versions.get('convscope', '?')}"
        return f"{self.function}({', '.join(words)}), seed {self.seed}, {made_by}"


def recipe_functions() -> Mapping[str, Callable[..., Picture]]:
    """Return the functions a recipe may name."""
    return dict(_FUNCTIONS)


def recipe_function(name: str) -> Callable[[_Function], _Function]:
    """Mark a function that returns a Picture: its recipe is written into each one, and `rerun` may call it.

    The function takes a parameter ``network``, perhaps ``picture`` and ``seed``; everything else is
    recorded in ``arguments`` under its own name. The input picture is opened once, here, so the function
    gets a Photograph. So that a rerun is the same call, it gets lists as tuples and addresses as text.

    >>> @recipe_function("filters")
    ... def filters(network, address, *, columns=None): ...
    """

    def mark(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def with_recipe(*positional: Any, **keywords: Any) -> Picture:
            bound = signature.bind(*positional, **keywords)
            bound.apply_defaults()
            given = bound.arguments
            if "picture" in given and not _is_tensor(given["picture"]) and given["picture"] is not None:
                given["picture"] = open_photograph(given["picture"])
            plain = {key: _plain(value) for key, value in given.items() if key not in _INPUTS}
            given.update({key: _frozen(value) for key, value in plain.items() if not _is_lost(value)})
            picture: Picture = function(*bound.args, **bound.kwargs)
            return replace(picture, recipe=_recipe_of(name, plain, given))

        _FUNCTIONS[name] = with_recipe
        return with_recipe  # type: ignore[return-value]

    return mark


def _is_tensor(source: object) -> bool:
    """Tell an input as the network eats it from a picture, without importing torch."""
    return type(source).__module__.partition(".")[0] == "torch"


def _sha256(picture: Any) -> str | None:
    if _is_tensor(picture):
        values = picture.detach().cpu().contiguous().numpy()
        return sha256(repr((values.dtype.str, values.shape)).encode() + values.tobytes()).hexdigest()
    return picture.sha256 if isinstance(picture, Photograph) else None


def _recipe_of(name: str, arguments: Mapping[str, Any], given: Mapping[str, Any]) -> Recipe:
    origin = getattr(given.get("network"), "origin", None)
    on_disk = origin if getattr(origin, "files", None) else None
    picture, seed = given.get("picture"), given.get("seed")
    return Recipe(
        function=name,
        arguments=arguments,
        network=on_disk.source if on_disk else None,
        weights=on_disk.weights if on_disk else None,
        network_sha256=on_disk.sha256 if on_disk else None,
        picture=picture.source if isinstance(picture, Photograph) else None,
        picture_sha256=_sha256(picture),
        seed=seed if isinstance(seed, int) else 0,
        options=_plain(getattr(on_disk, "options", {})),
    )


def _plain(value: Any) -> Any:
    """Return an argument as JSON data; one that cannot be is kept as a description, which `rerun` refuses."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray) and value.size <= _LONGEST and value.dtype.kind in "biuf":
        return value.tolist()
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return {"not recorded": type(value).__name__}


def _is_lost(value: Any) -> bool:
    return isinstance(value, dict) and "not recorded" in value


def _frozen(value: Any) -> Any:
    """Return JSON data with its lists as tuples: what a function gets, first time and rerun alike."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Return the recipe a picture carries; RecipeError if it carries none."""
    return Recipe.from_json(_recipe_text(Path(path)), where=f"the recipe in {os.fspath(path)}")


def _recipe_text(path: Path) -> str:
    try:
        with catch_warnings():
            simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
                text = image.info.get(KEY)
                text = text or decode_comment(image.getexif().get_ifd(EXIF).get(USER_COMMENT))
    except FileNotFoundError as error:
        raise RecipeError(f"there is no file {path}") from error
    except Exception as error:  # a decoder's many ways to fail mean one thing here
        raise RecipeError(f"{path} is not a PNG, JPEG or WebP picture that convscope made") from error
    if not text:
        raise RecipeError(
            f"{path} carries no recipe: it was not made by convscope, or something saved it again without its text"
        )
    return str(text)


def encode_comment(text: str) -> bytes:
    """Return a text as EXIF stores a user comment."""
    return _UNICODE + text.encode("utf-16-be")


def decode_comment(comment: object) -> str:
    """Return the text of an EXIF user comment that `encode_comment` wrote, or nothing."""
    if not isinstance(comment, bytes) or not comment.startswith(_UNICODE):
        return ""
    return comment.removeprefix(_UNICODE).decode("utf-16-be", errors="replace")


def rerun(recipe: Recipe | str | os.PathLike[str], *, network: Any = None, picture: Any = None) -> Picture:
    """Make a picture again from its recipe (or from the file that carries it): the same bytes when saved.

    ``network`` and ``picture`` stand in for the recorded ones: for a network made in Python, or a moved
    file. RecipeError if the function is not one of `recipe_functions()`, or if the network's weights or the
    picture have changed since; a ConvscopeWarning if the libraries have, as the bytes may then differ.
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    function = _FUNCTIONS.get(recipe.function)
    if function is None:
        hint = did_you_mean(recipe.function, _FUNCTIONS)
        raise RecipeError(
            f"a recipe cannot call {recipe.function!r}.{hint} Possible: {', '.join(sorted(_FUNCTIONS))}"
        )
    parameters = inspect.signature(function).parameters
    arguments = dict(recipe.arguments)
    for key, value in arguments.items():
        if key not in parameters or key in _INPUTS:
            raise RecipeError(f"{recipe.function} has no argument {key!r}.{did_you_mean(key, parameters)}")
        if _is_lost(value):
            lost = value["not recorded"]
            raise RecipeError(
                f"{key} was a {lost}, which a recipe cannot hold; call {recipe.function} yourself"
            )
    _warn_of_changes(recipe)
    if "network" in parameters:
        arguments["network"] = _the_network(recipe, network)
    if recipe.picture_sha256 or picture is not None:
        arguments["picture"] = _the_picture(recipe, picture)
    if "seed" in parameters:
        arguments["seed"] = recipe.seed
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise RecipeError(f"the recipe does not fit {recipe.function}: {error}") from error
    return function(**arguments)


def _warn_of_changes(recipe: Recipe) -> None:
    now = _versions()
    changed = [
        f"{name} {old} (now {now[name]})"
        for name, old in recipe.versions.items()
        if now.get(name, old) != old
    ]
    if changed:
        warn(
            f"the picture was made with {', '.join(changed)}; its bytes may differ",
            ConvscopeWarning,
            stacklevel=3,
        )


def _the_network(recipe: Recipe, network: Any) -> Any:
    if network is None:
        if recipe.network is None:
            raise RecipeError(
                "the picture was made from a network in memory; give it: rerun(recipe, network=...)"
            )
        import convscope

        options: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in recipe.options.items()
        }
        network = convscope.open_network(recipe.network, weights=recipe.weights, **options)
    if recipe.network_sha256 and (found := network.origin.sha256) != recipe.network_sha256:
        hashes = f"SHA-256 was {recipe.network_sha256[:12]}…, is {found[:12]}…"
        raise RecipeError(f"the weights of {recipe.network} have changed since: {hashes}")
    return network


def _the_picture(recipe: Recipe, picture: Any) -> Any:
    if picture is None:
        if recipe.picture is None:
            raise RecipeError(
                "the picture was made from an input in memory; give it: rerun(recipe, picture=...)"
            )
        picture = recipe.picture
    picture = picture if _is_tensor(picture) else open_photograph(picture)
    if recipe.picture_sha256 != (found := _sha256(picture)):
        raise RecipeError(f"the picture {recipe.picture or 'in memory'} has changed since: SHA-256 was "
                          f"{str(recipe.picture_sha256)[:12]}…, is {str(found)[:12]}…")  # fmt: skip
    return picture
