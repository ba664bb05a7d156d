"""`caffe.Net`: a network whose every blob, parameter and gradient is a live array, run layer by layer.

It is Caffe's own way of running: a forward pass may begin and end at any layer and leaves each blob as that layer
wrote it, and a user may write into any of them between two passes. The layers are the operations that the rest of
convscope runs on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.caffe import batches, mode
from convscope.caffe.blob import Blob
from convscope.caffe.construction import loss_weights
from convscope.caffe.interface_2014 import Interface2014
from convscope.caffe.layer import SourceLayer
from convscope.caffe.weights import copy_parameters, save_parameters, share_parameters
from convscope.errors import InputError, NetworkFileError, UnknownLayer, did_you_mean
from convscope.formats.caffe.rules import filter_layers
from convscope.formats.caffe.stored_net import trained_net, warn_of_differences
from convscope.formats.caffe.text import read_text_file
from convscope.formats.caffe.upgrade import upgrade
from convscope.formats.caffe.weights import read_weights

Array = NDArray[Any]
File = str | PathLike[str]
Callback = Callable[[int], Any]
_OF_FORKS = {  # the deep visualization toolbox's
    "backward_from_layer": "clear the diffs, then `net.blobs[layer].diff[...] = diffs` and `net.backward(start=layer)`",
    "deconv_from_layer": "open the files with convscope.open_network and look with convscope.deconvnet",
}


class Net(Interface2014):
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

    In the phase TRAIN batch normalization uses the batch's own statistics, and the stored ones stay as they are;
    dropout is left out in both phases. A caffemodel that was written from a net with other settings, or another order
    of layers, gives a warning, which Caffe does not. Raises NetworkFileError, WeightsMismatch, UnsupportedLayer or
    InputError.
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
        oldest = phase is None and weights is None
        for argument in arguments:
            if isinstance(argument, int) and phase is None:
                phase, oldest = argument, False
            elif isinstance(argument, (str, PathLike)) and weights is None:
                weights = argument
            else:
                raise TypeError(
                    f"Net(prototxt, phase, weights=...) or Net(prototxt, weights, phase); found {argument!r}"
                )
        name = {None: "TEST", mode.TEST: "TEST", mode.TRAIN: "TRAIN"}.get(phase)
        if name is None:
            raise InputError(f"the phase is caffe.TRAIN (0) or caffe.TEST (1), not {phase!r}")
        net = filter_layers(upgrade(read_text_file(network_file)), name, level, list(stages or ()))
        if not net.layer:
            raise NetworkFileError(f"{fspath(network_file)} has no layers in the phase {name}, level {level}")
        weights_file = None if weights is None else read_weights(weights)
        number = mode.TRAIN if name == "TRAIN" else mode.TEST
        super().__init__(net, number, four_axes=oldest and weights_file is not None, weights=weights_file)
        self._callbacks: dict[str, list[Callback]] = {}
        if weights_file is not None:
            copy_parameters(self.params, weights_file, self._borrowed)
            bottoms = self.bottom_names
            warn_of_differences(
                net,
                trained_net(weights_file),
                weights_file.file,
                lambda name: self.blobs[bottoms[name][0]].shape,
            )

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
            definition = self._definitions[index]
            weights = loss_weights(definition)
            for name, blob in zip(definition.top, top, strict=True):
                if name in weights:
                    loss += weights[name] * float(blob.data.sum())
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
        first, last = names.index(start), names.index(end)
        if first > last:
            raise InputError(
                f"the layer {start!r} comes after {end!r}: nothing lies between them in this direction"
            )
        return first, last

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            raise UnknownLayer(f"the net has no blob {name!r}.{did_you_mean(name, self.blobs)}")
        return self.blobs[name]

    def _write(self, arrays: dict[str, Array], expected: list[str], what: str, blobs: list[Blob]) -> None:
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
        copy_parameters(self.params, read_weights(weights), self._borrowed)

    load_hdf5 = copy_from

    def share_with(self, other: Net) -> None:
        """Have the same parameters as another net, in the same memory, in layers of the same name."""
        share_parameters(self.params, other.params)

    def save(self, filename: File) -> None:
        """Write the net with its parameters as a caffemodel (as HDF5 when the name ends in .h5)."""
        save_parameters(self.params, self._net, filename)

    def save_hdf5(self, filename: File) -> None:
        """Write the parameters as HDF5, whatever the file's name."""
        save_parameters(self.params, self._net, filename, hdf5=True)

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

    def __getattr__(self, name: str) -> Any:
        hint = f": {_OF_FORKS[name]}" if name in _OF_FORKS else ""
        raise AttributeError(f"a Net has no {name!r}{hint}", name=name, obj=self)

    def __repr__(self) -> str:
        return (
            f"<Net {self.name!r}: {len(self.layers)} layers, {len(self.blobs)} blobs, inputs {self.inputs}>"
        )
