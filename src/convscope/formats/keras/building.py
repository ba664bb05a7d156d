"""A Keras model becomes the plain graph.

A value is called as its layer; in an inner model, with the model's name before it (``vgg16/block1_conv1``), and the
inner model's own name is another name for what it gives. A layer that is called twice has ``conv#1`` and ``conv#2``,
and ``conv`` is the last. Where a layer ends in an activation, what was before it is ``conv1@conv1``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from convscope.errors import InputError, NetworkFileError, UnsupportedLayer, WeightsMismatch
from convscope.formats.given_shapes import GivenShape, given_shapes
from convscope.formats.graph_builder import GraphBuilder
from convscope.formats.hdf5 import Dataset
from convscope.formats.keras.configuration import stated_shape
from convscope.formats.keras.engines import tell_of_engines
from convscope.formats.keras.layers import Dialect, Numbers, Use, Variable, translate, variables_of
from convscope.formats.keras.layers.shape import HIDES, MASK_READERS
from convscope.formats.keras.layers.translation import CUT_HERE
from convscope.formats.keras.model import AT_EACH_MOMENT, INPUT, CallReference, KerasLayer, KerasModel
from convscope.formats.keras.policies import computed_in
from convscope.formats.keras.quantized import Unread, WeightSource
from convscope.formats.keras.weights import Found, LayerPath
from convscope.formats.operation_plan import OperationPlan
from convscope.network.cut import CutLayer
from convscope.network.graph import Graph, Operation
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Shape

USUAL_SIZE = 224


class CallIndex(NamedTuple):
    """Which call of a layer this is, counted from 0, and of how many."""

    number: int
    calls: int

    def inside(self, number: int, calls: int) -> CallIndex:
        """Return the turn of a call in a model that is itself at this turn."""
        return CallIndex(self.number * calls + number, self.calls * calls)

    def numbered(self, name: str) -> str:
        """Return the name of what this call gives."""
        return name if self.calls == 1 else f"{name}#{self.number + 1}"


@dataclass(frozen=True)
class _LazyParameter:
    """One parameter of the graph: where its numbers are, and how they are put in the operation's order."""

    variable: Variable
    source: WeightSource | None

    @property
    def shape(self) -> Shape:
        if self.source is None:
            return np.shape(self._own_numbers)
        # Arranged as the numbers will be, but these take no memory.
        return self.variable.arrange(np.broadcast_to(np.float32(0), self.source.shape)).shape

    @property
    def _own_numbers(self) -> Numbers:
        return np.asarray(self.variable.value, np.float32)

    def load(self) -> Numbers:
        if self.source is None:
            return self._own_numbers
        return self.variable.arrange(self.source.load())


def build_graph(
    model: KerasModel, found: Found, dialect: Dialect, *, input_shape: GivenShape | None = None
) -> Graph:
    """Return the graph of a model with the variables that were found for it.

    `input_shape` is that of the first input, or of those it names; without it, what the model leaves open is 224.
    """
    building = _Building(GraphBuilder(), found, dialect)
    layers = [model.layer(reference.layer) for reference in model.inputs]
    wanted = given_shapes(input_shape, [layer.name for layer in layers])
    for layer in layers:
        building.builder.add_input(layer.name, _input_shape(layer, wanted.get(layer.name), dialect))
    given = {reference.layer: reference.layer for reference in model.inputs}
    outputs = building.add_model(model, given, (), CallIndex(0, 1))
    builder = building.builder
    tell_of_engines(builder.operations, builder.shapes, dialect.backend)
    computed = [output for output in outputs if output not in builder.cut]
    ends = builder.ends() if builder.cut else ()
    graph = builder.graph(model.name, outputs=[*computed, *ends], channels_last=dialect.channels_last)
    return replace(graph, ends=frozenset(ends).difference(computed))


