"""One pass over many pictures that measures every unit: cut off after the last layer, in batches, read ahead.

It is kept in blocks of 64 pictures. What is there is not measured again: so it goes on after Ctrl-C or a kill, with the
bytes of an undisturbed run, and several machines may each take a share.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from warnings import catch_warnings

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from convscope.argument_errors import arguments_in_words
from convscope.cache import cache_folder, cache_key, passing_folder, remove
from convscope.errors import InputError, PictureError, warn
from convscope.measuring.block import Block, BlockFile
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.manifest import NAME, MeasurementManifest, manifest_of
from convscope.measuring.measurements import Measurements
from convscope.measuring.picture_list import PicturesLike, list_pictures
from convscope.measuring.plan import BLOCK, Plan, plan_measurement
from convscope.measuring.reading import read_ahead, read_input
from convscope.measuring.summary import Summary
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.progress import Watch, watching

Shard = tuple[int, int]
"""The third of sixteen shares of the work is (3, 16)."""


@arguments_in_words
def measure(
    network: Network,
    pictures: PicturesLike,
    layers: Sequence[str] = (),
    *,
    folder: str | os.PathLike[str] | None = None,
    shard: Shard | None = None,
    watch: Watch | None = None,
) -> Measurements:
    """See what every unit of the `layers` (all, by default) answers to pictures: the strongest, how often it fires, ...

    `pictures` are a folder, a .zip, .tar or .csv file, or an iterable of anything that `read_picture` reads. All are
    measured in one pass. Memory does not grow with the pictures; `folder` (in the cache, by default) grows by 12 bytes
    for each unit and picture. A second call, after Ctrl-C or a kill, goes on where the first was, and gives the same
    bytes. With `shard` (3, 16) only that share is measured: when all sixteen are, in one folder, it is whole. `watch`
    is told how many of how many pictures are through, first before any is; else a bar shows it. Where all layers of the
    pictures were measured before, that is what is returned.

    A picture that cannot be read is left out with a warning; PictureError if that leaves none. InputError for a layer
    without channels, and for a folder that holds another measurement.

    >>> found = convscope.measure(network, "textures/train/", layers=["mixed4a"])
    >>> found.strongest("mixed4a:42", top=1)[0].path
    'textures/train/...png'
    """
    found = _measurements(network, list_pictures(pictures), layers, folder, shard, watch)
    return replace(found, aliases=dict(network.graph.output_names) | dict(network.graph.aliases))


def _measurements(
    network: Network,
    listed: Sequence[ListedPicture],
    layers: Sequence[str],
    folder: str | os.PathLike[str] | None,
    shard: Shard | None,
    watch: Watch | None,
) -> Measurements:
    """Return what is kept of the layers on the pictures, or measure it, beside the cache where the disk is full."""
    if layers and folder is None and shard is None and (whole := _kept_whole(network, listed, layers)):
        return whole
    plan = plan_measurement(network, layers)
    manifest = manifest_of(network, listed, plan)
    place = Path(folder) if folder is not None else _cache_folder(manifest, listed)
    try:
        return _measured(network, listed, plan, manifest, place, shard=shard, watch=watch)
    except PictureError as error:
        full = error.__cause__
        if folder is not None or shard is not None or not isinstance(full, OSError | SafetensorError):
            raise
        passing = passing_folder(getattr(full, "strerror", None) or str(full)) / place.name
    for block in place.glob("block-*"):  # what the disk took
        passing.mkdir(parents=True, exist_ok=True)
        shutil.copy2(block, passing)
    return _measured(network, listed, plan, manifest, passing, shard=shard, watch=watch)


def _measured(
    network: Network,
    listed: Sequence[ListedPicture],
    plan: Plan,
    manifest: MeasurementManifest,
    place: Path,
    *,
    shard: Shard | None,
    watch: Watch | None,
) -> Measurements:
    """Measure what is missing in a folder."""
    manifest.claim(place)
    blocks = _share(manifest.blocks, shard)
    missing = _missing(blocks, manifest, listed, place)
    of = _pictures_in(blocks, manifest)
    begun_at = of - _pictures_in(missing, manifest)
    # Reading a picture silences its decoder: threads may leave that behind.
    with watching(watch, "picture") as tell, catch_warnings():
        tell(begun_at, of)
        for number, block in _blocks(network, listed, plan, missing, lambda more: tell(begun_at + more, of)):
            block.save(manifest.path_of(place, number))
    measurements = Measurements(
        place, manifest
    )  # the labels and paths of now: those kept are the first call's
    _say_broken(measurements, listed)
    return measurements


def _missing(
    blocks: Sequence[int], manifest: MeasurementManifest, listed: Sequence[ListedPicture], place: Path
) -> list[int]:
    """Return the blocks that are not there, or older than a change of one of their pictures; a warning says so."""
    begun_with, missing, changed = MeasurementManifest.open(place).pictures, list[int](), list[str]()
    for block in blocks:
        path = manifest.path_of(place, block)
        if not path.exists():
            missing.append(block)
            continue
        part = range(block * BLOCK, min((block + 1) * BLOCK, len(listed)))
        dates = {index: begun_with[index].changed for index in part}
        if other := _changed_since(BlockFile(path), {index: listed[index] for index in part}, dates):
            missing.append(block)
            changed += [listed[index].path for index in other]
    if changed:
        warn(
            f"{len(changed):,} pictures have changed since they were measured ({changed[0]}"
            f"{', ...' if len(changed) > 1 else ''}): they are measured again"
        )
    return missing


def _changed_since(
    block: BlockFile, pictures: Mapping[int, ListedPicture], dates: Mapping[int, int]
) -> list[int]:
    """Return which pictures of a block have other bytes now.

    A date can be set, and a copy has one of its own: bytes are compared of those of another date, and of those whose
    file was touched since.
    """
    made = block.path.stat().st_mtime_ns
    asked = [index for index, one in pictures.items() if one.changed != dates[index] or one.touched() > made]
    if not asked:
        return []
    facts = block.facts()  # of those that could not be read no bytes are known
    return [index for index in asked if facts.contents.get(index) != pictures[index].content_sha256()]


def kept_at(manifest: MeasurementManifest, pictures: Sequence[ListedPicture]) -> Path:
    """Return the folder of the cache for a measurement: files that changed since are other pictures."""
    times = [picture.changed for picture in pictures]
    facts = (manifest.network_sha256, manifest.pictures_sha256, times, manifest.batch)
    return cache_folder("measurements") / cache_key(*facts, [layer.name for layer in manifest.layers])


def _cache_folder(manifest: MeasurementManifest, pictures: Sequence[ListedPicture]) -> Path:
    """Return the folder of the cache, without what in it is damaged or another measurement's."""
    place = kept_at(manifest, pictures)
    if not os.path.lexists(place):
        return place
    begun = place.is_dir() and not os.path.lexists(place / NAME)  # by another process, at this moment maybe
    try:
        ours = begun or manifest.difference(MeasurementManifest.open(place)) is None
    except InputError:
        ours = False
    if not ours:
        remove(place)
    for block in range(manifest.blocks):
        path = manifest.path_of(place, block)
        if os.path.lexists(path) and not BlockFile(path).fits(manifest.layers):
            remove(path)
    return place


