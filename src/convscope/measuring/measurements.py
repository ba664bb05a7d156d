"""What was measured: each unit's strongest pictures, weaker ones, histogram, classes, units that answer alike."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from convscope.address import Address, parse_address
from convscope.errors import PictureError, UnknownLayer, did_you_mean, require_one_of
from convscope.files import saved
from convscope.measuring.block import BlockFacts, BlockFile
from convscope.measuring.example import Example
from convscope.measuring.manifest import MeasurementManifest
from convscope.measuring.plan import MeasuredLayer
from convscope.network.labels import find_label

if TYPE_CHECKING:
    from convscope.measuring.survey import Survey
    from convscope.measuring.unit_name import UnitName
    from convscope.network.network import Network

By = Literal["max", "mean"]
_REMEMBERED = 8_000_000  # numbers of a layer's maxima that are kept in memory, and as many means and places
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Histogram:
    """How many pictures have a value between each two ``edges``; ``counts`` has one number fewer."""

    counts: NDArray[np.int64]
    edges: NDArray[np.float64]


@dataclass(frozen=True)
class Measurements:
    """What `convscope.measure` found, on disk: each answer reads the few numbers it needs.

    Units are addresses (``mixed4a:42``, ``prob:tabby``). ``by`` says what a unit's answer to a picture is: its maximum
    over the positions, or its mean. Pictures that could not be read are in none of it.

    >>> found = convscope.measure(network, "textures/train/")
    >>> [example.path for example in found.strongest("mixed4a:42", by="max", top=9)]
    >>> again = convscope.Measurements.open(found.save("textures.measurements/"))

    UnknownLayer for a unit that was not measured.
    """

    folder: Path
    manifest: MeasurementManifest
    chosen: tuple[str, ...] = ()
    """Which of the layers it tells of; all by default."""
    aliases: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Further names of layers: a module's, for the last layer in it. A folder that is opened has none."""

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Measurements:
        """Read what `save` or a ``folder=`` of `convscope.measure` holds; InputError where that is none.

        >>> again = convscope.Measurements.open("textures.measurements/")
        """
        return cls(Path(folder), MeasurementManifest.open(Path(folder)))

    @cached_property
    def _blocks(self) -> list[BlockFile]:
        paths = (self.manifest.path_of(self.folder, block) for block in range(self.manifest.blocks))
        return [BlockFile(path) for path in paths if path.exists()]

    @cached_property
    def _facts(self) -> list[BlockFacts]:
        listed = len(self.manifest.pictures)
        facts = [block.facts() for block in self._blocks]
        for block, (pictures, *_) in zip(self._blocks, facts, strict=True):
            if len(pictures) and not 0 <= pictures.min() <= pictures.max() < listed:
                raise PictureError(
                    f"{block.path} is of picture {pictures.max()}, and {self.folder} lists {listed}: measure again"
                )
        return facts

    @property
    def complete(self) -> bool:
        """Whether every picture is through; shards of other machines may still be missing.

        >>> found.complete
        True
        """
        return len(self._blocks) == self.manifest.blocks

    @cached_property
    def pictures(self) -> NDArray[np.int64]:
        """The numbers (in the list) of the pictures that were measured, in order.

        >>> len(found.pictures)
        36
        """
        return np.concatenate([np.zeros(0, np.int64), *(one.pictures for one in self._facts)])

    @cached_property
    def broken(self) -> dict[int, str]:
        """Number to reason, of the pictures that could not be read.

        >>> found.broken
        {}
        """
        return {index: reason for one in self._facts for index, reason in one.broken.items()}

    @cached_property
    def contents(self) -> dict[int, str]:
        """Number to the hash of a picture's bytes, as they were measured; none of what a program gave.

        >>> len(found.contents)
        36
        """
        return {index: content for one in self._facts for index, content in one.contents.items() if content}

    @property
    def layers(self) -> dict[str, MeasuredLayer]:
        """What was measured, by layer.

        >>> found.layers["mixed4a"].channels
        352
        """
        layers = self.manifest.layers
        return {layer.name: layer for layer in layers if not self.chosen or layer.name in self.chosen}

    def _index(self, layer: str) -> int:
        return [one.name for one in self.manifest.layers].index(layer)

    @property
    def labels(self) -> list[str | None]:
        """What each measured picture is called a picture of.

        >>> sorted(set(found.labels))
        ['brick', 'grass', 'gravel']
        """
        return [self.manifest.pictures[index].label for index in self.pictures]

    def resolve(self, address: str | Address) -> Address:
        """Return an address with its channel as a number; UnknownLayer where it was not measured.

        >>> found.resolve("prob:espresso").channel
        8
        """
        names = {**self.aliases, **self.layers}
        parsed = parse_address(address, names) if isinstance(address, str) else address
        if parsed.layer not in self.layers:
            parsed = replace(parsed, layer=self.aliases.get(parsed.layer, parsed.layer))
        if parsed.layer not in self.layers:
            raise UnknownLayer(
                f"{parsed.layer!r} was not measured.{did_you_mean(parsed.layer, self.layers)} "
                f"Measured: {', '.join(list(self.layers)[:8])}{', ...' if len(self.layers) > 8 else ''}"
            )
        if parsed.position is not None:
            raise UnknownLayer(f"{parsed}: channels are measured, no single positions; leave out @...")
        channels, channel = self.layers[parsed.layer].channels, parsed.channel
        if isinstance(channel, str):
            labels = self.manifest.labels if len(self.manifest.labels or ()) == channels else ()
            channel = find_label(labels or (), channel)
        if channel is not None and not 0 <= channel < channels:
            raise UnknownLayer(f"{parsed.layer!r} has {channels} channels, 0 to {channels - 1}")
        return Address(parsed.layer, channel)

    def values(self, address: str | Address, by: By = "max") -> Values:
        """Return what a unit answered to each measured picture (pictures,), or a layer (pictures, channels).

        >>> found.values("mixed4a:42").shape, found.values("mixed4a").shape
        ((36,), (36, 352))
        """
        require_one_of("by", by, get_args(By))
        values: Values = self._read(self.resolve(address), by)
        return values

    def _read(self, unit: Address, what: str) -> NDArray[Any]:
        if not len(self.pictures):
            raise PictureError(f"nothing is measured yet in {self.folder}")
        index, channel = self._index(unit.layer), unit.channel
        if self.layers[unit.layer].channels * len(self.pictures) <= _REMEMBERED:
            numbers = self._layer_numbers(index, what)
            return numbers if channel is None else np.ascontiguousarray(numbers[:, int(channel)])
        channels = slice(None) if channel is None else [int(channel)]
        numbers = np.concatenate([block.read(index, what, channels) for block in self._blocks])
        return numbers if channel is None else numbers[:, 0]

    def _layer_numbers(self, index: int, what: str) -> NDArray[Any]:
        """Return (pictures, channels), kept until another layer is asked for: an atlas asks for unit after unit."""
        kept = self._last_layer
        if kept.get("layer") != index:
            kept.clear()
            kept["layer"] = index
        if what not in kept:
            kept[what] = np.concatenate([block.read(index, what) for block in self._blocks])
            kept[what].flags.writeable = False
        numbers: NDArray[Any] = kept[what]
        return numbers

    @cached_property
    def _last_layer(self) -> dict[str, Any]:
        return {}

    def strongest(self, address: str | Address, by: By = "max", top: int = 9) -> list[Example]:
        """Return the pictures that a unit answers most to, the strongest first, equal ones by their order.

        >>> best = found.strongest("mixed4a:42", top=1)[0]
        >>> best.path, round(best.value, 2)
        ('textures/train/brick/05.png', 1.51)
        """
        values = self.values(self._unit(address), by)
        return self._examples(self._unit(address), values, np.argsort(-values, kind="stable")[:top])

    def band(self, address: str | Address, share: float, by: By = "max", top: int = 3) -> list[Example]:
        """Return the pictures whose answers are nearest to a share of the strongest one, the nearest first.

        A share of 0 takes the weakest of those above zero. A unit that answers to none has no bands.

        >>> [example.label for example in found.band("mixed4a:42", 0.5)]
        ['gravel', 'gravel', 'gravel']
        """
        unit = self._unit(address)
        values = self.values(unit, by)
        awake = np.flatnonzero(values > 0)
        if not len(awake) or not 0 <= share <= 1:
            return []
        distance = np.abs(values[awake] - np.float32(share) * values.max())
        return self._examples(unit, values, awake[np.argsort(distance, kind="stable")[:top]])

    def histogram(self, address: str | Address, by: By = "max", bins: int = 50) -> Histogram:
        """Return how many pictures a unit answers how strongly to, from the weakest to the strongest.

        >>> found.histogram("mixed4a:42", bins=5).counts
        array([ 3,  5,  8, 10, 10])
        """
        values = self.values(self._unit(address), by)
        return Histogram(*np.histogram(values[np.isfinite(values)].astype(np.float64), bins))

    def quantiles(self, address: str | Address, shares: Sequence[float], by: By = "max") -> Values:
        """Return the values that these shares of the pictures stay below: (shares,), or (shares, channels).

        >>> found.quantiles("mixed4a:42", [0.5, 0.9]).shape
        (2,)
        """
        quantiles: Values = np.quantile(self.values(address, by), shares, axis=0).astype(np.float32)
        return quantiles

    def firing(self, layer: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return for each channel of a layer the share of pictures, and of positions, with an answer above zero.

        >>> pictures, positions = found.firing("mixed4a")
        >>> pictures.shape, bool((positions <= pictures).all())
        ((352,), True)
        """
        unit = self.resolve(layer)
        pictures = (self._read(Address(unit.layer), "max") > 0).mean(axis=0)
        index = self._index(unit.layer)
        fires = np.sum([block.read(index, "fires") for block in self._blocks], axis=0)
        return pictures, fires / (len(self.pictures) * self.layers[unit.layer].positions)

    def lowest(self, layer: str) -> Values:
        """Return the least that each channel of a layer answers anywhere.

        >>> found.lowest("mixed4a").shape
        (352,)
        """
        index = self._index(self.resolve(layer).layer)
        lowest: Values = np.min([block.read(index, "lowest") for block in self._blocks], axis=0)
        return lowest

    def by_class(self, address: str | Address, by: By = "max") -> dict[str, float]:
        """Return the mean of a unit's answers to the pictures of each class, the highest first.

        >>> list(found.by_class("mixed4a:42"))
        ['brick', 'grass', 'gravel']
        """
        values, labels = self.values(self._unit(address), by), np.array(self.labels, object)
        means = {str(one): float(values[labels == one].mean(dtype=np.float64)) for one in {*labels} - {None}}
        return dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))

    def alike(self, address: str | Address, by: By = "mean", top: int = 10) -> list[tuple[str, float]]:
        """Return the units of the same layer whose answers go up and down with this one's, and Pearson's r of each.

        >>> found.alike("mixed4a:42", top=2)
        [('mixed4a:37', 0.88...), ('mixed4a:28', 0.87...)]
        """
        unit = self._unit(address)
        similarity = correlations(self.values(unit.layer, by), int(unit.channel or 0))
        order = np.argsort(-similarity, kind="stable")
        others = [index for index in order if index != unit.channel and np.isfinite(similarity[index])]
        return [(f"{unit.layer}:{index}", float(similarity[index])) for index in others[:top]]

    def survey(self, network: Network) -> Survey:
        """Return the dead, rare, saturated and doubled units, and the confused classes, of the network measured.

        >>> found.survey(network).pictures
        36
        """
        from convscope.measuring.survey import survey  # stands on this module

        return survey(self, network)

    def names(self, address: str, by: By = "max") -> dict[int, UnitName]:
        """Return the channels of a layer that tell a class of pictures from all others, and their names, `UnitName`.

        Channels that are not in it have no name. Of a unit's address it is about that channel alone.

        >>> found.names("mixed4a")  # 36 pictures are too few to be sure of any
        {}
        """
        from convscope.measuring.unit_name import unit_names  # stands on this module

        return unit_names(self, address, by)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Copy it into a folder, and return that; PictureError where the disk takes no more.

        >>> found.save("copy.measurements/")
        PosixPath('copy.measurements')
        """
        target = Path(folder)
        self.manifest.claim(target)
        for block in self._blocks:
            with saved(target / block.path.name) as partial:
                shutil.copyfile(block.path, partial)
        return target

    def _unit(self, address: str | Address) -> Address:
        return require_channel(self.resolve(address))

    def _examples(self, unit: Address, values: Values, chosen: NDArray[np.int64]) -> list[Example]:
        layer, positions = self.layers[unit.layer], self._read(unit, "position")
        examples = []
        for row in chosen:
            index = int(self.pictures[row])
            picture = self.manifest.pictures[index]
            position = divmod(int(positions[row]), layer.columns)
            box = layer.box(position, self.manifest.input_size)
            examples.append(Example(picture.path, float(values[row]), position, box, index, picture.label))
        return examples


def require_channel(unit: Address) -> Address:
    """Return a unit's address; UnknownLayer where it is a whole layer's."""
    if unit.channel is None:
        raise UnknownLayer(f"{unit} is a layer: name a channel of it, as {unit}:0")
    return unit


def correlations(values: Values, channel: int) -> NDArray[np.float64]:
    """Return Pearson's r of a channel with each of (pictures, channels); NaN for one that never changes."""
    centered = values - values.mean(axis=0, dtype=np.float64)
    lengths = np.sqrt((centered**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: NDArray[np.float64] = centered.T @ centered[:, channel] / (lengths * lengths[channel])
    return correlation
