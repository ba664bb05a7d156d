"""A Caffe net, upgraded and filtered, becomes the plain graph.

Layers that only train are left out with a note; at layers that cannot be computed the network is cut.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from convscope.errors import InputError, NetworkFileError, UnsupportedLayer, WeightsMismatch
from convscope.formats.caffe.aligned_crops import with_aligned_crops
from convscope.formats.caffe.blob_versions import BlobVersions
from convscope.formats.caffe.input_sizes import (
    USUAL_PICTURES,
    another_picture,
    beside_picture,
    channels_read,
    looks_at_films,
    usual_shape,
)
from convscope.formats.caffe.layers import LearnedBlob, Translation, translate
from convscope.formats.caffe.layers.fillers import is_known
from convscope.formats.caffe.layers.regions import with_crossings
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.parameters import (
    IN_PLACE,
    ParameterSource,
    match_blobs,
    needed_shapes,
    tell_missing,
)
from convscope.formats.caffe.weights import Blob, Weights
from convscope.formats.given_shapes import GivenShape
from convscope.formats.graph_builder import GraphBuilder
from convscope.network.cut import CutLayer, cut_with
from convscope.network.graph import Graph, Operation
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_operation

MOST_NUMBERS = 2**59  # beyond that torch has no words even for the size


def build_graph(
    net: Message, weights: Weights | None = None, *, input_shape: GivenShape | None = None
) -> Graph:
    """Return the graph of a V2 net whose layers are already filtered for a phase.

    `weights` are matched by layer name; without them parameters come from the net's own fillers, seeded.
    `input_shape` is for nets that do not say how big their input is: without it they open for the first of the usual
    pictures that their weights fit and whose halves and doubles meet again, and a note says so. Where layers that
    are not known stand before all others, as those that prepare pictures do, what they give is the network's input.
    """
    net, note = with_aligned_crops(with_crossings(net))
    building = _fitting(net, weights, input_shape, frozenset())
    if not building.builder.operations and (unknown := building.unknown_at_the_beginning()):
        behind = _fitting(net, weights, input_shape, unknown)
        building = behind if behind.builder.operations else building
    building.builder.notes += [note] if note else []
    return building.graph()


def _fitting(
    net: Message, weights: Weights | None, input_shape: GivenShape | None, inputs: frozenset[int]
) -> _Building:
    """Return the net as it is built for the picture that fits best; the layers `inputs` are inputs of it."""
    first: WeightsMismatch | None = None
    fewest, best = 0, None
    for picture in USUAL_PICTURES:
        if best is not None and picture[0] != best.picture[0]:
            break
        building = _Building(net, weights, input_shape, picture, inputs)
        try:
            for layer, translation in building.translated:
                building.add(layer, translation)
            misfits = building.misfits() if building.guessed else 0
            if best is None or misfits < fewest:
                fewest, best = misfits, building
            if not fewest:
                break
        except WeightsMismatch as error:
            if not building.guessed:
                raise
            first = first or error
    if best is not None:
        return best
    raise InputError(
        f"{building.guessed}, and the weights fit no usual picture: give input_shape=(1, channels, height, width) "
        f"({first})"
    )


def translate_or_cut(layer: Message) -> Translation:
    """Return what a layer is; of one that convscope cannot compute, why."""
    try:
        return translate(layer)
    except UnsupportedLayer as error:
        if not layer.top:
            return Translation(note=f"layer {layer.name!r} ({layer.type}) makes nothing: left out")
        return Translation(cut=str(error))


class _Building:
    def __init__(
        self,
        net: Message,
        weights: Weights | None,
        input_shape: GivenShape | None,
        picture: Shape,
        inputs: frozenset[int],
    ) -> None:
        self.net, self.weights, self.input_shape = net, weights, input_shape
        self.inputs = inputs  # layers that are not known, whose tops are taken for the network's inputs
        self.picture = picture
        self.guessed = ""  # which input does not say its size
        self.builder = GraphBuilder()
        self.translated = [(layer, self._translated(index, layer)) for index, layer in enumerate(net.layer)]
        self.blobs = BlobVersions(top for layer, found in self.translated for top in _tops(layer, found))
        self.parameters: dict[str, ParameterSource] = {}
        self._largest: dict[str, Shape | None] = {}  # where shapes depend on the numbers
        self._shared: dict[str, str] = {}
        self._with_parameters: set[str | None] = set()
        self._left_out: set[str] = set()
        self._of_unknown_size: set[str] = set()

    def _translated(self, index: int, layer: Message) -> Translation:
        if index in self.inputs:
            known = f"layer {layer.name!r} ({layer.type}) is not known to convscope"
            note = f"{known}: what it gives is taken for the network's input"
            return Translation(input_shapes=(None,) * len(layer.top), note=note)
        with self.builder.reading(f"layer {layer.name!r}, a {layer.type},"):
            return translate_or_cut(layer)

    def add(self, layer: Message, translation: Translation) -> None:
        """Append one layer: an input, an operation, a cut, or nothing when it only trains."""
        if translation.note and translation.note not in self.builder.notes:
            self.builder.notes.append(translation.note)
        if translation.skip:
            self._left_out.update(layer.top)
            return
        if translation.is_input:
            self._add_inputs(layer, translation)
            return
        plan = translation.plan
        bottoms = (plan.inputs if plan else None) or layer.bottom
        if left_out := self._left_out.intersection(bottoms):
            self.builder.notes.append(
                f"layer {layer.name!r} reads {sorted(left_out)[0]!r}, which is left out: so is this layer"
            )
            self._left_out.update(layer.top)
            return
        name, tops = layer.name or "", _tops(layer, translation)
        reason = translation.cut or self._unknown_size(layer, bottoms)
        if plan is None or reason:
            self._cut_at(layer, tops, CutLayer(name, layer.type, reason))
            return
        inputs = tuple(self.blobs.read(layer, blob) for blob in bottoms)
        if cut := cut_with(self.builder.cut, inputs, name, layer.type):
            self._cut_at(layer, tops, cut)
            return
        outputs, before = tuple(self.blobs.write(layer, top) for top in tops), set(self.builder.stored)
        try:
            operation = Operation(
                kind=plan.kind,
                name=name,
                type_name=layer.type,
                inputs=inputs,
                outputs=outputs,
                parameters=self._parameters(layer, plan.parameters, inputs),
                attributes=plan.attributes,
                in_place=bool(layer.top and layer.bottom and layer.top[0] == layer.bottom[0]),
                definition=layer,
            )
            largest = self._largest_of(operation, translation.largest)
            self.builder.add(operation)
        except InputError as error:  # sizes that do not fit: what needs them is not there, the rest is
            self.builder.cut_misfit(outputs, CutLayer(name, layer.type, str(error)), error)
            self._forget(set(self.builder.stored) - before)
            return
        known = {value: self.builder.shapes[value] for value in outputs}
        self._largest.update(known)
        if None in known.values():
            self._largest.update(largest)

    def _forget(self, keys: set[str]) -> None:
        """Take back the parameters of a layer that was cut."""
        for key in keys:
            del self.builder.stored[key], self.parameters[key]
        self._shared = {name: key for name, key in self._shared.items() if key not in keys}

    def _largest_of(self, operation: Operation, largest: Sequence[Shape]) -> Mapping[str, Shape | None]:
        """Return how big the operation's values can be, where their shapes depend on the numbers."""
        if largest:
            return dict(zip(operation.outputs, largest, strict=False))
        if all(self.builder.shapes[value] is not None for value in operation.inputs):
            return {}
        parameters = {key: source.shape for key, source in self.parameters.items()}
        return infer_operation(operation, self._largest, parameters)

    def graph(self) -> Graph:
        """Return what was added; inputs that only training reads, such as labels, are left out."""
        self.builder.aliases.update(self.blobs.aliases)
        graph = self.builder.graph(self.net.name or "")
        if self.weights is not None:
            tell_missing(self.parameters.values(), self.weights)
        return graph

    def unknown_at_the_beginning(self) -> frozenset[int]:
        """Return the indices of the layers that are cut and read nothing but inputs."""
        found: set[int] = set()
        made: set[str] = set()
        for index, (layer, translation) in enumerate(self.translated):
            if translation.cut and made.isdisjoint(layer.bottom):
                found.add(index)
            elif not translation.is_input:
                made.update(layer.top)
        return frozenset(found)

    def misfits(self) -> int:
        """Return how many layers are cut as what they read has sizes that do not go together."""
        return sum(" cannot take " in cut.reason for cut in self.builder.cut.values())

    def _unknown_size(self, layer: Message, bottoms: Sequence[str]) -> str:
        """Say why a layer cannot be computed that reads what a data layer gives beside the picture."""
        for blob in self._of_unknown_size.intersection(bottoms):
            if blob not in self.blobs:
                return (
                    f"layer {layer.name!r} reads the input {blob!r}, and the net does not say how big that is: "
                    "put an Input layer with its shape in the place of the data layer"
                )
        return ""

    def _cut_at(self, layer: Message, tops: Sequence[str], cut: CutLayer) -> None:
        for blob in layer.bottom:
            if blob not in self._of_unknown_size | self._left_out:
                self.builder.before_cut.add(self.blobs.read(layer, blob))
        self.builder.cut_at([self.blobs.write(layer, top) for top in tops], cut)

    def _add_inputs(self, layer: Message, translation: Translation) -> None:
        for index, (top, shape) in enumerate(zip(layer.top, translation.input_shapes or (), strict=False)):
            if index == 0 and layer.bottom:
                shape = self._largest.get(self.blobs.read(layer, layer.bottom[0]))
            input_shape = self._input_shape(top, shape, is_first=not self.builder.inputs)
            if input_shape is None and index:
                input_shape = another_picture(self.net, self.weights, top, self.builder.inputs)
            if input_shape is None and index:
                self._of_unknown_size.add(top)  # the labels beside a picture, which only training reads
                continue
            if input_shape is None:
                input_shape = self._usual_shape(top, shape)
            if min(input_shape, default=1) < 0 or prod(input_shape) > MOST_NUMBERS:
                raise InputError(
                    f"layer {layer.name!r}: its input {top!r} cannot be {dimensions(input_shape)}: give sizes of 1 "
                    "or more that a machine can hold"
                )
            value = self.blobs.write(layer, top)
            self.builder.add_input(value, input_shape)
            self._largest[value] = input_shape

    def _input_shape(
        self, top: str, stated: tuple[int | None, ...] | None, *, is_first: bool
    ) -> Shape | None:
        given = self.input_shape
        if isinstance(given, Mapping):
            given = given.get(top)
        elif not is_first:
            given = None
        if given is not None:
            return _whole_numbers(given)
        if stated is None and not is_first:
            return beside_picture(self.net, top)
        if stated is None:
            return None
        if len(stated) == 4 and looks_at_films(self.net, top):
            return None  # how many pictures a film has is not stated
        if len(stated) == 4 and stated[1] is None:
            stated = (stated[0], channels_read(self.net, self.weights, top), *stated[2:])
        sizes = tuple(size for size in stated if size is not None)
        return sizes if len(sizes) == len(stated) else None

    def _usual_shape(self, top: str, stated: tuple[int | None, ...] | None) -> Shape:
        """Return the shape of a usual picture for an input that does not say its own, and keep what to say of it."""
        shape = usual_shape(self.net, self.weights, top, stated, self.picture)
        self.guessed = f"{self.net.name or 'the network'} does not say how big its input {top!r} is"
        self.builder.notes.append(
            f"{self.guessed}: {dimensions(shape)} is a guess, input_shape=(1, channels, height, width) says another"
        )
        return shape

    def _parameters(
        self, layer: Message, learned: Mapping[str, LearnedBlob], inputs: tuple[str, ...]
    ) -> Mapping[str, str]:
        """Name the layer's parameters and note their sources; shared ones keep their first owner's name."""
        stored = any(blob.stored for blob in learned.values())
        if stored and layer.name in self._with_parameters and not self._shares_all(layer, learned):
            raise NetworkFileError(
                f"two layers with weights are called {layer.name!r}, and weights go by a layer's name: "
                "rename one of them, or let them share: param { name: ... }"
            )
        if stored:
            self._with_parameters.add(layer.name)
        name, shapes = layer.name or "", self._parameter_shapes(layer, learned, inputs)
        keys: dict[str, str] = {}
        for index, role in enumerate(learned):
            shared = layer.param[index].name if index < len(layer.param) else None
            key = f"{name}.{role}"
            if key in self.parameters and not stored:  # two layers of data may have one name
                key = f"{layer.top[0]}.{role}"
            keys[role] = self._shared.setdefault(shared, key) if shared else key
        blobs = self._matched(name, learned, list(keys.values()), shapes)
        for index, (role, shape) in enumerate(zip(learned, shapes, strict=True)):
            key, one = keys[role], learned[role]
            self._tell_filler(one.filler, blobs.get(index))
            source = ParameterSource(key, name, shape, one.filler, one.stored, blobs.get(index))
            first = self.parameters.setdefault(key, source)
            if first.shape != shape:
                if layer.param[index].share_mode != "PERMISSIVE" or prod(first.shape) != prod(shape):
                    raise NetworkFileError(
                        f"layers {first.layer!r} and {name!r} share the parameter {layer.param[index].name!r}, "
                        f"but need it as {first.shape} and {shape}"
                    )
                keys[role] = f"{name}.{role}"
                self.parameters[keys[role]] = replace(source, key=keys[role], same_as=first)
        self.builder.stored.update({key: self.parameters[key] for key in keys.values()})
        return keys

    def _tell_filler(self, filler: Message | None, blob: Blob | None) -> None:
        """Note a fork's filler where its numbers would be used."""
        if filler is None or blob is not None or is_known(filler):
            return
        note = f"there is no filler {filler.type!r}: {IN_PLACE!r} stands for it"
        if note not in self.builder.notes:
            self.builder.notes.append(note)

    def _shares_all(self, layer: Message, learned: Mapping[str, LearnedBlob]) -> bool:
        """Whether every parameter of a layer is one that an earlier layer named."""
        return len(layer.param) >= len(learned) and all(
            param.name in self._shared for param in layer.param[: len(learned)]
        )

    def _matched(
        self, name: str, learned: Mapping[str, LearnedBlob], keys: Sequence[str], shapes: Sequence[Shape]
    ) -> dict[int, Blob]:
        """Return the blobs that the weight file has for a layer, by index."""
        if self.weights is None or not any(one.stored for one in learned.values()):
            return {}
        elsewhere = [
            index
            for index, (key, one) in enumerate(zip(keys, learned.values(), strict=True))
            if one.optional or key in self.parameters
        ]
        loose = any(one.loose for one in learned.values())
        return match_blobs(self.weights, name, shapes, elsewhere, loose=loose)

    def _parameter_shapes(
        self, layer: Message, learned: Mapping[str, LearnedBlob], inputs: tuple[str, ...]
    ) -> tuple[Shape, ...]:
        blobs = self.weights.get(layer.name or "", ()) if self.weights else ()
        shapes = [blob.shape for blob in blobs if blob is not None]
        input_shapes = [self._largest[value] for value in inputs]
        return needed_shapes(layer.name or "", layer.type, learned, input_shapes, shapes)


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