@dataclass
class _Building:
    builder: GraphBuilder
    found: Found
    dialect: Dialect
    hidden: set[str] = field(default_factory=set)
    """Values of which a Masking hides a part."""

    def add_model(
        self, model: KerasModel, given: Mapping[str, str], path: LayerPath, turn: CallIndex
    ) -> tuple[str, ...]:
        """Add a model's layers; `given` are the values its inputs stand for. Return the values it gives."""
        values = {CallReference(name): value for name, value in given.items()}
        for layer, index in model.in_order():
            if layer.class_name == INPUT:
                if CallReference(layer.name) not in values:
                    raise NetworkFileError(
                        f"{model.name!r} has an input {layer.name!r} that nothing goes into"
                    )
                continue
            call = layer.calls[index]
            masked = call.is_masked and not layer.is_function
            if masked:
                calls = (*layer.calls[:index], call.unmasked(), *layer.calls[index + 1 :])
                layer = replace(layer, calls=calls)
            reads = tuple(self._read(values, reference, model) for reference in layer.calls[index].references)
            self.hidden.update(reads if masked else ())
            outputs = self._add(layer, index, reads, path, turn.inside(index, len(layer.calls)))
            values.update({CallReference(layer.name, index, at): value for at, value in enumerate(outputs)})
        return tuple(self._read(values, reference, model) for reference in model.outputs)

    def _read(self, values: Mapping[CallReference, str], reference: CallReference, model: KerasModel) -> str:
        if reference not in values:
            first = values.get(reference._replace(output=0), "")
            if first in self.builder.cut:  # nobody knows how much it would have given
                return first
            raise NetworkFileError(f"{model.name!r} reads {tuple(reference)}, which no layer gives")
        return values[reference]

    def _add(
        self, layer: KerasLayer, index: int, reads: tuple[str, ...], path: LayerPath, turn: CallIndex
    ) -> tuple[str, ...]:
        plain = "/".join((*path, layer.name))
        name = turn.numbered(plain)
        if layer.model is None:
            outputs = self._add_or_cut(layer, index, reads, (*path, layer.name), name)
            if plain != name and name not in self.builder.cut:
                self.builder.aliases[plain] = name
            return outputs
        if len(reads) != len(layer.model.inputs):
            raise NetworkFileError(
                f"the inner model {layer.name!r} has {len(layer.model.inputs)} inputs and is given {len(reads)}"
            )
        moments = layer.class_name == AT_EACH_MOMENT and reads[0] not in self.builder.cut
        if moments:
            count = (self.builder.shapes[reads[0]] or (1, 1))[1]
            reads = (self._reshaped(layer, reads[0], f"{name}@moments", ("flatten", ("$0", 0, 1))),)
        given = {inner.layer: value for inner, value in zip(layer.model.inputs, reads, strict=True)}
        outputs = self.add_model(layer.model, given, (*path, layer.name), turn)
        if moments and outputs[0] not in self.builder.cut:
            return (self._reshaped(layer, outputs[0], name, ("unflatten", ("$0", 0, (-1, count)))),)
        if outputs[0] not in self.builder.cut:
            self.builder.aliases.update({plain: outputs[0], name: outputs[0]})
        return outputs

    def _reshaped(self, layer: KerasLayer, value: str, output: str, call: tuple[str, Any]) -> str:
        """Let the moments of a sequence be further pictures of the batch, or a sequence again."""
        attributes = {"operator": call[0], "arguments": call[1]}
        self.builder.add(
            Operation("aten", output, layer.class_name, (value,), (output,), attributes=attributes)
        )
        return output

    def _add_or_cut(
        self, layer: KerasLayer, index: int, reads: tuple[str, ...], path: LayerPath, name: str
    ) -> tuple[str, ...]:
        if self.builder.cut_behind(reads, [name], name, layer.class_name):
            return (name,)
        before = len(self.builder.operations)
        try:
            return self._add_layer(layer, index, reads, path, name)
        except InputError as error:
            del self.builder.operations[before:]
            self.builder.cut_misfit([name], CutLayer(name, layer.class_name, str(error)), error)
            return (name,)
        except UnsupportedLayer as error:  # what it does before the step that is not known stays
            self.builder.cut_at([name], CutLayer(name, layer.class_name, str(error)))
            return (name,)

    def _add_layer(
        self, layer: KerasLayer, index: int, reads: tuple[str, ...], path: LayerPath, name: str
    ) -> tuple[str, ...]:
        hides = layer.class_name == HIDES or not self.hidden.isdisjoint(reads)
        if hides and layer.class_name in MASK_READERS and not layer.is_function:
            raise UnsupportedLayer(
                f"layer {layer.name!r}, a {layer.class_name}: it passes over what a mask (Masking) hides, "
                "and those of convscope pass over nothing"
            )
        plans, parameters = self._translated(layer, index, reads), self._learn(layer, path)
        before, parts = reads[0], dict[str, str]()
        outputs: tuple[str, ...] = (name,)
        for at, plan in enumerate(plans):
            if plan.kind == CUT_HERE:
                raise UnsupportedLayer(str(plan.attributes["why"]))
            between = self._unused(f"{name}@{plan.label or layer.name}", at)
            output = name if at == len(plans) - 1 else between
            outputs = (output, *(f"{output}.{more}" for more in range(1, plan.outputs)))
            plan_inputs = plan.inputs or (reads if at == 0 else [""])
            self.builder.add(
                Operation(
                    kind=plan.kind,
                    name=name,
                    type_name=layer.class_name if at == 0 else plan.label or plan.kind,
                    inputs=tuple(
                        before if one == "" else reads[one] if isinstance(one, int) else parts.get(one, one)
                        for one in plan_inputs
                    ),
                    outputs=outputs,
                    parameters={role: parameters[variable] for role, variable in plan.parameters.items()},
                    attributes=plan.attributes,
                    in_place=at > 0,
                )
            )
            before = parts[f"#{at}"] = output
        self.builder.short |= computed_in(layer)
        self.hidden.update(outputs if hides else ())
        return outputs

    def _translated(self, layer: KerasLayer, index: int, reads: tuple[str, ...]) -> Sequence[OperationPlan]:
        shapes = tuple(shape for value in reads if (shape := self.builder.shapes[value]) is not None)
        if len(shapes) != len(reads) or not reads:
            raise NetworkFileError(
                f"layer {layer.name!r}, a {layer.class_name}, reads nothing of a known shape"
            )
        with self.builder.reading(f"layer {layer.name!r}, a {layer.class_name},"):
            return translate(Use(layer, layer.calls[index], shapes, self.dialect))

    def _unused(self, name: str, at: int) -> str:
        return f"{name}.{at}" if name in self.builder.shapes else name

    def _learn(self, layer: KerasLayer, path: LayerPath) -> dict[str, str]:
        """Name the layer's parameters, once for all its calls: variable to parameter."""
        variables = variables_of(layer, self.dialect)
        sources = iter(self.found.get(path, ()))
        names = {}
        for variable in variables:
            key = f"{'/'.join(path)}.{variable.name}"
            names[variable.name] = key
            source = next(sources, None) if variable.value is None else None
            if isinstance(source, Unread):
                raise UnsupportedLayer(
                    f"layer {'/'.join(path)!r}, a {layer.class_name}, has further numbers beside its weights, as "
                    "model.quantize() leaves them, and what they do is not read of it: save it before that, or with "
                    "model.export()"
                )
            if isinstance(source, Dataset) and source.is_whole and "kernel" in variable.name:
                raise UnsupportedLayer(
                    f"layer {'/'.join(path)!r}, a {layer.class_name}, has whole numbers as its {variable.name}, and "
                    "what they stand for is not read of it: save it before model.quantize(), or with model.export()"
                )
            if source is None and variable.value is None:
                raise WeightsMismatch(
                    f"there are no weights for the {variable.name} of layer {'/'.join(path)!r}"
                )
            if key not in self.builder.stored:
                self.builder.stored[key] = _arrangeable(_LazyParameter(variable, source), key)
        return names


