"""The JSON in which Keras describes a model, of any of its versions, read as plain data; no code in it is ever run.

Keras 1 and 2 name what a layer reads in lists (``[["conv1", 0, 0, {}]]``: the layer, its call, that call's output, and
keywords), Keras 3 in objects of the class ``__keras_tensor__`` anywhere in a call's arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any

from convscope.errors import NetworkFileError
from convscope.formats.graph_builder import BARE_ERRORS
from convscope.formats.json_types import Each, require
from convscope.formats.keras.keras1 import modernized
from convscope.formats.keras.model import AT_EACH_MOMENT, INPUT, Call, CallReference, KerasLayer, KerasModel

MAXIMUM_MODELS_DEEP = 32
_CHAINS = "Sequential"
_OTHER_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}  # its class, and what it is exported as
_LAYER = {
    "class_name": str,
    "config": (Each(object), [object]),
    "name?": (str, None),
    "inbound_nodes?": (None, [([object], Each(object))]),
}
_MODEL = {"name?": (str, None), "layers": [_LAYER], "input_layers?": object, "output_layers?": object}
_CALL = {"args?": (None, [object]), "kwargs?": (None, Each(object))}
_UNMADE = (_CHAINS, AT_EACH_MOMENT)  # inner models whose making Keras 3 does not count
_REFERENCE = (str, int, int)  # a layer, which of its calls, which of that call's outputs


def read_model(description: Any, file: str) -> KerasModel:
    """Return the model that a file's JSON, decoded, describes; NetworkFileError names the file where it cannot."""
    try:
        return _model(description, "model", 0)
    except NetworkFileError as error:
        raise NetworkFileError(f"{file}: {error}") from None
    except (*BARE_ERRORS, RecursionError) as error:
        what = f"{type(error).__name__} {error}".strip()
        raise NetworkFileError(f"{file} describes its network in a way no Keras does: {what}") from error


def describes_model(description: Any) -> bool:
    """Whether a layer's description is that of a model, with layers of its own."""
    config = description.get("config") if isinstance(description, Mapping) else None
    return isinstance(config, list) or (
        isinstance(config, Mapping) and isinstance(config.get("layers"), list)
    )


def _model(description: Mapping[str, Any], name: str, depth: int) -> KerasModel:
    require(description, _LAYER, name)
    config, class_name = description["config"], description["class_name"]
    if not describes_model(description):
        raise NetworkFileError(
            f"the model is a class of its own ({class_name}), whose layers only its code knows: make a Functional "
            "model of it (keras.Model(inputs, model.call(inputs))) and save that, or model.export(), whose SavedModel "
            "has what it computes"
        )
    if depth > MAXIMUM_MODELS_DEEP:
        raise NetworkFileError(f"models lie inside models more than {MAXIMUM_MODELS_DEEP} deep")
    if isinstance(config, list):  # a Sequential model of Keras 1
        config = {"layers": config}
    require(config, _MODEL, name)
    name = config.get("name") or name
    layers = tuple(_layer(layer, depth) for layer in config["layers"])
    names = [layer.name for layer in layers]
    if twice := {one for one in names if names.count(one) > 1}:
        raise NetworkFileError(f"two layers are called {sorted(twice)[0]!r}")
    if class_name == _CHAINS or "input_layers" not in config:
        return _chain(name, layers, config)
    model = KerasModel(
        name, layers, tuple(_references(config["input_layers"])), tuple(_references(config["output_layers"]))
    )
    nodes = (node for layer in config["layers"] for node in layer.get("inbound_nodes") or ())
    return _counted_from_zero(model, any(isinstance(node, Mapping) for node in nodes))


def _layer(description: Mapping[str, Any], depth: int) -> KerasLayer:
    class_name = description["class_name"].rpartition(">")[2]
    class_name = _OTHER_NAMES.get(class_name, class_name)
    config = description["config"]
    inner = _model(description, "model", depth + 1) if describes_model(description) else None
    if class_name == AT_EACH_MOMENT and isinstance(config, Mapping) and describes_model(config.get("layer")):
        inner = _model(config["layer"], "model", depth + 1)
        description = {**description, "name": config.get("name")}
    if inner is None:
        require(config, Each(object), f"the configuration of a {class_name}")
        class_name, config = modernized(class_name, config)
    name = description.get("name") or (inner.name if inner else config.get("name"))
    require(name, str, f"the name of a {class_name}")
    return KerasLayer(
        name=name,
        class_name=class_name,
        config=config if isinstance(config, Mapping) else {},
        calls=tuple(_call(node) for node in description.get("inbound_nodes") or ())
        or ((Call(()),) if class_name == INPUT else ()),
        model=inner,
        is_function=_is_function(description, class_name),
    )


def _is_function(description: Mapping[str, Any], class_name: str) -> bool:
    """Whether this is no layer: Keras 3 says so by its module, in ``.h5`` only by lacking what every layer has."""
    if class_name in ("TFOpLambda", "SlicingOpLambda"):
        return True
    if "module" in description:
        return ".ops" in str(description["module"])
    nodes, config = description.get("inbound_nodes") or [None], description["config"]
    # A layer says its policy of types as an object even where it does not say that it can be trained (SpatialDropout).
    is_layer = "trainable" in config or isinstance(config.get("dtype"), Mapping) or "Dropout" in class_name
    return isinstance(nodes[0], Mapping) and not is_layer


