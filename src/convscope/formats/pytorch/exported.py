"""A program of `torch.export` (``.pt2``), read as data: its graph is JSON, and nothing in the file is run.

Each node names an ATen operator, which is called only if it is one that does nothing but arithmetic
(`convscope.network.operations.aten.pure_operator`). The module that is made here calls them in the program's order,
so that it is traced as every live module is; its parts have the names and the types of the modules that were exported.
"""

from __future__ import annotations

import operator
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import InputError, NetworkFileError, UnsupportedLayer, warn
from convscope.files import parsed_json
from convscope.formats.decisions import Decision
from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.json_types import Each, require
from convscope.formats.pytorch.program_constants import made_within
from convscope.formats.pytorch.programs import LARGEST_INDEX, Archive, exported_tensors, is_zip, scalar_type
from convscope.formats.sizes import Axis
from convscope.network.operations.aten import pure_operator
from convscope.network.parameters import Shape

_GRAPH = "models/model.json"
_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in ("add", "sub", "mul", "floordiv", "mod", "neg", "getitem", "eq", "ne", "lt", "le", "gt", "ge")
}
_VALUE = Each(object)  # one key, which says of what kind it is
_PROGRAM = {
    "graph": {
        "inputs": [_VALUE],
        "outputs": [_VALUE],
        "nodes": [
            {
                "target": str,
                "inputs": [{"name": str, "arg": _VALUE, "kind?": (int, None)}],
                "outputs": [_VALUE],
                "metadata?": (None, Each(object)),
            }
        ],
        "tensor_values": Each({"sizes": [Each(object)]}),
    },
    "signature": {"input_specs": [Each({"arg": Each(object)})]},
}
_RANGES = Each({"min_val?": (int, None), "max_val?": (int, None)})
_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}


@dataclass(frozen=True)
class ExportedSizes:
    """The sizes that a program was exported for: what holds for its inputs' axes; `alone` where that is one size."""

    decisions: Sequence[Decision]
    alone: bool


# What SymPy writes of a size, by itself or so many times.
_SYMBOL = re.compile(r"(Mul\(Integer\((?P<times>\d{1,9})\), )?Symbol\('(?P<name>\w+)'(, \w+=\w+)*\)(?(1)\))")


class ExportedProgram(nn.Module):
    """The program as a module: `inputs` are the names and shapes of what it takes."""

    def __init__(
        self,
        graph: Mapping[str, Any],
        constants: Mapping[str, Tensor],
        inputs: Mapping[str, Shape],
        sizes: ExportedSizes,
    ) -> None:
        super().__init__()
        self.inputs, self._constants, self.sizes = dict(inputs), dict(constants), sizes
        self._nodes = [node for node in graph["nodes"] if node["outputs"]]  # the others are checks
        self._results = [next(iter(output.values()))["name"] for output in graph["outputs"]]
        for node in self._nodes:
            _add_part(self, *_place(node))

    @property
    def code_tensors(self) -> list[Tensor]:
        """The tensors that it holds."""
        return list(self._constants.values())

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Run the nodes in their order; those of one module together, inside of it."""
        values: dict[str, Any] = {**self._constants, **dict(zip(self.inputs, given, strict=True))}
        budget = FoldingBudget.of_stored(sum(tensor.numel() for tensor in self.code_tensors))
        for (path, _), nodes in groupby(self._nodes, _place):
            run = _Run(list(nodes), values, budget)
            if path:
                self.get_submodule(path)(run)
            else:
                run()
        return tuple(values[name] for name in self._results)


class _Part(nn.Module):
    """Stands where a module of the exported network stood."""

    def forward(self, run: Callable[[], Any]) -> Any:
        """Run what was that module's."""
        return run()


