"""What a stranger's recipe would have done here, and what of it needs a person's consent: files and names.

Nothing is looked up on the way, not even whether a file is there: on some systems that alone logs in somewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Set
from pathlib import Path, PureWindowsPath

from convscope.errors import RecipeError
from convscope.files import is_there
from convscope.pictures.photograph import SAMPLES
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import texts_in

_FETCHED = ("zoo:", "torchvision:", "timm:", "keras:")
# Arguments that hold addresses, never files: an ONNX network's begin with a slash.
_ADDRESSES = frozenset(
    {"address", "addresses", "target", "targets", "layer", "layers", "content_layers", "style_layers"}
)


def require_consent(recipe: Recipe, path: Path, named_inputs: Set[str] = frozenset()) -> None:
    """Raise RecipeError for what a recipe out of a file may not do unasked.

    That is reading files that lie neither beside the picture that was made nor in the current folder, and fetching or
    importing networks by name. `named_inputs` are those ("network", "picture") that a person
    names, in place of the recorded ones.
    """
    around = [_absolute(str(path)).parent, Path.cwd()]
    elsewhere = [name for name in recorded_files(recipe, named_inputs) if not _lies_in(name, around)]
    consent = (
        "If they may be read, trust it (--trust, trust=True); or say where the network and the picture are "
        "(--network and --picture, network= and picture= in Python)"
    )
    if elsewhere:
        raise RecipeError(
            f"the recipe in {path} would have files read outside its folder: {', '.join(elsewhere)}. {consent}"
        )
    if fetched := [name for name in _named(recipe, named_inputs) if name.startswith(_FETCHED)]:
        raise RecipeError(
            f"the recipe in {path} would have {', '.join(dict.fromkeys(fetched))} fetched or imported. If that may be, "
            "trust it (--trust, trust=True), or give the network (--network, network=)"
        )


def recorded_files(recipe: Recipe, named_inputs: Set[str] = frozenset()) -> list[str]:
    """Return what a recipe names that may be a file or a folder; networks by name are none."""
    texts = dict.fromkeys(name for name in _named(recipe, named_inputs) if name and name not in SAMPLES)
    return [name for name in texts if not name.startswith(_FETCHED)]


def _named(recipe: Recipe, named_inputs: Set[str]) -> Iterator[str]:
    if "network" not in named_inputs:
        yield recipe.network or ""
    yield recipe.weights or ""
    if "picture" not in named_inputs:
        yield recipe.picture or ""
    yield from recipe.pictures
    arguments = {key: value for key, value in recipe.arguments.items() if key not in _ADDRESSES}
    yield from texts_in([recipe.options, list(arguments.values())])


def _lies_in(name: str, folders: list[Path]) -> bool:
    if "\0" in name:
        return True  # no file is called so
    here = Path(os.path.abspath(name))  # noqa: PTH100
    if name[0] == "~" and any(here.is_relative_to(folder) for folder in folders) and is_there(name):
        return True  # which is what it means then, as for user_path, and nobody's home
    if re.match(r"~[^/\\]+[/\\]", name):
        return False  # somebody's home: where that is, is asked of the system, and on some of another machine
    windows = PureWindowsPath(name)
    if name.startswith(("//", "\\\\")) or (windows.drive and windows.root):
        return os.name == "nt" and any(_absolute(name).is_relative_to(folder) for folder in folders)
    return any(_absolute(name).is_relative_to(folder) for folder in folders)


def _absolute(name: str) -> Path:
    """Return a path from the root on, without ``..``; a link in your folder is yours, and not followed."""
    return Path(os.path.abspath(os.path.expanduser(name)))  # noqa: PTH100, PTH111 (pathlib's follow links, look names up)
