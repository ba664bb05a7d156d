"""Which stored numbers belong to which layer: in each of the ways Keras has kept them.

The HDF5 of Keras 1, 2 and (for ``.h5``) 3 has a group a layer, with the order of its variables as an attribute; an
inner model's variables are one flat list, trained ones first. The ``.keras`` and ``.weights.h5`` files of Keras 2.12
and later have nested groups, called after the layers' classes: ``layers/conv2d_1/vars/0``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from convscope.errors import NetworkFileError, WeightsMismatch
from convscope.files import user_path
from convscope.formats.hdf5 import Container, Dataset, OwnFile, opened_hdf5, stored_under
from convscope.formats.keras.archive import WEIGHTS, Member
from convscope.formats.keras.gates import gates_joined
from convscope.formats.keras.layers import Dialect, Variable, saved_variables
from convscope.formats.keras.model import AT_EACH_MOMENT, KerasLayer, KerasModel, snake_case
from convscope.formats.keras.quantized import Unread, WeightSource, restored, stored_variables
from convscope.formats.kinds import FileKind, kind_of_content

LayerPath = tuple[str, ...]
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


Found = Mapping[LayerPath, Sequence[WeightSource]]
"""A layer, by the names of the models it is in and its own, to its variables in the order of `variables_of`."""


@dataclass(frozen=True)
class WeightFile:
    """An HDF5 file of weights, opened once: every dataset by its path, and the lists of names beside them."""

    file: Container
    root: str
    datasets: Mapping[str, Dataset]
    layers: Mapping[str, Sequence[str]]

    @cached_property
    def groups(self) -> frozenset[str]:
        """All that a dataset is in."""
        parts = [path.split("/") for path in self.datasets]
        return frozenset("/".join(path[:end]) for path in parts for end in range(1, len(path)))

    def of(self, model: KerasModel, dialect: Dialect) -> Found:
        """Return the variables of each of the model's layers; WeightsMismatch where they do not fit each other."""
        if self.layers:
            return _of_groups(self, model, dialect)
        return dict(_of_nested_groups(self, model, dialect, "", ()))


def read_weights(file: Container) -> WeightFile:
    """Look through an HDF5 file of weights, without reading them."""
    with opened_hdf5(file) as opened:
        root = "model_weights" if "model_weights" in opened else "/"
        group = opened[root]
        prefix = "" if root == "/" else f"/{root}"
        layers = {
            name: _names(group[name], "weight_names")
            for name in _names(group, "layer_names")
            if name in group
        }
        stored = stored_under(opened, prefix or "/", file, lambda path: f"{file}, {path}")
        datasets = {one.name.removeprefix(prefix).replace("\\", "/").lstrip("/"): one for one in stored}
    return WeightFile(file, root, datasets, layers)


def read_weights_of(path: str | Path) -> WeightFile:
    """Look through a file that was given for its weights: a ``.keras``, or HDF5 of any of Keras's layouts."""
    file = user_path(path)
    if not file.is_file():
        raise NetworkFileError(f"{path}: there is no such file")
    is_zip = kind_of_content(file) is FileKind.KERAS_ZIP
    return read_weights(Member(str(file), WEIGHTS) if is_zip else OwnFile(str(file)))


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """Return a list of names, which Keras cuts into several attributes when it is long."""
    keys = [attribute] if attribute in group.attrs else []
    while not keys or keys[-1] != attribute:
        key = f"{attribute}{len(keys)}"
        if key not in group.attrs:
            break
        keys.append(key)
    return [text(name) for key in keys for name in np.asarray(group.attrs[key]).reshape(-1).tolist()]


