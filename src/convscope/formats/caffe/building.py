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
USUAL_PICTURES = tuple(
    (channels, side) for channels in (3, 1) for side in (224, 227, 299, 256, 28, 32, 64, 96, 112, 128)
)
"""Channels and sides of the pictures that most networks take, for those that do not say it."""
USUAL_LENGTH = 16  # C3D's films
_FILM_AXES = 3  # of a window: pictures, height, width
_REGION = (1, 5)  # a picture's index, and two corners


def build_graph(
    net: Message, weights: Weights | None = None, *, input_shape: GivenShape | None = None
) -> Graph:
    """Return the graph of a V2 net whose layers are already filtered for a phase.

    `weights` are matched by layer name; without them parameters come from the net's own fillers, seeded.
    `input_shape` is for nets that do not say how big their input is: without it they open for the first of the usual
    pictures that their weights fit and whose halves and doubles meet again, and a note says so.
    """
    first: WeightsMismatch | None = None
    fewest, best = 0, None
    net, note = with_aligned_crops(with_crossings(net))
    for picture in USUAL_PICTURES:
        if best is not None and picture[0] != best.picture[0]:
            break
        building = _Building(net, weights, input_shape, picture)
        building.builder.notes += [note] if note else []
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
        return best.graph()
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
        picture: tuple[int, int],
    ) -> None:
        self.net, self.weights, self.input_shape = net, weights, input_shape
        self.picture = picture
        self.guessed = ""  # which input does not say its size
        self.builder = GraphBuilder()
        self.translated = [(layer, self._translated(layer)) for layer in net.layer]
        self.blobs = BlobVersions(top for layer, found in self.translated for top in _tops(layer, found))
        self.parameters: dict[str, ParameterSource] = {}
        self._largest: dict[str, Shape | None] = {}  # where shapes depend on the numbers
        self._shared: dict[str, str] = {}
        self._with_parameters: set[str | None] = set()
        self._left_out: set[str] = set()
        self._of_unknown_size: set[str] = set()

    def _translated(self, layer: Message) -> Translation:
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
            self.builder.add(operation)
        except InputError as error:  # sizes that do not fit: what needs them is not there, the rest is
            self.builder.cut_misfit(outputs, CutLayer(name, layer.type, str(error)), error)
            self._forget(set(self.builder.stored) - before)
            return
        self._keep_largest(operation, translation.largest)

    def _forget(self, keys: set[str]) -> None:
        """Take back the parameters of a layer that was cut."""
        for key in keys:
            del self.builder.stored[key], self.parameters[key]
        self._shared = {name: key for name, key in self._shared.items() if key not in keys}

    def _keep_largest(self, operation: Operation, largest: Sequence[Shape]) -> None:
        """Keep how big the operation's values can be, where their shapes depend on the numbers."""
        shapes = {value: self.builder.shapes[value] for value in operation.outputs}
        self._largest.update(shapes)
        if None in shapes.values():
            parameters = {key: source.shape for key, source in self.parameters.items()}
            self._largest.update(
                zip(operation.outputs, largest, strict=False)
                if largest
                else infer_operation(operation, self._largest, parameters)
            )

    def graph(self) -> Graph:
        """Return what was added; inputs that only training reads, such as labels, are left out."""
        self.builder.aliases.update(self.blobs.aliases)
        graph = self.builder.graph(self.net.name or "")
        if self.weights is not None:
            tell_missing(self.parameters.values(), self.weights)
        return graph

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
                self.blobs.read(layer, blob)
        self.builder.cut_at([self.blobs.write(layer, top) for top in tops], cut)

    def _add_inputs(self, layer: Message, translation: Translation) -> None:
        for index, (top, shape) in enumerate(zip(layer.top, translation.input_shapes or (), strict=False)):
            input_shape = self._input_shape(top, shape, is_first=not self.builder.inputs)
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
        if stated is None:
            return _REGION if not is_first and self._is_of_regions(top) else None
        if len(stated) == 4 and self._looks_at_films(top):
            return None  # how many pictures a film has is not stated
        if len(stated) == 4 and stated[1] is None:
            stated = (stated[0], self._channels_read(top), *stated[2:])
        sizes = tuple(size for size in stated if size is not None)
        return sizes if len(sizes) == len(stated) else None

    def _usual_shape(self, top: str, stated: tuple[int | None, ...] | None) -> Shape:
        """Return the shape of a usual picture for an input that does not say its own, and keep what to say of it."""
        channels, side = self.picture
        batch, *sizes = stated if stated and len(stated) >= 4 else (1, None, None, None)
        if len(sizes) == 3 and self._looks_at_films(top):
            sizes.insert(1, USUAL_LENGTH)
        usual = (self._channels_read(top) or self._channels_cut(top) or channels, *[side] * (len(sizes) - 1))
        shape = (batch or 1, *(size or other for size, other in zip(sizes, usual, strict=True)))
        self.guessed = f"{self.net.name or 'the network'} does not say how big its input {top!r} is"
        self.builder.notes.append(
            f"{self.guessed}: {dimensions(shape)} is a guess, input_shape=(1, channels, height, width) says another"
        )
        return shape

    def _is_of_regions(self, blob: str) -> bool:
        """Tell the regions that a detector's data layer gives beside the picture by what pools them."""
        return any(
            list(layer.bottom)[1:2] == [blob] and "roi" in str(layer.type).lower() for layer in self.net.layer
        )

    def _looks_at_films(self, blob: str) -> bool:
        readers = (layer for layer in self.net.layer if blob in layer.bottom)
        return any(
            str(layer.type).lower().endswith("3d") or len(layer.convolution_param.kernel_size) == _FILM_AXES
            for layer in readers
        )

    def _channels_read(self, blob: str) -> int | None:
        """Tell an input's channels from the weights of the convolution that reads it."""
        for layer in self.net.layer:
            if blob in layer.bottom and layer.type == "Convolution" and layer.name in (self.weights or {}):
                filters = self.weights[layer.name][0] if self.weights else None
                return filters.shape[1] * layer.convolution_param.group if filters else None
        return None

    def _channels_cut(self, blob: str) -> int | None:
        """Tell an input's channels from where a layer cuts them: pairs of pictures lie one behind the other."""
        for layer in self.net.layer:
            points, axis = [int(point) for point in layer.slice_param.slice_point], layer.slice_param.axis
            if blob in layer.bottom and layer.type == "Slice" and axis == 1 and points:
                return 2 * points[-1] - (points[-2] if len(points) > 1 else 0)
        return None

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
