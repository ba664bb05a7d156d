"""The table of layer types, and how to add one.

A layer convscope does not know is registered by its type, either as a plain function of tensors::

    register_layer("Interp", lambda x, height, width: F.interpolate(x, (height, width), mode="bilinear"))

or, where blobs or shapes need more words, as a function from the layer's message to an `OperationPlan`::

    @register_layer("DepthwiseConvolution")
    def depthwise(layer):
        return translate_as("Convolution", layer)

A ``Python`` layer is registered as ``"Python:module.layer"`` or ``"Python:layer"``; its own code is never run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, TypeVar, overload

from convscope.errors import InputError, UnsupportedLayer
from convscope.formats.caffe.layers.translation import LearnedBlob, Translation, wrong
from convscope.formats.caffe.layers.unknown_fields import EIGHT_BIT, refuse_unknown_fields
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan
from convscope.formats.registration import CUSTOM_LAYERS, TensorFunction, teach

Translator = Callable[[Message], OperationPlan | Translation]
AnyTranslator = TypeVar("AnyTranslator", bound=Translator)

TRANSLATORS: dict[str, Translator] = {}
DATA, TRAINING = "(data)", "(training)"
"""What layers of unknown types are taken for: those that read nothing, and those whose names say loss or accuracy."""
_TRAINING = ("loss", "accuracy", "evaluate", "ohem")
_NOT_ROUNDED = (
    f"{EIGHT_BIT} is not obeyed: layers are computed in single precision, without its rounding to few bits"
)
FORKS = 500_000_000  # the numbers of forks' fields begin here, in fields.txt


def translate(layer: Message) -> Translation:
    """Return what a layer (a V2 ``LayerParameter``) is in convscope's terms.

    Raises UnsupportedLayer for a type nobody registered, NetworkFileError for a layer Caffe would refuse too.
    """
    if not layer.type:
        raise wrong(layer, "it has no type")
    type_name = _known_type(layer)
    translation = translate_as(type_name, layer)
    if translation.plan and type_name not in CUSTOM_LAYERS:
        refuse_unknown_fields(layer)
        if any(field.name == EIGHT_BIT for field in layer.unknown):
            return replace(translation, note=_NOT_ROUNDED)
    return translation


def translate_as(type_name: str, layer: Message) -> Translation:
    """Return what the layer would be if it had another type."""
    translation = TRANSLATORS[type_name](layer)
    return Translation(translation) if isinstance(translation, OperationPlan) else translation


@overload
def register_layer(type_name: str, function: None = None) -> Callable[[AnyTranslator], AnyTranslator]: ...


@overload
def register_layer(type_name: str, function: TensorFunction, *, roles: Sequence[str] = ()) -> None: ...


def register_layer(
    type_name: str, function: TensorFunction | None = None, *, roles: Sequence[str] = ()
) -> Callable[[AnyTranslator], AnyTranslator] | None:
    """Teach convscope the layer type `type_name`; a type it knows is replaced.

    `function` takes the bottoms as tensors by position and, by keyword, the layer's blobs under the names in
    `roles`, and everything in the layer's own ``..._param`` message that no schema describes (a Python layer's
    ``param_str`` too). It returns a tensor, or a tuple for several tops. Without a function this is a decorator
    for one that makes an `OperationPlan` of the layer's message.

    A Keras layer's type is its class; one layer alone is ``"Lambda:its_name"``. Its function gets the weights, in
    Keras's order, under the names in `roles`, and those of its settings that it has keywords for; maps have their
    channels last.

    >>> convscope.register_layer("Permute", lambda x, order: x.permute(order))
    >>> convscope.register_layer("Lambda:to_bgr", lambda x: x.flip(-1))
    """
    if not isinstance(type_name, str) or isinstance(roles, str):
        raise InputError("a layer type is registered as register_layer('Type', function, roles=['weights'])")
    if not (function is None or callable(function)):
        raise InputError(f"{type_name} is registered with {function!r}, which is no function of tensors")
    if function is None:

        def register(translator: AnyTranslator) -> AnyTranslator:
            TRANSLATORS[type_name] = translator
            return translator

        return register

    kind = teach(type_name, function, roles).kind
    blobs = {role: LearnedBlob() for role in roles}
    TRANSLATORS[type_name] = lambda layer: OperationPlan(kind, (), blobs, _unknown_fields(layer))
    return None


def _known_type(layer: Message) -> str:
    name = str(layer.type)
    if name == "Python":
        parameters = layer.python_param
        if not parameters.layer:
            raise wrong(layer, "python_param does not say which layer: give its module and layer")
        names = [f"Python:{parameters.module}.{parameters.layer}", f"Python:{parameters.layer}"]
        for name in names:
            if name in TRANSLATORS:
                return name
        if not layer.bottom:
            return DATA
        raise UnsupportedLayer(
            f"layer {layer.name!r} runs Python code ({parameters.module}.{parameters.layer}), which convscope "
            f"never does: write what it computes as a function of tensors, register_layer({names[0]!r}, function)"
        )
    if name in TRANSLATORS:
        return name
    same = [known for known in TRANSLATORS if _letters(known) == _letters(name)]
    if same:
        return same[0]
    if not layer.bottom:
        return DATA
    letters = _letters(name)
    if letters.startswith("eval") or any(word in letters for word in _TRAINING):
        return TRAINING
    close = get_close_matches(name, TRANSLATORS, n=1, cutoff=0.8)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UnsupportedLayer(
        f"layer {layer.name!r} has the type {name!r}, which convscope does not know.{hint} "
        f"Teach it with register_layer({name!r}, function), a function of tensors"
    )


def _letters(type_name: str) -> str:
    """Return a type's name as all generations write it: ROI_POOLING and ROIPooling are one."""
    return type_name.replace("_", "").lower()


def _unknown_fields(layer: Message) -> dict[str, Any]:
    """Return what the layer's unknown messages say, and a Python layer's param_str, as keywords."""
    fields: dict[str, Any] = {}
    for known, value in layer.fields():
        if known.number > FORKS:  # a fork's layer, which people taught before convscope knew it
            fields.update({inner.name: _with_tuples(item) for inner, item in value.fields()})
    for field in layer.unknown:
        if isinstance(field.value, dict):
            fields.update({name: _with_tuples(value) for name, value in field.value.items()})
    if layer.python_param.has("param_str"):
        fields["param_str"] = layer.python_param.param_str
    return fields


def _with_tuples(value: Any) -> Any:
    return tuple(_with_tuples(item) for item in value) if isinstance(value, list) else value
