"""Which module runs: a trace is told when one is entered and left, and the module is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from convscope.errors import warn
from convscope.formats.pytorch.kept_state import as_before
from convscope.formats.pytorch.values import Values


@dataclass(frozen=True)
class Call:
    """One call of a module: which it was, and the values that came out, by their place in the result ("" for one).

    `is_leaf` says that no other module ran inside.
    """

    path: str
    number: int
    type_name: str
    is_leaf: bool
    results: dict[str, int]


@dataclass
class Calls:
    """The calls of a module's submodules, in the order they ended.

    `shown` says which value one gives, `hidden` which has none to show: what an expert makes of the places of its mask.
    `forgives` says whether what a hook raised is only that nobody follows what it does.
    """

    values: Values
    paths: dict[int, str]
    shown: Callable[[Tensor], int]
    hidden: Callable[[Tensor], bool] = lambda tensor: False
    forgives: Callable[[Exception], bool] = lambda error: False
    ended: list[Call] = field(default_factory=list)
    around_scripts: Callable[[], AbstractContextManager[Any]] = nullcontext
    _counts: dict[str, int] = field(default_factory=dict)
    _open: list[tuple[str, int]] = field(default_factory=list)
    _script: tuple[int, ExitStack] | None = None
    _inside: set[tuple[str, int]] = field(default_factory=set)

    def enter(self, module: nn.Module, *_: Any) -> None:
        """A module begins."""
        if (path := self.paths.get(id(module))) is None:
            return
        self._counts[path] = self._counts.get(path, 0) + 1
        self._inside.add((self.values.path, self.values.call))
        self._open.append((self.values.path, self.values.call))
        self.values.path, self.values.call = path, self._counts[path]
        if isinstance(module, torch.jit.ScriptModule) and self._script is None:
            self._script = (
                len(self._open),
                ExitStack(),
            )  # its code is not Python: what torch does is asked below
            self._script[1].enter_context(self.around_scripts())

    def leave(self, module: nn.Module, given: Any, result: Any) -> None:
        """A module has ended."""
        if (path := self.paths.get(id(module))) is None:
            return
        if self._script and self._script[0] == len(self._open):
            self.leave_script()
            for _, tensor in (
                *named_tensors(given),
                *named_tensors(result),
            ):  # written into below torch's functions
                self.values.note_version(tensor)
        tensors = (
            (place, t) for place, t in named_tensors(result) if t in self.values and not self.hidden(t)
        )
        results = {place: self.shown(t) for place, t in tensors}
        is_leaf = (path, self.values.call) not in self._inside
        self.ended.append(Call(path, self.values.call, type(module).__name__, is_leaf, results))
        self.values.path, self.values.call = self._open.pop()

    def leave_script(self) -> None:
        """End what is around a module whose code is not Python, where one runs or has failed."""
        if self._script is not None:
            self._script[1].close()
            self._script = None


def named_tensors(result: Any, place: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a result with their places: ``("", x)``, ``("0", first)``, ``("out", x)``."""
    if isinstance(result, Tensor):
        yield place, result
        return
    items: Any = ()
    if isinstance(result, dict):
        items = result.items()
    elif hasattr(result, "_asdict"):
        items = result._asdict().items()
    elif isinstance(result, list | tuple):
        items = enumerate(result)
    elif hasattr(result, "__dataclass_fields__"):
        items = ((name, getattr(result, name)) for name in result.__dataclass_fields__)
    for name, item in items:
        yield from named_tensors(item, f"{place}.{name}" if place else str(name))


@contextmanager
def followed(module: nn.Module, calls: Calls) -> Iterator[None]:
    """Tell `calls` of every submodule that runs, in evaluation mode; each is as before afterwards.

    What a module notes for itself while it runs, a grid for each size say, is forgotten: it would be no real tensor.
    """
    training = {part: part.training for part in module.modules()}
    hooks = [register_module_forward_pre_hook(calls.enter), register_module_forward_hook(calls.leave)]
    try:
        for part in training:
            part.training = False
        with torch.no_grad(), _gradients_possible(), as_before(module), _own_hooks_forgiven(training, calls):
            yield
    finally:
        calls.leave_script()
        for hook in hooks:
            hook.remove()
        for part, mode in training.items():
            part.training = mode


@contextmanager
def _gradients_possible() -> Iterator[None]:
    """Take `torch.inference_mode` inside a network for `torch.no_grad`: its tensors do not say what writes to them."""
    inference, thread = torch._C._InferenceMode, get_ident()

    def mode(*given: Any) -> AbstractContextManager[Any]:
        own = get_ident() == thread
        return nullcontext() if own else inference(*given)

    setattr(torch._C, "_InferenceMode", mode)  # noqa: B010
    try:
        yield
    finally:
        setattr(torch._C, "_InferenceMode", inference)  # noqa: B010


@contextmanager
def _own_hooks_forgiven(parts: Iterable[nn.Module], calls: Calls) -> Iterator[None]:
    """Run the hooks that modules have, and go on without those that cannot be, ``seen.append(output.cpu())``."""
    tables = [
        (part, table, dict(table))
        for part in parts
        if not isinstance(part, torch.jit.ScriptModule)
        for table in (part._forward_pre_hooks, part._forward_hooks)
    ]
    try:
        for part, table, hooks in tables:
            table.update((number, _forgiven(hook, part, calls)) for number, hook in hooks.items())
        yield
    finally:
        for _, table, hooks in tables:
            table.update(hooks)


def _forgiven(hook: Callable[..., Any], part: nn.Module, calls: Calls) -> Callable[..., Any]:
    def run(*given: Any, **keywords: Any) -> Any:
        try:
            return hook(*given, **keywords)
        except Exception as error:
            if not calls.forgives(error):
                raise
        path, name = calls.paths.get(id(part), ""), getattr(hook, "__qualname__", type(hook).__name__)
        warn(
            f"a hook ({name}) of the module {path or type(part).__name__!r} asks for numbers, and is taken for one "
            "that only looks: what it would change is left out"
        )
        return None

    return run