def _kept_whole(
    network: Network, listed: Sequence[ListedPicture], layers: Sequence[str]
) -> Measurements | None:
    """Return what is kept of all layers on these pictures, where it is whole and has these layers."""
    manifest = manifest_of(network, listed, plan_measurement(network))
    place = _cache_folder(manifest, listed)
    earlier = Measurements(place, manifest, tuple(network.resolve(layer).layer for layer in layers))
    names = {layer.name for layer in manifest.layers}
    whole = (place / NAME).exists() and earlier.complete and {*earlier.chosen} <= names
    return earlier if whole and not _missing(range(manifest.blocks), manifest, listed, place) else None


def _share(blocks: int, shard: Shard | None) -> list[int]:
    if shard is None:
        return list(range(blocks))
    index, of = shard
    if not 1 <= index <= of:
        raise InputError(f"a shard is I/N with I from 1 to N, not {index}/{of}")
    return list(range(index - 1, blocks, of))


def _pictures_in(blocks: Sequence[int], manifest: MeasurementManifest) -> int:
    return sum(min(BLOCK, len(manifest.pictures) - block * BLOCK) for block in blocks)


def _blocks(
    network: Network,
    pictures: Sequence[ListedPicture],
    plan: Plan,
    missing: Sequence[int],
    tell: Callable[[int], None],
) -> Iterator[tuple[int, Block]]:
    """Yield the missing blocks. Batches never cross from one to the next: their numbers do not depend on the run."""
    spec = network.picture_spec.replace(crops=1)
    numbers = [
        index for block in missing for index in range(block * BLOCK, min((block + 1) * BLOCK, len(pictures)))
    ]
    threads = min(8, (os.cpu_count() or 1))
    read = read_ahead(
        lambda index: _read(spec, pictures[index]), numbers, threads=threads, ahead=2 * plan.batch
    )
    with closing(read):
        yield from _measure_blocks(network, read, plan, tell)


