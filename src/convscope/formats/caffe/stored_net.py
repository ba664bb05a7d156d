"""The net that a caffemodel was written from, beside the description it is opened with: where the two part.

A caffemodel holds its layers with all their settings, and Caffe itself takes nothing but the numbers out of it. A
description with another kernel, slope or order of layers computes something else than what was trained, and answers
all the same.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from convscope.errors import ConvscopeError, warn
from convscope.formats.caffe.layers import translate
from convscope.formats.caffe.layers.registry import FORKS
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.upgrade import upgrade
from convscope.formats.caffe.weights import Weights, plain_type
from convscope.formats.graph_builder import BARE_ERRORS
from convscope.formats.operation_plan import OperationPlan
from convscope.network.parameters import Shape

_PASSING = ("identity", "split")  # kinds that hand on what they read: Dropout, Split
_OF_TRAINING = ("of_batch", "copies", "parts")  # what may differ, though the weights are the same
_COUNTED = ("bottom", "top", "param")  # of which a layer computes by how many there are, whatever they say
_NOT_SETTINGS = (*_COUNTED, "name", "phase", "include", "exclude")
_PER_AXIS = ("kernel", "stride", "padding", "dilation")
_MOST_TOLD = 3
_DATA = 0  # the number of what comes from data alone

Top = tuple[int, int]  # a layer's index, and its top's
ShapeRead = Callable[[str], Shape | None]


def trained_net(weights: Weights) -> Message | None:
    """Return the net that weights were written from, in today's form; None where their file does not tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about a file that is only looked into
            return upgrade(weights.net())
    except ConvscopeError:
        return None


def warn_of_differences(net: Message, trained: Message | None, file: str, shape_read: ShapeRead) -> None:
    """Warn, in one line, of layers whose settings or places in the net differ from those in their weights' file.

    `shape_read` tells the shape of what a layer of the net reads, by the layer's name.

    Both nets are taken for what they compute: how a setting is written, what only training needs, and settings of
    forks, whose numbers in the file nobody knows, make no difference.
    """
    if trained is None:
        return
    if told := list(differences(net, trained, shape_read)):
        more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        warn(
            f"{file} was trained with another description: {'; '.join(told[:_MOST_TOLD])}{more}. The given one "
            "is computed: unless that is meant, use the weights' own prototxt"
        )


def differences(net: Message, stored: Message, shape_read: ShapeRead) -> Iterator[str]:
    """Say of each layer that both nets have, by name, what is another in the second one; both are of today's form.

    >>> list(differences(net, upgrade(read_weights("lenet.caffemodel").net()), shapes.get))
    ["layer 'pool1' has kernel 3, in the weights 2"]
    """
    ours, theirs = _Net(net), _Net(stored)
    shared = set(ours.places) & set(theirs.places)
    numbers: dict[Any, int] = {}
    our_numbers, their_numbers = (one.numbered(shared, numbers) for one in (ours, theirs))
    renamed = _renamed(ours.unnamed(shared, our_numbers), theirs.unnamed(shared, their_numbers))
    for index, layer in enumerate(net.layer):
        place = theirs.places[layer.name] if layer.name in shared else renamed.get(index)
        if place is None:
            continue
        other = stored.layer[place]
        said_of = f"layer {layer.name!r}" + (f" ({other.name!r} there)" if other.name != layer.name else "")
        yield from (f"{said_of} {said}" for said in _differing_settings(layer, other, shape_read))
        read, trained = ours.read[index], theirs.read[place]
        pairs = list(zip(read, trained, strict=False))
        found = [our_numbers.get(top) for top, _ in pairs]
        wanted = [their_numbers.get(top) for _, top in pairs]
        if None in found or None in wanted:
            continue
        if _in_any_order(ours.plans[index]) and sorted(found) == sorted(wanted):  # type: ignore[type-var]
            continue
        for (top, other_top), one, another in zip(pairs, found, wanted, strict=True):
            if one != another:
                yield f"layer {layer.name!r} reads {ours.named(top)}, in the weights {theirs.named(other_top)}"


