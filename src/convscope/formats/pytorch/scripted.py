"""A TorchScript archive, read as data: its code is a small part of Python, which is parsed and followed, never run.

What `torch.jit.save` writes are the sources of the modules' methods beside their tensors. They are parsed with `ast`,
and an interpreter walks the statements that TorchScript has: assignments, conditions, loops, calls of methods of the
program and of ATen operators. An operator is called only if it does nothing but arithmetic
(`convscope.network.operations.aten.pure_operator`); any other name ends it with a sentence.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from convscope.errors import ConvscopeError, InputError, NetworkFileError, UnsupportedLayer
from convscope.formats.folding_budget import FoldingBudget
from convscope.formats.pytorch.program_constants import made_within
from convscope.formats.pytorch.programs import Archive, ScriptObject, is_zip, read_script
from convscope.formats.pytorch.script_arithmetic import OF_SIZES, PLAIN, computed
from convscope.formats.sizes import Size, SizeFraction, largest, smallest, whole
from convscope.network.operations.aten import pure_operator

_MOST_STATEMENTS = 30_000  # as many operations as a graph may have
_DEEPEST = 40  # calls, each of many of Python's own

_BUILT_IN: Mapping[str, Callable[..., Any]] = {
    "int": whole,
    "float": float,
    "bool": bool,
    "str": str,
    "range": range,
    "getattr": lambda thing, name: _attribute(thing, name),
    "annotate": lambda kind, value: value,
    "unchecked_cast": lambda kind, value: value,
    "uninitialized": lambda kind: None,
}
_TYPES = (
    "List",
    "Optional",
    "Tuple",
    "Dict",
    "Tensor",
    "NoneType",
    "Device",
    "number",
    "Any",
    "Union",
    "Future",
)


class ScriptProgram(nn.Module):
    """A module of the program: its tensors, its parts, and `forward`, which is followed through its source."""

    def __init__(self, script: _Script, thing: ScriptObject) -> None:
        super().__init__()
        self._script, self._kind = script, thing.type_name
        self._attributes: dict[str, Any] = {}
        for name, value in vars(thing).items():
            if isinstance(value, Tensor) and "." not in name:
                self.register_buffer(name, value)
                script.stored += value.numel()
            elif isinstance(value, ScriptObject):
                self.add_module(name, _program(script, value))
            else:
                self._attributes[name] = value

    def forward(self, *given: Any) -> Any:
        """Follow the method of that name."""
        if not self._script.depth:  # a run of the whole program
            self._script.budget = FoldingBudget.of_stored(self._script.stored)
        return self._script.method(self._kind, "forward")(self, *given)

    def call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call one of its methods; `forward` through the module's own call, so that it is known which module runs."""
        if name == "forward" and not kwargs:
            return self(*args)
        return self._script.method(self._kind, name)(self, *args, **kwargs)

    @property
    def code_tensors(self) -> list[Tensor]:
        """The tensors that its code names: of a frozen program, the weights."""
        return [constant for constant in self._script.constants if isinstance(constant, Tensor)]

    @property
    def argument_names(self) -> list[str]:
        """What `forward` takes."""
        return [*self.argument_types]

    @property
    def argument_types(self) -> dict[str, str]:
        """What `forward` takes, with its types as the source says them."""
        arguments = self._script.source(self._kind, "forward").args.args[1:]
        return {one.arg: ast.unparse(one.annotation) if one.annotation else "Tensor" for one in arguments}


def _program(script: _Script, thing: ScriptObject) -> ScriptProgram:
    """Return a module whose class is called as the one that was saved."""
    kind: type[ScriptProgram] = type(thing.type_name.rpartition(".")[2], (ScriptProgram,), {})
    return kind(script, thing)