def _read(spec: InputSpec, picture: ListedPicture) -> tuple[Tensor | str, str]:
    """Return what `read_input` does, and the hash of a picture's bytes that could be read."""
    read = read_input(spec, picture)
    return read, picture.content_sha256() if isinstance(read, Tensor) else ""


def _measure_blocks(
    network: Network,
    read: Iterator[tuple[int, tuple[Tensor | str, str]]],
    plan: Plan,
    tell: Callable[[int], None],
) -> Iterator[tuple[int, Block]]:
    through = 0
    for block, inputs in groupby(read, lambda one: one[0] // BLOCK):
        parts, good = list[list[Summary]](), list[int]()
        broken, contents = dict[int, str](), dict[int, str]()
        for _, batch in groupby(inputs, lambda one: one[0] % BLOCK // plan.batch):
            entries = list(batch)
            tensors = {index: one for index, (one, _) in entries if isinstance(one, Tensor)}
            broken |= {index: one for index, (one, _) in entries if isinstance(one, str)}
            contents |= {index: content for index, (_, content) in entries if index in tensors}
            good += tensors
            if tensors:
                parts.append(_summaries(network, torch.cat(list(tensors.values())), plan))
            through += len(entries)
            tell(through)
        layers = [Summary.joined(part) for part in zip(*parts, strict=True)] if parts else _nothing(plan)
        yield block, Block(np.array(good, np.int64), tuple(layers), broken, contents)


def _summaries(network: Network, inputs: Tensor, plan: Plan) -> list[Summary]:
    names = [layer.name for layer in plan.layers]
    with torch.no_grad():
        values = network.activations(inputs.to(network.device), *names)
    summaries = []
    for name in names:
        value = network.channels_first(name, values.pop(name))
        summaries.append(Summary.of(value.flatten(2) if value.dim() > 2 else value[:, :, None]))
    return summaries


def _nothing(plan: Plan) -> list[Summary]:
    """Return the summaries of no pictures at all."""
    return [
        Summary(
            np.zeros((0, layer.channels), np.float32),
            np.zeros((0, layer.channels), np.float32),
            np.zeros((0, layer.channels), np.int32),
            np.zeros(layer.channels, np.int64),
            np.full(layer.channels, np.inf, np.float32),
        )
        for layer in plan.layers
    ]


def _say_broken(measurements: Measurements, listed: Sequence[ListedPicture]) -> None:
    broken = measurements.broken
    if measurements.complete and not len(measurements.pictures):
        first = next(iter(broken.values()), "")
        raise PictureError(f"none of the {len(listed)} pictures can be read: {first}")
    if broken:
        names = "; ".join(list(broken.values())[:3]) + ("; ..." if len(broken) > 3 else "")
        warn(f"{len(broken):,} of {len(listed):,} pictures cannot be read and are left out: {names}")
