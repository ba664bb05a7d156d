"""A network, opened: the noun everything else rests on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from html import escape
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, cast
from weakref import ref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.address import Address
from convscope.argument_errors import arguments_in_words
from convscope.errors import InputError, PictureNote, UnknownLayer, did_you_mean, warn
from convscope.files import is_numpy_file
from convscope.network.address_book import AddressBook, names_of_cut_layers, names_of_values
from convscope.network.axes import at_position, require_position, shape_channels_first, to_channels_first
from convscope.network.class_head import (
    class_probabilities,
    class_scores,
    class_values,
    count_classes,
    find_class_output,
    holds_probabilities,
    most_probable,
)
from convscope.network.engine.differentiable import Forward, Precision, forward_to
from convscope.network.engine.execution import find_device, laid_out
from convscope.network.engine.memory import machine_memory, shortage_in_words
from convscope.network.engine.runner import Runner
from convscope.network.fixed_inputs import read_input, with_axes
from convscope.network.graph import Graph
from convscope.network.identity import graph_sha256
from convscope.network.input_spec import InputSpec
from convscope.network.layer import Layer, layers_of
from convscope.network.origin import Origin, shown_name
from convscope.network.outputs import Output, find_outputs
from convscope.network.parameters import Shape
from convscope.network.resizing import Size
from convscope.network.shapes import infer_shapes
from convscope.pictures.photograph import InputLike, Photograph, PictureLike, open_photograph

if TYPE_CHECKING:
    from convscope.web.notebook import Explorer

_OF_MODULES = {
    "forward": "network.predict(picture) names classes, network.activations(batch, address) has the numbers",
    "eval": "it is always in evaluation mode",
    "train": "it is always in evaluation mode",
    "to": "open_network(..., device='cuda') computes elsewhere",
    "cuda": "open_network(..., device='cuda') computes elsewhere",
    "state_dict": "network.parameters has the weights by their names",
    "named_parameters": "network.parameters has the weights by their names",
    "modules": "network.layers has the layers by their names",
    "named_modules": "network.layers has the layers by their names",
    "register_forward_hook": "network.activations(batch, address) has what a layer answers",
    "summary": "print(convscope.layer_table(network))",
}
"""What stands here for what a module of torch or a model of Keras has."""


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Network:
    """A convolutional network that can be listed, run, looked into and saved.

    Made by `open_network`. Layers, channels, neurons and classes are named by address (`convscope.address`), in
    the words of the network's own format. A network never changes: ``dataclasses.replace(network, labels=labels)``
    is another with the same weights.

    >>> network = convscope.open_network("builtin")
    >>> network.predict("coffee", top=2)
    [('espresso', 0.976...), ('wooden spoon', 0.002...)]
    >>> network.activations(network.preprocess("coffee"), "mixed4a")["mixed4a"].shape
    torch.Size([1, 352, 10, 10])
    """

    graph: Graph
    input_spec: InputSpec | None
    labels: tuple[str, ...] | None
    origin: Origin
    device: torch.device

    def __init__(
        self,
        graph: Graph,
        *,
        input_spec: InputSpec | None,
        labels: Sequence[str] | None = None,
        origin: Origin | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        place = find_device(device)
        parameters = graph.parameters.mapped(partial(laid_out, device=place))
        vars(self).update(
            graph=replace(graph, parameters=parameters),
            input_spec=input_spec,
            labels=None if labels is None else tuple(labels),
            origin=origin or Origin(graph.name),
            device=place,
        )

    @cached_property
    def _runner(self) -> Runner:
        return Runner(self.graph, self.device)

    @property
    def name(self) -> str:
        """The network's own name for itself, or its file's where it has none but its exporter's.

        >>> network.name
        'builtin'
        """
        return shown_name(self.graph.name, self.origin.source)

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known before its answers are believed, one line each: guesses about its input.

        `open_network` says them as it opens; a page or a ``--json`` repeats them.

        >>> network.notes  # its file says all of it
        ()
        """
        note = None if self.input_spec is None else self.input_spec.note
        return () if note is None else (f"{self.name}: {note}",)

    @cached_property
    def sha256(self) -> str:
        """The hash of what it computes: its operations and its parameters' numbers, as they were opened.

        Worked out once, the first time it is asked for: about a second for a gigabyte of weights.

        >>> len(network.sha256)
        64
        """
        return graph_sha256(self.graph)

    @property
    def identity(self) -> str:
        """The hash of everything that its answers to a picture depend on: `sha256` and the input spec's.

        What is kept of a network (pictures, measurements, unfinished dreams) is found again by it.

        >>> network.identity == convscope.open_network("builtin").identity
        True
        """
        spec = "" if self.input_spec is None else self.input_spec.sha256
        return sha256(f"{self.sha256} {spec}".encode()).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy it by value: with its parameters' numbers, and without what is made again when it runs."""
        options = {"input_spec": self.input_spec, "labels": self.labels, "origin": self.origin}
        return _network_from, (self.graph, {**options, "device": str(self.device)})

    @cached_property
    def shapes(self) -> Mapping[str, Shape | None]:
        """The shape of every value, earlier in-place versions included, for the source's own input shape.

        >>> network.shapes["conv1"]
        (1, 48, 40, 40)
        """
        return MappingProxyType(infer_shapes(self.graph, self.graph.inputs))

    @arguments_in_words
    def shapes_at(self, size: Size, targets: Iterable[str]) -> dict[str, Shape | None]:
        """Return the shape of every value up to `targets` for one picture of (height, width); see `infer_shapes`.

        >>> network.shapes_at((160, 160), ["mixed4a"])["mixed4a"]
        (1, 352, 20, 20)
        """
        return infer_shapes(self.graph, self.input_shapes(size), targets)

    @arguments_in_words
    def input_shapes(self, size: Size) -> dict[str, Shape]:
        """Return the shapes of the inputs for one picture of (height, width).

        >>> network.input_shapes((160, 160))
        {'input': (1, 3, 160, 160)}
        """
        spec, (first, *others) = self.picture_spec, self.graph.inputs
        shape = (1, spec.channels, *size) if spec.layout == "NCHW" else (1, *size, spec.channels)
        return {first: shape, **{name: self.graph.inputs[name] for name in others}}

    @cached_property
    def layers(self) -> Mapping[str, Layer]:
        """The layer table: name to Layer, in the order they run, inputs first.

        >>> layer = network.layers["mixed4a"]
        >>> layer.kind, layer.shape, layer.receptive_field
        ('Concat', (1, 352, 10, 10), ...)
        """
        return MappingProxyType(layers_of(self.graph, self.shapes))

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Parameter name (``conv1.weight``) to tensor, each loaded when asked for.

        >>> network.parameters["conv1.weight"].shape
        torch.Size([48, 3, 7, 7])
        """
        return self.graph.parameters

    @arguments_in_words
    def resolve(self, address: str | Address) -> Address:
        """Return the address with its layer's own name and its channel as a number.

        Raises UnknownLayer, with the closest names, for a layer, channel, position or label that is not there, and
        UnsupportedLayer for a layer that is cut off (`Graph.cut`).

        >>> network.resolve("prob:espresso")
        Address(layer='prob', channel=8, position=None)
        """
        return self._address_book.resolve(address)

    @cached_property
    def _address_book(self) -> AddressBook:
        values, cut = names_of_values(self.graph), names_of_cut_layers(self.graph)
        cut = {name: layer for name, layer in cut.items() if name not in values}
        network = ref(self)  # of a book that held its network, memory would wait for the collector

        def shape(value: str) -> Shape | None:
            return cast("Network", network()).shape_channels_first(value)

        return AddressBook(self.name, self.origin.source, values, cut, self.labels, shape)

    @property
    def channel_axis(self) -> int:
        """Which axis of a value its channels are on: 1, or -1 where they are last.

        >>> network.channel_axis
        1
        """
        return self.graph.channel_axis

    @arguments_in_words
    def channels_first(self, value: str, tensor: Tensor) -> Tensor:
        """Return what a value answered as (batch, channels, height, width), whatever order the network has it in.

        >>> network.channels_first("mixed4a", network.activations(x, "mixed4a")["mixed4a"]).shape
        torch.Size([1, 352, 10, 10])
        """
        return to_channels_first(tensor) if self._is_channels_last(value, tuple(tensor.shape)) else tensor

    def _is_channels_last(self, value: str, shape: Shape) -> bool:
        """Whether a value's channels are its last axis: the graph's, the picture's own, or a row's.

        A picture may be turned around by the network itself; a row is (batch, 1, 1, channels) in a graph with the
        channels first, as some ONNX files have it.
        """
        if value in self.graph.inputs:
            own = self.input_spec is not None and len(shape) == 4 and value == next(iter(self.graph.inputs))
            return self.input_spec.layout == "NHWC" if own and self.input_spec else self.graph.channels_last
        row = len(shape) == 4 and shape[1:3] == (1, 1) and shape[3] > 1
        return self.graph.channels_last or row

    @arguments_in_words
    def shape_channels_first(self, value: str) -> Shape | None:
        """Return the shape of a value as (batch, channels, height, width); None where that depends on the numbers.

        >>> network.shape_channels_first("mixed4a")
        (1, 352, 10, 10)
        """
        if value not in self.shapes:
            raise UnknownLayer(f"{self.name} has no value {value!r}.{did_you_mean(value, self.shapes)}")
        shape = self.shapes[value]
        if shape is None:
            return None
        return shape_channels_first(shape) if self._is_channels_last(value, shape) else shape

    @arguments_in_words
    def preprocess(self, picture: PictureLike) -> Tensor:
        """Return a picture (path, array, PIL image) as the network's float input; see `input_spec`.

        What had to be done to the picture first (transparent parts on white, ...) is said in warnings.

        >>> network.preprocess("coffee").shape
        torch.Size([1, 3, 80, 80])
        """
        spec = self.picture_spec
        if not isinstance(picture, np.ndarray):
            picture = open_photograph(picture)
            for note in picture.notes:
                warn(f"{picture.name}: {note}", PictureNote)
        return spec.to_tensor(picture).to(self.device)

    @arguments_in_words
    def opened_input(self, picture: InputLike) -> Photograph | Tensor:
        """Return a picture opened, once for all that look at it, and an input tensor as it is.

        Where no picture fits but a signal, say, an array of numbers is such an input, and a ``.npy`` file holds one;
        the axes of the batch and of an only channel may be missing there.
        """
        if isinstance(picture, Tensor):
            return picture
        holds_numbers = isinstance(picture, (str, os.PathLike)) and is_numpy_file(picture)
        takes_numbers = self.input_spec is None and len(self.graph.inputs) == 1
        if not takes_numbers or not (holds_numbers or isinstance(picture, np.ndarray)):
            return open_photograph(picture)
        numbers: Any = read_input(picture)
        return with_axes(numbers, next(iter(self.graph.inputs.values()))).to(self.device)

    @arguments_in_words
    def deprocess(self, tensor: Tensor) -> NDArray[np.float32]:
        """Return an input tensor as a picture: float (H, W, 3) in 0 to 1.

        >>> network.deprocess(x).shape
        (80, 80, 3)
        """
        return self.picture_spec.to_picture(tensor)

    @property
    def picture_spec(self) -> InputSpec:
        """How a picture becomes its input; InputError where no picture does, or none that the memory holds.

        >>> network.picture_spec.size
        (80, 80)
        """
        if len(self.graph.inputs) > 1 and self.input_spec is None:
            raise InputError(
                f"{self.name} expects {dict(self.graph.inputs)}, which no picture fits alone: give "
                "network.activations() a tensor for each"
            )
        if self.input_spec is None:
            reshaped = (
                "open it with a shape that one does (input_shape=(1, 3, 224, 224), or --input-shape), or "
            )
            has_maps = any(len(shape) == 4 for shape in self.graph.inputs.values())
            raise InputError(
                f"{self.name} expects {dict(self.graph.inputs)}, which no picture fits: {reshaped * has_maps}give "
                "network.activations() a tensor, in Python; classify, activations, values and evidence take it as a "
                "NumPy file (.npy)"
            )
        if prod(self.input_spec.shape) * 16 > machine_memory():
            raise InputError(
                f"{self.name} expects pictures of {self.input_spec.size}, more than this machine's memory"
            )
        return self.input_spec

    @arguments_in_words
    def activations(
        self, input: Tensor | Mapping[str, Tensor], *addresses: str | Address | Sequence[str | Address]
    ) -> dict[str, Tensor]:
        """Return what each address answers to this input, keyed as it was asked for; all layers when none is.

        Shapes are the source's own. A channel's address gives (batch, height, width), a neuron's (batch,).
        Gradients flow when the input asks for them.

        >>> answers = network.activations(x, "conv1", "mixed4a:42", "mixed4a:42@3,5")
        >>> [tuple(answer.shape) for answer in answers.values()]
        [(1, 48, 40, 40), (1, 10, 10), (1,)]

        UnknownLayer for an address that is not there, InputError for an input of another shape.
        """
        listed = [
            address
            for some in addresses
            for address in ((some,) if isinstance(some, (str, Address)) else some)
        ]
        resolved = {str(address): self._address_book.resolve(address) for address in listed}
        if not addresses:
            resolved = {name: Address(name) for name in self.layers}
        values = self._runner.run(input, tuple(dict.fromkeys(address.layer for address in resolved.values())))
        return {name: self._select(values[address.layer], address) for name, address in resolved.items()}

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Say what answers: whether a picture or a batch is meant, classes or numbers, a call would leave open."""
        raise InputError(
            "a network is not called like a module: network.predict(picture) names the classes of a picture, "
            f"network.activations(batch, {self.main_output!r}) has what its output answers to a batch"
        )

    if not TYPE_CHECKING:  # who checks types is told of every name that is not there

        def __getattr__(self, name: str) -> NoReturn:
            """Say what a module's attribute is here: a network is none."""
            here = _OF_MODULES.get(name)
            if here is None:
                object.__getattribute__(self, name)  # raises, with what a property of that name raised
            raise AttributeError(f"a network is no module, and has no {name!r}: {here}")

    @arguments_in_words
    def gradient(self, input: Tensor | Mapping[str, Tensor], address: str | Address) -> Tensor:
        """Return the gradient, for the (first) input, of the sum of what the address answers.

        >>> network.gradient(x, "prob:espresso").shape
        torch.Size([1, 3, 80, 80])
        """
        resolved = self.resolve(address)
        first, *others = self._runner.inputs(input, (resolved.layer,))
        first = first.detach().requires_grad_()
        with shortage_in_words(), torch.enable_grad():
            (value,) = self._runner.module((resolved.layer,))(first, *others)
            total = self._select(value, resolved).sum()
            if not total.requires_grad:
                return torch.zeros_like(first)
            (gradient,) = torch.autograd.grad(total, first, allow_unused=True)
        return torch.zeros_like(first) if gradient is None else gradient

    def _select(self, value: Tensor, address: Address) -> Tensor:
        """Narrow a value to the channel and position of an address; whole, it stays as it is."""
        if address.channel is not None or address.position is not None:
            value = self.channels_first(address.layer, value)
        if address.channel is not None:
            value = value[:, int(address.channel)]
        if address.position is not None:
            require_position(address, *value.shape[-len(address.position) :])
            value = at_position(value, address.position, value.dim() - len(address.position))
        return value

    @arguments_in_words
    def forward_to(
        self,
        targets: Sequence[str],
        *,
        precision: Precision = "float32",
        channels: Mapping[str, Sequence[int]] | None = None,
    ) -> Forward:
        """Return a function from the input to what these layers answer, for climbing: gradients flow to the input.

        The function takes what `activations` takes and gives layer to (batch, channels, height, width), whatever order
        the network has its axes in. Nothing past the deepest target runs and the weights are frozen. `channels` names,
        for a layer, those of its channels that are wanted: the others are not computed where nothing else needs
        them. "bfloat16" is taken where the processor is faster with it, and right to about one in a hundred.

        >>> forward = network.forward_to(["mixed4a"], channels={"mixed4a": [42, 57]})
        >>> forward(x)["mixed4a"].shape
        torch.Size([1, 2, 10, 10])

        UnknownLayer for a layer or a channel that is not there.
        """
        layer_of_target = {target: self.resolve(target).layer for target in targets}
        picked = {target: tuple(numbers) for target, numbers in (channels or {}).items()}
        for target, numbers in picked.items():
            for number in numbers:
                self.resolve(Address(layer_of_target[target], number))
        return forward_to(self._runner, layer_of_target, picked, precision)

    @arguments_in_words
    def predict(self, picture: InputLike, top: int = 5) -> list[tuple[str, float]]:
        """Return the `top` most probable classes of a picture as (label, probability), the best first.

        A tensor that is the network's input already goes for a picture. Probabilities are averaged over the crops of
        `input_spec`, and over positions where the network answers with a map.

        >>> network.predict("coffee", top=1)
        [('espresso', 0.976...)]

        PictureError for what is no picture, InputError for a network that tells no classes apart.
        """
        return [(self.class_label(index), value) for index, value in self.best_classes(picture, top)]

    @arguments_in_words
    def best_classes(self, picture: InputLike, top: int = 5) -> list[tuple[int, float]]:
        """Return the `top` most probable classes as (number, probability), equal ones in the classes' order.

        >>> network.best_classes("coffee", top=1)
        [(8, 0.976...)]
        """
        if top < 1:
            raise InputError(f"top is how many classes to name, at least 1; not {top}")
        return most_probable(self.probabilities(picture), top)

    @arguments_in_words
    def class_label(self, index: int) -> str:
        """Return a class's label; its number where the network has none for it.

        >>> network.class_label(8)
        'espresso'
        """
        labels = self.labels or ()
        return labels[index] if index < len(labels) else f"class {index}"

    @arguments_in_words
    def probabilities(self, picture: InputLike) -> Tensor:
        """Return the probability of every class for a picture, or an input tensor, shape (classes,).

        A network that ends in a sigmoid tells each class on its own: its probabilities do not add up to 1. Scores
        that no softmax ends are given one.

        >>> network.probabilities("coffee").shape
        torch.Size([200])
        """
        from convscope.network.given_input import one_input  # which stands on networks

        output = self.class_output
        input = one_input(self, picture)
        answer = self.activations(input, Address(output))[output]
        if not answer.isfinite().all():
            raise InputError(
                f"{output!r} answers with NaN or infinity to this picture: {self.first_nonfinite(input)}"
            )
        return self.probabilities_of(answer)

    @arguments_in_words
    def probabilities_of(self, answer: Tensor) -> Tensor:
        """Return the probability of every class, shape (classes,), from what `class_output` answers to a picture.

        Who has the answer already, with other layers' from one pass, saves the second. The answers to a picture's ten
        crops are averaged; InputError for those to several pictures.

        >>> answers = network.activations(x, "mixed4a", network.class_output)
        >>> network.probabilities_of(answers[network.class_output]).argmax()
        tensor(8)
        """
        output = self.class_output
        if not answer.isfinite().all():
            raise InputError(f"{output!r} answers with NaN or infinity to this picture")
        if len(answer) not in (1, self._answers_a_picture):
            whole = "answer" if holds_probabilities(self.graph, output) else "answer.softmax(1)"
            raise InputError(
                f"{output!r} answers to {len(answer)} pictures here, and these are one's probabilities: give "
                f"answer[:1] and so on; those of all are {whole}"
            )
        return class_probabilities(self.graph, output, self.channels_first(output, answer.float()))

    @property
    def _answers_a_picture(self) -> int:
        """How many rows the answer over classes has for a picture: one a crop, or one a region that it looks at."""
        shape, batch = self.shapes.get(self.class_output), next(iter(self.graph.inputs.values()))[0]
        return (1 if self.input_spec is None else self.input_spec.crops) * max(
            1, shape[0] // batch if shape else 1
        )

    @arguments_in_words
    def first_nonfinite(self, input: Tensor | Mapping[str, Tensor]) -> str:
        """Say which layer is the first that answers with NaN or infinity to an input, and what it gets.

        >>> broken = network.with_parameters({"conv2.bias": torch.full((128,), float("nan"))})
        >>> broken.first_nonfinite(x)
        "the first layer with one is 'conv2' (Convolution), in 51,200 of 51,200 numbers"
        """
        for name, value in self.activations(input).items():
            if value.is_floating_point() and not value.isfinite().all():
                count, kind = int((~value.isfinite()).sum()), self.layers[name].kind
                return f"the first layer with one is {name!r} ({kind}), in {count:,} of {value.numel():,} numbers"
        return "all layers answer in numbers"

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """What each output is: classes, a map of classes, a picture, boxes, tokens, a map, or plain numbers.

        >>> [(output.name, output.role, output.value) for output in network.outputs]
        [('prob', 'classes', 'prob')]

        Show each as what it is: ``network.activations(x, output.value)[output.value]`` has its numbers, and
        `Output` says what they mean. `class_output` is the one that `predict` reads.
        """
        return find_outputs(self.graph, self.shapes, self.labels)

    @cached_property
    def class_output(self) -> str:
        """The value whose channels are the classes: probabilities first, then the deepest output, then the last.

        What only passes an answer on in another shape, or says which class is the highest, is looked through.
        InputError where no output tells classes apart.

        >>> network.class_output
        'prob'
        """
        return find_class_output(self.graph, self.outputs, self.name).value

    @cached_property
    def class_scores(self) -> str:
        """The value whose channels are the classes' scores: what the last softmax, its logarithm or sigmoid reads.

        >>> network.class_scores
        'head'
        """
        return class_scores(self.graph, self.class_output)

    @cached_property
    def class_values(self) -> tuple[str, ...]:
        """`class_output` and `class_scores`; nothing for a network that is no classifier.

        >>> network.class_values
        ('prob', 'head')
        """
        return class_values(self.graph, self.outputs)

    @cached_property
    def main_output(self) -> str:
        """The value that everything leads to: `class_output`, or the deepest output where there is none.

        >>> network.main_output
        'prob'
        """
        if values := self.class_values:
            return values[0]
        if not self.outputs:
            raise InputError(f"{self.name} has no output")
        depths = self.graph.depths([output.value for output in self.outputs])
        return self.outputs[depths.index(max(depths))].value

    @cached_property
    def class_count(self) -> int | None:
        """How many classes the network tells apart, in the whole picture or at each place; None where it does not.

        >>> network.class_count
        200
        """
        return count_classes(self.graph, self.outputs)

    @arguments_in_words
    def save(self, path: str | Path) -> Path:
        """Write the network, weights and all, in the format its name's ending says, and return the path.

        ``.convscope`` for every network; ``.caffemodel``, ``.caffemodel.h5`` and ``.prototxt`` (without weights) for
        what came from Caffe. The file appears whole or not at all.

        >>> network.save("mine.convscope")
        PosixPath('mine.convscope')

        InputError for a format that has no word for one of its operations: which one, and what else could be written.
        """
        from convscope.formats.saving import writer_for  # the formats stand on networks

        path = Path(path)
        writer_for(self, path).write(self, path)
        return path

    @arguments_in_words
    def with_parameters(self, changes: Mapping[str, Tensor]) -> Network:
        """Return the same network with some parameters replaced; `parameters` has their names and shapes.

        >>> network.with_parameters({"conv1.bias": torch.zeros(48)}).predict("coffee", top=1)
        [('espresso', 0.95...)]

        InputError for a name or a shape that the network does not have.
        """
        for name, tensor in changes.items():
            if name not in self.parameters:
                raise UnknownLayer(f"no parameter {name!r}.{did_you_mean(name, self.parameters)}")
            if tuple(tensor.shape) != (shape := self.graph.parameters.shapes[name]):
                raise InputError(f"{name!r} has shape {shape}; what was given has {tuple(tensor.shape)}")
        changes = {name: tensor.to(self._runner.precision) for name, tensor in changes.items()}
        graph = replace(self.graph, parameters=self.graph.parameters.replaced(changes))
        return replace(
            self, graph=graph, origin=Origin(self.origin.source)
        )  # no files: it is not what they say

    @property
    def precision(self) -> torch.dtype:
        """What it computes in: torch.float32, mostly.

        >>> network.precision
        torch.float32
        """
        return self._runner.precision

    @arguments_in_words
    def with_units(self, settings: Mapping[str, Any]) -> Network:
        """Return a copy in which units answer something else; this network stays as it is.

        `settings` is address (a layer, a channel, a neuron) to what it answers: a number (0 leaves a unit out),
        ``"*0.5"`` for half of what it would, a picture whose answer it gets, a folder whose mean answer, or a tensor,
        channels first. Recipes hold numbers and what is in files.

        >>> network.with_units({"mixed4a:42": 0.0, "mixed4a:7": "*2"}).predict("coffee", top=1)
        [('espresso', 0.97...)]

        UnknownLayer for a unit that is not there, InputError for what it cannot be.
        """
        from convscope.network.interventions import with_units

        return with_units(self, settings)

    @arguments_in_words
    def explore(self, *pictures: Any, port: int = 0, proxy: str | None = None) -> Explorer:
        """Serve the page on which every unit answers live, and return it; a notebook shows it in place.

        `pictures` are what it begins with. The page runs in this process and ends with it, or with ``.stop()``.
        `proxy` is where the browser finds this machine's ports, if it is on another one: ``{port}`` stands for the
        number. JupyterHub's proxy, and jupyter-server-proxy in the server of a notebook, are found without it; ``""``
        is none. Behind one, viewers need the token that the address has. InputError for what is no address.

        >>> network.explore("coffee")
        Explorer('http://127.0.0.1:...')
        >>> network.explore("coffee", port=8000, proxy="https://name-{port}.example.org/")
        Explorer('http://127.0.0.1:8000/?token=...')
        """
        from convscope.web.notebook import explore  # the page stands on everything else

        return explore(self, pictures, port=port, proxy=proxy)

    def compile(self, **options: Any) -> Callable[..., Any]:
        """Return the whole network through `torch.compile`: inputs in order, the outputs as a tuple.

        >>> run = network.compile()
        >>> (answer,) = run(x)  # the first call compiles, which takes a while
        """
        compiled: Callable[..., Any] = torch.compile(self._runner.module(self.graph.outputs), **options)
        return compiled

    def _repr_html_(self) -> str:
        """A notebook shows its layers, folded."""
        from convscope.looking.layer_table import layer_table

        return f"<details><summary>{escape(repr(self))}</summary>{layer_table(self)._repr_html_()}</details>"

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name} {shape}" for name, shape in self.graph.inputs.items())
        return (
            f"<Network {self.name!r}: {inputs}, {len(self.layers)} layers, {len(self.parameters)} parameters>"
        )


def _network_from(graph: Graph, options: Mapping[str, Any]) -> Network:
    """Return the network that was pickled."""
    return Network(graph, **options)
