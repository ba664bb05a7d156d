"""What a measurement is of, in one JSON file of its folder: no other may be put there, or be taken for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from convscope.cache import code_version
from convscope.errors import InputError
from convscope.files import writing, written_first
from convscope.measuring.picture_list import ListedPicture, pictures_hash
from convscope.measuring.plan import BLOCK, MeasuredLayer, Plan, layer_from
from convscope.network.network import Network

NAME = "measurement.json"
_MEANINGS = {
    "version": "by another version of convscope",
    "network_sha256": "of another network",
    "pictures_sha256": "of other pictures",
    "layers": "of other layers",
    "batch": "with other batches",
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
        try:
            facts: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
            if facts.keys() != {item.name for item in fields(cls)}:
                raise InputError(
                    f"{folder} holds a measurement {_MEANINGS['version']}: give another folder, or remove it"
                )
            layers = tuple(map(layer_from, facts.pop("layers")))
            pictures = tuple(MeasuredPicture(**one) for one in facts.pop("pictures"))
            labels, (height, width) = facts.pop("labels"), facts.pop("input_size")
            return cls(
                **facts,
                input_size=(height, width),
                layers=layers,
                pictures=pictures,
                labels=labels and tuple(labels),
            )
        except InputError:
            raise
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{folder} holds no measurement that can be read: {reason} ({folder / NAME})"
            ) from error


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
