"""A Caffe net, upgraded and filtered, becomes the plain graph.

A blob that layers write in place gets a version per writing: ``conv1`` is the last one, ``conv1@conv1`` the one
that layer wrote. Layers that only train are left out with a note; at layers that cannot be computed the network is cut.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from warnings import warn

from convscope.errors import ConvscopeWarning, InputError, NetworkFileError, UnsupportedLayer, did_you_mean
from convscope.formats.caffe.layers import Translation, translate
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.parameters import ParameterSource, load_parameters, match_blobs, needed_shapes
from convscope.formats.caffe.weights import Weights
from convscope.network.cut import CutLayer, cut_with, note_of_cut, require_uncut
from convscope.network.graph import Graph, Operation
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_operation

MOST_NUMBERS = 2**59  # beyond that torch has no words even for the size


def build_graph(net: Message, weights: Weights | None = None, *, input_shape: Shape | None = None) -> Graph:
    """Return the graph of a V2 net whose layers are already filtered for a phase.

    `weights` are matched by layer name; without them parameters come from the net's own fillers, seeded.
    `input_shape` is for nets that do not say how big their input is.
    """
    building = _Building(net, weights, input_shape)
    for layer, translation in building.translated:
        building.add(layer, translation)
    require_uncut(building.cut, len(building.operations))
    if building.cut:
        building.notes.append(note_of_cut(building.cut))
    if building.notes:
        warn("; ".join(building.notes), ConvscopeWarning, stacklevel=2)
    return building.graph()


def translate_or_cut(layer: Message) -> Translation:
    """Return what a layer is; of one that convscope cannot compute, why."""
    try:
        return translate(layer)
    except UnsupportedLayer as error:
        if not layer.top:
            return Translation(note=f"layer {layer.name!r} ({layer.type}) makes nothing: left out")
        return Translation(cut=str(error))


@dataclass
class _Building:
    net: Message
    weights: Weights | None
    input_shape: Shape | None
    operations: list[Operation] = field(default_factory=list)
    inputs: dict[str, Shape] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, ParameterSource] = field(default_factory=dict)
    shapes: dict[str, Shape | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    cut: dict[str, CutLayer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.translated = [(layer, translate_or_cut(layer)) for layer in self.net.layer]
        self._writes_left = Counter(top for layer, made in self.translated for top in _tops(layer, made))
        self._current: dict[str, str] = {}
        self._nominal: dict[str, Shape | None] = {}  # with the largest, where shapes depend on the numbers
        self._shared: dict[str, str] = {}
        self._with_parameters: set[str | None] = set()
        self._left_out: set[str] = set()
        self._of_unknown_size: set[str] = set()

    def add(self, layer: Message, translation: Translation) -> None:
        """Append one layer: an input, an operation, a cut, or nothing when it only trains."""
        if translation.note:
            self.notes.append(translation.note)
        if translation.skip:
            self._left_out.update(layer.top)
            return
        if translation.is_input:
            self._add_inputs(layer, translation)
            return
        bottoms = layer.bottom[: translation.bottoms]
        if left_out := self._left_out.intersection(bottoms):
            self.notes.append(
                f"layer {layer.name!r} reads {sorted(left_out)[0]!r}, which is left out: so is this layer"
            )
            self._left_out.update(layer.top)
            return
        name, tops = layer.name or "", _tops(layer, translation)
        if reason := translation.cut or self._unknown_size(layer, bottoms):
            self._cut_at(layer, tops, CutLayer(name, layer.type, reason))
            return
        inputs = tuple(self._read(layer, blob) for blob in bottoms)
        if cut := cut_with(self.cut, inputs, name, layer.type):
            self._cut_at(layer, tops, cut)
            return
        in_place = bool(layer.top and layer.bottom and layer.top[0] == layer.bottom[0])
        operation = Operation(
            kind=translation.kind,
            name=name,
            type_name=layer.type,
            inputs=inputs,
            outputs=tuple(self._write(layer, top) for top in tops),
            parameters=self._parameters(layer, translation, inputs),
            attributes=translation.attributes,
            in_place=in_place,
            definition=layer,
        )
        shapes = {key: source.shape for key, source in self.parameters.items()}
        made = infer_operation(operation, self.shapes, shapes)
        self.shapes.update(made)
        self._nominal.update(made)
        if None in made.values():
            self._nominal.update(
                zip(operation.outputs, translation.nominal, strict=False)
                if translation.nominal
                else infer_operation(operation, self._nominal, shapes)
            )
        self.operations.append(operation)

    def graph(self) -> Graph:
        """Return what was added; inputs that only training reads, such as labels, are left out."""
        read = {value for operation in self.operations for value in operation.inputs}
        made = [value for operation in self.operations for value in operation.outputs]
        return Graph(
            name=self.net.name or "",
            inputs={name: shape for name, shape in self.inputs.items() if name in read or not read},
            operations=tuple(self.operations),
            outputs=tuple(value for value in made if value not in read),
            parameters=load_parameters(self.parameters, self.weights),
            aliases=self.aliases,
            cut=self.cut,
        )

    def _unknown_size(self, layer: Message, bottoms: Sequence[str]) -> str:
        """Say why a layer cannot be computed that reads what a data layer gives beside the picture."""
        for blob in self._of_unknown_size.intersection(bottoms) - self._current.keys():
            return (
                f"layer {layer.name!r} reads the input {blob!r}, and the net does not say how big that is: "
                "put an Input layer with its shape in the place of the data layer"
            )
        return ""

    def _cut_at(self, layer: Message, tops: Sequence[str], cut: CutLayer) -> None:
        for blob in layer.bottom:
            if blob not in self._of_unknown_size | self._left_out:
                self._read(layer, blob)
        self.cut |= dict.fromkeys((self._write(layer, top) for top in tops), cut)

    def _read(self, layer: Message, blob: str) -> str:
        if blob in self._current:
            return self._current[blob]
        raise NetworkFileError(
            f"layer {layer.name!r} reads {blob!r}, which no layer before it makes."
            f"{did_you_mean(blob, self._current)}"
        )

    def _write(self, layer: Message, blob: str) -> str:
        """Name the version of a blob that this layer writes."""
        if blob in self._current and (blob, blob) not in zip(layer.bottom, layer.top, strict=False):
            raise NetworkFileError(
                f"layer {layer.name!r} makes {blob!r}, which another layer already made: give it another name "
                "(a layer may write over a blob in place where it reads it)"
            )
        self._writes_left[blob] -= 1
        versioned = f"{blob}@{layer.name or ''}"
        if versioned in self.shapes or versioned in self.aliases or versioned in self.cut:
            raise NetworkFileError(
                f"two layers called {layer.name or ''!r} write {blob!r} in place: give each a name of its own"
            )
        value = versioned if self._writes_left[blob] else blob
        if value == blob and blob in self._current:
            self.aliases[versioned] = blob
        self._current[blob] = value
        return value

    def _add_inputs(self, layer: Message, translation: Translation) -> None:
        for index, (top, shape) in enumerate(zip(layer.top, translation.input_shapes or (), strict=False)):
            found = self._input_shape(top, shape, is_first=not self.inputs)
            if found is None and index:
                self._of_unknown_size.add(top)  # the labels beside a picture, which only training reads
                continue
            if found is None:
                raise InputError(
                    f"{self.net.name or 'the network'} does not say how big its input {top!r} is: "
                    "give input_shape=(1, channels, height, width)"
                )
            if min(found, default=1) < 0 or prod(found) > MOST_NUMBERS:
                raise InputError(
                    f"layer {layer.name!r}: its input {top!r} cannot be {dimensions(found)}: give sizes of 1 or more "
                    "that a machine can hold"
                )
            value = self._write(layer, top)
            self.inputs[value] = self.shapes[value] = self._nominal[value] = found

    def _input_shape(
        self, top: str, stated: tuple[int | None, ...] | None, *, is_first: bool
    ) -> Shape | None:
        if self.input_shape is not None and is_first:
            return _whole_numbers(self.input_shape)
        if stated is None:
            return None
        if len(stated) == 4 and stated[1] is None:
            stated = (stated[0], self._channels_read(top), *stated[2:])
        known = tuple(size for size in stated if size is not None)
        return known if len(known) == len(stated) else None

    def _channels_read(self, blob: str) -> int | None:
        """Tell an input's channels from the weights of the convolution that reads it."""
        for layer in self.net.layer:
            if blob in layer.bottom and layer.type == "Convolution" and layer.name in (self.weights or {}):
                filters = self.weights[layer.name][0] if self.weights else None
                return filters.shape[1] * layer.convolution_param.group if filters else None
        return None

    def _parameters(
        self, layer: Message, translation: Translation, inputs: tuple[str, ...]
    ) -> Mapping[str, str]:
        """Name the layer's parameters and note their sources; shared ones keep their first owner's name."""
        if translation.roles and layer.name in self._with_parameters:
            raise NetworkFileError(
                f"two layers with weights are called {layer.name!r}, and weights go by a layer's name: "
                "rename one of them"
            )
        if translation.roles:
            self._with_parameters.add(layer.name)
        name, shapes = layer.name or "", self._parameter_shapes(layer, translation, inputs)
        keys: dict[str, str] = {}
        for index, role in enumerate(translation.roles):
            shared = layer.param[index].name if index < len(layer.param) else None
            key = f"{name}.{role}"
            keys[role] = self._shared.setdefault(shared, key) if shared else key
        blobs = {}
        if self.weights is not None and translation.stored:
            elsewhere = [index for index, key in enumerate(keys.values()) if key in self.parameters]
            blobs = match_blobs(self.weights, name, shapes, elsewhere, loose=translation.loose)
        for index, (role, shape) in enumerate(zip(translation.roles, shapes, strict=True)):
            key, filler = keys[role], _filler(translation, index)
            source = ParameterSource(name, shape, filler, translation.stored, blobs.get(index))
            first = self.parameters.setdefault(key, source)
            if first.shape != shape:
                if layer.param[index].share_mode == "PERMISSIVE" and prod(first.shape) == prod(shape):
                    keys[role] = f"{name}.{role}"
                    self.parameters[keys[role]] = replace(source, same_as=key)
                    continue
                raise NetworkFileError(
                    f"layers {first.layer!r} and {name!r} share the parameter {layer.param[index].name!r}, "
                    f"but need it as {first.shape} and {shape}"
                )
        return keys

    def _parameter_shapes(
        self, layer: Message, translation: Translation, inputs: tuple[str, ...]
    ) -> tuple[Shape, ...]:
        blobs = self.weights.get(layer.name or "", ()) if self.weights else ()
        found = [blob.shape for blob in blobs if blob is not None]
        known = [self._nominal[value] for value in inputs]
        return needed_shapes(layer.name or "", layer.type, translation, known, found)


def _whole_numbers(shape: Shape) -> Shape:
    try:
        return tuple(map(operator.index, shape))
    except TypeError:
        raise InputError(
            f"an input_shape is whole numbers, (batch, channels, height, width), not {shape!r}"
        ) from None


def _tops(layer: Message, translation: Translation) -> list[str]:
    """Return the names of the tops a layer writes here."""
    if translation.skip:
        return []
    if translation.tops is None or translation.cut:
        return list(layer.top)
    return [layer.top[index] for index in translation.tops] if layer.top else [layer.name or ""]


def _filler(translation: Translation, index: int) -> Message | None:
    return translation.fillers[index] if index < len(translation.fillers) else None
