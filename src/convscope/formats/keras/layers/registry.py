"""The table of Keras's layer types: what each becomes, and what it has learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from convscope.errors import UnsupportedLayer, did_you_mean
from convscope.formats.keras.layers.constants import constant_variables
from convscope.formats.keras.layers.translation import Dialect, Steps, Use
from convscope.formats.keras.layers.unread import require_all_read, with_settings_remembered
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.quantized import is_readable, require_readable
from convscope.formats.keras.variable import Variable
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.registration import CUSTOM_LAYERS

Translator = TypeVar("Translator", bound=Callable[[Use], Steps])
Variables = Callable[[KerasLayer, Dialect], Sequence[Variable]]


@dataclass(frozen=True)
class LayerType:
    """How a layer of one type is translated, and which variables it has, in the order Keras saves them.

    One that is `idle` does nothing once training is over, whatever its settings are.
    """

    translate: Callable[[Use], Steps]
    variables: Variables
    idle: bool = False


LAYERS: dict[str, LayerType] = {}
FUNCTIONS: dict[str, Callable[[Use], Steps]] = {}
"""What is no layer but a bare function between layers, by Keras's name for it."""


def _nothing(layer: KerasLayer, dialect: Dialect) -> Sequence[Variable]:
    return ()


def keras_layer(
    *class_names: str, variables: Variables = _nothing, idle: bool = False
) -> Callable[[Translator], Translator]:
    """Register the function that translates layers of these classes."""

    def register(translator: Translator) -> Translator:
        LAYERS.update(dict.fromkeys(class_names, LayerType(translator, variables, idle)))
        return translator

    return register


def keras_function(*names: str) -> Callable[[Translator], Translator]:
    """Register the function that translates bare functions of these names."""

    def register(translator: Translator) -> Translator:
        FUNCTIONS.update(dict.fromkeys(names, translator))
        return translator

    return register


def translate(use: Use) -> Steps:
    """Return what a layer's call is in convscope's terms; UnsupportedLayer, with the remedy, for an unknown type."""
    if name := _taught(use.layer):
        taught = CUSTOM_LAYERS[name]
        roles = {role: role for role in taught.roles}
        return [
            OperationPlan(taught.kind, attributes=taught.accepted(_plain_settings(use)), parameters=roles)
        ]
    if use.layer.is_function:
        return _function(use)(use)
    layer_type, watched = _type(use.layer), with_settings_remembered(use)
    require_readable(use.layer)
    steps = layer_type.translate(watched)
    if not layer_type.idle:
        require_all_read(watched)
    return steps


def variables_of(layer: KerasLayer, dialect: Dialect) -> Sequence[Variable]:
    """Return what a layer has learned, in the order Keras saves it."""
    if name := _taught(layer):
        return tuple(Variable(role) for role in CUSTOM_LAYERS[name].roles)
    if layer.is_function:
        return constant_variables(layer)
    if layer.class_name not in LAYERS or not is_readable(layer):
        return ()  # it is cut off; what it has learned is never asked for
    return (*LAYERS[layer.class_name].variables(layer, dialect), *_of_activation(layer, dialect))


def _of_activation(layer: KerasLayer, dialect: Dialect) -> Iterator[Variable]:
    """Yield what the layer that a layer's ``activation`` is has learned: a PReLU's slopes."""
    stated = layer.config.get("activation")
    if isinstance(stated, Mapping) and isinstance(stated.get("config"), Mapping):
        inner = KerasLayer(layer.name, str(stated.get("class_name")), stated["config"], ())
        if inner.class_name in LAYERS:
            yield from (replace(one, group="activation") for one in variables_of(inner, dialect))


def saved_variables(layer: KerasLayer, dialect: Dialect) -> list[Variable]:
    """Return those of a layer's variables that a file has: its description says no value of them."""
    return [variable for variable in variables_of(layer, dialect) if variable.value is None]


def _taught(layer: KerasLayer) -> str | None:
    names = (
        f"{layer.class_name}:{layer.name}",
        f"{layer.class_name}:{_own_function(layer)}",
        layer.class_name,
    )
    return next((name for name in names if name in CUSTOM_LAYERS), None)


def _type(layer: KerasLayer) -> LayerType:
    if layer.class_name in LAYERS:
        return LAYERS[layer.class_name]
    name = layer.class_name
    if name == "Lambda":
        name = f"Lambda:{layer.name}"
        what = "runs Python code that is part of the file, which convscope never does: write what it computes"
        how = f"as a function of tensors, register_layer({name!r}, function)"
    else:
        what = f"has the type {name!r}, which convscope does not know.{did_you_mean(name, LAYERS)} Teach it"
        how = f"with register_layer({name!r}, function), a function of tensors"
    raise UnsupportedLayer(f"layer {layer.name!r} {what} {how}")


def _function(use: Use) -> Callable[[Use], Steps]:
    name = use.layer.class_name if "function" not in use.config else str(use.config["function"])
    short = name.rpartition(".")[2]
    if short not in FUNCTIONS:
        raise UnsupportedLayer(
            f"{use.layer.name!r} calls the function {name!r} between layers, which convscope does not know."
            f"{did_you_mean(short, FUNCTIONS)} Teach it with register_layer({use.layer.class_name!r}, function)"
        )
    return FUNCTIONS[short]


def _own_function(layer: KerasLayer) -> str:
    """Return the name a Lambda gives its function, where it has one."""
    function = layer.config.get("function")
    if isinstance(function, Mapping):
        function = function.get("config")
    return function if isinstance(function, str) else ""


def _plain_settings(use: Use) -> dict[str, Any]:
    """Return the layer's settings that are plain numbers and words, and those of its call, as keywords."""
    arguments = use.config.get("arguments")
    settings = {**use.config, **(arguments if isinstance(arguments, Mapping) else {}), **use.call.keywords}
    return {name: found for name, value in settings.items() for found in _plain(value)}


def _plain(value: Any) -> Iterator[Any]:
    if isinstance(value, str | int | float | None):
        yield value
    elif isinstance(value, list | tuple):
        found = [item for part in value for item in _plain(part)]
        if len(found) == len(value):
            yield tuple(found)
