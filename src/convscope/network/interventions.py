"""A network in which some units answer something else: left out, set to a number, scaled, or patched.

The network itself stays as it is, and no hook has to be taken out again: the copy's graph has one operation more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from convscope.address import Address
from convscope.errors import InputError
from convscope.network.axes import at_position, require_position
from convscope.network.graph import CHANNELS_LAST, Graph, Operation
from convscope.network.network import Network
from convscope.pictures.decoding import picture_endings

Setting: TypeAlias = "float | str | os.PathLike[str] | Tensor"
"""A number, ``"*0.5"`` (half of what it is), a picture or a folder of pictures whose answer it gets, or that answer."""


def with_units(network: Network, settings: Mapping[str, Setting]) -> Network:
    """Return the network with some units' answers set; see `Network.with_units`."""
    graph = network.graph
    for index, (text, setting) in enumerate(settings.items()):
        address = network.resolve(text)
        graph = _with_operation(graph, address.layer, _change(network, address, setting), index)
    by_address = {str(network.resolve(text)): _recordable(setting) for text, setting in settings.items()}
    options = {**network.origin.options, "units": {**network.origin.options.get("units", {}), **by_address}}
    files = network.origin.files if None not in by_address.values() else ()
    origin = replace(network.origin, options=options, files=files)
    return Network(
        graph, input_spec=network.input_spec, labels=network.labels, origin=origin, device=network.device
    )


@dataclass(frozen=True, eq=False)
class _Change:
    """Where the ``mask`` is 1, a value becomes ``values`` plus ``factor`` times itself; both channels first."""

    mask: Tensor
    values: Tensor
    factor: float = 0.0


def _change(network: Network, address: Address, setting: Setting) -> _Change:
    shape = network.shape_channels_first(address.layer)
    if shape is None or len(shape) < 2:
        raise InputError(f"{address.layer!r} has no channels of a fixed size that could be set")
    mask = _mask(address, tuple(shape))
    kind = network.precision
    if isinstance(setting, str) and setting.startswith("*"):
        return _Change(mask.to(kind), torch.zeros((), dtype=kind), _number(setting[1:], address))
    if isinstance(setting, (int, float)):
        return _Change(mask.to(kind), torch.tensor(float(setting), dtype=kind))
    if isinstance(setting, str) and _is_number(setting):
        return _Change(mask.to(kind), torch.tensor(float(setting), dtype=kind))
    whole = _answer(network, address, setting)
    if tuple(whole.shape[1:]) != tuple(shape[1:]):
        raise InputError(
            f"{address.layer!r} answers {tuple(shape[1:])}; what it is to be has {tuple(whole.shape[1:])}"
        )
    return _Change(mask.to(kind), whole.to(kind))


def _mask(address: Address, shape: tuple[int, ...]) -> Tensor:
    """Return 1 for what an address means, (1, channels, ...), with sizes of 1 where positions do not matter."""
    if address.channel is None:
        return torch.ones(1, *(1 for _ in shape[1:]))
    if address.position is None:
        mask = torch.zeros(1, shape[1], *(1 for _ in shape[2:]))
        mask[:, int(address.channel)] = 1
        return mask
    require_position(address, *shape[2:])
    mask = torch.zeros(1, *shape[1:])
    at_position(mask, address.position)[0, int(address.channel)] = 1
    return mask


def _answer(network: Network, address: Address, setting: Any) -> Tensor:
    """Return what the layer answers to a picture, or on average to a folder of them, channels first."""
    if isinstance(setting, Tensor):
        return setting
    layer = Address(address.layer)
    if not Path(setting).exists():
        raise InputError(
            f"{address} cannot be {str(setting)!r}: give a number, *FACTOR, a picture, or a folder of pictures"
        )
    folder = sorted(path for path in Path(setting).rglob("*") if path.suffix.lower() in picture_endings())
    pictures = folder if Path(setting).is_dir() else [Path(setting)]
    total: Tensor | None = None
    for picture in pictures:
        answer = network.activations(network.preprocess(picture)[:1], layer)[address.layer]
        total = answer if total is None else total + answer
    if total is None:
        raise InputError(f"there is no picture in {setting}")
    return network.channels_first(address.layer, total / len(pictures))


def _with_operation(graph: Graph, value: str, change: _Change, index: int) -> Graph:
    """Return the graph in which a value is set right after it was computed; an input, before it is read."""
    number = sum(operation.kind == "set_units" for operation in graph.operations)
    keys = {"mask": f"set{number}.mask", "values": f"set{number}.values"}
    parameters = graph.parameters.replaced({keys["mask"]: change.mask, keys["values"]: change.values})
    before = f"{value} (computed {number})" if value in graph.producers else value
    after = value if value in graph.producers else f"{value} (set {number})"
    attributes = {"factor": change.factor, **({CHANNELS_LAST: True} if graph.channels_last else {})}
    step = Operation("set_units", f"set {value}", "Set", (before,), (after,), keys, attributes, in_place=True)
    operations = tuple(_rewired(graph, value, before, after, step))
    return replace(graph, operations=operations, parameters=parameters)


def _rewired(graph: Graph, value: str, before: str, after: str, step: Operation) -> Iterator[Operation]:
    if value in graph.inputs:
        yield step
    for operation in graph.operations:
        if value in operation.outputs:
            outputs = tuple(before if one == value else one for one in operation.outputs)
            yield replace(operation, outputs=outputs)
            yield step
        elif value in graph.inputs and value in operation.inputs:
            yield replace(operation, inputs=tuple(after if one == value else one for one in operation.inputs))
        else:
            yield operation


def _recordable(setting: Setting) -> float | str | None:
    """Return a setting as a recipe holds it; None for numbers that were only in memory."""
    if isinstance(setting, Tensor):
        return None
    if isinstance(setting, (int, float)) or (isinstance(setting, str) and _is_number(setting)):
        return float(setting)
    return os.fspath(setting)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, address: Address) -> float:
    if not _is_number(text):
        raise InputError(f"{address} cannot be '*{text}': after * stands the factor, as *0.5")
    return float(text)