def _renamed(ours: Mapping[int, list[int]], theirs: Mapping[int, list[int]]) -> dict[int, int]:
    """Return which layer is which of those that have another name: the only ones of a type that read the same."""
    return {
        indices[0]: theirs[number][0]
        for number, indices in ours.items()
        if len(indices) == len(theirs.get(number, ())) == 1
    }


@dataclass(frozen=True)
class _Net:
    """A net with who reads what: the index of each layer whose name no other has, and of each layer the tops it reads.

    Layers that hand on what they read are looked through, and a top that is None comes from nobody: from data.
    """

    net: Message

    @cached_property
    def plans(self) -> list[OperationPlan | None]:
        """What each layer computes; None where that is nothing, or not known."""
        return [_plan(layer) for layer in self.net.layer]

    @cached_property
    def places(self) -> dict[str, int]:
        """The index of each layer that reads something and whose name no other has."""
        count = Counter(layer.name for layer in self.net.layer)
        return {
            layer.name: index
            for index, layer in enumerate(self.net.layer)
            if layer.name and layer.bottom and count[layer.name] == 1
        }

    @cached_property
    def read(self) -> list[list[Top | None]]:
        """The tops that each layer reads."""
        newest: dict[str, Top | None] = {}
        found: list[list[Top | None]] = []
        for index, layer in enumerate(self.net.layer):
            read, plan = [newest.get(blob) for blob in layer.bottom], self.plans[index]
            if _kind(plan) == "dense":
                while read and read[0] is not None and _kind(self.plans[read[0][0]]) == "flatten":
                    read = found[read[0][0]]  # it flattens what it reads itself
            found.append(read)
            for position, blob in enumerate(layer.top):
                passed = bool(read) and _kind(plan) in _PASSING
                newest[blob] = read[0] if passed else (index, position)
        return found

    def numbered(self, shared: set[str], numbers: dict[Any, int]) -> dict[Top | None, int | None]:
        """Return a number for each top, the same in two nets where it is the same; None where nobody can tell.

        A top of a layer that both have is that layer's, another is what it is made of.
        """
        found: dict[Top | None, int | None] = {None: _DATA}
        for index, layer in enumerate(self.net.layer):
            sources = [found[top] for top in self.read[index]]
            plan = self.plans[index]
            if _in_any_order(plan) and None not in sources:
                sources.sort()
            key: Any = (plain_type(layer.type or ""), *sources)
            if layer.name in shared:
                key = layer.name
            elif not any(sources) and None not in sources:
                key = None
            elif plan is None or plan.parameters or None in sources:
                found.update({(index, position): None for position in range(len(layer.top))})
                continue
            for position in range(len(layer.top)):
                number = _DATA if key is None else numbers.setdefault((key, position), len(numbers) + 1)
                found[index, position] = number
        return found

    def unnamed(self, shared: set[str], numbers: Mapping[Top | None, int | None]) -> dict[int, list[int]]:
        """Return the layers that the other net has none by the name of, by the number of their first top."""
        found: dict[int, list[int]] = {}
        for index, layer in enumerate(self.net.layer):
            number = numbers.get((index, 0))
            if layer.name not in shared and number and _kind(self.plans[index]) not in _PASSING:
                found.setdefault(number, []).append(index)
        return found

    def named(self, top: Top | None) -> str:
        """Say whose top that is."""
        if top is None:
            return "the input"
        layer = self.net.layer[top[0]]
        return f"{layer.top[top[1]]!r} of layer {layer.name!r} ({layer.type})"


def _kind(plan: OperationPlan | None) -> str:
    return "" if plan is None else plan.kind


def _in_any_order(plan: OperationPlan | None) -> bool:
    """Whether the order of what it reads makes no difference."""
    return (
        plan is not None
        and plan.kind.startswith("eltwise")
        and len(set(plan.attributes.get("coefficients", ()))) < 2
    )


