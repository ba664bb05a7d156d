"""What a network says of itself that is not followed: gradients of its own, parts that stay in training mode."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from convscope.errors import warn

_TORCHS = "torch."
Function = Any  # a class of torch.autograd.Function, of which torch states no types


@contextmanager
def own_functions() -> Iterator[dict[Function, tuple[Any, ...]]]:
    """Give the classes of `torch.autograd.Function` that a network calls in this block, each with what it first took.

    Tensors without numbers are noted as such.
    """
    called: dict[Function, tuple[Any, ...]] = {}
    plain, thread = torch.autograd.Function.__dict__["apply"], get_ident()

    def apply(cls: Function, *args: Any, **keywords: Any) -> Any:
        if get_ident() == thread and not cls.__module__.startswith(_TORCHS):
            called.setdefault(cls, args)
        return plain.__func__(cls, *args, **keywords)

    function: Any = torch.autograd.Function
    function.apply = classmethod(apply)
    try:
        yield called
    finally:
        function.apply = plain


def tell_of_gradients(called: dict[Function, tuple[Any, ...]]) -> None:
    """Note the functions whose own backward() is another gradient than that of their arithmetic, which is followed."""
    names = [cls.__name__ for cls, args in called.items() if not _is_its_arithmetics(cls, args)]
    if names:
        warn(
            f"{', '.join(names)}: a backward() of its own is not followed; gradients are those of what forward() "
            "computes"
        )


def _is_its_arithmetics(cls: Function, args: tuple[Any, ...]) -> bool:
    """Whether a function's own gradient is that of its arithmetic, tried with random numbers."""
    generator = torch.Generator().manual_seed(0)
    given = [_numbers(one, generator) for one in args]
    live = [one for one in given if isinstance(one, Tensor) and one.requires_grad]
    try:
        with torch.enable_grad():
            own, plain = cls.apply(*_copies(given)), _forward(cls, _copies(given))
            one, *others = (leaf for leaf in tree_leaves(own) if isinstance(leaf, Tensor))
            same = next(leaf for leaf in tree_leaves(plain) if isinstance(leaf, Tensor))
            seed = torch.randn(one.shape, generator=generator).to(one)
            pairs = [_gradients(answer, live, seed) for answer in (one, same)]
    except Exception:  # it is the network's code, made for other numbers or for another kind of processor
        return False
    return not others and all(
        torch.allclose(mine, its, rtol=1e-3, atol=1e-5) for mine, its in zip(*pairs, strict=True)
    )


def _forward(cls: Any, args: list[Any]) -> Any:
    """Run what a function computes as torch's ordinary arithmetic, of which torch knows the gradient."""
    if cls.setup_context is not torch.autograd.Function.setup_context:
        return cls.forward(*args)
    return cls.forward(_Context(), *args)


class _Context:
    """What a function notes for its backward(), which is not asked here."""

    needs_input_grad = (True,) * 99

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **keywords: None


def _numbers(argument: Any, generator: torch.Generator) -> Any:
    """Return a tensor with random numbers, of which a gradient may be asked; anything else as it is."""
    if not isinstance(argument, Tensor):
        return argument
    if not argument.is_floating_point():
        return torch.zeros(argument.shape, dtype=argument.dtype)
    return torch.randn(argument.shape, generator=generator, dtype=argument.dtype).requires_grad_()


def _copies(args: list[Any]) -> list[Any]:
    """Return arguments that may be written into; the gradient still goes to the tensors themselves."""
    return [one.clone() if isinstance(one, Tensor) else one for one in args]


def _gradients(answer: Tensor, inputs: list[Tensor], seed: Tensor) -> list[Tensor]:
    if not answer.requires_grad:
        return [torch.zeros_like(one) for one in inputs]
    found = torch.autograd.grad(answer, inputs, seed, allow_unused=True)
    return [torch.zeros_like(one) if its is None else its for one, its in zip(inputs, found, strict=True)]


def tell_of_training(module: nn.Module) -> None:
    """Note the parts that stay in training mode when the network is in evaluation mode, in which they are followed."""
    tensors = {id(tensor): tensor.to("meta") for tensor in (*module.parameters(), *module.buffers())}
    asked = module
    if module.training:
        if all(type(part).train is nn.Module.train for part in module.modules()):
            return
        with suppress(Exception):  # its own train() may be anything
            asked = copy.deepcopy(module, tensors).train(False)
    if asked is module and module.training:
        return
    kept = [(path, part) for path, part in asked.named_modules() if part.training and _asks(part)]
    if kept:
        path, part = kept[0]
        more = f" and {len(kept) - 1} more" if kept[1:] else ""
        warn(
            f"{path or 'the network'!r} ({type(part).__name__}){more} stays in training mode when the network is in "
            "evaluation mode: convscope computes it in evaluation mode, with what it has learned and without chance"
        )


def _asks(part: nn.Module) -> bool:
    """Whether what a part computes is something else in training mode."""
    code = getattr(type(part).forward, "__code__", None)
    return code is not None and "training" in code.co_names
