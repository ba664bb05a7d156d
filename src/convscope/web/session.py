"""What one server holds: a network, the pictures that viewers look at, the worker that runs it, and what is allowed."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convscope.cache import cache_key
from convscope.errors import InputError
from convscope.looking.answers import answer, recorded, seen_by
from convscope.looking.neuron_groups import neuron_groups
from convscope.measuring.example_sheet import ExampleOptions, example_sheet
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.measurements import Measurements
from convscope.measuring.strongest import Strongest, find_strongest, strongest_of
from convscope.network.class_head import most_probable
from convscope.network.network import Network
from convscope.network.resizing import resize
from convscope.pictures.photograph import Photograph
from convscope.web.answer_store import AnswerStore
from convscope.web.arithmetic import arithmetic, read_by
from convscope.web.arrivals import Arrivals
from convscope.web.grid import grid_message, shrunk
from convscope.web.messages import packed
from convscope.web.network_facts import network_facts
from convscope.web.picture_store import PictureStore
from convscope.web.renderings import LARGEST_SIDE, kept_message
from convscope.web.unit_facts import backward_map, histogram_facts, unit_effects, unit_facts
from convscope.web.worker import Worker

MOST_GROUPS = 8  # as many as there are colors to tell apart
IN_GROUP = 8  # channels of a group that are named
MOST_COPIES = 4  # networks with units set that are kept
BEST = 5


@dataclass(frozen=True)
class Permissions:
    """What viewers may do: with `read_only` no jobs. They must know the `token` where others can reach the server."""

    read_only: bool = False
    token: str | None = None


@dataclass(frozen=True, eq=False)
class Photographs:
    """Real pictures that were measured: which they are, and what every unit answers to them."""

    listed: Sequence[ListedPicture]
    found: Measurements


@dataclass(frozen=True, eq=False)
class Session:
    """A network on show. Its methods answer the page's questions; they run in the worker's thread.

    `beside` is another network that is shown next to it, of the same pictures and run by the same worker. `recent` are
    the networks that were explored lately. `units` in a question are settings of units (`Network.with_units`), address
    to number or ``"*2"``.
    """

    network: Network
    permissions: Permissions = field(default_factory=Permissions)
    photographs: Photographs | None = None
    beside: Session | None = None
    recent: Sequence[Mapping[str, str]] = ()
    pictures: PictureStore = field(default_factory=PictureStore)
    worker: Worker = field(default_factory=Worker)
    answers: AnswerStore = field(default_factory=AnswerStore)
    arrivals: Arrivals = field(default_factory=Arrivals)
    _copies: OrderedDict[str, Network] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def strongest(self) -> Strongest | None:
        """What real pictures were measured to give: read once, for every unit asks for it."""
        return (
            find_strongest(self.network) if self.photographs is None else strongest_of(self.photographs.found)
        )

    @cached_property
    def identity(self) -> str:
        """The hash of all that an answer depends on besides its question: network, labels, real pictures, code."""
        strongest = None if self.strongest is None else self.strongest.sha256
        measured = None if self.photographs is None else repr(self.photographs.found.manifest)
        return cache_key(
            self.network.identity, self.network.device.type, self.network.labels, measured, strongest
        )

    @cached_property
    def _network_facts(self) -> dict[str, Any]:
        """What there is to say of the network alone: it stays the same, and each page asks for it."""
        return network_facts(self.network)

    def facts(self) -> dict[str, Any]:
        """Return what the page knows before it asks anything."""
        pictures = [{"key": key, "name": self.pictures[key].name} for key in self.pictures.pinned()]
        return {
            **self._network_facts,
            "pictures": pictures,
            "recent": list(self.recent),
            "readOnly": self.permissions.read_only,
            "beside": None if self.beside is None else self.beside.network.name,
            "measured": 0 if self.photographs is None else len(self.photographs.found.pictures),
        }

    def with_beside(self, network: Network) -> Session:
        """Return this session with another network next to its own: of the same pictures, run by the same worker."""
        other = Session(network, self.permissions, pictures=self.pictures, worker=self.worker)
        return replace(self, beside=other)

    def with_units(self, units: Mapping[str, Any]) -> Network:
        """Return the network with units set, one of the last few copies where it was asked for before."""
        if not units:
            return self.network
        key = json.dumps(units, sort_keys=True)
        with self._lock:
            if key not in self._copies:
                self._copies[key] = self.network.with_units(
                    {name: _setting(value) for name, value in units.items()}
                )
            self._copies.move_to_end(key)
            while len(self._copies) > MOST_COPIES:
                self._copies.popitem(last=False)
            return self._copies[key]

    def says(self, picture: str, units: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the most probable classes; nothing for a network that is no classifier."""
        network, photograph = self.with_units(units), self.pictures[picture]
        if not network.class_values:
            return []
        output = network.class_output
        answered = self.answers.of(network, photograph, [output], _given(picture, units))[output]
        if not answered.isfinite().all():
            return _classes(network, network.probabilities(photograph))  # which says where it begins
        return _classes(network, network.probabilities_of(answered))

    def grid(self, picture: str, layer: str, units: Mapping[str, Any]) -> bytes:
        """Return a layer's answer as a message; see `grid_message`."""
        name = self.network.resolve(layer).layer
        with self._answered(picture, [name], units) as (network, photograph):
            return grid_message(name, answer(network, photograph, name))

    def known_grid(self, picture: str, layer: str, units: Mapping[str, Any]) -> bytes | None:
        """Return the same where no run is needed: in any thread, so that it waits for no job's step; else None."""
        name = self.network.resolve(layer).layer
        known = self.answers.known([name], _given(picture, units))
        if name not in known:
            return None
        network, photograph = self.with_units(units), self.pictures[picture]
        with recorded(network, photograph, [name], known):
            return grid_message(name, answer(network, photograph, name))

    def look_first(self) -> None:
        """Find out what the page asks first, of the first picture: while the browser opens nobody waits for it."""
        network, keys = self.network, self.pictures.pinned()
        if keys and network.input_spec is not None:
            classes = [network.class_output] if network.class_values else []
            layers = [self._network_facts["first"], *classes]
            self.answers.of(network, self.pictures[keys[0]], layers, _given(keys[0], {}))

    def look_ahead(self, picture: str, layer: str, units: Mapping[str, Any]) -> None:
        """Find out what the layers beside this one answer, so that a step to one of them waits for no run."""
        network = self.with_units(units)
        name = network.resolve(layer).layer
        self.answers.look_ahead(network, self.pictures[picture], name, _given(picture, units))

    def groups(self, picture: str, layer: str, count: int, units: Mapping[str, Any]) -> bytes:
        """Return a layer's answer in groups of channels as a message, a grid of a channel a group; see `grid_message`.

        In the header are each group's `channels`, those that count most, with the `shares` that it has of them, and the
        share of the answer's square that is `explained`.
        """
        name = self.network.resolve(layer).layer
        with self._answered(picture, [name], units) as (network, photograph):
            values = answer(network, photograph, name)
            found = neuron_groups(shrunk(values) if values.ndim == 3 else values, min(count, MOST_GROUPS))
        if not len(found.maps):
            raise InputError(f"{name} answers nothing above zero to this picture: there is nothing to group")
        groups = [_group_facts(shares) for shares in found.channels]
        return grid_message(name, found.maps, groups=groups, explained=found.explained)

    def frame(self, frame: Photograph, wanted: Mapping[str, Any]) -> bytes:
        """Return what a camera's frame gives, with the classes: a layer's grid, or a pinned unit's backward view."""
        network = self.with_units(wanted.get("units") or {})
        unit, view = str(wanted.get("unit") or ""), str(wanted.get("view") or "")
        backward = bool(unit and view)
        layers = [] if backward else [network.resolve(str(wanted["layer"])).layer]
        classes = network.class_values[:1]
        with recorded(network, frame, [*layers, *classes]) as values:
            says = _classes(network, network.probabilities_of(values[classes[0]])) if classes else []
            if backward:
                return _backward_message(network, frame, unit, view, says=says, view=view)
            return grid_message(layers[0], answer(network, frame, layers[0]), says=says)

    def unit(self, address: str, picture: str | None) -> dict[str, Any]:
        """Return what is known of a unit."""
        unit, found = self._unit(address), None if self.photographs is None else self.photographs.found
        histogram = None if found is None else histogram_facts(found, unit)
        if picture is None:
            return unit_facts(self.network, unit, None, self.strongest) | {"histogram": histogram}
        with self._answered(picture, [unit.layer]) as (network, photograph):
            return unit_facts(network, unit, photograph, self.strongest) | {"histogram": histogram}

    def kept(self, addresses: Sequence[str]) -> bytes:
        """Return what units want to see, of those that were made before, as a message; in any thread."""
        names = [str(self._unit(address)) for address in addresses]
        return packed(*kept_message(self.network, names))

    def highest(self, layer: str) -> list[float] | None:
        """Return the highest answer that photographs gave of each channel of a layer; None where nobody measured."""
        quantiles = self.strongest.layers.get(self.network.resolve(layer).layer) if self.strongest else None
        return None if quantiles is None else quantiles[:, 1, -1].tolist()

    def effects(self, address: str, picture: str) -> list[dict[str, Any]]:
        """Return the classes whose scores a unit changes most."""
        unit, network = self._unit(address), self.network
        if not network.class_values or unit.layer in network.class_values:
            return []
        with self._answered(picture, [network.class_scores]) as (_, photograph):
            return unit_effects(network, unit, photograph)

    def examples(self, address: str, theme: str) -> bytes:
        """Return the real pictures that a unit answers to, as a PNG; InputError where none were measured."""
        if self.photographs is None:
            raise InputError("no pictures were measured: start convscope explore with --photographs FOLDER")
        options = ExampleOptions(top=6, theme="dark" if theme == "dark" else "light")
        unit, (listed, measurements) = self._unit(address), (self.photographs.listed, self.photographs.found)
        return example_sheet(self.network, listed, measurements, str(unit), options).encode()

    def arithmetic(self, address: str, picture: str) -> dict[str, Any]:
        """Return how a convolution's unit comes to its number at a position."""
        unit = self._unit(address)
        layers = [unit.layer, *read_by(self.network, unit.layer)]
        with self._answered(picture, layers) as (network, photograph):
            return arithmetic(network, unit, photograph)

    def backward(self, picture: str, address: str, view: str) -> bytes:
        """Return a backward view of a unit as a message, a grid of one channel."""
        return _backward_message(self.network, self.pictures[picture], address, view)

    def seen(self, picture: str) -> NDArray[np.uint8]:
        """Return what is left of a picture when the network gets it, (height, width, 3)."""
        picture_seen = seen_by(self.network, self.pictures[picture])
        pixels: NDArray[np.uint8] = (picture_seen.clip(0, 1) * 255).round().astype(np.uint8)
        return pixels

    def frame_of(self, picture: str) -> NDArray[np.uint8]:
        """Return a picture as large as the network's frame, (height, width, 3): its middle is what `seen` has.

        Sent back with a part covered, it is seen as before but for that part. InputError where no picture would be.
        """
        photograph, spec = self.pictures[picture], self.network.picture_spec
        if spec.transform is None:
            frame = spec.frame(photograph)
            pixels: NDArray[np.uint8] = (frame.clip(0, 1) * 255).round().astype(np.uint8)
        else:
            pixels = self.seen(picture)
            again = seen_by(self.network, pixels)
            if again.shape != pixels.shape or np.abs(again * 255 - pixels).max() > 2:
                raise InputError(
                    "the network's own transform cuts a part out of each picture: nothing can be covered"
                )
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise InputError("only pictures in color can be covered")
        return pixels

    def whole(self, picture: str) -> NDArray[np.uint8]:
        """Return a picture as it came, (height, width, 3), its longer side at most as dreams and styles are made."""
        values = self.pictures[picture].pixels
        share = min(1.0, LARGEST_SIDE / max(values.shape[:2]))
        height, width = (max(1, round(share * side)) for side in values.shape[:2])
        pixels: NDArray[np.uint8] = (
            (resize(values, (height, width)).clip(0, 1) * 255).round().astype(np.uint8)
        )
        return pixels

    def address(self, name: str) -> dict[str, Any]:
        """Return what a name stands for, a class by its label too; UnknownLayer says what is called nearly so."""
        found = self.network.resolve(name)
        return {"layer": found.layer, "channel": found.channel, "position": found.position}

    @contextmanager
    def _answered(
        self, picture: str, layers: Sequence[str], units: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[Network, Photograph]]:
        """Give a network and a picture whose `answer` at these layers is known, from before or by one run."""
        network, photograph = self.with_units(units or {}), self.pictures[picture]
        known = self.answers.of(network, photograph, layers, _given(picture, units or {}))
        with recorded(network, photograph, layers, known):
            yield network, photograph

    def _unit(self, address: str) -> Any:
        unit = self.network.resolve(address)
        if unit.channel is None:
            raise InputError(f"{address} is a layer: name one of its channels, as {address}:0")
        return unit


def _given(picture: str, units: Mapping[str, Any]) -> str:
    return json.dumps([picture, units], sort_keys=True)


def _setting(value: Any) -> float | str:
    """Return what a unit is set to, a number or a factor as "*2": nothing that could name a file."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.startswith("*"):
        try:
            return f"*{float(value[1:])}"
        except ValueError:
            pass
    raise InputError(f"a unit is set to a number, or to a factor as '*2', not {value!r}")


def _group_facts(shares: NDArray[np.float64]) -> dict[str, Any]:
    best = [int(channel) for channel in np.argsort(-shares, kind="stable")[:IN_GROUP] if shares[channel] > 0]
    return {"channels": best, "shares": [float(shares[channel]) for channel in best]}


def _classes(network: Network, probabilities: Tensor) -> list[dict[str, Any]]:
    return [
        {"index": index, "label": network.class_label(index), "probability": value}
        for index, value in most_probable(probabilities, BEST)
    ]


def _backward_message(
    network: Network, photograph: Photograph, address: str, method: str, **facts: Any
) -> bytes:
    """Return a backward view of a unit as a message, a grid of one channel."""
    values, caption = backward_map(network, photograph, address, method)
    return grid_message(address, values[None], caption=caption, **facts)