class _Run:
    """Some nodes, to be run on the values there are so far."""

    def __init__(
        self, nodes: Sequence[Mapping[str, Any]], values: dict[str, Any], budget: FoldingBudget
    ) -> None:
        self.nodes, self.values, self.budget = nodes, values, budget

    def __call__(self) -> Any:
        result = None
        for node in self.nodes:
            result = self._one(node)
            self._keep(node["outputs"], result)
        return result

    def _one(self, node: Mapping[str, Any]) -> Any:
        function = _function(node)
        arguments = [item["arg"] for item in node["inputs"] if item.get("kind") != 2]
        keywords = {item["name"]: item["arg"] for item in node["inputs"] if item.get("kind") == 2}
        values = [self._value(argument) for argument in arguments]
        named = {name: self._value(argument) for name, argument in keywords.items()}
        return made_within(self.budget, function, values, named)

    def _keep(self, outputs: Sequence[Mapping[str, Any]], result: Any) -> None:
        for output, value in zip(outputs, [result] if len(outputs) == 1 else result, strict=False):
            ((kind, output_name),) = output.items()
            pairs = zip(output_name, value, strict=True) if kind.endswith("s") else [(output_name, value)]
            for name, one in pairs:
                self.values[name.get("name") or name.get("as_name")] = one

    def _value(self, argument: Mapping[str, Any]) -> Any:
        """Return the value that an argument's JSON stands for."""
        ((kind, held),) = argument.items()
        if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints", "as_nested_tensors"):
            return [self._named(item) for item in held]
        if kind in ("as_tensor", "as_optional_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"):
            return self._named(held)
        if kind in _PLAIN:
            return _PLAIN[kind](held)
        raise UnsupportedLayer(f"the program has an argument {kind!r}, which is no plain data")

    def _named(self, item: Mapping[str, Any]) -> Any:
        if "as_tensor" in item:
            item = item["as_tensor"]
        if "name" in item or "as_name" in item:
            return self.values[item.get("name") or item["as_name"]]
        return next((item[key] for key in ("as_int", "as_bool", "as_float") if key in item), None)


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string"), lambda held: held
    ),
    "as_none": lambda held: None,
    "as_scalar_type": scalar_type,
    "as_memory_format": lambda held: _FORMATS[held],
    "as_layout": lambda held: torch.strided,
    "as_device": lambda held: torch.device("cpu"),
}


def read_exported(path: Path) -> ExportedProgram | None:
    """Return the module of a ``.pt2``; None for a file that is none.

    Raises NetworkFileError for a damaged one. An operator that is not arithmetic raises UnsupportedLayer when it is
    met: the network is cut there.
    """
    if not is_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as file:
            archive = Archive.of(file, path)
            if not archive.has(_GRAPH):
                return None
            content = parsed_json(archive.read(_GRAPH, LARGEST_INDEX))
            require(
                content, {"graph_module": _PROGRAM, "range_constraints?": _RANGES}, f"{path}: its program"
            )
            return _program(content, exported_tensors(archive), path)
    except (InputError, NetworkFileError, UnsupportedLayer, OSError):
        raise
    except Exception as error:  # damage shows wherever it likes
        message = f"{type(error).__name__}: {error}"
        raise NetworkFileError(f"{path} is a damaged program: {message}") from error


