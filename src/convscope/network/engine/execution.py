"""The graph, run: a sub-graph is cut for exactly the tensors asked for and becomes a torch.fx module.

Nothing past the deepest target is computed, forward or backward, and a value is freed after its last reader.
The module is ordinary torch: autograd goes through it and `torch.compile` takes it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

import torch
from torch import Tensor, fx, nn

from convscope.errors import InputError
from convscope.network.axes import to_channels_first, to_channels_last
from convscope.network.engine.fusion import Chain, find_chains
from convscope.network.engine.live_sizes import within_proportion
from convscope.network.graph import Graph
from convscope.network.operations import OPERATIONS

ALIGNMENT = 64

Fuse: TypeAlias = Callable[[Chain], nn.Module | None]


def cut(
    graph: Graph, targets: Iterable[str], fuse: Fuse | None = None, live: Collection[str] = ()
) -> fx.GraphModule:
    """Return the module that takes the graph's inputs, in order, and gives a tuple of the targets.

    Its weights are buffers, so nothing but the input ever asks for a gradient; ``meta["parameters"]`` says which
    buffer holds which of the graph's parameters. `fuse` returns the module that runs a chain of operations as one, or
    None where they are to run one by one. How large values in `live` would be is asked just before they are made.

    >>> logits, = cut(network.graph, ["loss3/classifier"])(x)
    """
    targets = tuple(targets)
    root, lines = nn.Module(), fx.Graph()
    nodes = _Nodes(lines)
    for index, name in enumerate(graph.inputs):
        nodes.put(name, lines.placeholder(f"input_{index}"))
    weights: dict[str, fx.Node] = {}
    operations = graph.needed_for(targets)
    chains = {} if fuse is None else find_chains(graph, operations, targets)
    for operation in operations:
        if all(output in nodes for output in operation.outputs):
            continue  # a chain has made it
        chain = chains.get(operation.outputs[0])
        first = operation.channels_last
        if chain and fuse and (module := fuse(chain)):
            root.add_module(f"chain{len(nodes)}", module)
            node = lines.call_module(f"chain{len(nodes)}", (nodes.read(operation.inputs[0], first),))
            node.meta["operation"] = operation.name
            for step in chain.operations:
                nodes.put(step.outputs[0], node, first)
            continue
        for key in operation.parameters.values():
            if key not in weights:
                buffer = f"p{len(weights)}"
                root.register_buffer(buffer, graph.parameters[key])
                weights[key] = lines.get_attr(buffer)
        arguments = tuple(nodes.read(value, first) for value in operation.inputs)
        keywords = {role: weights[key] for role, key in operation.parameters.items()}
        function = OPERATIONS[operation.kind]
        if any(output in live for output in operation.outputs):
            function = within_proportion(operation, graph)
        result = lines.call_function(function, arguments, {**keywords, **operation.keywords})
        result.meta["operation"] = operation.name
        if operation.kind in _MADE_OF_SIZES and graph.inputs:
            result = lines.call_function(_beside, (result, nodes.read(next(iter(graph.inputs)))))
            result.meta["operation"] = operation.name
        if len(operation.outputs) == 1:
            nodes.put(operation.outputs[0], result, first)
        else:
            for index, name in enumerate(operation.outputs):
                nodes.put(name, lines.call_function(operator.getitem, (result, index)), first)
    lines.output(tuple(nodes.read(target) for target in targets))
    module = fx.GraphModule(root, lines)
    module.graph.owning_module = None  # of a circle the weights would stay until the collector comes
    module.meta["parameters"] = {key: node.target for key, node in weights.items()}
    return module


class _Nodes:
    """Each value's node: as the graph has it, or its channels-first view; the other is made when it is read."""

    def __init__(self, lines: fx.Graph) -> None:
        self._lines = lines
        self._nodes: dict[tuple[str, bool], fx.Node] = {}
        self._known: set[str] = set()

    def __contains__(self, value: str) -> bool:
        return value in self._known

    def __len__(self) -> int:
        return len(self._known)

    def put(self, value: str, node: fx.Node, first: bool = False) -> None:
        """Say which node makes a value; `first` where it is the channels-first view of it."""
        self._known.add(value)
        self._nodes[value, first] = node

    def read(self, value: str, first: bool = False) -> fx.Node:
        """Return a value's node, in the order that is asked for."""
        if (value, first) not in self._nodes:
            turn = to_channels_first if first else to_channels_last
            self._nodes[value, first] = self._lines.call_function(turn, (self._nodes[value, not first],))
        return self._nodes[value, first]


# Operations that make numbers out of nothing, or of sizes alone: on the processor, wherever the network runs.
_MADE_OF_SIZES = frozenset({"tensor", "fill", "arange", "shape_of", "dynamic_shape"})


def _beside(made: Tensor, input: Tensor) -> Tensor:
    """Return numbers where the network's input is; while shapes are inferred they stay numbers, for sizes are read."""
    return made if input.is_meta else made.to(input.device)


def best_device() -> str:
    """Return where to compute for ``"auto"``: on the graphics card where there is one."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def find_device(device: str | torch.device) -> torch.device:
    """Return the device, after a look whether it is there; InputError when it is not."""
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise InputError(
            f"there is no device {str(device)!r} to run on ({reason}); 'cpu' is always there"
        ) from error
    return chosen


def laid_out(tensor: Tensor, device: torch.device, channels_last: bool = False) -> Tensor:
    """Move a tensor to a device; one with four axes gets the memory order in which convolutions run fastest.

    That is with the channels last; `channels_last` says that they already are, by the tensor's own axes. A processor
    computes half precision (float16, bfloat16) in float32: it has no fast instructions for it, and loses nothing.

    Memory that is not torch's own is copied into aligned memory: matrix products round by alignment, and the same
    network has to give the same bits every time. What was made in inference mode is copied: gradients need that.
    """
    tensor = tensor.to(device)
    if tensor.is_inference():
        tensor = tensor.clone()
    if tensor.device.type == "cpu" and tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    if tensor.device.type == "cpu" and tensor.data_ptr() % ALIGNMENT:
        tensor = tensor.clone()
    if channels_last:
        return tensor.contiguous()
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