def _attribute(thing: Any, name: str) -> Any:
    if not isinstance(thing, ScriptProgram):
        raise UnsupportedLayer(
            f"the program asks a {type(thing).__name__} for {name!r}, which convscope does not know"
        )
    for attributes in (thing._modules, thing._buffers, thing._attributes):
        if name in attributes:
            return attributes[name]
    return thing._script.constant(thing._kind, name)


class _Script:
    """The sources of a program by their full names, and its constants."""

    def __init__(
        self, sources: Mapping[str, ast.ClassDef | ast.FunctionDef], constants: Sequence[Any]
    ) -> None:
        self.sources, self.constants = sources, constants
        self.statements = self.depth = 0
        self.stored = sum(constant.numel() for constant in constants if isinstance(constant, Tensor))
        self.budget = FoldingBudget()

    def source(self, kind: str, name: str) -> ast.FunctionDef:
        """Return a method of a class; UnsupportedLayer where the program has none of that name."""
        body = getattr(self.sources.get(kind), "body", [])
        definition = next(
            (item for item in body if isinstance(item, ast.FunctionDef) and item.name == name), None
        )
        if definition is None:
            raise UnsupportedLayer(f"the program calls {kind}.{name}, whose source is not in it")
        return definition

    def method(self, kind: str, name: str) -> Callable[..., Any]:
        """Return a method that can be called."""
        return _Function(self, self.source(kind, name))

    def constant(self, kind: str, name: str) -> Any:
        """Return a constant that a class gives a name, ``stride : Final[int] = 2``."""
        for item in getattr(self.sources.get(kind), "body", []):
            if isinstance(item, ast.AnnAssign) and item.value and getattr(item.target, "id", None) == name:
                return ast.literal_eval(item.value)
        raise UnsupportedLayer(f"{kind} has no {name!r}")

    def named(self, path: str) -> Any:
        """Return what a dotted name stands for: a function of the program, an operator, a constant."""
        head, _, last = path.rpartition(".")
        if head == "CONSTANTS":
            return self.constants[int(last.removeprefix("c"))]
        if head == "torch" or head == "ops.aten":
            return _Operator(last, self)
        if path == "ops.prim.RaiseException":
            return _raise
        if head == "ops.prim" and last in _ASKED:
            return _ASKED[last]
        if path.startswith("ops.prim.") and last in ("min", "max", "NumToTensor", "unchecked_cast"):
            return {"min": smallest, "max": largest}.get(last, lambda *values: values[-1])
        if isinstance(function := self.sources.get(path), ast.FunctionDef):
            return _Function(self, function)
        raise UnsupportedLayer(f"the program calls {path!r}, which convscope does not know")


def _answering(answer: bool) -> Callable[..., bool]:
    return lambda *_: answer


# What a program asks a tensor before it chooses a way. One with gradients goes that of ordinary operators.
_ASKED: Mapping[str, Callable[..., Any]] = {
    **{name: attrgetter(name) for name in ("dtype", "device", "type")},
    **{f"is_{name}": _answering(False) for name in ("nested", "cuda", "quantized", "sparse", "mkldnn")},
    **dict.fromkeys(("is_cpu", "requires_grad"), _answering(True)),
}


def _raise(message: Any, *_: Any) -> None:
    raise InputError(f"the program does not take this: {message}")


