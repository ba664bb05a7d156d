"""What a unit wants to see: a picture made from nothing that makes it answer as strongly as it can.

Erhan et al., *Visualizing higher-layer features of a deep network* (2009); Olah, Mordvintsev and Schubert, *Feature
Visualization* (2017), https://distill.pub/2017/feature-visualization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convscope.address import Address
from convscope.argument_errors import arguments_in_words
from convscope.cache import cache_key
from convscope.errors import InputError
from convscope.measuring.strongest import find_strongest
from convscope.network.engine.differentiable import half_precision
from convscope.network.network import Network
from convscope.optimization.objective import Objective
from convscope.optimization.objectives import unit
from convscope.optimization.presets import preset as preset_named
from convscope.optimization.rendering import (
    Progress,
    RenderedPicture,
    RenderJob,
    kept,
    render,
    watch_rendering,
)
from convscope.optimization.settings import Settings
from convscope.pictures.options import takes_options, updated
from convscope.pictures.picture import Picture, Pictures
from convscope.pictures.recipe import library_versions
from convscope.pictures.recording import as_json, recipe_function, recipe_of
from convscope.progress import bars, progress_bar

if TYPE_CHECKING:
    from typing_extensions import Unpack

Watch = Callable[[Progress], None]
Targets: TypeAlias = str | Address | Objective | Sequence[str | Address | Objective]
"""An address or an objective, or several of them."""


@dataclass(frozen=True)
class RenderOptions:
    """How pictures are made: a preset, and what differs from it. None leaves a setting to the preset.

    - ``preset``: a name of `convscope.presets.PRESETS`, or `convscope.presets.Settings` of one's own: canvas,
      transforms, penalties, optimizer.
    - ``size``: height and width in pixels; ``steps``: how long each picture is improved.
    - ``seed``: another seed, another picture; ``fast``: compute in half precision (bfloat16), judged in full.
    """

    preset: str | Settings = "default"
    size: int | None = None
    steps: int | None = None
    seed: int = 0
    fast: bool = False

    def settings(self, network: Network) -> Settings:
        """Return the preset with the changes, for a network."""
        own = self.preset if isinstance(self.preset, Settings) else None
        settings = own or preset_named(str(self.preset), network.picture_spec)
        for name, value in (("size", self.size), ("steps", self.steps)):
            if value is not None and value < 1:
                raise InputError(f"{name} is at least 1, not {value}")
        size = settings.size if self.size is None else (self.size, self.size)
        precision = half_precision() if self.fast else settings.precision
        return replace(settings, size=size, steps=self.steps or settings.steps, precision=precision)

    @property
    def words(self) -> str:
        """What a caption calls the preset."""
        return "settings of its own" if isinstance(self.preset, Settings) else f"preset {self.preset!r}"

    def recorded(self) -> dict[str, Any]:
        """Return it as a recipe's arguments, the seed apart."""
        return {"preset": as_json(self.preset), "size": self.size, "steps": self.steps, "fast": self.fast}

    def updated(self, keywords: Mapping[str, Any]) -> RenderOptions:
        """Return the options with keywords changed; InputError with the closest name for one that is none."""
        return updated(self, keywords, "a feature visualization")


class RenderKeywords(TypedDict, total=False):
    """The fields of `RenderOptions` as keywords."""

    preset: str | Settings
    size: int | None
    steps: int | None
    seed: int
    fast: bool


@arguments_in_words
@takes_options(RenderOptions, RenderKeywords)
def feature_visualization(
    network: Network,
    targets: Targets,
    *,
    options: RenderOptions | None = None,
    batch: int | None = None,
    watch: Watch | None = None,
    progress: bool = True,
    **changes: Unpack[RenderKeywords],
) -> Pictures:
    """Show what units want to see: one picture for each target, and what it reaches in its caption.

    `targets` are addresses: a channel (``mixed4a:42``), a neuron (``mixed4a:42@3,5``), a class (``prob:tabby``: its
    logit) or a whole layer (its mean square, the deep dream's objective); or an objective of
    `convscope.objectives`, which several times in a row is as many pictures, made together (as `diversity` and
    `interpolation` need it). `options` say how, and so do the same names as keywords: ``preset`` (a name, or
    `convscope.presets.Settings`), ``size``, ``steps``, ``seed``, ``fast``. All are made in batches, `batch` at a
    time (as many as fit the memory), each the picture it would be alone. Finished pictures of addresses are kept in
    the cache, and Ctrl-C keeps the unfinished. A unit that answers in no numbers (NaN) is left out with a warning;
    InputError where that leaves none. `watch` is told every step; without it a bar shows them, with
    ``progress=False`` nothing.

    >>> picture, = convscope.feature_visualization(network, "mixed4a:42")
    >>> picture.caption
    "What mixed4a:42 wants to see: activation 4.0..., 1.7 × the strongest of 500 photographs. 128 steps, ..."
    """
    alone = isinstance(targets, (str, Address, Objective))
    listed = [targets] if alone else list(targets)  # type: ignore[arg-type]
    goals = [one if isinstance(one, Objective) else str(one) for one in listed]
    how = (options or RenderOptions()).updated(changes)
    names, pictures = [name for name, _ in _names(goals)], dict[str, Picture]()
    composed = {name for name, one in zip(names, goals, strict=True) if isinstance(one, Objective)}

    def collect(now: Progress) -> None:
        for rendered in now.made:
            pictures[rendered.name] = as_picture(network, rendered, how, composed=rendered.name in composed)

    collect_from(visualize(network, goals, how, batch=batch), collect, watch, progress)
    return Pictures(pictures[name] for name in names if name in pictures)


