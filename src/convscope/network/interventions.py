"""A network in which some units answer something else: left out, set to a number, scaled, or patched.

The network itself stays as it is, and no hook has to be taken out again: the copy's graph has one operation more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, TypeAlias

import torch
from torch import Tensor

from convscope.address import Address
from convscope.errors import InputError
from convscope.files import user_path
from convscope.network.axes import at_position, require_position
from convscope.network.given_input import center_input
from convscope.network.graph import CHANNELS_LAST, Graph, Operation
from convscope.network.network import Network
from convscope.pictures.decoding import picture_endings
from convscope.pictures.photograph import SAMPLES, PictureLike

Setting: TypeAlias = "float | PictureLike | Tensor"
"""A number, ``"*0.5"`` (half of what it is), a picture or a folder of pictures whose answer it gets, or that answer."""
_POSSIBLE = "give a number, *FACTOR, a picture, or a folder of pictures"


def with_units(network: Network, settings: Mapping[str, Setting]) -> Network:
    """Return the network with some units' answers set; see `Network.with_units`."""
    graph, recorded = network.graph, dict[str, "float | str | None"]()
    for text, setting in settings.items():
        address = network.resolve(text)
        graph = _with_operation(graph, address.layer, _change(network, address, setting))
        recorded.pop(str(address), None)  # the order counts: what is set later stands last
        recorded[str(address)] = _recordable(setting)
    files = network.origin.files if None not in recorded.values() else ()
    options = {**network.origin.options, "units": _steps(network.origin.options.get("units"), recorded)}
    origin = replace(network.origin, options=options, files=files)
    return Network(
        graph, input_spec=network.input_spec, labels=network.labels, origin=origin, device=network.device
    )


def _steps(before: Any, recorded: Mapping[str, Any]) -> Any:
    """Return what was set as a recipe holds it; of a copy's copy the steps, as it answers a picture otherwise."""
    if not (before and recorded):
        return recorded or before or {}
    return [*([before] if isinstance(before, Mapping) else before), recorded]


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
    mask, kind = _mask(address, tuple(shape)).to(network.precision), network.precision
    if isinstance(setting, str) and setting.startswith("*"):
        return _Change(
            mask, torch.zeros((), dtype=kind), float(_tensor(_factor(setting, address), address, kind))
        )
    number = _number(setting)
    if number is not None:
        return _Change(mask, _tensor(number, address, kind))
    if not isinstance(setting, Tensor):
        return _Change(mask, _answer(network, address, setting).to(kind))
    return _Change(mask, _as_answer(setting, address, tuple(shape)).to(kind))


def _tensor(number: float, address: Address, kind: torch.dtype) -> Tensor:
    """Return a number as the network computes with it."""
    tensor = torch.tensor(number, dtype=kind)
    if not tensor.isfinite():
        raise InputError(f"{address} cannot be {number}: what a unit answers is a finite number")
    return tensor


def _as_answer(tensor: Tensor, address: Address, shape: tuple[int, ...]) -> Tensor:
    """Return numbers in the shape of a layer's answer, (1, channels, ...); those of a channel alone have its shape."""
    own = shape[2:] if address.channel is not None and address.position is None else shape[1:]
    if tuple(tensor.shape) == own:
        return tensor.expand(1, *shape[1:])
    if tuple(tensor.shape) != (1, *shape[1:]):
        raise InputError(
            f"{address} cannot be a tensor of {tuple(tensor.shape)}: {address.layer!r} answers {(1, *shape[1:])}, "
            "channels first"
        )
    return tensor


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
    pictures = [setting]
    if isinstance(setting, (str, os.PathLike)) and setting not in SAMPLES:
        path = user_path(setting)
        if not str(setting) or not os.path.exists(path):  # noqa: PTH110 (pathlib's raises where a name is too long)
            raise InputError(f"{address} cannot be {str(setting)!r}: {_POSSIBLE}")
        if path.is_dir():
            pictures = sorted(one for one in path.rglob("*") if one.suffix.lower() in picture_endings())
    elif setting is None or isinstance(setting, (list, tuple, Mapping)):
        raise InputError(f"{address} cannot be a {type(setting).__name__}: {_POSSIBLE}")
    total: Tensor | None = None
    for picture in pictures:
        input = center_input(network, picture)
        answer = network.activations(input, Address(address.layer))[address.layer]
        total = answer if total is None else total + answer
    if total is None:
        raise InputError(f"there is no picture in {setting}")
    return network.channels_first(address.layer, total / len(pictures))


def _with_operation(graph: Graph, value: str, change: _Change) -> Graph:
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
    """Return a setting as a recipe holds it; None for numbers and pictures that were only in memory."""
    number = _number(setting)
    if number is not None:
        return number
    return os.fsdecode(setting) if isinstance(setting, (str, os.PathLike)) else None


def _number(setting: Setting) -> float | None:
    """Return a setting that is a number, whatever holds it; None for any other."""
    single = isinstance(setting, Real) or (isinstance(setting, Tensor) and setting.dim() == 0)
    if not (single or isinstance(setting, str)):
        return None
    try:
        return float(setting)  # type: ignore[arg-type]
    except ValueError:
        return None


def _factor(setting: str, address: Address) -> float:
    factor = _number(setting[1:])
    if factor is None:
        raise InputError(f"{address} cannot be {setting!r}: after * stands the factor, as *0.5")
    return factor
