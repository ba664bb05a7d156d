"""A live model of Keras 3, on any of its engines, and the applications by name: through configuration and weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import InputError, MissingPackage, NetworkFileError, did_you_mean
from convscope.formats.keras import KERAS
from convscope.formats.keras.configuration import read_model
from convscope.formats.keras.layers import Dialect, saved_variables
from convscope.formats.keras.model import AT_EACH_MOMENT, KerasModel
from convscope.formats.keras.opening import channels_are_last, parts_of
from convscope.formats.keras.quantized import Unread, WeightSource, restored, stored_variables
from convscope.formats.keras.weights import LayerPath, read_weights_of
from convscope.formats.network_parts import NetworkParts
from convscope.formats.request import Request
from convscope.network.origin import Origin


@dataclass(frozen=True)
class LiveVariable:
    """A variable of a live model, as it is when it is asked for."""

    variable: Any
    to_numpy: Callable[[Any], Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(int(size) for size in self.variable.shape)

    def load(self) -> NDArray[np.float32]:
        """Return a copy of its numbers."""
        return np.array(self.to_numpy(self.variable), np.float32)


def open_live_keras(request: Request) -> NetworkParts:
    """Open a Keras 3 model that lives in this process; a variable is read when it is first needed, none is changed."""
    model: Any = request.source
    request.refuse("weights", because="a live model has its own")
    return _network(model, request, Origin(str(getattr(model, "name", "model"))))


def open_application(request: Request) -> NetworkParts:
    """Build one of ``keras.applications`` by its name (``keras:VGG16``), with ImageNet's weights or those given."""
    keras = _keras()
    name = str(request.source).removeprefix(KERAS)
    names = {one for one in dir(keras.applications) if one[0].isupper()}
    if name not in names:
        exact = {one.lower(): one for one in names}.get(name.lower())
        hint = f" Did you mean {exact!r}?" if exact else did_you_mean(name, names)
        raise InputError(f"keras has no application {name!r}.{hint} Possible: {', '.join(sorted(names))}")
    build = getattr(keras.applications, name)
    try:
        model = build(weights="imagenet" if request.weights is None else None)
    except (OSError, ValueError, Exception) as error:  # a download fails in as many ways as there are
        raise NetworkFileError(
            f"{request.source} could not be built by Keras: {str(error).splitlines()[0]}. Without a connection give "
            "its weights as a file (weights=FILE)"
        ) from error
    origin = Origin(str(request.source), None if request.weights is None else str(request.weights))
    return _network(model, request, origin)


def _keras() -> Any:
    try:
        return import_module("keras")
    except ImportError as error:
        raise MissingPackage(
            "keras:NAME is built by Keras itself, which is not installed: pip install keras (it runs on torch with "
            "KERAS_BACKEND=torch); a saved .keras or .h5 file needs no Keras"
        ) from error


def _network(live: Any, request: Request, origin: Origin) -> NetworkParts:
    try:
        description = json.loads(live.to_json())
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{origin.source}: only models that Keras can describe are opened (Functional, Sequential): {error}"
        ) from error
    model = read_model(description, origin.source)
    engine = getattr(getattr(import_module("keras"), "backend", None), "backend", lambda: "tensorflow")()
    dialect = Dialect(backend=engine, channels_last=channels_are_last(model))
    if request.weights is not None:
        weights = read_weights_of(request.weights).of(model, dialect)
    else:
        to_numpy = import_module("keras").ops.convert_to_numpy
        weights = dict(_variables(model, live, to_numpy, dialect))
    return parts_of(model, weights, dialect, request, origin)


def _variables(
    model: KerasModel, live: Any, to_numpy: Callable[[Any], Any], dialect: Dialect, path: LayerPath = ()
) -> Iterator[tuple[LayerPath, Sequence[WeightSource]]]:
    layers = {layer.name: layer for layer in live.layers}
    for layer in model.layers:
        if layer.model is not None:
            inner = layers[layer.name]
            inner = inner.layer if layer.class_name == AT_EACH_MOMENT else inner
            yield from _variables(layer.model, inner, to_numpy, dialect, (*path, layer.name))
        elif layer.name in layers:
            # A layer's own order has the trained ones first, frozen or not; names that are there once say it better.
            weights = [LiveVariable(one, to_numpy) for one in layers[layer.name].weights]
            own = saved_variables(layer, dialect)
            stored = stored_variables(layer, own, flat=True)
            if own and len(weights) > len(stored):  # layers inside it were quantized, which it does not say
                yield (*path, layer.name), [Unread(()) for _ in own]
                continue
            by_name = {str(getattr(one.variable, "name", "")): one for one in weights}
            if len(by_name) == len(weights) and all(variable.name in by_name for variable in stored):
                # LoRA's kernel keeps its place there, and a spectral norm's own vector comes before the inner bias
                weights = [by_name[variable.name] for variable in stored]
            yield (*path, layer.name), restored(layer, own, stored, weights)
