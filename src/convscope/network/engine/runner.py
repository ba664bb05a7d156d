"""Runs a graph: checks what goes in, cuts what is asked for once, and keeps the cuts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from math import prod
from weakref import WeakValueDictionary

import torch
from torch import Tensor, fx, nn

from convscope.errors import InputError
from convscope.network.axes import shape_channels_first
from convscope.network.engine.allocation import keep_freed_memory
from convscope.network.engine.execution import cut, laid_out
from convscope.network.engine.failure import layer_in_words
from convscope.network.engine.fusion import Chain
from convscope.network.engine.memory import require_memory, shortage_in_words
from convscope.network.engine.work import require_work
from convscope.network.graph import Graph
from convscope.network.parameters import Shape
from convscope.network.shapes import infer_shapes, live_values

CUTS_KEPT = 32  # how many cuts are kept in all: the oldest is made again when it is needed
FUSED_KEPT = 4  # how many fused cuts are kept: what they fuse is packed once and shared

Inputs = Tensor | Mapping[str, Tensor]
Targets = tuple[str, ...]


class Runner:
    """A graph on a device, ready to run; cuts are made the first time they are needed."""

    def __init__(self, graph: Graph, device: torch.device) -> None:
        keep_freed_memory()
        self.graph, self.device = graph, device
        self._modules: dict[tuple[Targets, tuple[Shape, ...] | None], fx.GraphModule] = {}
        self._packed: WeakValueDictionary[tuple[str, str, Shape], nn.Module] = WeakValueDictionary()
        self._live = set[str]()
        self._checked: dict[tuple[Targets, tuple[Shape, ...]], dict[str, Shape | None]] = {}

    def run(self, input: Inputs, targets: Targets) -> dict[str, Tensor]:
        """Return the targets' values; gradients flow when an input asks for them.

        Where the graph was written for one picture alone, several go through it one after the other.
        """
        try:
            inputs = self.inputs(input, targets)
        except OnePictureOnly as error:
            return each_alone(lambda one: self.run(one, targets), input, error)
        differentiable = torch.is_grad_enabled() and any(x.requires_grad for x in inputs)
        plain = differentiable or self.precision != torch.float32 or self.device.type != "cpu"
        with shortage_in_words(), torch.set_grad_enabled(differentiable):
            module = self.module(targets, None if plain else inputs)
            with layer_in_words(module, inputs):
                return dict(zip(targets, module(*inputs), strict=True))

    def module(self, targets: Targets, inputs: Sequence[Tensor] | None = None) -> fx.GraphModule:
        """Return the cut for these targets: with gradients, or without and fused for these inputs' sizes."""
        sizes = None if inputs is None else tuple(tuple(tensor.shape) for tensor in inputs)
        key = (targets, sizes)
        if key not in self._modules:
            fused = [other for other in self._modules if other[1] is not None]
            kept, limit = (list(self._modules), CUTS_KEPT) if sizes is None else (fused, FUSED_KEPT)
            if len(kept) >= limit:
                del self._modules[kept[0]]
            fuse = None if sizes is None else partial(self._fused, self._checked[targets, sizes])
            self._modules[key] = cut(self.graph, targets, fuse, self._live)
        return self._modules[key]

    def _fused(self, shapes: Mapping[str, Shape | None], chain: Chain) -> nn.Module | None:
        """Return a chain packed for the shape of its input, as it was for another cut where it was."""
        size = shapes[chain.first.inputs[0]]
        if size is None:
            return None
        size = shape_channels_first(size) if chain.first.channels_last else size
        key = (chain.first.outputs[0], chain.output, size)
        try:
            module = self._packed.get(key) or chain.module(self.graph.parameters, size)
        except RuntimeError:  # what cannot be packed runs step by step, and that names the layer
            return None
        if module is not None:
            self._packed[key] = module
        return module

    def inputs(self, given: Inputs, targets: Targets) -> list[Tensor]:
        """Return the input tensors in the graph's order, checked, in its precision and the order that runs fastest."""
        names = list(self.graph.inputs)
        if not isinstance(given, Mapping):
            if not names:
                raise InputError(
                    "this network expects nothing, its layers hold their own numbers: give it {}"
                )
            given = {names[0]: given}
        if fixed := [name for name in given if name in self.graph.constants]:
            raise InputError(
                f"{fixed[0]!r} got its value when the network was opened: open it with inputs={{{fixed[0]!r}: ...}} "
                "(--input) for another"
            )
        # An input that a layer writes over in place is a version, data@data; people call it data.
        given = {name: given[key] for name in names for key in (name.partition("@")[0], name) if key in given}
        if missing := [name for name in names if name not in given]:
            read = {value for step in self.graph.needed_for(targets) for value in step.inputs} | {*targets}
            if missing := [name for name in missing if name in read]:
                raise InputError(
                    f"this network expects {names}; missing: {missing}. Open it with their values: --input "
                    f"{missing[0]}=FILE (a picture, .npy, a number or zeros), inputs={{{missing[0]!r}: ...}} in Python"
                )
            # What these targets do not need counts for nothing, whatever it is.
            spare = {name: torch.zeros(self.graph.inputs[name]) for name in names if name not in given}
            given = {**given, **{name: zeros.to(self.precision) for name, zeros in spare.items()}}
        tensors = []
        for name in names:
            tensor = given[name]
            if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
                raise InputError(
                    f"input {name!r} must be a float tensor of shape {self.graph.inputs[name]}, as "
                    f"network.preprocess(picture) makes it; found {type(tensor).__name__}"
                )
            tensor = _as_picture(tensor, self.graph.inputs[name])
            tensors.append(laid_out(tensor, self.device, self.graph.channels_last))
        self._check_shapes(tuple(tuple(tensor.shape) for tensor in tensors), targets)
        return [tensor.to(self.precision) for tensor in tensors]

    @cached_property
    def precision(self) -> torch.dtype:
        """What the network computes in, told from its smallest parameter that is no whole number."""
        shapes = self.graph.parameters.shapes
        smallest_first = sorted(shapes, key=lambda key: prod(shapes[key]))
        types = (self.graph.parameters[key].dtype for key in smallest_first)
        return next((kind for kind in types if kind.is_floating_point), torch.float32)

    def _check_shapes(self, shapes: tuple[Shape, ...], targets: Targets) -> None:
        """Run the cut on shapes alone, once a shape: a wrong one is answered by layer before any work is done."""
        if (targets, shapes) in self._checked:
            return
        given_shapes = dict(zip(self.graph.inputs, shapes, strict=True))
        axis = self.graph.channel_axis
        for name, shape in given_shapes.items():
            source, readers = self.graph.inputs[name], self.graph.consumers[name]
            permuted = any(reader.kind == "permute" for reader in readers)  # its channels may be elsewhere
            other = len(shape) == 4 and not permuted and shape[axis] != source[axis]
            if len(shape) != len(source) or other:
                raise InputError(
                    f"input {name!r} has shape {shape}; the network expects {source} (any batch size)"
                )
        try:
            inferred = infer_shapes(self.graph, given_shapes, targets)
        except InputError as error:
            if self._is_for_one(given_shapes, targets):
                raise OnePictureOnly(f"{error}. This network was saved for one picture at a time") from error
            raise
        require_memory(self.graph, inferred, targets)
        require_work(self.graph, inferred, targets)
        self._live |= live_values(inferred)
        if len(self._checked) >= CUTS_KEPT:
            del self._checked[next(iter(self._checked))]
        self._checked[targets, shapes] = inferred

    def _is_for_one(self, given: Mapping[str, Shape], targets: Targets) -> bool:
        """Whether inputs of so many pictures, which do not fit, would fit one at a time."""
        batches = {shape[0] for shape in given.values()}
        if len(batches) != 1 or batches == {1} or any(shape[0] != 1 for shape in self.graph.inputs.values()):
            return False
        try:
            infer_shapes(self.graph, {name: (1, *shape[1:]) for name, shape in given.items()}, targets)
        except InputError:
            return False
        return True


class OnePictureOnly(InputError):
    """Several pictures do not go through a network that takes each of them alone."""


def each_alone(
    run: Callable[[Inputs], dict[str, Tensor]], input: Inputs, error: OnePictureOnly
) -> dict[str, Tensor]:
    """Return the values of pictures that go through one after the other, joined; `error` where one has no such axis."""
    count = len(next(iter(input.values())) if isinstance(input, Mapping) else input)
    each = [
        run({name: tensor[at : at + 1] for name, tensor in input.items()})
        if isinstance(input, Mapping)
        else run(input[at : at + 1])
        for at in range(count)
    ]
    if any(value.shape[:1] != (1,) for value in each[0].values()):
        raise error
    return {name: torch.cat([values[name] for values in each]) for name in each[0]}


def _as_picture(tensor: Tensor, expected: Shape) -> Tensor:
    """Return gray pictures that were given without the axis of their one channel with it."""
    gray = len(expected) == 4 and 1 in (expected[1], expected[3]) and tensor.dim() in (2, 3)
    if gray and len(tensor) and tensor.numel() == len(tensor) * prod(expected[1:]):
        return tensor.reshape(len(tensor), *expected[1:])
    return tensor