class _Operator:
    """An operator by its name: plain arithmetic with numbers, ATen's with tensors."""

    def __init__(self, name: str, script: _Script) -> None:
        self.name, self.script = name, script

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.name in OF_SIZES and any(isinstance(one, Size | SizeFraction) for one in args):
            plain_args = [self._as_number(one) for one in args]
            if not any(isinstance(one, Tensor) for one in plain_args):
                return computed(OF_SIZES[self.name], plain_args, kwargs)
        if not any(isinstance(leaf, Tensor) for leaf in tree_leaves((args, kwargs))) and self.name in PLAIN:
            return computed(PLAIN[self.name], args, kwargs)
        if (
            args
            and isinstance(args[0], Tensor)
            and self.name in ("size", "dim", "__is__", "__isnot__", "len")
        ):
            return self._of_tensor(*args)
        if "mkldnn" in self.name:
            raise UnsupportedLayer(
                "the program was made for one kind of processor (torch.jit.optimize_for_inference): save it before that"
            )
        pure_operator(self.name.rstrip("_"))
        name = self.name
        if name == "_convolution":  # has more arguments, for how; torch 2.9 does not run it without numbers
            name, args = "convolution", args[:9]
        return made_within(self.script.budget, getattr(torch.ops.aten, name), args, kwargs)

    def _as_number(self, value: Any) -> Any:
        """Return the number that a trace keeps as a tensor beside a size, ``torch.div(size, CONSTANTS.c0)``."""
        is_number = isinstance(value, Tensor) and not value.dim()
        return value.item() if is_number and any(value is one for one in self.script.constants) else value

    def _of_tensor(self, tensor: Tensor, *others: Any) -> Any:
        if self.name == "size":
            return tensor.shape[others[0]] if others else list(tensor.shape)
        if self.name in ("__is__", "__isnot__"):
            return (tensor is others[0]) == (self.name == "__is__")
        return tensor.dim() if self.name == "dim" else tensor.shape[0]


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Function:
    """A function of the program, followed statement by statement."""

    def __init__(self, script: _Script, source: ast.FunctionDef) -> None:
        self.script, self.source = script, source

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.script.depth += 1
        if self.script.depth > _DEEPEST:
            raise UnsupportedLayer(f"the program calls itself more than {_DEEPEST} times")
        try:
            _Frame(self.script, self._bound(args, kwargs)).run(self.source.body)
        except _Return as ended:
            return ended.value
        finally:
            self.script.depth -= 1
        return None

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = [argument.arg for argument in self.source.args.args]
        defaults = self.source.args.defaults
        last = names[len(names) - len(defaults) :]
        values = {name: ast.literal_eval(value) for name, value in zip(last, defaults, strict=True)}
        return values | dict(zip(names, args, strict=False)) | dict(kwargs)


