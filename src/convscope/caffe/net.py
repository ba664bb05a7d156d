"""`caffe.Net`: a network whose every blob, parameter and gradient is a live array, run layer by layer.

It is Caffe's own way of running: a forward pass may begin and end at any layer and leaves each blob as that layer
wrote it, and a user may write into any of them between two passes. The layers are the operations that the rest of
convscope runs on.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from convscope.caffe import batches, mode
from convscope.caffe.blob import Blob
from convscope.caffe.construction import loss_weights, make_layer
from convscope.caffe.layer import Layer, SourceLayer
from convscope.caffe.preprocessing import Preprocessing
from convscope.errors import (
    ConvscopeWarning,
    InputError,
    NetworkFileError,
    UnknownLayer,
    WeightsMismatch,
    did_you_mean,
)
from convscope.sources.caffe.message import Message
from convscope.sources.caffe.rules import filter_layers, insert_splits
from convscope.sources.caffe.saving import save_weights
from convscope.sources.caffe.text import read_text_file
from convscope.sources.caffe.upgrade import upgrade
from convscope.sources.caffe.weights import read_weights

Array = NDArray[Any]
File = str | PathLike[str]
Callback = Callable[[int], Any]


class Net(Preprocessing):
    """A Caffe network: ``Net(prototxt, phase, weights=caffemodel)``, or the older ``Net(prototxt, caffemodel, phase)``.

    `blobs` are what it computes, by name, in order; `params` what it has learned, a list a layer (weights, then
    biases). All of them can be written into. ``Net(prototxt, caffemodel)`` without a phase is the interface of
    early 2014: then every blob and parameter has four axes.

    >>> net = caffe.Net("deploy.prototxt", caffe.TEST, weights="bvlc_reference_caffenet.caffemodel")
    >>> net.blobs["data"].data[...] = transformer.preprocess("data", caffe.io.load_image("cat.jpg"))
    >>> net.forward()["prob"][0].argmax()
    281
    >>> net.blobs["conv1"].data.shape, net.params["conv1"][0].data.shape
    ((10, 96, 55, 55), (96, 3, 11, 11))

    Dropout is left out in both phases. Raises NetworkFileError, WeightsMismatch, UnsupportedLayer or InputError.
    """

    def __init__(
        self,
        network_file: File,
        *arguments: int | File,
        phase: int | None = None,
        level: int = 0,
        stages: Iterable[str] | None = None,
        weights: File | None = None,
    ) -> None:
        for argument in arguments:
            if isinstance(argument, int) and phase is None:
                phase = argument
            elif isinstance(argument, (str, PathLike)) and weights is None:
                weights = argument
            else:
                raise TypeError(
                    f"Net(prototxt, phase, weights=...) or Net(prototxt, weights, phase); found {argument!r}"
                )
        if phase not in (None, mode.TRAIN, mode.TEST):
            raise InputError(
                f"the phase is caffe.TRAIN ({mode.TRAIN}) or caffe.TEST ({mode.TEST}), not {phase!r}"
            )
        self.phase = mode.TEST if phase is None else phase
        self._four_axes = phase is None and weights is not None
        name = "TRAIN" if self.phase == mode.TRAIN else "TEST"
        net = filter_layers(upgrade(read_text_file(network_file)), name, level, list(stages or ()))
        self._net = insert_splits(net)
        self.name: str = net.name or ""
        self.layers: list[Layer] = []
        self.blobs: OrderedDict[str, Blob] = OrderedDict()
        self.blob_loss_weights: OrderedDict[str, float] = OrderedDict()
        self._bottoms: list[list[Blob]] = []
        self._tops: list[list[Blob]] = []
        self._shared: dict[str, Blob] = {}
        self._callbacks: dict[str, list[Callback]] = {}
        for definition in self._net.layer:
            self._add(definition)
        self.params: OrderedDict[str, list[Blob]] = OrderedDict(
            (layer.name, layer.blobs) for layer in self.layers if layer.blobs
        )
        if weights is not None:
            self.copy_from(weights)

    def _add(self, definition: Message) -> None:
        """Set up one layer on its blobs, and shape its tops."""
        if definition.name in self._layer_names:
            raise NetworkFileError(f"two layers are called {definition.name!r}; pycaffe finds layers by name")
        layer = make_layer(definition, self.phase)
        bottom = [self.blobs[name] for name in definition.bottom]
        top = [self._top(definition, index) for index in range(len(definition.top))]
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
        if name in self.blobs:
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
            blob.share_data(owner)
            blob.share_diff(owner)

    @property
    def _layer_names(self) -> list[str]:
        return [layer.name for layer in self.layers]

    @property
    def _blob_names(self) -> list[str]:
        return list(self.blobs)

    @property
    def layer_dict(self) -> OrderedDict[str, Layer]:
        """The layers by name, in order."""
        return OrderedDict((layer.name, layer) for layer in self.layers)

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """The blobs each layer writes."""
        return OrderedDict((layer.name, list(layer.top)) for layer in self._net.layer)

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
        """The blobs that no layer reads, in alphabetical order as in Caffe."""
        waiting: set[str] = set()
        for layer in self._net.layer:
            waiting = (waiting - set(layer.bottom)) | set(layer.top)
        return sorted(waiting)

    def forward(
        self,
        blobs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Array]:
        """Run the layers from `start` to `end`, both included, and return the outputs and the `blobs` asked for.

        With `end`, the outputs are that layer's own tops. Keywords write inputs first: either all of them or none.
        The arrays are the blobs' live data.

        >>> net.forward(data=batch)["prob"]
        >>> net.forward(end="conv1")["conv1"]      # before the ReLU that writes over it
        """
        first, last = self._range(start or self._layer_names[0], end or self._layer_names[-1])
        answers = [*(self.top_names[end] if end else self.outputs), *(blobs or ())]
        self._write(kwargs, self.inputs, "input", [self._blob(name) for name in answers])
        self._forward(first, last)
        return {name: self.blobs[name].data for name in answers}

    def backward(
        self,
        diffs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Array]:
        """Run backward from the layer `start` down to `end`, and return the diffs of the inputs and `diffs`.

        With `end`, the answers are the diffs of that layer's bottoms. Keywords write the outputs' diffs first; a
        loss has its own. Parameters' diffs add up until `clear_param_diffs`.

        >>> net.blobs["prob"].diff[0, 281] = 1
        >>> net.backward()["data"]
        """
        last, first = self._range(end or self._layer_names[0], start or self._layer_names[-1])
        answers = [*(self.bottom_names[end] if end else self.inputs), *(diffs or ())]
        self._write(kwargs, self.outputs, "output", [self._blob(name) for name in answers])
        self._backward(first, last)
        return {name: self.blobs[name].diff for name in answers}

    def forward_all(self, blobs: Sequence[str] | None = None, **kwargs: Any) -> dict[str, Array]:
        """Return the outputs (and the `blobs` asked for) of any number of inputs, run in batches.

        >>> net.forward_all(data=pictures)["prob"].shape
        (25, 1000)
        """
        return batches.forward_all(self, kwargs, blobs)

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **kwargs: Any
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return outputs and the inputs' gradients of any number of inputs; outputs' names give their gradients."""
        return batches.forward_backward_all(self, kwargs, blobs, diffs)

    def _forward(self, start: int, end: int) -> float:
        """Run layers by their indices; the weighted loss is returned."""
        loss = 0.0
        for index in range(start, end + 1):
            self._call("before_forward", index)
            layer, bottom, top = self.layers[index], self._bottoms[index], self._tops[index]
            layer.reshape(bottom, top)
            layer.forward(bottom, top)
            for name, blob in zip(self._net.layer[index].top, top, strict=True):
                if weight := self.blob_loss_weights[name]:
                    loss += weight * float(blob.data.sum())
            self._call("after_forward", index)
        return loss

    def _backward(self, start: int, end: int) -> None:
        for index in range(start, end - 1, -1):
            self._call("before_backward", index)
            bottom = self._bottoms[index]
            self.layers[index].backward(self._tops[index], [True] * len(bottom), bottom)
            self._call("after_backward", index)

    def _range(self, start: str, end: str) -> tuple[int, int]:
        names = self._layer_names
        for name in (start, end):
            if name not in names:
                raise UnknownLayer(f"the net has no layer {name!r}.{did_you_mean(name, names)}")
        return names.index(start), names.index(end)

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            raise UnknownLayer(f"the net has no blob {name!r}.{did_you_mean(name, self.blobs)}")
        return self.blobs[name]

    def _write(self, arrays: dict[str, Array], expected: list[str], what: str, asked: list[Blob]) -> None:
        """Write the arrays into the inputs' data or the outputs' diffs, checked."""
        if arrays and set(arrays) != set(expected):
            raise InputError(f"the {what} names do not match: the net has {expected}, found {sorted(arrays)}")
        for name, array in arrays.items():
            blob, values = self.blobs[name], np.asarray(array)
            if values.ndim and blob.shape and values.shape[0] != blob.shape[0]:
                raise InputError(
                    f"{what} {name!r} is not batch sized: its shape is {values.shape}, the blob's {blob.shape}. "
                    f"Call net.blobs[{name!r}].reshape(...) first"
                )
            try:
                (blob.data if what == "input" else blob.diff)[...] = values
            except ValueError:
                raise InputError(
                    f"{what} {name!r} has the shape {values.shape}, the blob {blob.shape}: "
                    f"call net.blobs[{name!r}].reshape(...) first"
                ) from None

    def reshape(self) -> None:
        """Shape every blob by the inputs' shapes, without computing."""
        for layer, bottom, top in zip(self.layers, self._bottoms, self._tops, strict=True):
            layer.reshape(bottom, top)

    def copy_from(self, weights: File) -> None:
        """Take over the parameters of every layer that the file (caffemodel or HDF5) has by name.

        Layers the file does not have keep what they hold: a renamed layer starts anew. Raises WeightsMismatch,
        with the layer and both shapes, where one does not fit.
        """
        found = read_weights(weights)
        taken = [(layer, found[layer.name]) for layer in self.layers if layer.blobs and layer.name in found]
        for layer, stored in taken:
            if len(stored) != len(layer.blobs):
                raise WeightsMismatch(
                    f"{found.file}: layer {layer.name!r} has {len(stored)} blobs; the net needs {len(layer.blobs)}"
                )
            for index, (blob, values) in enumerate(zip(layer.blobs, stored, strict=True)):
                if values is not None and not values.fits(blob.true_shape):
                    raise WeightsMismatch(
                        f"{found.file}: layer {layer.name!r}, blob {index} has the shape {values.shape}, but the net "
                        f"needs {blob.true_shape}. Rename the layer to leave it out, or cast it (net surgery)"
                    )
        for layer, stored in taken:
            for blob, values in zip(layer.blobs, stored, strict=True):
                if values is not None:
                    blob.load(values.array)

    load_hdf5 = copy_from

    def share_with(self, other: Net) -> None:
        """Have the same parameters as another net, in the same memory, in layers of the same name."""
        for name, blobs in self.params.items():
            for index, (mine, its) in enumerate(zip(blobs, other.params.get(name, ()), strict=False)):
                if mine.true_shape != its.true_shape:
                    raise WeightsMismatch(
                        f"layer {name!r}, blob {index}: the nets' shapes are {mine.true_shape} and {its.true_shape}"
                    )
                mine.share_data(its)

    def save(self, filename: File) -> None:
        """Write the net with its parameters as a caffemodel (as HDF5 when the name ends in .h5)."""
        arrays = {name: [blob.true_data for blob in blobs] for name, blobs in self.params.items()}
        save_weights(self._net, arrays, filename)

    def save_hdf5(self, filename: File) -> None:
        """Write the parameters as HDF5."""
        target = Path(fspath(filename))
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            self.save(Path(folder) / "net.h5")
            (Path(folder) / "net.h5").replace(target)

    def clear_param_diffs(self) -> None:
        """Set the parameters' gradients to zero."""
        for blobs in self.params.values():
            for blob in blobs:
                blob.diff[...] = 0

    def set_input_arrays(self, data: Array, labels: Array) -> None:
        """Feed a net that begins with a MemoryData layer: each forward pass takes the next batch."""
        source, size = self.layers[0], self._tops[0][0].num
        if source.type != "MemoryData" or not isinstance(source, SourceLayer):
            raise InputError(
                "set_input_arrays is for nets whose first layer is MemoryData: write into net.blobs instead"
            )
        if len(data) != len(labels) or not len(data) or len(data) % size:
            raise InputError(
                f"give as many labels as data, a multiple of {size}; found {len(data)} and {len(labels)}"
            )
        labels = labels.reshape(len(labels), *self._tops[0][1].shape[1:])
        source.feed(data.astype(np.float32), labels.astype(np.float32))

    def before_forward(self, function: Callback) -> None:
        """Have a function called with each layer's index before that layer runs."""
        self._callbacks.setdefault("before_forward", []).append(function)

    def after_forward(self, function: Callback) -> None:
        """Have a function called with each layer's index after that layer ran."""
        self._callbacks.setdefault("after_forward", []).append(function)

    def before_backward(self, function: Callback) -> None:
        """Have a function called with each layer's index before that layer runs backward."""
        self._callbacks.setdefault("before_backward", []).append(function)

    def after_backward(self, function: Callback) -> None:
        """Have a function called with each layer's index after that layer ran backward."""
        self._callbacks.setdefault("after_backward", []).append(function)

    def _call(self, when: str, index: int) -> None:
        for function in self._callbacks.get(when, ()):
            function(index)

    def set_phase_test(self) -> None:
        """Do nothing: a net without a phase is one for testing (the interface of early 2014)."""

    def set_phase_train(self) -> None:
        """Warn that the net goes on as for testing."""
        warn(
            "convscope runs nets as for testing; for another set of layers open Net(prototxt, caffe.TRAIN)",
            ConvscopeWarning,
            stacklevel=2,
        )

    def set_mode_cpu(self) -> None:
        """Compute on the processor, as `caffe.set_mode_cpu` (the interface of early 2014; so are the next two)."""
        mode.set_mode_cpu()

    def set_mode_gpu(self) -> None:
        """Compute on the graphics card, as `caffe.set_mode_gpu`."""
        mode.set_mode_gpu()

    def set_device(self, device_id: int) -> None:
        """Choose the graphics card, as `caffe.set_device`."""
        mode.set_device(device_id)

    def __repr__(self) -> str:
        return (
            f"<Net {self.name!r}: {len(self.layers)} layers, {len(self.blobs)} blobs, inputs {self.inputs}>"
        )