def _program(content: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> ExportedProgram:
    module, constants, inputs = content["graph_module"], {}, {}
    graph, sizes = module["graph"], []
    for spec in module["signature"]["input_specs"]:
        ((kind, held),) = spec.items()
        if kind == "user_input":
            name = held["arg"]["as_tensor"]["name"]
            sizes.append(graph["tensor_values"][name]["sizes"])
            inputs[name] = _shape(sizes[-1])
        else:
            stored = next(value for key, value in held.items() if key.endswith("_name"))
            constants[held["arg"]["name"]] = tensors[stored]
    training = [item for node in graph["nodes"] for item in node["inputs"] if _trains(item)]
    for item in training:
        item["arg"] = {"as_bool": False}
    if training:
        note = "was exported in training mode; it is shown as it answers outside training"
        warn(f"{path.name} {note}")
    return ExportedProgram(
        graph, constants, inputs, _exported_sizes(sizes, content.get("range_constraints", {}))
    )


def _exported_sizes(
    inputs: Sequence[Sequence[Mapping[str, Any]]], ranges: Mapping[str, Mapping[str, Any]]
) -> ExportedSizes:
    """Return what a program says of its inputs' sizes: a number, or a symbol, or so many times a symbol.

    Where no size of a picture has a symbol, nobody said which may be others.
    """
    axes = [
        (Axis(value, axis), size) for value, sizes in enumerate(inputs) for axis, size in enumerate(sizes)
    ]
    behind = [(axis, size) for axis, size in axes if axis.axis > 1]
    if alone := all("as_int" in size for _, size in behind):
        return ExportedSizes((), alone)
    terms: list[tuple[str, Any, Any]] = [
        ("==", axis, int(size["as_int"])) for axis, size in behind if "as_int" in size
    ]
    first: dict[str, Any] = {}
    for axis, size in behind:
        symbol = _SYMBOL.fullmatch(str(size["as_expr"]["expr_str"])) if "as_int" not in size else None
        if symbol is None:
            continue
        times, name = int(symbol["times"] or 1), symbol["name"]
        one = axis if times == 1 else ("//", axis, times)
        terms += [("==", ("%", axis, times), 0)] if times > 1 else []
        terms += [("==", first[name], one)] if name in first else []
        first.setdefault(name, one)
    for name, one in first.items():
        least, most = (ranges.get(name, {}).get(end) for end in ("min_val", "max_val"))
        terms += [(">=", one, least)] if least else []
        terms += [("<=", one, most)] if most else []
    return ExportedSizes([Decision(*each, True, 0, "what it was exported for") for each in terms], alone)


def _shape(sizes: Sequence[Mapping[str, Any]]) -> Shape:
    """Return the shape of an input: one picture where the batch may vary, else what it was exported with."""
    numbers = [size["as_int"] if "as_int" in size else size["as_expr"]["hint"]["as_int"] for size in sizes]
    return tuple(
        1 if axis == 0 and "as_int" not in sizes[0] else int(number) for axis, number in enumerate(numbers)
    )


def _trains(item: Mapping[str, Any]) -> bool:
    """Whether an argument turns on what an operator does while training."""
    return item["name"] in ("train", "training") and bool(item["arg"].get("as_bool"))


def _function(node: Mapping[str, Any]) -> Callable[..., Any]:
    target = str(node["target"])
    if target in _ARITHMETIC:
        return _ARITHMETIC[target]
    name = target.removeprefix("torch.ops.aten.")
    if name == target:
        raise UnsupportedLayer(
            f"the program calls {target!r}, which convscope does not know; export it without that"
        )
    base, _, overload = name.partition(".")
    try:  # in place, it is arithmetic too
        pure_operator(base.rstrip("_") if base not in ("sym_size", "sym_numel") else "neg")
    except InputError as error:
        raise UnsupportedLayer(str(error)) from error
    overload_function: Callable[..., Any] = getattr(getattr(torch.ops.aten, base), overload or "default")
    return overload_function


def _place(node: Mapping[str, Any]) -> tuple[str, str]:
    """Return the dotted path and the type of the module a node was in, which the program keeps for every node."""
    stack = str((node.get("metadata") or {}).get("nn_module_stack") or "").rpartition(";")[2]
    _, path, kind = (*stack.split(","), "", "")[:3]
    return path, kind.rpartition(".")[2]


def _add_part(program: nn.Module, path: str, kind: str) -> None:
    parent = program
    names = path.split(".") if path else []
    for name in names:
        if name not in parent._modules:
            parent.add_module(name, _Part())
        parent = parent._modules[name]  # type: ignore[assignment]
    if names and kind.isidentifier():
        parent.__class__ = type(kind, (_Part,), {})