def _plan(layer: Message) -> OperationPlan | None:
    try:
        return translate(layer).plan
    except (ConvscopeError, *BARE_ERRORS):
        return None


def _differing_settings(layer: Message, other: Message, shape_read: ShapeRead) -> Iterator[str]:
    if _read_alike(layer, other) or _is_a_forks(other):
        return
    layer, other = layer.copy(), other.copy()
    _leave_out_forks(layer, other)
    plan, trained = _plan(layer), _plan(other)
    if plan is None or trained is None:
        return
    kinds = [_method(one.kind) for one in (plan, trained)]
    if kinds[0] != kinds[1]:
        yield f"is {kinds[0].replace('_', ' ')}, in the weights {kinds[1].replace('_', ' ')}"
        return
    if _is_global(plan) != _is_global(trained):
        if not _is_whole(trained if _is_global(plan) else plan, shape_read(layer.name or "")):
            yield f"looks at {_window(plan)}, in the weights at {_window(trained)}"
        return
    settings, of_training = _settings(plan.attributes), _settings(trained.attributes)
    for name in dict.fromkeys([*settings, *of_training]):
        if not _same(settings.get(name), of_training.get(name)):
            yield f"has {name} {_shown(settings.get(name))}, in the weights {_shown(of_training.get(name))}"


def _is_a_forks(message: Message) -> bool:
    """Whether a message out of a binary file has something of a fork's under one of Caffe's own numbers."""
    if any(one.name.isdigit() and message.field_numbered(int(one.name)) for one in message.unknown):
        return True
    inner = (value for field, value in message.fields() if field.message and not field.repeated)
    return any(map(_is_a_forks, inner))


def _leave_out_forks(layer: Message, stored: Message) -> None:
    """Take a fork's settings out of a layer, and out of the stored one what may be theirs under Caffe's numbers."""
    of_fork = [field for field, _ in layer.fields() if field.number > FORKS]
    if of_fork or layer.unknown:
        for field, _ in list(stored.fields()):
            if not layer.has(field.name):
                stored.clear(field.name)
    for message in (layer, stored):
        message.unknown = []
        for field, _ in list(message.fields()):
            if field.number > FORKS:
                message.clear(field.name)
    for field, value in layer.fields():
        if field.message and not field.repeated:
            _leave_out_forks(value, stored.ensure(field.name))


def _read_alike(layer: Message, other: Message) -> bool:
    """Whether two layers say the same, so that they need not be translated to be compared."""
    if any(len(getattr(layer, name)) != len(getattr(other, name)) for name in _COUNTED):
        return False
    settings, others = (
        {field.name: value for field, value in one.fields() if field.name not in _NOT_SETTINGS}
        for one in (layer, other)
    )
    return settings == others


def _method(kind: str) -> str:
    return kind.removeprefix("global_").removesuffix("_with_mask")


def _is_global(plan: OperationPlan) -> bool:
    return plan.kind.startswith("global_")


def _window(plan: OperationPlan) -> str:
    return (
        "the whole map" if _is_global(plan) else f"windows of {_shown(_settings(plan.attributes)['kernel'])}"
    )


def _is_whole(plan: OperationPlan, shape: Shape | None) -> bool:
    """Whether a window is as large as a map of that shape; one whose shape is not known may be."""
    sizes = plan.attributes.get("kernel"), plan.attributes.get("padding")
    return shape is None or sizes == (tuple(shape[2:]), (0, 0))


def _settings(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an operation's attributes say, in one way of writing; a batch's size is left out."""
    settings = {name: value for name, value in attributes.items() if name not in _OF_TRAINING}
    for name in _PER_AXIS:
        value = settings.get(name)
        if isinstance(value, tuple) and len(set(value)) == 1:
            settings[name] = value[0]
    if settings.get("axis") == 0:
        settings.pop("points", None)
        if "shape" in settings:
            settings["shape"] = settings["shape"][1:]
    return settings


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-6 * max(abs(one), abs(other))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "x".join(map(_shown, value)) or "none"
    return str(value)