def text(value: Any) -> str:
    """Return an attribute of an HDF5 file as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _of_groups(file: WeightFile, model: KerasModel, dialect: Dialect) -> Found:
    """Match groups to layers by name; where the names are others, by order, as Keras itself does."""
    saved = {name: names for name, names in file.layers.items() if names}
    expected = [layer for layer in model.layers if any(True for _ in _flat(layer, dialect, ()))]
    names = [layer.name for layer in expected]
    if set(names) <= set(saved):
        pairs = [(layer, layer.name) for layer in expected]
    elif len(names) == len(saved):
        pairs = list(zip(expected, saved, strict=True))
    else:
        raise WeightsMismatch(
            f"{file.file} has weights for {len(saved)} layers ({_few(list(saved))}), the model has {len(names)} with "
            f"any ({_few(names)}). Is it another model's?"
        )
    layers: dict[LayerPath, Sequence[WeightSource]] = {}
    for layer, group in pairs:
        layers.update(_of_group(file, layer, group, dialect))
    return layers


def _of_group(file: WeightFile, layer: KerasLayer, group: str, dialect: Dialect) -> Found:
    variables = list(_flat(layer, dialect, ()))
    sources: list[WeightSource] = []
    for name in file.layers[group]:
        path = f"{group}/{name}".replace("//", "/")
        if path not in file.datasets:
            raise NetworkFileError(
                f"{file.file} names {name!r} among the weights of {group!r}, but does not have it"
            )
        sources.append(file.datasets[path])
    stored = gates_joined(_recurrent_class(layer), sources) if dialect.version == 1 else sources
    if len(stored) > len(variables) and any(wanted.variable.group for wanted in variables):
        of_each = Counter(
            wanted.path for wanted in variables
        )  # layers inside one were quantized; it does not say so
        return {path: [Unread(())] * count for path, count in of_each.items()}
    if len(stored) != len(variables):
        raise WeightsMismatch(
            f"{file.file}: layer {group!r} has {len(stored)} arrays of weights, the model's {layer.name!r} needs "
            f"{len(variables)}. Is it another model's?"
        )
    ordered = _by_name(file.layers[group], variables, stored) if layer.model else None
    of_layers: dict[LayerPath, list[tuple[Wanted, WeightSource]]] = {}
    for wanted, source in ordered or zip(variables, stored, strict=True):
        of_layers.setdefault(wanted.path, []).append((wanted, source))
    layers: dict[LayerPath, Sequence[WeightSource]] = {}
    for owner, pairs in of_layers.items():
        one = pairs[0][0].layer
        own = saved_variables(one, dialect)
        found = [wanted.variable for wanted, _ in pairs]
        layers[owner] = restored(one, own, found, [source for _, source in pairs])
    return layers


def _recurrent_class(layer: KerasLayer) -> str:
    """Return the class of a layer, or of the one that it holds for both directions."""
    inner = layer.config.get("layer")
    return str(inner.get("class_name")) if isinstance(inner, Mapping) else layer.class_name


class Wanted(NamedTuple):
    """A variable that a file should have, and the layer it is of."""

    path: LayerPath
    variable: Variable
    is_trained: bool
    layer: KerasLayer


def _by_name(
    names: Sequence[str], wanted: Sequence[Wanted], stored: Sequence[WeightSource]
) -> list[tuple[Wanted, WeightSource]] | None:
    """Match an inner model's variables by what they are called; None where the names do not say which is whose."""
    keys = [tuple(name.partition(":")[0].split("/")[-2:]) for name in names]
    by_key = dict(zip(keys, stored, strict=True))
    file_names = [(path[-1], _name_in_file(path[-1], variable, by_key)) for path, variable, *_ in wanted]
    if len(by_key) != len(names) or set(file_names) != set(by_key):
        return None
    order = {path: index for index, path in enumerate(dict.fromkeys(one.path for one in wanted))}
    # Within a layer they stay in the order its variables have.
    pairs = [(item, by_key[key]) for item, key in zip(wanted, file_names, strict=True)]
    return sorted(pairs, key=lambda pair: order[pair[0].path])


def _name_in_file(layer: str, variable: Variable, known: Mapping[tuple[str, ...], WeightSource]) -> str:
    """Return a variable's name in the file: Keras 3 calls a depthwise kernel plainly a kernel."""
    plain = variable.name.removeprefix("depthwise_")
    return plain if (layer, variable.name) not in known and (layer, plain) in known else variable.name


