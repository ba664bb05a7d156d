"""A shard of an atlas: some units' pictures, made by anybody who has the folder, in a file that appears whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from convscope.atlas.manifest import AtlasManifest, Shard
from convscope.errors import InputError, PictureError
from convscope.files import saved
from convscope.formats.opening import open_network
from convscope.network.network import Network
from convscope.optimization.feature_visualization import RenderOptions, pixels, visualize

_OF = "atlas_sha256"


@dataclass(frozen=True, eq=False)
class ShardPictures:
    """What is in a shard's file: ``pictures`` uint8 (units, seeds, size, size, 3), and what each of them reaches.

    ``reached`` is NaN for a unit that no picture could be made for.
    """

    pictures: NDArray[np.uint8]
    reached: NDArray[np.float32]
    highest: NDArray[np.float32]
    plain: NDArray[np.float32]

    @classmethod
    def open(cls, folder: Path, manifest: AtlasManifest, shard: Shard) -> ShardPictures:
        """Read a shard's file; PictureError for one that is damaged, or another atlas's."""
        path, shape = shard.path(folder), manifest.shape_of(shard)
        try:
            with safe_open(path, "np") as file:
                if (file.metadata() or {}).get(_OF) != manifest.sha256_of(shard):
                    raise TypeError("it is another atlas's")
                found = cls(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            if found.pictures.shape != shape or found.pictures.dtype != np.uint8:
                raise TypeError(f"its pictures are {found.pictures.shape}, not {shape}")
            for numbers in (found.reached, found.highest, found.plain):
                if numbers.shape != shape[:2] or numbers.dtype != np.float32:
                    raise TypeError(f"what they reach is {numbers.shape}, not {shape[:2]}")
            return found
        except (OSError, SafetensorError, TypeError, KeyError) as error:
            raise PictureError(
                f"{path} is no whole shard of an atlas ({error}): remove it, and make it again"
            ) from error


def make_shard(folder: str, number: int) -> int:
    """Make the pictures of a shard, where they are not there yet, and return its number.

    It needs nothing but the folder, so any process on any machine may call it; the same shard has the same bytes.
    """
    place = Path(folder)
    manifest = AtlasManifest.open(place)
    shard = manifest.shards[number]
    if not shard.path(place).exists():
        manifest.require_this_code(place)
        network = network_of(place, manifest)
        pictures, metadata = _shard_pictures(network, shard, manifest), {_OF: manifest.sha256_of(shard)}
        with saved(shard.path(place), SafetensorError, then="The shards before it are kept") as partial:
            save_file(dict(vars(pictures)), partial, metadata)
    return number


def network_of(folder: Path, manifest: AtlasManifest) -> Network:
    """Return the network of an atlas, opened once a process; InputError where another lies in its place."""
    return _network(manifest.network_path(folder), manifest.network_sha256)


@lru_cache(maxsize=1)
def _network(path: Path, identity: str) -> Network:
    network = open_network(str(path))
    if network.identity != identity:
        raise InputError(
            f"{path} is another network than this atlas is of: remove it, and begin the atlas anew"
        )
    return network


def _shard_pictures(network: Network, shard: Shard, manifest: AtlasManifest) -> ShardPictures:
    addresses, size = shard.addresses, manifest.size
    shape = (len(addresses), manifest.pictures_per_unit)
    result = ShardPictures(
        np.full((*shape, size, size, 3), 128, np.uint8),
        *(np.full(shape, np.nan, np.float32) for _ in range(3)),
    )
    options = RenderOptions(preset=manifest.preset, size=size, steps=manifest.steps, fast=manifest.fast)
    for seed in range(manifest.pictures_per_unit):
        for progress in visualize(network, addresses, replace(options, seed=manifest.seed + seed)):
            for rendered in progress.made:
                place = addresses.index(rendered.name), seed
                result.pictures[place] = _in_color(pixels(rendered.picture))[:size, :size]
                for what in ("reached", "highest", "plain"):
                    getattr(result, what)[place] = getattr(rendered.verdict, what)
    return result


def _in_color(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture[:, :, :3]
