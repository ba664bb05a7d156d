"""From a layer's definition to the layer a net runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from convscope.caffe.layer import FilledLayer, Layer, OperationLayer, SourceLayer, python_layer
from convscope.caffe.losses import LOSSES
from convscope.caffe.mode import TEST
from convscope.errors import InputError, UnsupportedLayer, warn
from convscope.formats.caffe.layers import LearnedBlob, Translation, translate
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan
from convscope.network.graph import Operation

AUTOMATIC = "(automatic)"  # what Caffe calls the top of a loss that names none


def with_tops(definition: Message) -> Message:
    """Return the definition with a top for a loss or an accuracy that names none, as nets of 2013 and 2014 do."""
    if definition.top or definition.type not in LOSSES:
        return definition
    copy = definition.copy()
    copy.top = [AUTOMATIC]
    return copy


def make_layer(definition: Message, phase: int) -> Layer:
    """Return the layer that a V2 definition describes, not yet set up; UnsupportedLayer where it is unknown."""
    layer = _layer(definition if phase == TEST else _of_batch(definition))
    layer.name, layer.type, layer.phase = definition.name or "", definition.type or "", phase
    return layer


def loss_weights(definition: Message) -> dict[str, float]:
    """Return the tops that count as a loss, with their weights."""
    weights = list(definition.loss_weight)
    if not weights and (definition.type or "").endswith("Loss"):
        weights = [1.0]
    return {top: weight for top, weight in zip(definition.top, weights, strict=False) if weight}


def _layer(definition: Message) -> Layer:
    if definition.type == "Python" and (layer := python_layer(definition)) is not None:
        return layer
    if definition.type == "Python" and not definition.bottom:
        code = f"{definition.python_param.module}.{definition.python_param.layer}"
        raise UnsupportedLayer(
            f"layer {definition.name!r} is {code}, which this program has not imported: import that class first, or "
            "put an Input layer in its place"
        )
    if definition.type in LOSSES:
        kind, settings = LOSSES[definition.type](definition)
        return _operation_layer(definition, OperationPlan(kind, attributes=settings), None)
    translation = translate(definition)
    if translation.is_input:
        shapes = translation.input_shapes or (None,) * len(definition.top)
        return SourceLayer([_source_shape(definition, shape) for shape in shapes])
    if translation.plan is None:
        return _left_out(definition, translation)
    if translation.plan.kind == "constant" and not translation.stored_blobs:
        return FilledLayer(translation.blobs)
    return _operation_layer(definition, translation.plan, translation.tops)


def _of_batch(definition: Message) -> Message:
    """Return the definition of a layer in training, where Caffe normalizes with the batch's own statistics."""
    if definition.type != "BatchNorm" or definition.batch_norm_param.has("use_global_stats"):
        return definition
    training = definition.copy()
    training.ensure("batch_norm_param").use_global_stats = False
    return training


def _operation_layer(definition: Message, plan: OperationPlan, tops: Sequence[int] | None) -> OperationLayer:
    top_numbers = range(len(definition.top)) if tops is None else tops
    operation = Operation(
        kind=plan.kind,
        name=definition.name or "",
        type_name=definition.type,
        inputs=tuple(plan.inputs or definition.bottom),
        outputs=tuple(definition.top[index] for index in top_numbers),
        parameters={role: role for role in plan.parameters},
        attributes=plan.attributes,
    )
    return OperationLayer(operation, _with_caffe_fillers(definition, plan.parameters), top_numbers)


def _with_caffe_fillers(definition: Message, blobs: Mapping[str, LearnedBlob]) -> Mapping[str, LearnedBlob]:
    """Fill with zeros what the net asks no filling for, as Caffe does; convscope's other networks get random ones."""
    has_filler = any(
        value.has(name)
        for field, value in definition.fields()
        if field.message and not field.repeated
        for name in ("weight_filler", "filler")
        if name in field.message.fields
    )
    first = next(iter(blobs), "")
    filler = blobs[first].filler if blobs else None
    if has_filler or filler is None or filler.type == "constant":
        return blobs
    return {**blobs, first: replace(blobs[first], filler=Message("FillerParameter"))}


def _source_shape(definition: Message, shape: tuple[int | None, ...] | None) -> tuple[int, ...]:
    """Return the shape of a source's top; three channels are assumed where a database would tell."""
    if shape is not None and len(shape) == 4 and shape[1] is None:
        warn(
            f"layer {definition.name!r} reads a database, which convscope does not: it is taken to hold color pictures"
        )
        shape = (shape[0], 3, *shape[2:])
    if shape is None or None in shape:
        raise InputError(
            f"layer {definition.name!r} ({definition.type}) does not say how big its tops are: write an Input layer "
            "with input_param { shape { dim: ... } } in its place"
        )
    return tuple(size for size in shape if size is not None)


def _left_out(definition: Message, translation: Translation) -> Layer:
    if definition.top:
        warn(f"{translation.note}; its tops stay zero")
    return Layer()
