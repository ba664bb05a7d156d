"""A module, run once on shapes alone, with every torch function it calls written down.

Control flow runs as Python runs it, in-place arithmetic and views are followed (`Values`), sizes remember where they
were read (`Size`). A function is recorded as an operation of convscope's own (`FUNCTIONS`), else as the ATen operator
of its name, else as those ATen operators it is made of. What does not depend on the network's input is worked out at
once and is a parameter.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from threading import RLock
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from convscope.errors import InputError, UnsupportedLayer
from convscope.formats.decisions import Decisions, note_leak
from convscope.formats.pytorch.asked import asks_for_numbers, draws, refuse_wrapped, said_by
from convscope.formats.pytorch.chosen import Choices
from convscope.formats.pytorch.coding import coded_assignment, coded_call, coded_subscript
from convscope.formats.pytorch.complex_parts import assigned_parts
from convscope.formats.pytorch.composites import COMPOSITES
from convscope.formats.pytorch.constants import (
    WrittenConstants,
    constant_step,
    places_in,
    places_of_truths,
    replaces_data,
    written_by,
)
from convscope.formats.pytorch.functions import FUNCTIONS, with_constant
from convscope.formats.pytorch.values import TraceStep, Values, memory_of
from convscope.formats.sizes import Axis, Size, SizeFraction, TracedShape, largest, plain, product, smallest
from convscope.network.operations.aten import SHAPES_ONLY, is_pointwise, pure_operator
from convscope.network.without_compiler import without_compiler

_SYMBOLS = {"add": "add", "mul": "mul", "sub": "sub", "truediv": "div", "matmul": "matmul", "pow": "pow"}
_SYMBOLS |= {"and": "bitwise_and", "or": "bitwise_or", "floordiv": "floor_divide", "mod": "remainder"}
_SYMBOLS |= {"xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift"}
_NAMES = {f"__{way}{symbol}__": name for symbol, name in _SYMBOLS.items() for way in ("", "i")}
_NAMES |= {
    "__radd__": "add",
    "__rmul__": "mul",
    "__rsub__": "rsub",
    "__neg__": "neg",
    "__invert__": "bitwise_not",
}
_NAMES |= {f"__{name}__": name for name in ("gt", "lt", "ge", "le", "eq", "ne", "getitem", "setitem")}
_NAMES |= {"__div__": "div", "__idiv__": "div", "data": "detach"}
# Written in Python, with the ATen operator's own arguments.
_AS_ATEN = frozenset({"layer_norm", "group_norm", "pad", "split", "unflatten", "rms_norm", "stack"})
_AS_ATEN |= {"floor_divide", "rsub"}
# Whose operation hangs on where the sizes among their arguments were read.
_READS_SIZES = frozenset({"view", "reshape", "max_pool2d", "avg_pool2d"})
# A number among their arguments is an axis; ATen by itself takes it for a yes, of an argument that torch hides.
_SPREADS = frozenset({"var", "std", "var_mean", "std_mean"})
# What these give holds the same numbers, unless it is of another type.
_COPIES = frozenset({"clone", "contiguous", "detach", "to", "type", "type_as", "alias", "cpu", "_to_copy"})
_COPIES |= {"float", "double", "half", "bfloat16", "lift_fresh", "requires_grad"}
# What a tensor of the module's own is asked for that says nothing about its numbers.
_FLAGS = frozenset({"requires_grad_", "share_memory_", "detach_", "rename_"})
# Memory that is written to before it is read: zeros are as good as what happens to be there.
_UNWRITTEN = {"empty": "zeros", "empty_like": "zeros_like", "new_empty": "new_zeros"}
_UNWRITTEN_CONSTANTS = frozenset({*_UNWRITTEN, "empty_strided", "empty_permuted", "new_empty_strided"})


_BUILTINS = RLock()  # one thread at a time has a `len` of its own
_ATEN = (torch._ops.OpOverload, torch._ops.OpOverloadPacket)


class Trace(TorchFunctionMode):
    """Writes down what runs inside it; `values` has the steps.

    `device` is where the module's parameters are, `owned` the ids of those: they are never written to. The tensors that
    the module sees are on the meta device.
    With `sized`, a tensor made of sizes is one whose numbers nobody can ask for.
    """

    def __init__(self, device: torch.device, owned: Container[int] = (), *, sized: bool = False) -> None:
        super().__init__()
        self.sized = sized
        self.values = Values()
        self.choices = Choices(self, self.values)
        self.device, self.owned = device, owned
        self.measured: dict[Axis, int] = {}
        self.decisions = Decisions(self.values.steps)
        self.written = WrittenConstants(self.values.steps)
        self.refused: UnsupportedLayer | None = None
        self.autocast: torch.dtype | None = None
        self._below = 0  # inside a function of torch's, whose operators are written down
        self._promoted: dict[int, Tensor] = {}
        self._twins: dict[int, Tensor] = {}
        self._originals: dict[int, Tensor] = {}

    def input(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return a tensor to run the module on."""
        tensor = torch.empty(tuple(shape), dtype=dtype, device="meta")
        self.values.hold(tensor, self.values.new())
        return tensor

    def shown(self, tensor: Tensor) -> int:
        """Return the value of a tensor that is seen from outside, or measured: none that a mask of truths picked."""
        if tensor in self.choices:
            raise UnsupportedLayer(
                f"{self._where} gives, or counts, what a mask picks: another number of numbers for each picture"
            )
        return self.values.read(tensor)

    def sizes(self, tensor: Tensor) -> TracedShape:
        """Return a tensor's shape, each size with where it was read."""
        value = self.shown(tensor)
        self.measured |= {Axis(value, axis): size for axis, size in enumerate(tensor.shape)}
        return TracedShape(Size(size, Axis(value, axis)) for axis, size in enumerate(tensor.shape))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run a function; write it down where it depends on the input.

        A module that goes another way where one is refused, ``try: ... except:``, goes a way that it goes nowhere else.
        """
        if self.refused is not None:
            raise self.refused
        try:
            return self._followed(func, args, dict(kwargs or {}))
        except UnsupportedLayer as error:
            self.refused = error
            raise
        except Exception as error:
            if asks_for_numbers(error):
                self.refused = UnsupportedLayer(
                    f"{self._where} decides by the numbers it is given: what comes behind is no one network"
                )
            raise

    def _followed(self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        name = _name_of(func)
        if name in ("_version", "untyped_storage"):  # which `Values` asks for
            return func(*args, **kwargs)
        refuse_wrapped()
        if draws(name, kwargs) and (not name.endswith("_") or self.traced(args, kwargs)):
            raise self._unwritable(name)
        if name in _FLAGS and id(args[0]) in self.owned:
            return args[0]
        self._look_again((args, kwargs))
        if not self.traced(args, kwargs):
            return self._untraced(func, name, args, kwargs)
        if name in ("shape", "size", "sym_size"):
            shape = self.sizes(args[0])
            axis = args[1] if len(args) > 1 else kwargs.get("dim")
            return shape if axis is None else shape[axis]
        if name in ("numel", "nelement"):
            return product(self.sizes(args[0]))
        if name == "device":
            return self.device
        if replaces_data(func):
            raise UnsupportedLayer(f"{self._where} gives a tensor the data of another, which is not followed")
        said = said_by(name, args, self.device)
        if said is not NotImplemented:
            return said
        if torch.is_autocast_enabled(self.device.type):
            self.autocast = torch.get_autocast_dtype(self.device.type)
        mask = None
        if self.choices.concern(name):
            done, mask = self.choices.follow(name, args, kwargs)
            if done:
                return mask
        result = self.call(func, name, args, kwargs)
        if mask is not None:
            self.choices.mark(result, mask, name)
        return result

    def _untraced(self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """What is made of constants alone is worked out at once, and what is written into is given back at the end."""
        written = written_by(func, args, kwargs)
        if any(True for _ in _sizes_in((args, kwargs))):
            return (self.call if written else self._sized)(func, name, args, kwargs)
        for tensor in written:
            self.written.keep(tensor)
        if replaces_data(func):
            self.written.keep(args[0], replaced=True)
        result = func(*args, **kwargs)
        return result.zero_() if name in _UNWRITTEN_CONSTANTS and "out" not in kwargs else result

    def _sized(self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """What is made of constants and of a size of the input, ``token.expand(batch, -1, -1)``, is a value too."""
        step = self._aten(func, name, args, kwargs)
        composed = step is None and name in COMPOSITES and not isinstance(func, _ATEN)
        if composed and (self.sized or name not in ("tensor", "as_tensor")):
            with self:
                return COMPOSITES[name](*args, **kwargs)
        if step is None or not step.plan.inputs:
            for size in _sizes_in((args, kwargs)):
                note_leak(size.expression, plain(size))
            return func(*args, **kwargs)
        if not self._leaves((args, kwargs)):
            kwargs["device"] = self.device
        args, kwargs = tree_map(self._meta, (args, kwargs))
        result = func(*args, **kwargs)
        self.values.hold(result, self.values.add(step)[0])
        return result

    @contextmanager
    def sized_builtins(self) -> Iterator[None]:
        """Let `len` of a tensor be a size too, of which Python makes a plain number, and `max` and `min` of sizes.

        What is imported or compiled meanwhile has Python's own: torch's compiler keeps what it finds for good.
        """
        with _BUILTINS, without_compiler(), assigned_parts():
            plain = {name: getattr(builtins, name) for name in ("len", "max", "min", "__import__")}
            compile_ = torch.compile

            def length(thing: Any) -> Any:
                followed = isinstance(thing, Tensor) and thing in self.values and thing.dim()
                return self.sizes(thing)[0] if followed else plain["len"](thing)

            def undisturbed(function: Callable[..., Any]) -> Callable[..., Any]:
                def run(*args: Any, **kwargs: Any) -> Any:
                    vars(builtins).update(plain)
                    try:
                        return function(*args, **kwargs)
                    finally:
                        vars(builtins).update(ours)

                return run

            ours = {
                "len": length,
                "max": largest,
                "min": smallest,
                "__import__": undisturbed(plain["__import__"]),
            }
            vars(builtins).update(ours)
            torch.compile = lambda *args, **kwargs: undisturbed(compile_(*args, **kwargs))
            try:
                yield
            finally:
                torch.compile = compile_
                vars(builtins).update(plain)

    def operators(self) -> AbstractContextManager[Any]:
        """Write down ATen operators: what a module whose code is not Python is made of."""
        return _Operators(self)

    def traced(self, *arguments: Any) -> list[Tensor]:
        """Return the tensors among some arguments that depend on the input."""
        return [leaf for leaf in self._leaves(arguments) if leaf in self.values]

    def _leaves(self, arguments: Any) -> list[Tensor]:
        leaves = (leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor))
        return [self._originals.get(id(leaf), leaf) for leaf in leaves]

    def call(self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run one function on shapes, and write down what it does."""
        args, kwargs = tree_map(_with_complex_tensors, self.with_numbers((tuple(args), kwargs)))
        base = name if name.startswith("__") else name.rstrip("_")
        if name in ("getitem", "setitem"):
            args = (args[0], places_of_truths(args[1], self.values.__contains__), *args[2:])
        elif base in ("index", "index_put", "_unsafe_index") and isinstance(args[1], list | tuple):
            args = (args[0], list(places_of_truths(tuple(args[1]), self.values.__contains__)), *args[2:])
        self._promote(written_by(func, args, kwargs), name)
        for leaf in self._leaves((args, kwargs)):
            if leaf.is_complex() and leaf not in self.values:  # a parameter has one number at each place
                self.values.hold(leaf, self.values.add(constant_step(leaf))[0])
        step = self._own(func, base, args, kwargs) or self._aten(func, base, args, kwargs)
        if step is None and name in COMPOSITES and not isinstance(func, _ATEN):
            with self:
                return COMPOSITES[name](*args, **kwargs)
        on_meta = tree_map(self._meta, (args, kwargs))
        tensors = {id(leaf): leaf for leaf in self._leaves((args, kwargs))}
        seen = [(leaf, self._meta(leaf), self._meta(leaf)._version) for leaf in tensors.values()]
        if step is None and not isinstance(func, torch._ops.OpOverload):
            with _Operators(self):
                self._below += 1
                try:
                    result = func(*on_meta[0], **on_meta[1])
                finally:
                    self._below -= 1
            for leaf in tensors.values():  # torch counts them when the operators have run
                self.values.note_version(leaf)
            return self.with_numbers(result)
        run = pure_operator(base) if base in SHAPES_ONLY else func
        result = _at_once(func, step, on_meta[0])
        result = run(*on_meta[0], **on_meta[1]) if result is None else result
        mutated = self._written_into(func, name, args, kwargs, seen)
        new = [leaf for leaf in self._leaves(result) if leaf not in self.values and id(leaf) not in tensors]
        if step is not None and step.plan.kind == "batch_norm":
            new = new[:1]  # the others are the statistics of a training step
        if not new and not mutated:
            if step is None and name.endswith("_") and name not in _FLAGS and not name.startswith("_"):
                raise self._unwritable(name)
            return self.with_numbers(result)  # the input itself, or no tensor at all
        if step is None:
            raise self._unwritable(name)
        if mutated:
            self._write(mutated[0], step)
            return self.with_numbers(result)
        under = {memory_of(twin): leaf for leaf, twin, _ in reversed(seen) if leaf in self.values}
        if base in _COPIES and new[0].dtype == self.traced(args, kwargs)[0].dtype:
            self._hold(new, (step.plan.inputs[0],), under, step)
        else:
            shown: TraceStep | None = step
            if step.plan.kind not in ("aten", "subscript"):  # it is asked for only where a view may be shown
                sees = not under.keys().isdisjoint(map(memory_of, new)) or any(_sizes_in((args, kwargs)))
                shown = self._aten(func, base, args, kwargs) if sees else None
            self._hold(new, self.values.add(step, len(new)), under, shown)
        return self.with_numbers(result)

    def _written_into(
        self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any], seen: Any
    ) -> list[Tensor]:
        """Return the tensor that a call wrote into, of those that were `seen` before: tensor, twin, its version."""
        meant = self._leaves(written_by(func, args, kwargs))
        if isinstance(func, torch._ops.OpOverload):  # below autograd, which counts the versions
            return meant
        written = [leaf for leaf, twin, version in seen if twin._version != version]
        if len(written) > 1:  # what shares its memory with it has its version, too
            memory = {memory_of(self._meta(leaf)) for leaf in written}
            if len(memory) > 1:
                raise UnsupportedLayer(
                    f"{self._where} calls torch's {name!r}, which writes into several tensors"
                )
            written = [leaf for leaf in written if any(leaf is one for one in meant)] or written
        return written

    def _own(
        self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]
    ) -> TraceStep | None:
        """Return the call as an operation of convscope's own, or None."""
        if name == "getitem":
            return coded_subscript(self.values, args[0], args[1])
        if name == "batch_norm" and not isinstance(func, FunctionType):
            name = "native_batch_norm"  # the order of its arguments is another
        function = FUNCTIONS.get(name)
        if function is None or (is_pointwise(name) and any(_sizes_in((args, kwargs)))):
            return None  # of which the ATen operator takes arithmetic with sizes
        try:
            more = {"sizes": self.sizes} if name in _READS_SIZES else {}
            plan = function(*args, **kwargs, **more)
        except TypeError:  # another overload of that name
            return None
        if plan is not None and any(leaf not in self.values for leaf in plan.inputs):
            plan = with_constant(plan, next(leaf for leaf in plan.inputs if leaf not in self.values))
        if plan is None or any(leaf in self.values for leaf in plan.parameters.values()):
            return None
        inputs = tuple(self.values.read(leaf) for leaf in plan.inputs)
        return TraceStep(replace(plan, inputs=inputs, label=name))

    def _aten(
        self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]
    ) -> TraceStep | None:
        """Return the call as one of the ATen operator of its name, or None where there is none that takes it."""
        if name == "getitem":
            return coded_subscript(self.values, args[0], args[1])
        if name == "setitem":
            return coded_assignment(self.values, *args)
        if name == "copy":  # of which ATen knows no gradient
            return coded_assignment(self.values, args[0], ..., args[1])
        name = {"view": "reshape", "_unsafe_view": "reshape"}.get(name, name)  # other memory, other strides
        name = _UNWRITTEN.get(name, name)
        if isinstance(func, FunctionType) and name not in _AS_ATEN:
            return None
        if isinstance(func, torch._ops.OpOverload):
            overload = func._overloadname
            by_name = func._schema.is_mutable  # the overloads of what writes are called otherwise
            plain = overload == "default" or name == "reshape" or by_name
            name = name if plain else f"{name}.{overload}"
            return coded_call(self.values, name, args, kwargs) if _is_pure(name) else None
        if name in _COPIES:
            result = func(*tree_map(self._meta, args), **tree_map(self._meta, kwargs))
            name, kwargs = ("alias", {}) if result.dtype == args[0].dtype else ("to.dtype", {})
            args = args[:1] if name == "alias" else (args[0], result.dtype)
        if args == () and "input" in kwargs:
            args, kwargs = (kwargs["input"],), {key: kwargs[key] for key in kwargs if key != "input"}
        kwargs = {
            key: item for key, item in kwargs.items() if key not in ("inplace", "device", "layout", "out")
        }
        if name in _SPREADS and len(args) > 1 and isinstance(args[1], int) and not isinstance(args[1], bool):
            args = (args[0], [args[1]], *args[2:])
        for arguments in (args, (args[0], list(args[1:])), (list(args),)):  # sizes may be spread out
            if self._accepts(name, arguments, kwargs):
                return coded_call(self.values, name, arguments, kwargs)
        return None

    def _accepts(self, name: str, args: Any, kwargs: dict[str, Any]) -> bool:
        if not self._leaves((args, kwargs)):
            kwargs = {**kwargs, "device": torch.device("meta")}  # whether it takes a size needs no memory
        try:
            pure_operator(name)(*tree_map(self._meta, args), **tree_map(self._meta, kwargs))
        except (InputError, RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            return False
        return True

    def _meta(self, leaf: Any) -> Any:
        """Return a tensor's twin on the meta device, and that device for any other."""
        if isinstance(leaf, torch.device):
            return torch.device("meta")
        if not isinstance(leaf, Tensor) or leaf.is_meta:
            return leaf
        if id(leaf) not in self._twins:
            twin = leaf.detach().to("meta")
            self._twins[id(leaf)], self._originals[id(twin)] = twin, leaf
        return self._twins[id(leaf)]

    def with_numbers(self, result: Any) -> Any:
        """Return what was given with the constants themselves in place of their twins."""
        return tree_map(lambda leaf: self._originals.get(id(leaf), leaf), result)

    def _promote(self, written: Sequence[Tensor], name: str) -> None:
        """A constant that is about to be written into with what depends on the input is a value from now on."""
        for constant in self._leaves(written):
            whole = constant if constant._base is None else constant._base
            if constant not in self.values and whole not in self.values:
                if (
                    id(whole) not in self._twins
                    and whole.nbytes < whole.untyped_storage().nbytes()
                    and self._below
                ):
                    raise self._unwritable(name)  # it is a part of what torch keeps to itself
                self.values.hold(whole, self.values.add(constant_step(whole))[0])
                self._promoted[memory_of(whole)] = whole
        self._look_again(written)

    def _look_again(self, arguments: Any) -> None:
        """What shows the memory of a constant that is a value now is one too."""
        if not self._promoted:
            return
        for leaf in self._leaves(arguments):
            whole = None if leaf.is_meta or leaf in self.values else self._promoted.get(memory_of(leaf))
            if whole is not None:
                step = coded_subscript(self.values, whole, places_in(whole, leaf) or (...,))
                if step is not None:
                    self.values.hold_view(leaf, self.values.add(step)[0], whole, (step, 0))

    def _write(self, tensor: Tensor, step: TraceStep) -> None:
        (value,) = self.values.add(step)
        if tensor in self.values:
            self.values.write(tensor, value)
        else:
            self.values.hold(tensor, value)

    def _hold(
        self, new: list[Tensor], values: Sequence[int], under: Mapping[int, Tensor], shown: TraceStep | None
    ) -> None:
        """Say what new tensors hold, and which of them are views of a tensor that was read: `under`, by its memory."""
        if shown is not None and not shown.outputs:
            shown.outputs = (-1,) * len(new)
        for index, (tensor, value) in enumerate(zip(new, values, strict=True)):
            base = under.get(memory_of(tensor))
            if base is None or shown is None or shown.plan.inputs[0] != self.values.read(base):
                self.values.hold(tensor, value)
            else:
                self.values.hold_view(tensor, value, base, (shown, index))

    def _unwritable(self, name: str) -> UnsupportedLayer:
        if draws(name, {"dropout_p": True}):
            return UnsupportedLayer(
                f"{self._where} draws random numbers ({name}): it answers otherwise each time"
            )
        return UnsupportedLayer(f"{self._where} calls torch's {name!r}, which convscope cannot write down")

    @property
    def _where(self) -> str:
        return f"module {self.values.path!r}" if self.values.path else "the network"


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down the ATen operators that one torch function is made of."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = trace

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        args, keywords = self.trace.with_numbers((args, dict(kwargs or {})))
        self.trace._look_again((args, keywords))
        if not self.trace.traced(args, keywords):
            for tensor in written_by(func, args, keywords):
                self.trace.written.keep(tensor)
            if keywords.get("device") == torch.device("meta"):  # it is made of nothing, and has numbers
                return self.trace._meta(func(*args, **keywords | {"device": self.trace.device}))
            return func(*args, **keywords)
        name = _name_of(func)
        if name in ("view", "_unsafe_view", "expand") and args[1] and args[0] in self.trace.values:
            args = (args[0], self._batch_kept(*args[:2]), *args[2:])
        return self.trace.call(func, name, args, keywords)

    def _batch_kept(self, tensor: Tensor, shape: Sequence[int]) -> list[int]:
        """Below Python a size is only a number; a first one that stays as it was is taken for the batch."""
        first = self.trace.sizes(tensor)[:1]
        return [*first, *shape[1:]] if first and first[0] == shape[0] else list(shape)


def _name_of(func: Callable[..., Any]) -> str:
    """Return what a function is called, without what says how it is called: ``x += y`` is add."""
    if isinstance(func, torch._ops.OpOverload):
        return func._schema.name.partition("::")[2]
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return _NAMES.get(name, name)


def _with_complex_tensors(argument: Any) -> Any:
    """Return a complex number, which is no plain data, as a tensor."""
    return torch.tensor(argument) if isinstance(argument, complex) else argument


def _at_once(func: Callable[..., Any], step: TraceStep | None, args: Sequence[Any]) -> Tensor | None:
    """Return what an ATen operator gives that has its input's shape: torch's own way there takes milliseconds."""
    if step is None or not isinstance(func, torch._ops.OpOverloadPacket) or not args:
        return None
    channels = {parameter.numel() for parameter in step.plan.parameters.values()}
    fits = isinstance(args[0], Tensor) and channels <= set(args[0].shape[1:2])
    return torch.empty_like(args[0]) if fits and func.__name__ in ("batch_norm", "relu") else None


def _sizes_in(argument: Any) -> Iterator[Size | SizeFraction]:
    """Yield each size among some arguments; `torch.Size` holds them as a tuple does."""
    if isinstance(argument, dict):
        argument = argument.values()
    elif not isinstance(argument, tuple | list):
        argument = [argument] if isinstance(argument, Size | SizeFraction) else []
    for item in argument:
        if isinstance(item, Size | SizeFraction):
            yield item
        else:
            yield from _sizes_in(item)


def _is_pure(name: str) -> bool:
    try:
        pure_operator(name)
    except InputError:
        return False
    return True
