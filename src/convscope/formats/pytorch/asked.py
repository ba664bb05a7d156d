"""What a tensor of a trace is asked for beside its numbers, and what no trace can follow.

The tensors that a traced module sees have no memory: what is asked about that is answered for the module's device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from convscope.errors import UnsupportedLayer

_ON_DEVICE = frozenset({"is_meta", "is_cpu", "is_cuda", "is_mps", "is_xpu", "is_mkldnn"})
_DRAWS = """
alpha_dropout bernoulli binomial cauchy exponential geometric log_normal multinomial normal poisson rand rand_like
randint randint_like randn randn_like random randperm rrelu_with_noise uniform
"""
_DRAWS_BY_NAME = frozenset(_DRAWS.split())


def said_by(name: str, args: Sequence[Any], device: torch.device) -> Any:
    """Return what a tensor says of itself that is another answer without memory; NotImplemented where it is none."""
    if name == "requires_grad" and len(args) == 1:
        return False
    if name not in _ON_DEVICE and name not in ("get_device", "type"):
        return NotImplemented
    alike = torch.empty(0, dtype=args[0].dtype, device=device)
    if name == "get_device":
        return alike.get_device()
    if name == "type":
        return alike.type() if len(args) == 1 else NotImplemented
    return getattr(alike, name)


def staying(
    func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any], device: torch.device
) -> tuple[Callable[..., Any], str, tuple[Any, ...], dict[str, Any]]:
    """Return a call in which no tensor leaves the device: a network is computed where it lies, whatever it says."""
    if name in ("cpu", "cuda"):
        return torch.Tensor.to, "to", (args[0], device), {}
    if name != "to":
        return func, name, args, kwargs
    places = [device if isinstance(one, str) or type(one) is int else one for one in args[1:]]
    where = {"device": device} if kwargs.get("device") is not None else {}
    return func, name, (args[0], *places), kwargs | where


def draws(name: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether a function draws random numbers: a module that calls it answers otherwise each time.

    Numbers of a generator that is given are taken for fixed ones.
    """
    if name == "scaled_dot_product_attention":
        return bool(kwargs.get("dropout_p"))
    return name.rstrip("_") in _DRAWS_BY_NAME and kwargs.get("generator") is None


def asks_for_numbers(error: Exception) -> bool:
    """Whether an error is torch's about a tensor without memory, whose numbers were asked for."""
    words = str(error)
    return isinstance(error, NotImplementedError) or bool(
        re.search(r"\bmeta\b|unallocated storage|data is not allocated|higher order operator", words)
    )


def refuse_wrapped() -> None:
    """Raise UnsupportedLayer inside torch.vmap or torch.func.grad: their tensors stand for others, which they hide."""
    interpreter = torch._C._functorch.peek_interpreter_stack()
    if interpreter is not None:
        name = (
            "torch.vmap" if interpreter.key() == torch._C._functorch.TransformType.Vmap else "torch.func.grad"
        )
        raise UnsupportedLayer(f"it calls {name}, whose inside convscope does not see: write it without")
