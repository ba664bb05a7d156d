"""A dream that a kill does not end: kept in the cache now and then, and gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from convscope.cache import cache_folder
from convscope.files import written_whole
from convscope.optimization.dreaming import DreamStep
from convscope.optimization.optimizers import State
from convscope.recipe import library_versions
from convscope.recording import input_spec_hash, picture_hash, picture_hashes
from convscope.techniques.deep_dream import Dream

_BETWEEN_SAVES = 5.0  # seconds


def kept_steps(dream: Dream, wishes: Mapping[str, Any], *, resume: bool) -> Iterator[DreamStep]:
    """Yield a dream's steps and keep their state now and then; with `resume`, those that a killed run did not make.

    `wishes` are the arguments of `dream_of` as JSON data: a run goes on only with its own. What is kept of an
    unfinished dream is removed when it ends.
    """
    path = cache_folder("dreams") / f"{_key(dream, wishes)}.safetensors"
    saved = monotonic()
    for step in dream.steps(_read(path) if resume else None):
        if monotonic() - saved >= _BETWEEN_SAVES and step.index < step.of:
            with written_whole(path) as partial:
                save_file(step.state(), partial)
            saved = monotonic()
        yield step
    path.unlink(missing_ok=True)


def _key(dream: Dream, wishes: Mapping[str, Any]) -> str:
    network = dream.network
    facts = [dict(wishes), dream.seed, network.origin.sha256, input_spec_hash(network)]
    parts = [part for part in (dream.start, dream.mask) if part is not None]
    hashes = [*(picture_hash(part) for part in parts), picture_hashes(wishes)]  # a guide's among them
    return sha256(json.dumps([*facts, *hashes, library_versions()], sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> State | None:
    try:
        found: State = load_file(path)
    except (OSError, SafetensorError):
        return None  # there is none, or it cannot be read: from the start
    return found if {"index", "values", "generator"} <= found.keys() else None