def collect_from(steps: Iterator[Progress], collect: Watch, watch: Watch | None, progress: bool) -> None:
    """Collect what is made, and show how far it is: to `watch`, or on a bar."""
    with bars(progress), progress_bar(unit="step", **({"disable": True} if watch else {})) as bar:

        def tell(now: Progress) -> None:
            collect(now)
            bar.total = now.of
            bar.update(now.done - bar.n)
            if watch:
                watch(now)

        watch_rendering(steps, tell)


def _names(targets: Sequence[str | Objective]) -> list[tuple[str, int]]:
    """Return what each target's picture is called, and which it is of those that are called the same.

    An address is one picture however often it is given; an objective is as many pictures.
    """
    of = Counter(one.description for one in targets if isinstance(one, Objective))
    before, names = Counter[str](), list[tuple[str, int]]()
    for one in targets:
        if not isinstance(one, Objective):
            names.append((one, 0))
            continue
        which, words = before[one.description], one.description
        before[words] += 1
        names.append((words if of[words] == 1 else f"{words}, {which + 1} of {of[words]}", which))
    return names


def visualize(
    network: Network, targets: Sequence[str | Objective], options: RenderOptions, *, batch: int | None = None
) -> Iterator[Progress]:
    """Make a picture for each target and yield the progress, finished pictures included, after every step."""
    named = dict(zip(_names(targets), targets, strict=True))
    jobs = [_job(network, target, options, *name) for name, target in named.items()]
    yield from render(
        network, jobs, options.settings(network), batch=batch, strongest=find_strongest(network)
    )


def kept_pictures(
    network: Network, addresses: Iterable[str], options: RenderOptions
) -> Iterator[RenderedPicture]:
    """Yield those of the pictures that were made before and are kept; in any thread, for the network does not run."""
    yield from kept(
        [_job(network, address, options, address) for address in addresses], find_strongest(network)
    )


def _job(
    network: Network, target: str | Objective, options: RenderOptions, name: str, which: int = 0
) -> RenderJob:
    if isinstance(target, Objective):
        return RenderJob(name, target, _seed_of(options.seed, which) if which else options.seed)
    objective = unit(network, target)
    canonical = str(network.resolve(target))
    seed = _seed_of(options.seed, canonical)
    key = None
    if network.origin.files and not isinstance(options.preset, Settings):
        # Another kind of device rounds otherwise.
        facts = (canonical, options.recorded(), options.seed, network.identity, network.device.type)
        key = cache_key(*facts, library_versions())
    return RenderJob(name, objective, seed, key)


def _seed_of(seed: int, which: str | int) -> int:
    return int.from_bytes(sha256(f"{seed} {which}".encode()).digest()[:6], "big")


@recipe_function("feature_visualization")
def _one(
    network: Network,
    address: str,
    *,
    preset: str = "default",
    size: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    fast: bool = False,
) -> Picture:
    """Make one picture: what a recipe names."""
    (picture,) = feature_visualization(
        network, address, preset=preset, size=size, steps=steps, seed=seed, fast=fast
    )
    return picture


def as_picture(
    network: Network, rendered: RenderedPicture, options: RenderOptions, *, composed: bool = False
) -> Picture:
    """Return a finished picture with its caption and its recipe; an objective that was `composed` is no data."""
    arguments = options.recorded()
    if rendered.steps != options.settings(network).steps:
        arguments["steps"] = rendered.steps
    address = {"not recorded": "Objective"} if composed else rendered.name
    recipe = recipe_of(
        "feature_visualization", {"address": address, **arguments}, network=network, seed=options.seed
    )
    words = rendered.name if composed else unit(network, rendered.name).description
    is_unit = not composed and network.resolve(rendered.name).channel is not None
    if is_unit and rendered.verdict.activated and not rendered.verdict.checked:
        told = f"{rendered.verdict}; not checked whether it misleads"
    else:
        told = str(rendered.verdict)
    caption = f"What {words} wants to see: {told}. {rendered.steps} steps, {options.words}."
    return Picture(pixels(rendered.picture), caption, recipe)


def pixels(picture: Tensor) -> NDArray[np.uint8]:
    """Return a uint8 picture (channels, height, width) as people see it: gray, RGB, or its channels side by side."""
    array = picture.numpy()
    if len(array) in (3, 4):
        return np.ascontiguousarray(array.transpose(1, 2, 0))
    side_by_side: NDArray[np.uint8] = np.concatenate(list(array), axis=1)
    return side_by_side
