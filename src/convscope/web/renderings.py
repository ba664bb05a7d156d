"""Long work for the page, as steps: each yields messages, a preview every half second and what is finished.

A header has `kind` ("picture" or "map"), what it is of, `done` of `of` steps, and whether it is `final`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.attribution.registry import method_named
from convscope.attribution.sanity_check import ALIKE, Shuffled, randomized
from convscope.attribution.target import target_of
from convscope.dreaming.deep_dream import dream_of
from convscope.dreaming.options import DreamOptions
from convscope.errors import InputError
from convscope.jobs import PictureJob, checkpoint_of, saved_steps
from convscope.network.network import Network
from convscope.optimization.feature_visualization import (
    RenderOptions,
    as_picture,
    kept_pictures,
    pixels,
    visualize,
)
from convscope.optimization.rendering import Progress, RenderedPicture
from convscope.styling.options import StyleOptions
from convscope.styling.style_transfer import transfer_of
from convscope.web.films import Film
from convscope.web.forms import viewers_options
from convscope.web.pace import Pace
from convscope.web.picture_store import PictureStore

STOPPED = "stopped"  # in what is wanted: tells whether the job shall end with the picture as it is
AT_ONCE = 4  # pictures: so that a step is short, and a job stops soon after it is told to
DREAM_SIZE, STYLE_SIZE = 448, 320  # pixels of the longer side, where no other is asked for
LARGEST_SIDE = 1024  # pixels of a dream or a style: what a viewer may ask for
MOST_STEPS = 1000
MOST_NAMES = 64  # addresses of units, or methods, of one job
MAP_SIDE = 224  # numbers a side of an attribution map on the page

Message: TypeAlias = tuple[Mapping[str, Any], bytes]
Messages: TypeAlias = Iterator[Message | None]
"""A message's header and body after a step, or None where there is nothing new to see."""


def see(network: Network, pictures: PictureStore, wanted: Mapping[str, Any]) -> Messages:
    """Make what units want to see; `wanted` has `addresses` and perhaps the fields of `RenderOptions`."""
    addresses = [str(network.resolve(address)) for address in _few("addresses", wanted["addresses"])]
    options = RenderOptions().updated(wanted.get("options", {}))
    _require_modest(options.size, options.steps)
    pace = Pace()
    for progress in visualize(network, addresses, options, batch=AT_ONCE):
        finished = [_final_message(network, one, options, progress) for one in progress.made]
        if finished:
            yield from finished
        elif pace.is_due():
            yield from (
                _picture_message(_jpeg(pixels(preview)), {"unit": name, **_how_far(progress)})
                for name, preview in progress.preview().items()
            )
        else:
            yield None


def kept_message(network: Network, addresses: Sequence[str]) -> Message:
    """Return what units want to see, of those that were made before, in one message: `pictures`, each so many `bytes`.

    Nothing runs and nothing is made, so that a page which only shows has them, and no viewer waits for another's job.
    """
    options, found = RenderOptions(), list[Mapping[str, Any]]()
    body = bytearray()
    for one in kept_pictures(network, _few("units", list(addresses)), options):
        image, facts = _finished(network, one, options)
        found.append({**facts, "bytes": len(image)})
        body += image
    return {"pictures": found}, bytes(body)


def _how_far(progress: Progress) -> dict[str, Any]:
    return {"done": progress.done, "of": progress.of, "final": False}


def _final_message(
    network: Network, one: RenderedPicture, options: RenderOptions, progress: Progress
) -> Message:
    image, facts = _finished(network, one, options)
    return _picture_message(image, {**_how_far(progress), **facts})


def _finished(
    network: Network, one: RenderedPicture, options: RenderOptions
) -> tuple[bytes, Mapping[str, Any]]:
    """Return a picture's PNG, with its recipe, and what there is to say of it."""
    picture = as_picture(network, one, options)
    facts = {"unit": one.name, "caption": picture.caption, "activated": one.verdict.activated, "final": True}
    return picture.encode(), facts


def dream(network: Network, pictures: PictureStore, wanted: Mapping[str, Any]) -> Messages:
    """Dream into a picture; `wanted` has `picture`, `layers` and the fields of `DreamOptions` in `options`."""
    options = viewers_options(DreamOptions, wanted.get("options", {}))
    options["size"] = options.get("size") or DREAM_SIZE
    _require_modest(options["size"], options.get("steps"))
    layers = _few("layers", [wanted.get("layers") or ""])[0] or None
    return _job(dream_of(network, pictures[wanted["picture"]], layers, **options), wanted)


def style(network: Network, pictures: PictureStore, wanted: Mapping[str, Any]) -> Messages:
    """Paint a picture in another's style; `wanted` has `picture`, `style` and the fields of `StyleOptions`."""
    options = viewers_options(StyleOptions, wanted.get("options", {}))
    options["size"] = options.get("size") or STYLE_SIZE
    _require_modest(options["size"], options.get("steps"))
    return _job(
        transfer_of(network, pictures[wanted["picture"]], pictures[wanted["style"]], **options), wanted
    )


