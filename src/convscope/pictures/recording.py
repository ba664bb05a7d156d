"""Writing recipes: every picture that a marked function returns says what it was made from.

The marked functions are also the only ones that a recipe may name, so a stranger's picture calls nothing else.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

from convscope.address import Address
from convscope.argument_errors import arguments_in_words
from convscope.pictures.photograph import Photograph, open_photograph, picture_file_hash
from convscope.pictures.recipe import Recipe
from convscope.progress import bars

if TYPE_CHECKING:
    from convscope.pictures.picture import Picture

INPUTS = ("network", "picture", "seed")
UNRECORDED = (
    *(
        "watch",
        "progress",
        "batch",
    ),  # who looks on, and how many pictures are made at a time, change no pixel
    "memory",  # what is chosen by it is recorded in its place
)
_LONGEST = 4096
_FUNCTIONS: dict[str, Callable[..., Picture]] = {}
_Function = TypeVar("_Function", bound=Callable[..., Any])


def recipe_functions() -> Mapping[str, Callable[..., Picture]]:
    """Return the functions a recipe may name."""
    return dict(_FUNCTIONS)


def recipe_function(name: str) -> Callable[[_Function], _Function]:
    """Mark a function that returns a Picture: its recipe is written into each one, and `rerun` may call it.

    The function takes a parameter ``network``, perhaps ``picture`` and ``seed``; everything else is
    recorded in ``arguments`` under its own name. The input picture is opened once, here, so the function
    gets a Photograph. So that a rerun is the same call, it gets lists as tuples and addresses as text. With
    ``progress=False``, where it takes that, it shows no bar.

    >>> @recipe_function("filters")
    ... def filters(network, address, *, columns=None): ...
    """

    def mark(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def with_recipe(*positional: Any, **keywords: Any) -> Picture:
            bound = signature.bind(*positional, **keywords)
            bound.apply_defaults()
            values = bound.arguments
            if values.get("picture") is not None:
                values["picture"] = opened_for(values.get("network"), values["picture"])
            recorded = values.keys() - {*INPUTS, *UNRECORDED}
            arguments, settled = recordable({key: values[key] for key in values if key in recorded})
            values.update(settled)
            with bars(values.get("progress", True)):
                picture: Picture = function(*bound.args, **bound.kwargs)
            return replace(picture, recipe=recipe_of(name, arguments, **_inputs(values)))

        _FUNCTIONS[name] = explained = arguments_in_words(with_recipe)
        return explained  # type: ignore[return-value]

    return mark


def opened_for(network: Any, picture: Any) -> Any:
    """Return a picture opened as a network's input, or without one as a photograph; a tensor as it is."""
    return picture if is_tensor(picture) else getattr(network, "opened_input", open_photograph)(picture)


def writes_recipe(name: str) -> Callable[[_Function], _Function]:
    """Mark a function that returns a Picture with its recipe already in it: `rerun` may call it."""

    def mark(function: _Function) -> _Function:
        _FUNCTIONS[name] = explained = arguments_in_words(function)
        return explained

    return mark


def recordable(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return arguments as a recipe holds them, and as a function gets them, the first time as in a rerun."""
    arguments = {key: as_json(value) for key, value in values.items()}
    settled = {
        key: frozen(value)
        for key, value in arguments.items()
        if not unrecordable_type(value)
        and not (isinstance(values[key], np.ndarray) and values[key].ndim > 1)  # pictures
    }
    return arguments, {**values, **settled}


def _inputs(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in INPUTS if key in values}


def recipe_of(
    function: str,
    arguments: Mapping[str, Any],
    *,
    network: Any = None,
    picture: Any = None,
    seed: Any = 0,
) -> Recipe:
    """Return the recipe of what a function makes of a network and a picture."""
    origin = getattr(network, "origin", None)
    on_disk = origin if getattr(origin, "files", None) else None
    return Recipe(
        function=function,
        arguments=arguments,
        network=on_disk.source if on_disk else None,
        weights=on_disk.weights if on_disk else None,
        network_sha256=network.sha256 if on_disk else None,
        input_spec_sha256=input_spec_hash(network),
        labels_sha256=labels_hash(network),
        picture=picture.source if isinstance(picture, Photograph) else None,
        picture_sha256=picture_hash(picture),
        seed=seed if isinstance(seed, int) else 0,
        options=as_json(getattr(on_disk, "options", {})),
        pictures=picture_hashes(arguments),
        threads=computing_threads(),
    )


def computing_threads() -> int | None:
    """Return on how many threads torch computes: another number adds in another order, and rounds otherwise."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def picture_hashes(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the hashes of the picture files that arguments name, at any depth, by those names."""
    hashes = {text: picture_file_hash(text) for text in dict.fromkeys(texts_in(list(arguments.values())))}
    return {text: digest for text, digest in hashes.items() if digest}


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in JSON data, at any depth; the names in a dictionary are texts too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (str(key) for key in value)
        yield from (text for item in value.values() for text in texts_in(item))
    elif isinstance(value, (list, tuple)):
        yield from (text for item in value for text in texts_in(item))


def is_tensor(source: object) -> bool:
    """Tell an input as the network expects it from a picture, without importing torch."""
    return type(source).__module__.partition(".")[0] == "torch"


def picture_hash(picture: Any) -> str | None:
    """Return the hash of an input: a photograph's, or that of a tensor's type, shape and values."""
    return _content_hash(picture) if is_tensor(picture) or isinstance(picture, Photograph) else None


def input_spec_hash(network: Any) -> str | None:
    """Return the hash of what a network expects; None where it expects no picture."""
    return getattr(getattr(network, "input_spec", None), "sha256", None)


def labels_hash(network: Any) -> str | None:
    """Return the hash of what a network calls its classes (that of no labels where it has none)."""
    if not hasattr(network, "labels"):
        return None
    labels = None if network.labels is None else list(map(str, network.labels))
    return sha256(json.dumps(labels).encode()).hexdigest()


def as_json(value: Any) -> Any:
    """Return an argument as JSON data; one that cannot be is kept as a description, which `rerun` refuses.

    That has the hash of a picture's numbers: what is made of another one is another picture.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        items = [as_json(item) for item in value]
        if unrecordable := next(filter(unrecordable_type, items), None):
            return {**unrecordable, "sha256": sha256(json.dumps(items, default=str).encode()).hexdigest()}
        return items
    if isinstance(value, np.ndarray) and value.size <= _LONGEST and value.dtype.kind in "biuf":
        return value.tolist()
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    digest = _content_hash(value)
    return {"not recorded": type(value).__name__} | ({"sha256": digest} if digest else {})


def _content_hash(value: Any) -> str | None:
    """Return the hash of a picture or of an array in memory; None of what is neither."""
    if isinstance(value, Photograph):
        return value.sha256
    if isinstance(value, Image.Image):
        value = np.asarray(value)
    elif is_tensor(value):
        value = value.detach().cpu()
        value = (value.float() if value.dtype.itemsize == 2 and value.is_floating_point() else value).numpy()
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:
        return None
    return sha256(repr((value.dtype.str, value.shape)).encode() + value.tobytes()).hexdigest()


def unrecordable_type(value: Any) -> str | None:
    """Return what `as_json` could not keep of an argument, by its type's name."""
    return value.get("not recorded") if isinstance(value, dict) else None


def frozen(value: Any) -> Any:
    """Return JSON data with its lists as tuples: what a function gets, first time and rerun alike."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value
