"""The layers of a net: each knows how to shape, compute and differentiate itself on blobs, as Caffe's do.

`Layer` is also what a Python layer is derived from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from convscope.caffe import mode
from convscope.caffe.blob import Blob, Blobs, Floats, Shape
from convscope.formats.caffe.layers import LearnedBlob, blob_shapes, fill
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.parameters import filled, needed_shapes
from convscope.network.graph import Operation
from convscope.network.operations import OPERATIONS
from convscope.network.shapes import infer_operation

Several = Sequence[Blob]


class Layer:
    """One layer of a net: its `type` and its parameters, `blobs`.

    A layer written in Python is a class derived from this one with `setup`, `reshape`, `forward` and `backward`.
    A net finds it by the names in its prototxt (``python_param { module: ... layer: ... }``) among the classes that
    the running program has defined; convscope imports no module because a file names it.

    >>> class Double(caffe.Layer):
    ...     def setup(self, bottom, top): pass
    ...     def reshape(self, bottom, top): top[0].reshape(*bottom[0].data.shape)
    ...     def forward(self, bottom, top): top[0].data[...] = 2 * bottom[0].data
    ...     def backward(self, top, propagate_down, bottom): bottom[0].diff[...] = 2 * top[0].diff
    """

    name = ""
    type = "Python"
    param_str = ""
    phase = mode.TEST
    blobs: Blobs
    stored_shapes: Sequence[Shape] = ()

    def __new__(cls, *arguments: object, **keywords: object) -> Layer:
        """Make a layer without parameters, whatever the derived class initializes."""
        layer = super().__new__(cls)
        layer.blobs = Blobs()
        return layer

    def setup(self, bottom: Several, top: Several) -> None:
        """Prepare the layer, once."""

    def reshape(self, bottom: Several, top: Several) -> None:
        """Give the tops the shapes that follow from the bottoms'."""

    def forward(self, bottom: Several, top: Several) -> None:
        """Compute the tops' data."""

    def backward(self, top: Several, propagate_down: Sequence[bool], bottom: Several) -> None:
        """Compute the bottoms' diff from the tops'."""

    def __repr__(self) -> str:
        return f"<{self.type} layer {self.name!r}>"


