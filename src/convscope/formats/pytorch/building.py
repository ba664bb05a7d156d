"""From a live module to the graph that convscope runs: traced, named, its parameters shared."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError, InputError, UnsupportedLayer
from convscope.formats.decisions import Decision, noted_in
from convscope.formats.graph_builder import GraphBuilder, LazyTensor
from convscope.formats.only_size import checked_operations, only_of_this_size
from convscope.formats.pytorch.asked import asks_for_numbers
from convscope.formats.pytorch.exported import ExportedProgram
from convscope.formats.pytorch.modules import Calls, followed, named_tensors
from convscope.formats.pytorch.naming import Names, name_values
from convscope.formats.pytorch.other_sizes import Retrace, is_number, limits
from convscope.formats.pytorch.own_code import named_numbers
from convscope.formats.pytorch.own_functions import own_functions, tell_of_gradients, tell_of_training
from convscope.formats.pytorch.scripted import ScriptProgram
from convscope.formats.pytorch.sized_builtins import sized_builtins
from convscope.formats.pytorch.sized_names import asks_for_kinds, sized_names
from convscope.formats.pytorch.traced import Traced
from convscope.formats.pytorch.tracing import Trace
from convscope.formats.pytorch.values import TraceStep
from convscope.formats.short_numbers import SHORT
from convscope.network.cut import CutLayer
from convscope.network.graph import Graph, Operation
from convscope.network.operations.checks import dimensions
from convscope.network.parameters import Parameters, Shape

_PLAIN = ("int", "float", "bool", "str")
_QUANTIZED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.nn.quantized")


def build_graph(module: nn.Module, inputs: Mapping[str, Shape], name: str) -> Graph:
    """Return the graph of a module for inputs of these shapes; other sizes run in it where the module takes them.

    The module is not changed; the graph's parameters are its own tensors.
    """
    with own_functions() as called:
        traced, trace = _traced(module, inputs)
    tell_of_gradients(called)
    if not isinstance(module, ExportedProgram | ScriptProgram | torch.jit.ScriptModule):
        tell_of_training(module)
    values = traced.names.values
    builder = GraphBuilder(aliases=traced.names.aliases, cut=dict(traced.cut))
    for key, shape in inputs.items():
        builder.add_input(key, shape)
    key_of_tensor = {id(tensor): key for key, tensor in _tensors_of(module).items()}
    precision = _precision(module)
    types = (precision, traced.autocast)
    builder.short |= {str(kind).removeprefix("torch.") for kind in types} & SHORT
    for step in traced.steps:
        builder.add(_operation(step, traced.names, key_of_tensor, builder.stored, precision))
    of_batch, of_size, decisions = limits(
        traced, trace, blind=isinstance(module, torch.jit.ScriptModule), named=partial(named_numbers, module)
    )
    exported = module.sizes if isinstance(module, ExportedProgram) else None
    decisions = [*(exported.decisions if exported else ()), *decisions]
    builder.operations, last = checked_operations(builder.operations, decisions, values)
    outputs = {key: last(values[value]) for key, value in traced.outputs.items()}
    noted = not of_size and exported is not None and exported.alone
    if of_batch or of_size or noted:
        builder.operations = only_of_this_size(
            builder.operations, traced.inputs, batch=of_batch, size=of_size, noted=noted
        )
    if traced.cut:
        builder.before_cut.update(outputs.values())
    graph = builder.graph(name, outputs=list(outputs.values()))
    output_names = {key: value for key, value in outputs.items() if not key.isdecimal() and key}
    return _without_unread(replace(graph, output_names=output_names))


def _traced(module: nn.Module, inputs: Mapping[str, Shape]) -> tuple[Traced, Retrace]:
    """Return what a module did, and what traces it for other shapes.

    Where a size got lost in Python's own arithmetic, it is traced with names that remember it.
    """
    traced, trace = trace_module(module, inputs), partial(trace_module, module)
    made = traced.decisions.made
    lost = traced.decisions.unseen or any(map(is_number, made)) or any(map(_in_a_range, made, made[1:]))
    lost = lost or asks_for_kinds(module)
    if lost and not isinstance(module, ExportedProgram | ScriptProgram | torch.jit.ScriptModule):
        sized = partial(trace_module, module, sized=True)
        with suppress(ConvscopeError):
            again = sized(inputs)
            if again.cut.keys() <= traced.cut.keys():
                return again, sized
    return traced, trace


def _in_a_range(one: Decision, other: Decision) -> bool:
    """Whether a size was looked for in a range or a list, number by number."""
    return one.symbol == other.symbol == "==" and bool({one.left, one.right} & {other.left, other.right})


def trace_module(module: nn.Module, inputs: Mapping[str, Shape], *, sized: bool = False) -> Traced:
    """Run a module on shapes and return what it did; UnsupportedLayer or InputError where it cannot be followed.

    With `sized`, what its code makes of sizes by `int`, `range` or `math` are sizes.
    """
    tensors = _tensors_of(module)
    if lazy := [key for key, tensor in tensors.items() if torch.nn.parameter.is_lazy(tensor)]:
        # The first layer may be a lazy one, whose channels are 0 until it has run.
        shapes = ", ".join(f"torch.zeros{tuple(size or 3 for size in shape)}" for shape in inputs.values())
        raise InputError(
            f"{type(module).__name__} has parameters without a shape yet ({lazy[0]!r} and {len(lazy) - 1} more): run "
            f"it once first, as in module({shapes})"
        )
    _refuse_quantized(module)
    if empty := [key for key, tensor in tensors.items() if tensor.is_meta]:
        raise InputError(
            f"{type(module).__name__} has parameters without numbers, on the meta device ({empty[0]!r} and "
            f"{len(empty) - 1} more): load its weights first"
        )
    first = next((tensor for tensor in tensors.values() if tensor.is_floating_point()), torch.empty(0))
    trace = Trace(first.device, {id(tensor) for tensor in tensors.values()}, sized=sized)
    paths = {id(part): path for path, part in module.named_modules()}
    calls = Calls(
        trace.values,
        paths,
        trace.shown,
        hidden=trace.choices.__contains__,
        forgives=trace.forgives,
        around_scripts=trace.operators,
    )
    precision = _precision(module)
    trace_inputs = {name: trace.input(shape, precision) for name, shape in inputs.items()}
    try:
        with (
            noted_in(trace.decisions),
            followed(module, calls),
            trace.written,
            trace,
            sized_builtins(trace.values, trace.sizes),
            sized_names(module) if sized else nullcontext(),
        ):
            result = module(**trace_inputs) if _by_keyword(module) else module(*trace_inputs.values())
        if trace.refused is not None:  # which the module itself has caught
            raise trace.refused
        outputs = {
            place: trace.shown(tensor) for place, tensor in named_tensors(result) if tensor in trace.values
        }
    except UnsupportedLayer as error:
        return _cut_trace(module, inputs, trace, calls, error)
    except ConvscopeError:
        raise
    except (Exception, SystemExit) as error:  # the module's own code may raise anything
        message = _in_words(error, module, trace, inputs)
        if not isinstance(message, UnsupportedLayer):
            raise message from error
        return _cut_trace(module, inputs, trace, calls, message)
    if not outputs:
        raise InputError(
            f"{type(module).__name__} gives no tensor that depends on its input: {type(result).__name__}"
        )
    names = name_values(list(inputs), trace.values.steps, calls.ended, calls.paths.values())
    return Traced(
        inputs, trace.values.steps, names, outputs, {}, trace.decisions, trace.measured, trace.autocast
    )


def _refuse_quantized(module: nn.Module) -> None:
    """Raise UnsupportedLayer for a network of whole numbers: its layers' weights are packed for one processor."""
    for path, part in module.named_modules():
        home = type(part).__module__
        if home.startswith(_QUANTIZED):
            raise UnsupportedLayer(
                f"{type(module).__name__} is quantized ({path!r} is torch's {home.rpartition('.modules')[0]}."
                f"{type(part).__name__}): open the network that it was quantized from, or its ONNX export"
            )
        if home.startswith("torch.ao.quantization") and not home.endswith(".stubs"):
            raise UnsupportedLayer(
                f"{type(module).__name__} is prepared for quantization ({path!r} is a {type(part).__name__}): open the "
                "network that it was prepared from"
            )