def _job(job: PictureJob[Any], wanted: Mapping[str, Any]) -> Messages:
    """Run a job; with `resume` it goes on from where one with the same settings was stopped. A `film` comes last."""
    checkpoint, pace, step = checkpoint_of(job.recipe, job.network), Pace(), None
    state = checkpoint.load() if wanted.get("resume") else None
    with ExitStack() as stack:
        film = stack.enter_context(closing(Film())) if wanted.get("film") else None
        steps = stack.enter_context(closing(saved_steps(job.steps(state), checkpoint)))
        for step in steps:
            ends = step.index == step.of or wanted[STOPPED]()
            if film:
                film.keep(job, step, last=ends)
            if ends:
                break
            if pace.is_due():
                yield _picture_message(
                    _jpeg(job.frame(step)), {"done": step.index, "of": step.of, "final": False}
                )
            else:
                yield None
        steps.close()  # the state of a job that was stopped is kept
        if step is None:
            return
        picture = job.picture(step)
        header = {"done": step.index, "of": step.of, "final": True, "caption": picture.caption}
        yield _picture_message(picture.encode(), header)
        if step.index == step.of:
            checkpoint.forget()
        if film:
            facts = {**header, "kind": "film", "words": film.words}
            yield from (None if body is None else (facts, body) for body in film.written(picture))


def explain(network: Network, pictures: PictureStore, wanted: Mapping[str, Any]) -> Messages:
    """Say where the evidence for a target lies, method by method; `wanted` has `picture`, `methods`, `target`.

    With `sanity` each method's map is made again with the weights of the last half of the layers shuffled, and of all.
    """
    photograph, methods = pictures[wanted["picture"]], _few("methods", wanted["methods"])
    target = target_of(network, photograph, wanted.get("target"))
    for index, name in enumerate(methods):
        header = {"method": name, "done": index + 1, "of": len(methods)}
        try:
            attribution = method_named(name).function(network, photograph, target)
            header["signed"] = attribution.signed
            yield _map_message(attribution.map, {**header, "caption": attribution.caption})
            if wanted.get("sanity"):
                yield from (
                    _map_message(one.map, {**header, "shuffled": _alike(one)})
                    for one in randomized(target, name, maps=2)
                )
        except InputError as error:  # a method that is not for this network: the others are
            yield {**header, "kind": "map", "final": True, "error": str(error)}, b""


def _map_message(values: NDArray[np.floating[Any]], header: Mapping[str, Any]) -> Message:
    map = _at_most(values, MAP_SIDE)
    facts = {"kind": "map", "final": True, "rows": map.shape[0], "columns": map.shape[1]}
    return {**facts, **header}, np.ascontiguousarray(map, "<f4").tobytes()


def _alike(one: Shuffled) -> dict[str, Any]:
    return {
        "layers": one.layers,
        "downTo": one.down_to,
        "like": one.rank_correlation,
        "same": one.rank_correlation > ALIKE,
    }


JOBS: Mapping[str, Callable[[Network, PictureStore, Mapping[str, Any]], Messages]] = {
    "see": see,
    "dream": dream,
    "style": style,
    "explain": explain,
}


def _few(what: str, names: Any) -> list[str]:
    """Return names as they were asked for; InputError where they are none, or more than a page asks for."""
    if (
        not isinstance(names, list)
        or len(names) > MOST_NAMES
        or not all(isinstance(name, str) for name in names)
    ):
        raise InputError(f"{what} are at most {MOST_NAMES} names")
    return names


def _require_modest(size: Any, steps: Any) -> None:
    """InputError for a size or a number of steps that is a batch's, not a page's."""
    for name, value in (("size", size), ("steps", steps)):
        if value is not None and not (isinstance(value, (int, float)) and isfinite(value)):
            raise InputError(f"{name} is a number, not {value!r}")
    if size is not None and not 16 <= int(size) <= LARGEST_SIDE:
        raise InputError(
            f"the page makes pictures of 16 to {LARGEST_SIDE} pixels a side, not {size}: use the command"
        )
    if steps is not None and not 1 <= int(steps) <= MOST_STEPS:
        raise InputError(f"the page takes 1 to {MOST_STEPS} steps, not {steps}: use the command for more")


def _at_most(values: NDArray[Any], side: int) -> NDArray[Any]:
    """Return a map with at most so many numbers a side, each the mean of what it stands for."""
    factor = -(-max(values.shape) // side)
    if factor == 1:
        return values
    rows, columns = (size // factor * factor for size in values.shape)
    blocks = values[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor)
    means: NDArray[Any] = blocks.mean((1, 3))
    return means


def _jpeg(array: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert("RGB") if image.mode == "RGBA" else image).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _picture_message(image: bytes, header: Mapping[str, Any]) -> Message:
    return {"kind": "picture", **header}, image
