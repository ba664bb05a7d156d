"""A picture again, from nothing but its recipe, or one line that says what has changed since."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import torch

from convscope.argument_errors import ArgumentError, arguments_in_words
from convscope.errors import ConvscopeError, NetworkFileError, RecipeError, did_you_mean, warn
from convscope.files import is_there, user_path
from convscope.formats.opening import open_network
from convscope.formats.pytorch.architecture_file import names_a_file
from convscope.network.engine.threads import MOST_THREADS, computing_on
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.optimization.feature_sheet import channels_of
from convscope.pictures.options import FORMER_NAMES
from convscope.pictures.photograph import picture_file_hash
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import Recipe, library_versions, read_recipe
from convscope.pictures.recorded_files import require_consent
from convscope.pictures.recorded_work import refuse_much_work
from convscope.pictures.recording import (
    INPUTS,
    frozen,
    input_spec_hash,
    labels_hash,
    opened_for,
    picture_hash,
    recipe_functions,
    unrecordable_type,
)

_PACKAGES = ("looking", "attribution", "optimization", "dreaming", "styling", "report")
_PREPROCESSING = {item.name for item in fields(InputSpec)} - {"provenance"}
_OPTIONS = _PREPROCESSING | {"labels", "input_shape", "rules", "architecture", "inputs", "units"}
_FORMER_NAMES = FORMER_NAMES | {"address": "target"}
"""What recipes of earlier versions call an argument, and what it is called now."""
_FILES = ("labels", "mean")  # options that may be the path of a file


@arguments_in_words
def rerun(
    recipe: Recipe | str | os.PathLike[str],
    *,
    network: object = None,
    picture: object = None,
    trust: bool = False,
) -> Picture:
    """Make a picture again from its `recipe` (or from the file that carries it): the same bytes when saved.

    `network` and `picture` stand in for the recorded ones, where those were made in Python or have moved; a moved
    network's path, or a module, is opened as the first one was. RecipeError if the recipe names anything but a
    technique, or if the network, what it expects, its labels or a picture that went in have changed since; a
    ConvscopeWarning if the libraries have, as the bytes may then differ.

    A picture's file may come from anyone, and its recipe name any file of yours: one outside its folder and the
    current one is read only with `trust`, and RecipeError names it; so it does for thousands of steps or pixels. A
    Recipe is yours: its files are read.

    >>> convscope.filters(network, "conv1").save("filters.png")
    >>> convscope.rerun("filters.png").save("again.png")
    """
    strange = None if trust or isinstance(recipe, Recipe) else Path(recipe)
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    if strange is not None:
        here = {"network": network is not None, "picture": picture is not None}
        require_consent(recipe, strange, {name for name in here if here[name]})
        _refuse_code(recipe, strange)
        refuse_much_work(recipe, strange)
    for package in _PACKAGES:
        folder = import_module(f"convscope.{package}")
        for module in iter_modules(folder.__path__, f"{folder.__name__}."):
            import_module(module.name)
    functions = recipe_functions()
    function = functions.get(recipe.function)
    if recipe.function == "examples":
        raise RecipeError(
            "a sheet of examples is not made again by its recipe, which has no photographs: convscope examples "
            "makes it, given the same ones (--photographs)"
        )
    if function is None:
        hint = did_you_mean(recipe.function, functions)
        raise RecipeError(
            f"a recipe cannot call {recipe.function!r}.{hint} Possible: {', '.join(sorted(functions))}"
        )
    signature = inspect.signature(function)
    _refuse_unused(recipe, {"network": network, "picture": picture}, signature.parameters.keys())
    arguments = _allowed(recipe.function, recipe.arguments, signature.parameters.keys() - INPUTS)
    _warn_of_changes(recipe)
    _check_pictures(recipe.pictures)
    with _wrong_values_in_words(recipe):
        if "network" in signature.parameters:
            arguments["network"] = _the_network(recipe, network)
            if strange is not None and recipe.function == "feature_sheet":
                drawn = channels_of(arguments["network"], arguments["layer"], arguments.get("channels"))
                refuse_much_work(recipe, strange, len(drawn))
        if recipe.picture_sha256 or recipe.picture or picture is not None:
            arguments["picture"] = _the_picture(recipe, picture, arguments.get("network"))
        if "seed" in signature.parameters:
            arguments["seed"] = recipe.seed
        signature.bind(**arguments)
        with _on_threads(recipe.threads):
            return function(**arguments)


def _refuse_unused(recipe: Recipe, given: Mapping[str, object], taken: Container[str]) -> None:
    """Raise RecipeError for a network or picture that is given in the place of none."""
    for name, value in given.items():
        if value is not None and name not in taken:
            raise RecipeError(
                f"{recipe.function} takes no {name}, and none is in the recipe: leave --{name} ({name}=) out"
            )


@contextmanager
def _on_threads(recorded: int | None) -> Iterator[None]:
    """Compute on as many threads as the recipe says, then on as many as before: another number rounds otherwise."""
    now = torch.get_num_threads()
    if recorded is None or recorded == now:
        yield
        return
    if not 1 <= recorded <= MOST_THREADS:
        raise RecipeError(f"the recipe says {recorded} threads, which is impossible: 1 to {MOST_THREADS} are")
    with computing_on(recorded):
        yield


def _allowed(what: str, recorded: Mapping[str, Any], possible: set[str]) -> dict[str, Any]:
    """Return recorded keywords as they were given; RecipeError for one that is not possible, or was not kept."""
    allowed = {}
    for name, value in recorded.items():
        key = name if name in possible else _FORMER_NAMES.get(name, name)
        if key not in possible:
            raise RecipeError(f"{what} has no argument {key!r}.{did_you_mean(key, possible)}")
        if type_name := unrecordable_type(value):
            raise RecipeError(f"{key} was a {type_name}, which a recipe cannot hold; call {what} yourself")
        allowed[key] = frozen(value)
    return allowed


@contextmanager
def _wrong_values_in_words(recipe: Recipe) -> Iterator[None]:
    """Say of values that no recorded call can have had that the recipe is wrong: nothing else gave them."""
    try:
        yield
    except ArgumentError as error:
        raise RecipeError(f"the recipe does not fit {recipe.function}: {error}") from error
    except ConvscopeError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise RecipeError(f"the recipe does not fit {recipe.function}: {error}") from error


def _refuse_code(recipe: Recipe, made: Path) -> None:
    """Raise RecipeError where a network is built by somebody's Python file, wherever it lies: it would be run."""
    architecture = recipe.options.get("architecture")
    if isinstance(architecture, str) and names_a_file(architecture):
        raise RecipeError(
            f"the recipe in {made} would run {architecture!r} to build its network. If that file is yours, trust the "
            "recipe (--trust, trust=True)"
        )