def _cut_trace(
    module: nn.Module, inputs: Mapping[str, Shape], trace: Trace, calls: Calls, error: UnsupportedLayer
) -> Traced:
    """Return what was followed of a module before something that cannot be; the error where that is no layer at all."""
    parts = dict(module.named_modules())
    finished_paths = {call.path for call in calls.ended}
    learned = any(next(parts[path].parameters(), None) is not None for path in finished_paths)
    if isinstance(module, ExportedProgram):  # whose parameters are beside its modules
        learned = bool(finished_paths) and any(step.plan.parameters for step in trace.values.steps)
    if not learned:
        raise error
    steps, root = trace.values.steps, trace.values.path or "forward"
    names = name_values(list(inputs), steps, calls.ended, calls.paths.values())
    last = _last_layers(steps, calls)
    kind = type(parts[trace.values.path]).__name__
    cut = {root: CutLayer(root, kind, str(error))} | {
        path: CutLayer(path, type(part).__name__, str(error), root)
        for path, part in parts.items()
        if path and path != root and not part._modules and path not in finished_paths
    }
    outputs = {str(place): value for place, value in enumerate(last)}
    return Traced(inputs, steps, names, outputs, cut, trace.decisions, trace.measured, trace.autocast)


def _last_layers(steps: Sequence[TraceStep], calls: Calls) -> list[int]:
    """Return what the modules gave behind which no other module has run: the ends of the branches."""
    values = [value for call in calls.ended if call.is_leaf for value in call.results.values()]
    ends, behind = set(values), set[int]()
    for step in reversed(steps):
        if not behind.isdisjoint(step.outputs) or not ends.isdisjoint(step.outputs):
            behind.update(step.plan.inputs)  # some module comes after these
    return [value for value in dict.fromkeys(values) if value not in behind]


