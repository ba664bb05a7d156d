"""A dream that a kill does not end: kept in the cache now and then, and gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any
from warnings import warn

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from convscope.cache import cache_folder, cache_key
from convscope.dreaming.deep_dream import Dream
from convscope.dreaming.steps import DreamStep
from convscope.errors import ConvscopeWarning
from convscope.files import written_whole
from convscope.optimization.optimizers import State
from convscope.pictures.recipe import library_versions
from convscope.pictures.recording import picture_hash, picture_hashes, plain

_BETWEEN_SAVES = 5.0  # seconds


def kept_steps(dream: Dream, wishes: Mapping[str, Any], *, resume: bool) -> Iterator[DreamStep]:
    """Yield a dream's steps and keep their state, now and then and when interrupted.

    `wishes` are the arguments of `dream_of` as JSON data: with `resume` it goes on from what a run with the same ones
    has kept, and takes the steps of an undisturbed run; a note says so where there is nothing to go on from. What is
    kept of an unfinished dream is removed when it ends.
    """
    path = _kept_at(run_of(dream, wishes))
    state, saved = (_read(path) if resume else None), monotonic()
    if resume and state is None:
        warn(
            "no interrupted run of this picture with these settings is kept: this one starts from the beginning",
            ConvscopeWarning,
            stacklevel=2,
        )
    unsaved: State | None = None
    try:
        for step in dream.steps(state):
            yield step
            # Only now, for a step is done with what is made of it; and before the next one draws from the generator.
            unsaved = step.state() if step.index < step.of else None
            if unsaved is not None and monotonic() - saved >= _BETWEEN_SAVES:
                _save(unsaved, path)
                saved = monotonic()
    except (KeyboardInterrupt, GeneratorExit):
        if unsaved is not None:
            _save(unsaved, path)
        raise
    path.unlink(missing_ok=True)


def run_of(dream: Dream, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Return as JSON data what makes a run the same as another: a dream, and the arguments of `dream_of`."""
    network = dream.network
    return {
        **plain(wishes),
        "seed": dream.seed,
        "network": network.identity,
        "start": picture_hash(dream.start),
        "mask pixels": picture_hash(dream.mask),
        "pictures": picture_hashes(wishes),  # a guide's among them
    }


def _kept_at(run: Mapping[str, Any]) -> Path:
    """Return the file of an unfinished run's state; those of other versions' are others."""
    return cache_folder("dreams") / f"{cache_key(run, library_versions())}.safetensors"


def _save(state: State, path: Path) -> None:
    with written_whole(path) as partial:
        # Only here, not with the state: a large picture's copy would be held through the next step.
        save_file({name: value.contiguous() for name, value in state.items()}, partial)


def _read(path: Path) -> State | None:
    try:
        found: State = load_file(path)
    except (OSError, SafetensorError):
        return None  # there is none, or it cannot be read: from the start
    return found if {"index", "values", "generator"} <= found.keys() else None