def _chain(name: str, layers: tuple[KerasLayer, ...], config: Mapping[str, Any]) -> KerasModel:
    """Connect the layers of a Sequential model, each to the one before; an input is put first where there is none."""
    if not layers:
        raise NetworkFileError(f"the model {name!r} has no layers")
    if layers[0].class_name != INPUT:
        shape = _first_shape(layers[0]) or config.get("build_input_shape")
        first = KerasLayer(f"{layers[0].name}_input", INPUT, {"batch_shape": shape}, ())
        layers = (first, *layers)
    chained = [replace(layers[0], calls=(Call(()),))]
    for layer in layers[1:]:
        chained.append(replace(layer, calls=(Call((CallReference(chained[-1].name),)),)))
    return KerasModel(
        name, tuple(chained), (CallReference(chained[0].name),), (CallReference(chained[-1].name),)
    )


def _first_shape(layer: KerasLayer) -> Any:
    if layer.model is not None:
        first = layer.model.layer(layer.model.inputs[0].layer)
        return stated_shape(first)
    return stated_shape(layer)


def stated_shape(layer: KerasLayer) -> tuple[int | None, ...] | None:
    """Return the shape, batch first, that a layer says its input has: None for sizes it leaves open."""
    config = layer.config
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    rest = config.get("shape")
    for stated in (shape, rest):
        sizes = stated if isinstance(stated, list | tuple) else [stated]
        if any(type(size) not in (int, NoneType) for size in sizes) or isinstance(stated, int):
            raise NetworkFileError(f"layer {layer.name!r} says that its input has the shape {stated!r}")
    shape = (None, *rest) if shape is None and rest is not None else shape
    return None if shape is None else tuple(shape)


def _call(node: Any) -> Call:
    if isinstance(node, Mapping):  # Keras 3
        require(node, _CALL, "a call")
        keywords = {name: _with_references(value) for name, value in (node.get("kwargs") or {}).items()}
        positional = [_with_references(argument) for argument in node.get("args") or ()]
        return Call(tuple(item for argument in positional for item in _flattened(argument)), keywords)
    if node and isinstance(node[0], str):
        node = [node]
    arguments: list[Any] = []
    keywords = {}
    for item in node:
        require(item, [object], "what a call reads")
        call_keywords = item[3] if len(item) > 3 else {}
        require(call_keywords, Each(object), "what a call is told")
        # A function's constant is written in the place of a layer.
        constant = len(item) > 2 and item[0] == "_CONSTANT_VALUE"
        arguments.append(item[2] if constant else _reference(item[:3]))
        keywords.update({name: _referred(value) for name, value in call_keywords.items()})
    return Call(tuple(arguments), keywords)


def _flattened(value: Any) -> Iterator[Any]:
    """Yield an argument, out of the lists it is in; a list of plain numbers stays one."""
    if isinstance(value, list) and _holds_reference(value):
        for item in value:
            yield from _flattened(item)
    else:
        yield value


def _holds_reference(value: Any) -> bool:
    return isinstance(value, CallReference) or (isinstance(value, list) and any(map(_holds_reference, value)))


def _with_references(value: Any) -> Any:
    """Return an argument of Keras 3 with its tensors as references."""
    if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
        require(value, {"config": {"keras_history": [object]}}, "a tensor that is read")
        return _reference(value["config"]["keras_history"])
    return [_with_references(item) for item in value] if isinstance(value, list) else value


def _referred(value: Any) -> Any:
    """Return a keyword of Keras 2, where a tensor is a list of a layer's name and two numbers."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return _reference(value)
    return value


def _reference(value: Any) -> CallReference:
    require(value, [object], "what is read")
    if len(value) != len(_REFERENCE):
        raise NetworkFileError(
            f"{str(value)[:60]} is to be read, not a layer, its call and that call's output"
        )
    for index, (item, kind) in enumerate(zip(value, _REFERENCE, strict=True)):
        require(item, kind, f"what is read[{index}]")
    return CallReference(*value)


def _references(value: Any) -> Iterator[CallReference]:
    """Yield the references of ``input_layers`` or ``output_layers``: one, a list of them, or an object of names."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and value and isinstance(value[0], str):
        yield _reference(value)
        return
    require(value, [object], "the layers that go in or come out")
    for item in value:
        yield from _references(item)


def _counted_from_zero(model: KerasModel, version_3: bool) -> KerasModel:
    """Count the calls of inner models from 0: Keras counts the making of the model as its first.

    Keras 2 does so everywhere, Keras 3 in what goes in and comes out alone, so that both are told apart.
    """
    read = [ref for layer in model.layers for call in layer.calls for ref in call.references]
    ends = [*model.inputs, *model.outputs]
    inner = {layer.name: len(layer.calls) for layer in model.layers if layer.model is not None}
    beyond = [
        {ref.layer for ref in refs if ref.call >= inner.get(ref.layer, ref.call + 1)} for refs in (read, ends)
    ]
    shifted, shifted_ends = beyond if version_3 else [beyond[0] | beyond[1]] * 2
    if version_3:
        made = {layer.name for layer in model.layers if layer.model and layer.class_name not in _UNMADE}
        shifted_ends = shifted_ends | (made - {ref.layer for ref in ends if ref.call == 0})

    def end(ref: CallReference) -> CallReference:
        return ref._replace(call=ref.call - 1) if ref.layer in shifted_ends else ref

    def renamed(value: Any) -> Any:
        if isinstance(value, CallReference):
            return value._replace(call=value.call - 1) if value.layer in shifted else value
        return [renamed(one) for one in value] if isinstance(value, list) else value

    def recounted(call: Call) -> Call:
        keywords = {name: renamed(value) for name, value in call.keywords.items()}
        return Call(tuple(renamed(argument) for argument in call.arguments), keywords)

    return KerasModel(
        model.name,
        tuple(replace(layer, calls=tuple(map(recounted, layer.calls))) for layer in model.layers),
        tuple(map(end, model.inputs)),
        tuple(map(end, model.outputs)),
    )