def _tensors_of(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _in_words(
    error: BaseException, module: nn.Module, trace: Trace, inputs: Mapping[str, Shape]
) -> ConvscopeError:
    """Return what went wrong while a module ran, in one line."""
    where = f"its module {trace.values.path!r}" if trace.values.path else "its forward()"
    message = _message(error)
    if isinstance(error, Exception) and asks_for_numbers(error):
        return UnsupportedLayer(
            f"{type(module).__name__}: {where} decides by the numbers it is given: what comes behind is no one network"
        )
    shapes = ", ".join(f"{name} {dimensions(shape)}" for name, shape in inputs.items())
    return InputError(
        f"{type(module).__name__} does not take {shapes}: {where} says '{message}'; give the shape it takes "
        "as input_shape"
    )


def _message(error: BaseException) -> str:
    """Return what an error says in a line; where it says next to nothing, what it is and which line raised it."""
    text = str(error).strip()
    if text and not isinstance(error, KeyError | SystemExit):
        return text.splitlines()[0]
    frames = traceback.extract_tb(error.__traceback__)
    place = (
        f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    )
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


@dataclass(frozen=True)
class _Live:
    """One of the module's own tensors as a parameter."""

    tensor: Tensor

    @property
    def shape(self) -> Shape:
        return tuple(self.tensor.shape)

    def load(self) -> Tensor:
        return self.tensor


def _operation(
    step: TraceStep,
    names: Names,
    known: Mapping[int, str],
    stored: dict[str, LazyTensor],
    precision: torch.dtype,
) -> Operation:
    outputs = tuple(names.values[value] for value in step.outputs)
    name = outputs[0] if len(outputs) == 1 else outputs[0].rpartition(".")[0]
    parameters = {}
    for role, tensor in step.plan.parameters.items():
        if tensor.is_meta:
            raise UnsupportedLayer(
                f"{name!r} has parameters without numbers, on the meta device: load its weights first"
            )
        key = known.get(id(tensor), f"{name}.{role}")
        while key in stored and id(tensor) not in known:
            key += "_"
        own = id(tensor) in known and tensor.is_floating_point()
        stored[key] = _Live(tensor.detach() if own else _constant(tensor, precision))
        parameters[role] = key
    return Operation(
        kind=step.plan.kind,
        name=name,
        type_name=names.types[step.outputs[0]],
        inputs=tuple(names.values[value] for value in step.plan.inputs),
        outputs=outputs,
        parameters=parameters,
        attributes=step.plan.attributes,
    )


def _constant(tensor: Tensor, precision: torch.dtype) -> Tensor:
    """Return numbers of the program's in what the network computes in: ``x + 0.5`` has them in double precision.

    Whole numbers have at least single precision; the operation that reads them says that they are whole.
    """
    if tensor.is_floating_point():
        return tensor.detach().to(precision)
    return tensor.to(torch.promote_types(precision, torch.float32))


def _precision(module: nn.Module) -> torch.dtype:
    """Return what a module computes in: the type of its first tensor of fractions that is no number alone."""
    tensors = [*_tensors_of(module).values()]
    if isinstance(module, ExportedProgram | ScriptProgram):
        tensors += module.code_tensors
    fractions = (tensor.dtype for tensor in tensors if tensor.is_floating_point() and tensor.dim())
    return next(fractions, torch.float32)


def _without_unread(graph: Graph) -> Graph:
    """Return the graph without what neither an output nor a module of the network needs."""
    needed = {*graph.outputs, *graph.aliases.values()}
    needed |= {op.outputs[0] for op in graph.operations if op.type_name[:1].isupper()}
    operations = graph.needed_for(needed)
    read = {key for operation in operations for key in operation.parameters.values()}
    shapes = {key: shape for key, shape in graph.parameters.shapes.items() if key in read}
    parameters = Parameters(shapes, graph.parameters.fresh)
    return replace(graph, operations=operations, parameters=parameters)


def _by_keyword(module: nn.Module) -> list[str]:
    """Return what a forward() has to be given by keyword, where it takes nothing otherwise."""
    if isinstance(module, ExportedProgram | ScriptProgram | torch.jit.ScriptModule):
        return []
    parameters = inspect.signature(module.forward).parameters.values()
    if any(
        one.kind not in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD) for one in parameters
    ):
        return []
    named = [one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
    needed = [one.name for one in named if one.default is inspect.Parameter.empty]
    return needed or [one.name for one in named[:1]]


def argument_names(module: nn.Module) -> list[str]:
    """Return the names of what a module's forward() has to be given, and of what it may be."""
    needed = input_names(module)
    if isinstance(module, ExportedProgram | ScriptProgram | torch.jit.ScriptModule):
        return needed
    return list(dict.fromkeys([*needed, *inspect.signature(module.forward).parameters]))


def input_names(module: nn.Module) -> list[str]:
    """Return the names of what a module's forward() has to be given."""
    if isinstance(module, ExportedProgram):
        return list(module.inputs)
    if isinstance(module, ScriptProgram):
        return module.argument_names
    if isinstance(module, torch.jit.ScriptModule):
        schema: Any = getattr(module.forward, "schema")  # noqa: B009
        return [argument.name for argument in schema.arguments[1:] if not argument.has_default_value()]
    parameters = inspect.signature(module.forward).parameters.values()
    if by_keyword := _by_keyword(module):
        return by_keyword
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [parameter for parameter in parameters if parameter.kind in kinds]
    needed = [parameter.name for parameter in positional if parameter.default is inspect.Parameter.empty]
    # forward(*args), or every argument with a default: the first is what a picture goes to.
    return needed or [parameter.name for parameter in positional[:1]] or ["input"]


def plain_arguments(module: nn.Module) -> dict[str, str]:
    """Return what a forward() has to be given that is no tensor, with its type as the code says it."""
    if isinstance(module, ExportedProgram):
        return {}
    if isinstance(module, ScriptProgram):
        types = module.argument_types
    elif isinstance(module, torch.jit.ScriptModule):
        schema: Any = getattr(module.forward, "schema")  # noqa: B009
        types = {argument.name: str(argument.type) for argument in schema.arguments}
    else:
        signature = inspect.signature(module.forward).parameters
        types = {
            name: getattr(one.annotation, "__name__", str(one.annotation)) for name, one in signature.items()
        }
    return {name: types[name] for name in input_names(module) if types.get(name) in _PLAIN}