class _Frame:
    """The variables of one call."""

    def __init__(self, script: _Script, values: dict[str, Any]) -> None:
        self.script, self.values = script, values

    def run(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self.script.statements += 1
            if self.script.statements > _MOST_STATEMENTS:
                raise UnsupportedLayer(f"the program takes more than {_MOST_STATEMENTS:,} steps")
            getattr(self, f"_{type(statement).__name__.lower()}", self._unknown)(statement)

    def _unknown(self, node: ast.AST) -> Any:
        raise UnsupportedLayer(f"the program has a {type(node).__name__}, which convscope does not follow")

    def _assign(self, statement: ast.Assign) -> None:
        value = self.value(statement.value)
        for target in statement.targets:
            self._store(target, value)

    def _store(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Tuple):
            for one, part in zip(target.elts, value, strict=True):
                self._store(one, part)
        elif isinstance(target, ast.Name):
            self.values[target.id] = value
        else:
            self._unknown(target)

    def _annassign(self, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self._store(statement.target, self.value(statement.value))

    def _expr(self, statement: ast.Expr) -> None:
        self.value(statement.value)

    def _return(self, statement: ast.Return) -> None:
        raise _Return(None if statement.value is None else self.value(statement.value))

    def _pass(self, statement: ast.Pass) -> None:
        pass

    def _if(self, statement: ast.If) -> None:
        self.run(statement.body if self.value(statement.test) else statement.orelse)

    def _for(self, statement: ast.For) -> None:
        for item in self.value(statement.iter):
            self._store(statement.target, item)
            self.run(statement.body)

    def _while(self, statement: ast.While) -> None:
        while self.value(statement.test):
            self.run(statement.body)

    def value(self, node: ast.expr) -> Any:
        """Return what an expression gives."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.List | ast.Tuple):
            items = [self.value(item) for item in node.elts]
            return items if isinstance(node, ast.List) else tuple(items)
        if isinstance(node, ast.Dict):
            keys = [self.value(key) for key in node.keys if key is not None]
            return dict(zip(keys, map(self.value, node.values), strict=True))
        if isinstance(node, ast.Subscript):
            return None if self._is_type(node) else self.value(node.value)[self.value(node.slice)]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self.value(node.operand)
        if isinstance(node, ast.IfExp):
            return self.value(node.body if self.value(node.test) else node.orelse)
        if isinstance(node, ast.Attribute):
            return self._dotted(node)
        return self._call(node) if isinstance(node, ast.Call) else self._unknown(node)

    def _name(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if name in _BUILT_IN:
            return _BUILT_IN[name]
        if name in _TYPES:
            return None  # it only says what a value is
        raise UnsupportedLayer(f"the program reads {name!r}, which nothing in it gave")

    def _is_type(self, node: ast.Subscript) -> bool:
        return (
            isinstance(node.value, ast.Name) and node.value.id in _TYPES and node.value.id not in self.values
        )

    def _dotted(self, node: ast.Attribute) -> Any:
        if self._is_of_library(node):
            return self.script.named(_path_of(node))
        return _attribute(self.value(node.value), node.attr)

    def _call(self, node: ast.Call) -> Any:
        args = [self.value(item) for item in node.args]
        kwargs = {str(item.arg): self.value(item.value) for item in node.keywords}
        function = node.func
        if isinstance(function, ast.Attribute) and not self._is_of_library(function):
            thing = self.value(function.value)
            if isinstance(thing, ScriptProgram):
                return thing.call(function.attr, args, kwargs)
        callee = self.value(function)
        if not callable(callee) or isinstance(callee, nn.Module | Tensor):
            raise UnsupportedLayer(
                f"the program calls {ast.unparse(function)!r}, which convscope does not know"
            )
        return callee(*args, **kwargs)

    def _is_of_library(self, node: ast.Attribute) -> bool:
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            root = root.value
        return isinstance(root, ast.Name) and root.id not in self.values


def _path_of(node: ast.expr) -> str:
    """Return a dotted name as it is written; `ast.unparse` does so too, and slowly."""
    return (
        f"{_path_of(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    )


def read_scripted(path: Path) -> ScriptProgram | None:
    """Return the module of a TorchScript archive; None for a file that is none, NetworkFileError for a damaged one."""
    if not is_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as file:
            archive = Archive.of(file, path)
            if not (archive.has("constants.pkl") and archive.has("data.pkl")):
                return None
            things = read_script(archive)
            constants = read_script(archive, "constants")
            program = _program(_Script(_sources(archive), list(constants)), things)
    except (ConvscopeError, OSError):
        raise
    except Exception as error:  # damage shows wherever it likes
        raise NetworkFileError(f"{path} is a damaged program: {type(error).__name__}: {error}") from error
    return program


def program_of(module: torch.jit.ScriptModule) -> ScriptProgram | None:
    """Return a live TorchScript module as the program that it would be saved as, with the module's own tensors."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "program.pt"
        try:
            torch.jit.save(module, str(path))
            program = read_scripted(path)
        except (ConvscopeError, RuntimeError):  # it cannot be saved, or not be followed
            return None
    if program is not None:
        for name, tensor in module.state_dict(keep_vars=True).items():
            part, _, key = name.rpartition(".")
            program.get_submodule(part)._buffers[key] = tensor
    return program


def _sources(archive: Archive) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    """Return the classes and functions of the program by their full names, ``__torch__.torch.nn.functional.relu``."""
    definitions: dict[str, ast.ClassDef | ast.FunctionDef] = {}
    for name, text in archive.texts("code/", ".py").items():
        module = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
        items = (item for item in ast.parse(text).body if isinstance(item, ast.ClassDef | ast.FunctionDef))
        definitions |= {f"{module}.{item.name}": item for item in items}
    return definitions