def _warn_of_changes(recipe: Recipe) -> None:
    now = library_versions()
    changes = [
        f"{name} {old} (now {now[name]})"
        for name, old in recipe.versions.items()
        if now.get(name, old) != old
    ]
    if changes:
        warn(f"the picture was made with {', '.join(changes)}; its bytes may differ")


def _the_network(recipe: Recipe, network: Any) -> Any:
    if network is None or isinstance(network, str | os.PathLike | torch.nn.Module):
        network = _open_again(recipe, network)
    name = recipe.network or "the network"
    _check_same(
        f"{name} (its layers and weights) has",
        recipe.network_sha256,
        lambda: _network_hash(network, recipe.network_sha256),
    )
    _check_same(
        f"what {name} expects (its input_spec) has",
        recipe.input_spec_sha256,
        lambda: input_spec_hash(network),
    )
    _check_same(f"the labels of {name} have", recipe.labels_sha256, lambda: labels_hash(network))
    return network


def _network_hash(network: Network, recorded: str | None) -> str | None:
    """Return a network's hash: that of its files, where it is the recorded one, as in recipes of before."""
    if network.sha256 != recorded and network.origin.files_sha256 == recorded:
        return recorded
    return network.sha256


def _open_again(recipe: Recipe, given: object) -> Network:
    """Open the network as it was opened: from where it is now, or the module or model of a program."""
    source = recipe.network if given is None else given
    if source is None:
        raise RecipeError(
            "the picture was made from a network in memory; give it: rerun(recipe, network=...)"
        )
    options = _allowed("open_network", recipe.options, _OPTIONS)
    path = user_path(source) if isinstance(source, str | os.PathLike) else Path()
    folder = path if is_there(path) and path.is_dir() else path.parent
    options |= {key: _beside(options[key], folder) for key in _FILES if isinstance(options.get(key), str)}
    units = options.pop("units", None)
    try:
        network = open_network(source, weights=_beside(recipe.weights, folder), **options)
    except NetworkFileError as error:
        if given is not None or is_there(path):
            raise
        raise NetworkFileError(
            f"{error}. Where it has moved, or was one in memory, give it (--network, network=)"
        ) from error
    for settings in (units,) if isinstance(units, Mapping) else units or ():
        network = network.with_units(settings)
    return network


def _beside(file: str | None, folder: Path) -> str | None:
    """Return a recorded file, or where it is gone the one of its name beside the network."""
    if file is None or is_there(file) or not is_there(moved := folder / Path(file).name):
        return file
    return str(moved)


def _the_picture(recipe: Recipe, picture: Any, network: Network | None) -> Any:
    if picture is None:
        if recipe.picture is None:
            raise RecipeError(
                "the picture was made from an input in memory; give it: rerun(recipe, picture=...)"
            )
        picture = recipe.picture
    picture = opened_for(network, picture)
    _check_same(
        f"the picture {recipe.picture or 'in memory'} has",
        recipe.picture_sha256,
        lambda: picture_hash(picture),
    )
    return picture


def _check_pictures(recorded: Mapping[str, str]) -> None:
    """Check the pictures beside the main one: a guide, a mask, styles."""
    for name, sha256 in recorded.items():
        now = picture_file_hash(name)
        if now is None:
            raise RecipeError(f"the picture {name} went in too, and is no longer there: put it back")
        _check_same(f"the picture {name} has", sha256, partial(str, now))


def _check_same(what: str, recorded: str | None, find: Callable[[], str | None]) -> None:
    if recorded and recorded != (current := find()):
        was, now = recorded[:12], f"{current[:12]}…" if current else "nothing"
        raise RecipeError(f"{what} changed since: SHA-256 was {was}…, is {now}")