def _arrangeable(learned: _LazyParameter, key: str) -> _LazyParameter:
    try:
        learned.shape  # noqa: B018
    except (ValueError, IndexError) as error:
        shape_words = dimensions(learned.source.shape) if learned.source else ""
        raise WeightsMismatch(
            f"{key!r} cannot have the shape {shape_words} that it has in the weights: {error}"
        ) from error
    return learned


def _input_shape(layer: KerasLayer, wanted: Shape | None, dialect: Dialect) -> Shape:
    """Return an input's shape with a batch of 1; what the model leaves open is as `wanted`, or the usual size."""
    stated: tuple[Any, ...] | None = stated_shape(layer)
    if wanted is not None:
        if stated is not None and len(stated) != len(wanted):
            raise InputError(f"the input {layer.name!r} has {len(stated)} axes {stated}, not {len(wanted)}")
        return tuple(wanted)
    if stated is None:
        raise InputError(
            f"the model does not say how big its input {layer.name!r} is: give input_shape=(1, height, width, channels)"
        )
    sizes = [1 if size is None and at == 0 else size for at, size in enumerate(stated)]
    picture = (1, 2) if dialect.channels_last else (2, 3)
    if len(sizes) == 4:
        sizes = [USUAL_SIZE if size is None and at in picture else size for at, size in enumerate(sizes)]
    if None in sizes or min(sizes, default=0) < 1:
        raise InputError(
            f"the model leaves open how big its input {layer.name!r} is, {stated}: give input_shape"
        )
    return tuple(sizes)