def _flat(layer: KerasLayer, dialect: Dialect, path: LayerPath) -> Iterator[Wanted]:
    """Yield the variables of a layer and of those inside it in the order of a flat list: trained ones first."""
    variables = list(_in_layer_order(layer, dialect, (*path, layer.name), True))
    yield from (item for item in variables if item.is_trained)
    yield from (item for item in variables if not item.is_trained)


def _in_layer_order(layer: KerasLayer, dialect: Dialect, path: LayerPath, trained: bool) -> Iterator[Wanted]:
    if layer.model is None:
        trained = trained and bool(layer.config.get("trainable", True))
        own = saved_variables(layer, dialect)
        for variable in stored_variables(layer, own, flat=True):
            yield Wanted(path, variable, trained and variable.is_trained, layer)
        return
    for inner in layer.model.layers:
        yield from _in_layer_order(inner, dialect, (*path, inner.name), trained)


def _of_nested_groups(
    file: WeightFile, model: KerasModel, dialect: Dialect, group: str, path: LayerPath
) -> Iterator[tuple[LayerPath, Sequence[WeightSource]]]:
    """Yield the variables of each layer, out of the group that Keras called after its class."""
    for layer, place in _places(file, model, dialect, group):
        if layer.model is not None:
            inner = f"{place}/layer/" if layer.class_name == AT_EACH_MOMENT else f"{place}/"
            yield from _of_nested_groups(file, layer.model, dialect, inner, (*path, layer.name))
            continue
        own = saved_variables(layer, dialect)
        wanted = stored_variables(layer, own, flat=False)
        keys = _keys(place, wanted)
        if missing := [key for key in keys if key not in file.datasets]:
            raise WeightsMismatch(
                f"{file.file} has no {missing[0]!r}, which holds the {wanted[keys.index(missing[0])].name} of layer "
                f"{layer.name!r}. Is it another model's?"
            )
        if wanted and _has_more_inside(file, place, wanted, keys):
            yield (*path, layer.name), [Unread(file.datasets[key].shape) for key in keys]
        elif wanted:
            yield (*path, layer.name), restored(layer, own, wanted, [file.datasets[key] for key in keys])


def _places(
    file: WeightFile, model: KerasModel, dialect: Dialect, group: str
) -> Sequence[tuple[KerasLayer, str]]:
    """Return the group of each layer, counted within its class; Keras 2.12 and 2.13 counted those with weights twice.

    Their list of layers named such a layer once for its weights and once more as a layer
    (keras-team/tf-keras, ``Functional._layer_checkpoint_dependencies``).
    """
    layers = [layer for layer in model.layers if not layer.is_function]
    with_weights = {layer.name for layer in layers if any(True for _ in _flat(layer, dialect, ()))}
    ways: list[list[tuple[KerasLayer, str]]] = []
    for container, twice in (*((one, False) for one in _CONTAINERS), (_CONTAINERS[1], True)):
        counts: Counter[str] = Counter()
        places = []
        for layer in layers:
            name = snake_case(layer.class_name)
            number = f"_{counts[name]}" if counts[name] else ""
            counts[name] += 2 if twice and layer.name in with_weights else 1
            places.append((layer, f"{group}{container}/{name}{number}"))
        if all(place in file.groups for layer, place in places if layer.name in with_weights):
            return places
        ways.append(places)
    return ways[0]


def _keys(place: str, wanted: Sequence[Variable]) -> list[str]:
    """Return where a layer's variables are, counted in each part of the layer by itself."""
    counts: Counter[str] = Counter()
    keys = []
    for variable in wanted:
        group = f"{place}/{variable.group}" if variable.group else place
        keys.append(f"{group}/vars/{counts[group]}")
        counts[group] += 1
    return keys


def _has_more_inside(file: WeightFile, place: str, wanted: Sequence[Variable], keys: Sequence[str]) -> bool:
    """Whether the layers inside a layer have more numbers than are read: `model.quantize` does not say it of them."""
    inside = tuple(f"{place}/{variable.group}/vars/" for variable in wanted if variable.group)
    return bool(inside) and any(key.startswith(inside) and key not in keys for key in file.datasets)


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
