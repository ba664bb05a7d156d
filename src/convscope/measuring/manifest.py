"""What a measurement is of, in one JSON file of its folder: no other may be put there, or be taken for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from convscope.cache import code_version
from convscope.errors import InputError
from convscope.files import writing, written_first
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.manifest_file import manifest_facts
from convscope.measuring.picture_list import pictures_hash
from convscope.measuring.plan import BLOCK, LAYER_SCHEMA, MeasuredLayer, Plan, layer_from
from convscope.network.network import Network

NAME = "measurement.json"
_MEANINGS = {
    "version": "by another version of convscope",
    "network_sha256": "of another network",
    "pictures_sha256": "of other pictures",
    "layers": "of other layers",
    "batch": "with other batches",
}

_SCHEMA = {
    "version": str,
    "network": str,
    "network_sha256": str,
    "pictures_sha256": str,
    "layers": [LAYER_SCHEMA],
    "batch": int,
    "input_size": [int],
    "pictures": [{"name": str, "path": str, "label": (str, None), "changed": float}],
    "labels": ([str], None),
}


@dataclass(frozen=True)
class MeasuredPicture:
    """A picture's place in a measurement: its name in its source, its path for people, its label.

    ``changed`` is when its file was, as the measurement began (nanoseconds): on another machine it may be another time.
    """

    name: str
    path: str
    label: str | None = None
    changed: int = 0


@dataclass(frozen=True)
class MeasurementManifest:
    """The network, pictures and layers of a measurement, and the code that measures: what its numbers depend on."""

    version: str
    network: str
    network_sha256: str
    pictures_sha256: str
    layers: tuple[MeasuredLayer, ...]
    batch: int
    input_size: tuple[int, int]
    pictures: tuple[MeasuredPicture, ...]
    labels: tuple[str, ...] | None = None

    @property
    def blocks(self) -> int:
        """How many blocks there are in all."""
        return -(-len(self.pictures) // BLOCK)

    def path_of(self, folder: Path, block: int) -> Path:
        """Return where a block is kept."""
        return folder / f"block-{block:06d}.safetensors"

    def claim(self, folder: Path) -> None:
        """Write it into a folder; InputError where that holds another measurement, PictureError where it cannot."""
        facts = json.dumps(asdict(self), ensure_ascii=False, default=str)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if written_first(facts, folder / NAME):
                return
        if meaning := self.difference(MeasurementManifest.open(folder)):
            raise InputError(f"{folder} holds a measurement {meaning}: give another folder, or remove it")

    def difference(self, other: MeasurementManifest) -> str | None:
        """Return in a few words what another measurement is, None where it is this one."""
        return next(
            (words for key, words in _MEANINGS.items() if getattr(self, key) != getattr(other, key)), None
        )

    @classmethod
    def open(cls, folder: Path) -> MeasurementManifest:
        """Read a folder's; InputError where it holds no measurement."""
        with manifest_facts(folder / NAME, "a measurement", _SCHEMA, code_version()) as facts:
            layers = tuple(map(layer_from, facts.pop("layers")))
            pictures = tuple(MeasuredPicture(**one) for one in facts.pop("pictures"))
            labels, (height, width) = facts.pop("labels"), facts.pop("input_size")
            if min(facts["batch"], height, width, len(pictures), len(layers)) < 1:
                raise ValueError("a batch, an input's side, or its list of pictures or layers is less than 1")
            return cls(
                **facts,
                input_size=(height, width),
                layers=layers,
                pictures=pictures,
                labels=labels and tuple(labels),
            )


def manifest_of(network: Network, pictures: Sequence[ListedPicture], plan: Plan) -> MeasurementManifest:
    """Return what measuring these is called."""
    return MeasurementManifest(
        code_version(),
        network.name,
        network.identity,
        pictures_hash(pictures),
        plan.layers,
        plan.batch,
        network.picture_spec.size,
        tuple(MeasuredPicture(one.name, one.path, one.label, one.changed) for one in pictures),
        network.labels,
    )
