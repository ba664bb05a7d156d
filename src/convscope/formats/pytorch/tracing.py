"""A module, run once on shapes alone, with every torch function it calls written down.

Control flow runs as Python runs it, in-place arithmetic and views are followed (`Values`), sizes remember where they
were read (`Size`). A function is recorded as an operation of convscope's own (`FUNCTIONS`), else as the ATen operator
of its name, else as those ATen operators it is made of. What does not depend on the network's input is worked out at
once and is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from convscope.errors import UnsupportedLayer
from convscope.formats.decisions import Decisions, note_leak
from convscope.formats.pytorch.asked import asks_for_numbers, draws, refuse_wrapped, said_by, staying
from convscope.formats.pytorch.call_steps import COPIES, UNWRITTEN, aten_step, own_step, sizes_in
from convscope.formats.pytorch.chosen import Choices
from convscope.formats.pytorch.composites import COMPOSITES
from convscope.formats.pytorch.constants import (
    WrittenConstants,
    constant_step,
    places_of_truths,
    replaces_data,
    written_by,
)
from convscope.formats.pytorch.function_names import name_of
from convscope.formats.pytorch.promoted_constants import PromotedConstants
from convscope.formats.pytorch.twins import Twins
from convscope.formats.pytorch.values import TraceStep, Values, memory_of
from convscope.formats.sizes import Axis, Size, SizeFraction, TracedShape, plain, product
from convscope.network.operations.aten import SHAPES_ONLY, pure_operator

# What a tensor of the module's own is asked for that says nothing about its numbers.
_FLAGS = frozenset({"requires_grad_", "share_memory_", "detach_", "rename_"})

# What torch makes of memory that is not written to.
_UNWRITTEN_CONSTANTS = frozenset({*UNWRITTEN, "empty_strided", "empty_permuted", "new_empty_strided"})
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
        self.twins = Twins()
        self.promoted = PromotedConstants(self.values, self.twins)

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

    def forgives(self, error: Exception) -> bool:
        """Go on after what a person's hook asked for, where that is no mistake of its own."""
        refused, self.refused = self.refused, None
        return refused is not None or isinstance(error, UnsupportedLayer) or asks_for_numbers(error)

    def _followed(self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        name = name_of(func)
        if name in ("_version", "untyped_storage"):  # which `Values` asks for
            return func(*args, **kwargs)
        refuse_wrapped()
        if draws(name, kwargs) and (not name.endswith("_") or self.traced(args, kwargs)):
            raise self._unwritable(name)
        if name in _FLAGS and id(args[0]) in self.owned:
            return args[0]
        self.promoted.look_again((args, kwargs))
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
        func, name, args, kwargs = staying(func, name, tuple(args), kwargs, self.device)
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
        if any(True for _ in sizes_in((args, kwargs))):
            return (self.call if written else self._sized)(func, name, args, kwargs)
        for tensor in written:
            self.written.keep(tensor)
        if replaces_data(func):
            self.written.keep(args[0], replaced=True)
        result = func(*args, **kwargs)
        return result.zero_() if name in _UNWRITTEN_CONSTANTS and "out" not in kwargs else result

    def _sized(self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """What is made of constants and of a size of the input, ``token.expand(batch, -1, -1)``, is a value too."""
        step = aten_step(self.values, self.twins, func, name, args, kwargs)
        composed = step is None and name in COMPOSITES and not isinstance(func, _ATEN)
        if composed and (self.sized or name not in ("tensor", "as_tensor")):
            with self:
                return COMPOSITES[name](*args, **kwargs)
        if step is None or not step.plan.inputs:
            for size in sizes_in((args, kwargs)):
                note_leak(size.expression, plain(size))
            return func(*args, **kwargs)
        if not self.twins.leaves((args, kwargs)):
            kwargs["device"] = self.device
        args, kwargs = self.twins.of_all((args, kwargs))
        result = func(*args, **kwargs)
        self.values.hold(result, self.values.add(step)[0])
        return result

    def operators(self) -> AbstractContextManager[Any]:
        """Write down ATen operators: what a module whose code is not Python is made of."""
        return _Operators(self)

    def traced(self, *arguments: Any) -> list[Tensor]:
        """Return the tensors among some arguments that depend on the input."""
        return [leaf for leaf in self.twins.leaves(arguments) if leaf in self.values]

    def call(self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run one function on shapes, and write down what it does."""
        args, kwargs = tree_map(_as_torch_takes_it, self.twins.with_numbers((tuple(args), kwargs)))
        base = name if name.startswith("__") else name.rstrip("_")
        if name in ("getitem", "setitem"):
            args = (args[0], places_of_truths(args[1], self.values.__contains__), *args[2:])
        elif base in ("index", "index_put", "_unsafe_index") and isinstance(args[1], list | tuple):
            args = (args[0], list(places_of_truths(tuple(args[1]), self.values.__contains__)), *args[2:])
        kept = self._unwritable(name) if self._below else None
        self.promoted.promote(written_by(func, args, kwargs), kept)
        for leaf in self.twins.leaves((args, kwargs)):
            if leaf.is_complex() and leaf not in self.values:  # a parameter has one number at each place
                self.values.hold(leaf, self.values.add(constant_step(leaf))[0])
        step = own_step(self.values, self.sizes, func, base, args, kwargs)
        step = step or aten_step(self.values, self.twins, func, base, args, kwargs)
        if step is None and name in COMPOSITES and not isinstance(func, _ATEN):
            with self:
                return COMPOSITES[name](*args, **kwargs)
        on_meta = self.twins.of_all((args, kwargs))
        tensors = {id(leaf): leaf for leaf in self.twins.leaves((args, kwargs))}
        seen = [(leaf, self.twins.of(leaf), self.twins.of(leaf)._version) for leaf in tensors.values()]
        if step is None and not isinstance(func, torch._ops.OpOverload):
            with _Operators(self):
                self._below += 1
                try:
                    result = func(*on_meta[0], **on_meta[1])
                finally:
                    self._below -= 1
            for leaf in tensors.values():  # torch counts them when the operators have run
                self.values.note_version(leaf)
            return self.twins.with_numbers(result)
        run = pure_operator(base) if base in SHAPES_ONLY else func
        result = _at_once(func, step, on_meta[0])
        result = run(*on_meta[0], **on_meta[1]) if result is None else result
        mutated = self._written_into(func, name, args, kwargs, seen)
        new = [
            leaf for leaf in self.twins.leaves(result) if leaf not in self.values and id(leaf) not in tensors
        ]
        if step is not None and step.plan.kind == "batch_norm":
            new = new[:1]  # the others are the statistics of a training step
        if not new and not mutated:
            if step is None and name.endswith("_") and name not in _FLAGS and not name.startswith("_"):
                raise self._unwritable(name)
            return self.twins.with_numbers(result)  # the input itself, or no tensor at all
        if step is None:
            raise self._unwritable(name)
        if mutated:
            self._write(mutated[0], step)
            return self.twins.with_numbers(result)
        under = {memory_of(twin): leaf for leaf, twin, _ in reversed(seen) if leaf in self.values}
        if base in COPIES and new[0].dtype == self.traced(args, kwargs)[0].dtype:
            self._hold(new, (step.plan.inputs[0],), under, step)
        else:
            shown: TraceStep | None = step
            if step.plan.kind not in ("aten", "subscript"):  # it is asked for only where a view may be shown
                sees = not under.keys().isdisjoint(map(memory_of, new)) or any(sizes_in((args, kwargs)))
                shown = aten_step(self.values, self.twins, func, base, args, kwargs) if sees else None
            self._hold(new, self.values.add(step, len(new)), under, shown)
        return self.twins.with_numbers(result)

    def _written_into(
        self, func: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any], seen: Any
    ) -> list[Tensor]:
        """Return the tensor that a call wrote into, of those that were `seen` before: tensor, twin, its version."""
        meant = self.twins.leaves(written_by(func, args, kwargs))
        if isinstance(func, torch._ops.OpOverload):  # below autograd, which counts the versions
            return meant
        written = [leaf for leaf, twin, version in seen if twin._version != version]
        if len(written) > 1:  # what shares its memory with it has its version, too
            memory = {memory_of(self.twins.of(leaf)) for leaf in written}
            if len(memory) > 1:
                raise UnsupportedLayer(
                    f"{self._where} calls torch's {name!r}, which writes into several tensors"
                )
            written = [leaf for leaf in written if any(leaf is one for one in meant)] or written
        return written

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
        args, keywords = self.trace.twins.with_numbers((args, dict(kwargs or {})))
        self.trace.promoted.look_again((args, keywords))
        if not self.trace.traced(args, keywords):
            for tensor in written_by(func, args, keywords):
                self.trace.written.keep(tensor)
            if keywords.get("device") == torch.device("meta"):  # it is made of nothing, and has numbers
                return self.trace.twins.of(func(*args, **keywords | {"device": self.trace.device}))
            return func(*args, **keywords)
        name = name_of(func)
        if name in ("view", "_unsafe_view", "expand") and args[1] and args[0] in self.trace.values:
            args = (args[0], self._batch_kept(*args[:2]), *args[2:])
        return self.trace.call(func, name, args, keywords)

    def _batch_kept(self, tensor: Tensor, shape: Sequence[int]) -> list[int]:
        """Below Python a size is only a number; a first one that stays as it was is taken for the batch."""
        first = self.trace.sizes(tensor)[:1]
        return [*first, *shape[1:]] if first and first[0] == shape[0] else list(shape)


def _as_torch_takes_it(argument: Any) -> Any:
    """Return a complex number, which is no plain data, as a tensor, and a fraction of any kind as Python's own."""
    if isinstance(argument, complex):
        return torch.tensor(argument)
    return (
        float(argument)
        if isinstance(argument, float) and not isinstance(argument, SizeFraction)
        else argument
    )


def _at_once(func: Callable[..., Any], step: TraceStep | None, args: Sequence[Any]) -> Tensor | None:
    """Return what an ATen operator gives that has its input's shape: torch's own way there takes milliseconds."""
    if step is None or not isinstance(func, torch._ops.OpOverloadPacket) or not args:
        return None
    channels = {parameter.numel() for parameter in step.plan.parameters.values()}
    fits = isinstance(args[0], Tensor) and channels <= set(args[0].shape[1:2])
    return torch.empty_like(args[0]) if fits and func.__name__ in ("batch_norm", "relu") else None
