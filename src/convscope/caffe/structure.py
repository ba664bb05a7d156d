"""What a net is made of: its layers, set up on their blobs, and what they are called."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence

from convscope.caffe.blob import Blob
from convscope.caffe.construction import AUTOMATIC, loss_weights, make_layer, with_tops
from convscope.caffe.layer import Layer
from convscope.errors import InputError, NetworkFileError
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.rules import insert_splits
from convscope.formats.caffe.weights import Blob as LearnedBlob
from convscope.formats.caffe.weights import Weights


class Structure:
    """The layers of a net and the blobs between them.

    `blobs` are what the net computes and `params` what it has learned, by name and in order; `layers` are in the
    order they run. With `four_axes` every blob shows four axes, as in early 2014.
    """

    def __init__(
        self, net: Message, phase: int, *, four_axes: bool = False, weights: Weights | None = None
    ) -> None:
        self._net = insert_splits(net)
        self._definitions = [with_tops(definition) for definition in self._net.layer]
        self.name: str = net.name or ""
        self.phase = phase
        self._four_axes = four_axes
        self.layers: list[Layer] = []
        self.blobs: OrderedDict[str, Blob] = OrderedDict()
        self.blob_loss_weights: OrderedDict[str, float] = OrderedDict()
        self._bottoms: list[list[Blob]] = []
        self._tops: list[list[Blob]] = []
        self._shared: dict[str, Blob] = {}
        self._borrowed: defaultdict[str, set[int]] = defaultdict(set)
        self._weights: Mapping[str, Sequence[LearnedBlob | None]] = weights or {}
        for definition in self._definitions:
            self._add(definition)
        self.params: OrderedDict[str, list[Blob]] = OrderedDict(
            (layer.name, layer.blobs) for layer in self.layers if layer.blobs
        )

    @property
    def _blob_loss_weights(self) -> list[float]:
        """What each blob counts in the loss, in the order of `_blobs`."""
        return list(self.blob_loss_weights.values())

    def _add(self, definition: Message) -> None:
        """Set up one layer on its blobs, and shape its tops."""
        if definition.name in self._layer_names:
            raise NetworkFileError(f"two layers are called {definition.name!r}; pycaffe finds layers by name")
        layer = make_layer(definition, self.phase)
        bottom = [self.blobs[name] for name in definition.bottom]
        top = [self._top(definition, index) for index in range(len(definition.top))]
        blobs = self._weights.get(layer.name, ())
        layer.stored_shapes = [blob.shape for blob in blobs if blob is not None]
        layer.setup(bottom, top)
        self._share(definition, layer)
        if self._four_axes:
            for blob in layer.blobs:
                blob.four_axes = "in front"
        layer.reshape(bottom, top)
        self.layers.append(layer)
        self._bottoms.append(bottom)
        self._tops.append(top)
        weights = loss_weights(definition)
        for name, blob in zip(definition.top, top, strict=True):
            self.blob_loss_weights[name] = weights.get(name, 0.0)
            if name in weights:
                blob.diff[...] = weights[name]
        if definition.type == "Split":
            layer.forward(bottom, top)

    def _top(self, definition: Message, index: int) -> Blob:
        name = definition.top[index]
        if index < len(definition.bottom) and definition.bottom[index] == name:
            return self.blobs[name]
        if name in self.blobs and name != AUTOMATIC:
            raise NetworkFileError(
                f"layer {definition.name!r} makes {name!r}, which another layer already made"
            )
        self.blobs[name] = Blob(four_axes="behind" if self._four_axes else "")
        return self.blobs[name]

    def _share(self, definition: Message, layer: Layer) -> None:
        """Put parameters of one name into one memory."""
        for index, (blob, spec) in enumerate(zip(layer.blobs, definition.param, strict=False)):
            if not spec.name:
                continue
            owner = self._shared.setdefault(spec.name, blob)
            same = owner.count == blob.count if spec.share_mode == "PERMISSIVE" else owner.shape == blob.shape
            if not same:
                raise NetworkFileError(
                    f"layer {layer.name!r}, blob {index}: its shape {blob.shape} is not that of the parameter "
                    f"{spec.name!r} it shares, {owner.shape}"
                )
            if owner is not blob:
                self._borrowed[layer.name].add(index)
            blob.share_data(owner)
            blob.share_diff(owner)

    @property
    def _layer_names(self) -> list[str]:
        return [layer.name for layer in self.layers]

    @property
    def _named_blobs(self) -> list[tuple[str, Blob]]:
        """Every blob with its name, in the order they are made; tops called ``(automatic)`` may be several."""
        named: dict[int, tuple[str, Blob]] = {}
        for definition, top in zip(self._definitions, self._tops, strict=True):
            for name, blob in zip(definition.top, top, strict=True):
                named.setdefault(id(blob), (name, blob))
        return list(named.values())

    @property
    def _blobs(self) -> list[Blob]:
        return [blob for _, blob in self._named_blobs]

    @property
    def _blob_names(self) -> list[str]:
        return [name for name, _ in self._named_blobs]

    @property
    def _inputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.inputs]

    @property
    def _outputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.outputs]

    def _top_ids(self, layer: int) -> list[int]:
        """Return the places in `_blobs` of what a layer, by its index, writes."""
        return self._ids(self._tops, layer)

    def _bottom_ids(self, layer: int) -> list[int]:
        """Return the places in `_blobs` of what a layer, by its index, reads."""
        return self._ids(self._bottoms, layer)

    def _ids(self, blobs: Sequence[Sequence[Blob]], layer: int) -> list[int]:
        if not 0 <= layer < len(blobs):
            raise InputError(f"the net has layers 0 to {len(blobs) - 1}, not {layer}")
        places = {id(blob): place for place, blob in enumerate(self._blobs)}
        return [places[id(blob)] for blob in blobs[layer]]

    @property
    def layer_dict(self) -> OrderedDict[str, Layer]:
        """The layers by name, in order."""
        return OrderedDict((layer.name, layer) for layer in self.layers)

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """The blobs each layer writes; the top that a loss does not name is called ``(automatic)``, as in Caffe."""
        return OrderedDict((layer.name, list(layer.top)) for layer in self._definitions)

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """The blobs each layer reads."""
        return OrderedDict((layer.name, list(layer.bottom)) for layer in self._net.layer)

    @property
    def inputs(self) -> list[str]:
        """The blobs of the Input layers: what `forward` takes by name."""
        return [top for layer in self._net.layer if layer.type == "Input" for top in layer.top]

    @property
    def outputs(self) -> list[str]:
        """The blobs with a name of their own that no layer reads, in alphabetical order as in Caffe."""
        waiting: set[str] = set()
        for layer in self._net.layer:
            waiting = (waiting - set(layer.bottom)) | set(layer.top)
        return sorted(waiting)
