"""A style transfer that can be killed and gone on with: its state on disk, now and then and when it is interrupted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any
from warnings import warn

from convscope.cache import cache_folder, cache_key
from convscope.errors import ConvscopeWarning
from convscope.pictures.recipe import Recipe
from convscope.styling.scales import Unfinished
from convscope.styling.steps import StyleStep
from convscope.styling.style_transfer import StyleTransfer, until

_BETWEEN_SAVES = 10.0  # seconds


def kept_steps(made: StyleTransfer, recipe: Recipe, *, resume: bool) -> Iterator[StyleStep]:
    """Yield a transfer's steps and keep its state on disk until it is finished; the recipe says which transfer it is.

    With `resume` it goes on from there, and takes the steps of an undisturbed run; a note says so where there is
    nothing to go on from.
    """
    path, last, saved = kept_at(recipe), None, monotonic()
    unfinished = Unfinished.load(path) if resume else None
    if resume and unfinished is None:
        warn(
            f"no interrupted run of {recipe.picture or 'this picture'} with these settings is kept: this one starts "
            "from the beginning",
            ConvscopeWarning,
            stacklevel=2,
        )
    finished, steps_taken = False, 0.0
    try:
        for last in until(made.restyling.steps(unfinished), None):
            steps_taken = _steps_of(last)
            yield last
            # Only now, for a step is done with what is made of it.
            if monotonic() - saved > _BETWEEN_SAVES and last.index < last.of:
                Unfinished(last.index, last.values, last.state).save(path)
                saved = monotonic()
        finished = True
    finally:
        if finished or (last is not None and last.index == last.of):
            path.unlink(missing_ok=True)
        elif last is not None and _steps_of(last) == steps_taken:  # else interrupted while the state changed
            Unfinished(last.index, last.values, last.state).save(path)


def _steps_of(step: StyleStep) -> float:
    return float(step.state["step"]) if "step" in step.state else 0.0


def run_of(recipe: Recipe) -> dict[str, Any]:
    """Return as JSON data what makes a run the same as another: not its tiles, which change no result."""
    facts = asdict(recipe)
    wishes = {name: value for name, value in facts.pop("arguments").items() if name != "tile"}
    found: dict[str, Any] = json.loads(json.dumps(wishes | facts, sort_keys=True, default=str))
    return found


def kept_at(recipe: Recipe) -> Path:
    """Return the file of a transfer's state."""
    return cache_folder("styles") / f"{cache_key(run_of(recipe))}.safetensors"
