"""The files that a recipe would have read, and which of them are none of a stranger's business."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from pathlib import Path

from convscope.errors import RecipeError
from convscope.pictures.photograph import SAMPLES
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import texts_in


def refuse_files_elsewhere(recipe: Recipe, made: Path, given: Set[str] = frozenset()) -> None:
    """Raise RecipeError for files that lie neither beside the picture that was made nor in the current folder.

    `given` are the inputs ("network", "picture") that a person names, in place of the recorded ones.
    """
    around = [_absolute(made).parent, Path.cwd()]
    elsewhere = [name for name in recorded_files(recipe, given) if not _lies_in(name, around)]
    if elsewhere:
        raise RecipeError(
            f"the recipe in {made} would have files read outside its folder: {', '.join(elsewhere)}. If they may be "
            "read, trust it (--trust, trust=True); or say where the network and the picture are "
            "(--network, --picture)"
        )


def recorded_files(recipe: Recipe, given: Set[str] = frozenset()) -> list[str]:
    """Return what a recipe names that is a file or a folder here."""
    named = dict.fromkeys(name for name in _named(recipe, given) if name and name not in SAMPLES)
    return [name for name in named if _is_there(name)]


def _named(recipe: Recipe, given: Set[str]) -> Iterator[str]:
    if "network" not in given:
        yield recipe.network or ""
    yield recipe.weights or ""
    if "picture" not in given:
        yield recipe.picture or ""
    yield from recipe.pictures
    yield from texts_in([recipe.options, recipe.arguments])


def _is_there(name: str) -> bool:
    try:
        return os.path.lexists(Path(name).expanduser())
    except (OSError, ValueError, RuntimeError):  # no name of a file
        return False


def _lies_in(name: str, folders: list[Path]) -> bool:
    return any(_absolute(Path(name).expanduser()).is_relative_to(folder) for folder in folders)


def _absolute(path: Path) -> Path:
    """Return a path from the root on, without ``..``; a link in your folder is yours, and not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (pathlib's keeps the .., or follows links)