class OperationLayer(Layer):
    """A layer that is one operation of `convscope.network.operations`."""

    def __init__(self, operation: Operation, learned: Mapping[str, LearnedBlob], tops: Sequence[int]) -> None:
        self._operation, self._learned, self._tops = operation, learned, tops
        self._shapes: dict[tuple[Shape, ...], list[Shape | None]] = {}
        self._overwritten: dict[int, Tensor] = {}

    def setup(self, bottom: Several, top: Several) -> None:
        """Make the parameters, filled as the net's own fillers say when they are first looked at."""
        sizes = [blob.true_shape for blob in bottom]
        shapes = needed_shapes(self.name, self.type, self._learned, sizes, self.stored_shapes)
        for (role, learned), shape in zip(self._learned.items(), shapes, strict=True):
            filler = learned.filler or Message("FillerParameter")
            self.blobs.append(Blob(shape, partial(filled, f"{self.name}.{role}", filler, shape, mode.seed())))

    def reshape(self, bottom: Several, top: Several) -> None:
        """Find the tops' shapes without computing; InputError says why the bottoms do not fit."""
        key = tuple(blob.true_shape for blob in bottom)
        if key not in self._shapes:
            operation = self._operation
            parameters = {role: blob.true_shape for role, blob in zip(self._roles, self.blobs, strict=True)}
            shapes = infer_operation(operation, dict(zip(operation.inputs, key, strict=False)), parameters)
            self._shapes = {key: [shapes[name] for name in operation.outputs]}
        for blob, shape in zip(self._own_tops(top), self._shapes[key], strict=True):
            if shape is not None:
                blob.reshape(*shape)

    def forward(self, bottom: Several, top: Several) -> None:
        """Compute the tops."""
        if self.type == "Split":
            for blob in top:
                blob.share_data(bottom[0])
            return
        inputs = [blob.tensor() for blob in self._read(bottom)]
        with torch.no_grad():
            outputs = self._run(inputs, [blob.tensor() for blob in self.blobs])
        if not self._gradient_from_output:
            places = enumerate(self._read(bottom))
            self._overwritten = {
                at: inputs[at].clone() for at, blob in places if any(blob is one for one in top)
            }
        for blob, output in zip(self._own_tops(top), outputs, strict=True):
            blob.write(output)

    def backward(self, top: Several, propagate_down: Sequence[bool], bottom: Several) -> None:
        """Compute the bottoms' gradients anew and add the parameters' to what they hold, as Caffe does."""
        inputs = [blob.tensor() for blob in self._read(bottom)]
        for at, before in self._overwritten.items():
            if before.shape == inputs[at].shape:
                inputs[at] = before
        parameters = [blob.tensor() for blob in self.blobs]
        learned = [] if self._operation.kind == "batch_norm" else parameters  # statistics have no gradient
        leaves = [tensor.detach().requires_grad_() for tensor in [*inputs, *learned]]
        with torch.enable_grad():
            outputs = self._run(leaves[: len(inputs)], leaves[len(inputs) :] or parameters)
        differentiable = [
            (output, blob.diff_tensor())
            for output, blob in zip(outputs, self._own_tops(top), strict=True)
            if output.requires_grad
        ]
        gradients: Sequence[Tensor | None] = [None] * len(leaves)
        if differentiable:
            tensors, diffs = zip(*differentiable, strict=True)
            gradients = torch.autograd.grad(tensors, leaves, diffs, allow_unused=True)
        for blob, gradient in zip(self._read(bottom), gradients, strict=False):
            blob.write_diff(gradient)
        for blob, gradient in zip(self.blobs, gradients[len(inputs) :], strict=False):
            blob.write_diff(gradient, add=True)

    @property
    def _gradient_from_output(self) -> bool:
        """Whether the gradient is the same at the output as at the input: an input written over is not missed."""
        operation = self._operation
        slope = operation.attributes.get("negative_slope", 0)
        return operation.kind == "identity" or (operation.kind == "relu" and slope >= 0)

    @property
    def _roles(self) -> tuple[str, ...]:
        return tuple(self._operation.parameters)

    def _read(self, bottom: Several) -> Several:
        return bottom[: len(self._operation.inputs)]

    def _own_tops(self, top: Several) -> Several:
        return [top[index] for index in self._tops]

    def _run(self, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
        keywords = dict(zip(self._roles, parameters, strict=True))
        function = OPERATIONS[self._operation.kind]
        result = function(*inputs, **keywords, **self._operation.attributes)
        return result if isinstance(result, tuple) else (result,)


class SourceLayer(Layer):
    """A layer whose tops hold what is written into them: an input, or data that convscope does not read itself."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = shapes
        self._batches: Iterator[tuple[Floats, ...]] | None = None

    def setup(self, bottom: Several, top: Several) -> None:
        """Give the tops the shapes that the net's text says."""
        for blob, shape in zip(top, self._shapes, strict=True):
            blob.reshape(*shape)

    def feed(self, *arrays: Floats) -> None:
        """Have each forward pass take the next batch of the arrays, from the start again after the last one."""
        self._batches = self._cycle(arrays)

    def forward(self, bottom: Several, top: Several) -> None:
        """Take the next batch where there is one."""
        if self._batches is not None:
            for blob, values in zip(top, next(self._batches), strict=True):
                blob.data[...] = values

    def _cycle(self, arrays: Sequence[Floats]) -> Iterator[tuple[Floats, ...]]:
        size = self._shapes[0][0]
        while True:
            for start in range(0, len(arrays[0]), size):
                yield tuple(array[start : start + size] for array in arrays)


class FilledLayer(Layer):
    """Dummy data: constants are written once, random numbers anew in every forward pass."""

    def __init__(self, blobs: Mapping[str, LearnedBlob]) -> None:
        self._learned = blobs

    def setup(self, bottom: Several, top: Several) -> None:
        """Shape and fill every top."""
        for blob, shape in zip(top, blob_shapes(self._learned, ()) or (), strict=True):
            blob.reshape(*shape)
        self._fill(top, constants=True)

    def forward(self, bottom: Several, top: Several) -> None:
        """Draw new random numbers."""
        self._fill(top, constants=False)

    def _fill(self, top: Several, *, constants: bool) -> None:
        for blob, learned in zip(top, self._learned.values(), strict=True):
            filler = learned.filler or Message("FillerParameter")
            if constants or filler.type != "constant":
                blob.data[...] = fill(filler, blob.shape, mode.generator())


def python_layer(definition: Message) -> Layer | None:
    """Return the Python layer a definition names, from the classes derived from `Layer` in this program, or None."""
    parameters = definition.python_param
    for layer_class in reversed(list(_derived(Layer))):
        fits = f".{layer_class.__module__}".endswith(f".{parameters.module}")
        if fits and layer_class.__name__ == parameters.layer:
            layer = layer_class()
            layer.param_str = parameters.param_str
            return layer
    return None


def _derived(base: type[Layer]) -> Iterator[type[Layer]]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from _derived(subclass)
