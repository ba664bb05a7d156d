"""What an atlas is of: network, layers, settings; and the shards of the work that follow from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.cache import code_version
from convscope.errors import InputError
from convscope.files import written_first
from convscope.formats.json_types import Each
from convscope.measuring.manifest_file import manifest_facts

if TYPE_CHECKING:
    from convscope.network.network import Network

NAME = "atlas.json"
PAGE = ("index.html", "atlas.css", "atlas.js", "atlas-keys.js", "atlas-tiles.js", "atlas-unit.js")
WRITTEN = (*PAGE, "data.js", "sheets", "work")  # what merging and making put beside it
SHARD_PICTURES = 16  # what a kill loses at most
_MEANINGS = {
    "version": "by another version of convscope",
    "network_sha256": "of another network",
    "layers": "of other layers",
    "size": "in another size",
    "steps": "with other steps",
    "preset": "with another preset",
    "seed": "with another seed",
    "fast": "in another precision",
    "pictures_per_unit": "with another number of pictures per unit",
    "shard_units": "in other shards",
    "pictures_sha256": "with other photographs",
}

_SCHEMA = {
    "network": str,
    "network_sha256": str,
    "layers": Each(int),
    "size": int,
    "steps": int,
    "preset": str,
    "seed": int,
    "pictures_sha256": (str, None),
    "pictures_per_unit": int,
    "fast": bool,
    "version": str,
    "shard_units": int,
}
_LIMITS = {
    "size": (1, 4096),
    "steps": (0, 2**31),
    "seed": (0, 2**63),
    "pictures_per_unit": (1, 1000),
    "shard_units": (1, 2**20),
}
_MOST_UNITS = 2**20


@dataclass(frozen=True)
class Shard:
    """Channels ``first`` to ``end`` (excluded) of a layer."""

    number: int
    layer: str
    first: int
    end: int

    @property
    def addresses(self) -> list[str]:
        """Its units."""
        return [f"{self.layer}:{channel}" for channel in range(self.first, self.end)]

    def path(self, folder: Path) -> Path:
        """Where its pictures are kept."""
        return folder / "work" / "shards" / f"{self.number:05}.safetensors"


@dataclass(frozen=True)
class AtlasManifest:
    """Everything that made an atlas; ``layers`` maps names to how many channels are in it.

    A unit's ``pictures_per_unit`` pictures are those of as many seeds, from ``seed`` on; ``fast`` ones are
    computed in half precision.
    """

    network: str
    network_sha256: str
    layers: Mapping[str, int]
    size: int
    steps: int
    preset: str
    seed: int
    pictures_sha256: str | None = None
    pictures_per_unit: int = 1
    fast: bool = False
    version: str = field(default_factory=code_version)
    shard_units: int = SHARD_PICTURES

    @cached_property
    def shards(self) -> tuple[Shard, ...]:
        """The work, in pieces that do not need each other."""
        pieces = [
            (layer, first, min(first + self.shard_units, channels))
            for layer, channels in self.layers.items()
            for first in range(0, channels, self.shard_units)
        ]
        return tuple(Shard(number, *piece) for number, piece in enumerate(pieces))

    def require_this_code(self, folder: Path) -> None:
        """Raise InputError where other code began it: one atlas is made by one."""
        if self.version != code_version():
            raise InputError(
                f"{folder} holds an atlas {_MEANINGS['version']} ({self.version}, this is {code_version()}): make it "
                "with that, give another folder, or remove it"
            )

    def sha256_of(self, shard: Shard) -> str:
        """Return the hash of all that a shard's pictures hang on: its file says of which atlas it is."""
        how = (self.size, self.steps, self.preset, self.seed, self.pictures_per_unit, self.fast)
        facts = (self.version, self.network_sha256, shard.addresses, how)
        return sha256(json.dumps(facts).encode()).hexdigest()

    def shape_of(self, shard: Shard) -> tuple[int, ...]:
        """Return the shape of a shard's pictures: (units, seeds, size, size, 3)."""
        return shard.end - shard.first, self.pictures_per_unit, self.size, self.size, 3

    @property
    def units(self) -> int:
        """How many units there are."""
        return sum(self.layers.values())

    def network_path(self, folder: Path) -> Path:
        """Where the network is kept that workers open."""
        return folder / "work" / "network.convscope"

    def measurement_path(self, folder: Path) -> Path:
        """Where what photographs make the units answer is kept."""
        return folder / "work" / "measurement"

    def claim(self, folder: Path) -> None:
        """Write it into a folder; InputError where that holds another atlas, or files of somebody's own."""
        foreign = [name for name in WRITTEN if os.path.lexists(folder / name)]
        if foreign and not (folder / NAME).exists():
            raise InputError(
                f"{folder} holds {' and '.join(foreign)}, and no atlas: it would be replaced; give another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        first = written_first(json.dumps(asdict(self), ensure_ascii=False, indent=1), folder / NAME)
        earlier = self if first else AtlasManifest.open(folder)
        for key, meaning in _MEANINGS.items():
            if getattr(earlier, key) != getattr(self, key):
                raise InputError(f"{folder} holds an atlas {meaning}: give another folder, or remove it")
        (folder / "work" / "shards").mkdir(
            parents=True, exist_ok=True
        )  # after the manifest: else it is foreign

    def require_photographs(self, pictures_sha256: str, folder: Path) -> None:
        """Raise InputError where an atlas was made with other photographs: its examples would be cut out of those."""
        if self.pictures_sha256 is None:
            raise InputError(
                f"{folder} was made without photographs: make it anew with them, in another folder"
            )
        if self.pictures_sha256 != pictures_sha256:
            raise InputError(f"{folder} was made with other photographs: give those, or another folder")

    @classmethod
    def open(cls, folder: Path) -> AtlasManifest:
        """Read a folder's; InputError where it holds no atlas, or one of another version that has other facts."""
        with manifest_facts(folder / NAME, "an atlas", _SCHEMA, code_version()) as facts:
            manifest = cls(**facts)
            for key, (least, most) in _LIMITS.items():
                if not least <= facts[key] <= most:
                    raise ValueError(f"{key} is {facts[key]}, not {least} to {most}")
            if not manifest.layers or min(manifest.layers.values()) < 1 or manifest.units > _MOST_UNITS:
                raise ValueError(f"it has {manifest.units} units of {len(manifest.layers)} layers")
            return manifest

    def require_layers(self, network: Network, folder: Path) -> None:
        """Raise InputError where it names layers that the network does not have, or other numbers of channels."""
        for layer, channels in self.layers.items():
            shape = network.shape_channels_first(layer) if layer in network.layers else None
            if shape is None or len(shape) < 2 or shape[1] != channels:
                raise InputError(
                    f"{folder / NAME} names {channels} channels of {layer!r}, which {network.name} does not have"
                )
