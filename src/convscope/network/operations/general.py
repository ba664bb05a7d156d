"""Operations for what has no operation of its own: any pure operator of torch's ATen library, subscripts, writes.

ATen is the library of functions under torch; its operators are named and typed, so a call of one is plain data. Only
operators that read tensors and return new ones are taken: no file says anything here that is more than arithmetic.
"""

from __future__ import annotations

import operator as arithmetic
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import OPERATIONS, Result, one_or_all, operation

ARITHMETIC: dict[str, Callable[..., int]] = {
    "+": arithmetic.add,
    "-": arithmetic.sub,
    "*": arithmetic.mul,
    "//": arithmetic.floordiv,
    "%": arithmetic.mod,
    "ceil": lambda a, b: -(-a // b),
}
# Pure operators that torch does not count among its core ones.
_ALSO = """
pixel_shuffle new_zeros new_ones new_full zeros ones full arange
_adaptive_avg_pool2d _log_softmax _softmax _to_copy _unsafe_index _unsafe_view _upsample_bicubic2d_aa
_upsample_bilinear2d_aa adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d addbmm addcdiv
addcmul addmv affine_grid_generator alias argsort avg_pool1d avg_pool3d baddbmm bilinear bmm
broadcast_to bucketize celu channel_shuffle chunk clamp clamp_max clamp_min col2im concat conv1d conv2d
conv3d conv_transpose1d conv_transpose2d conv_transpose3d copy cosine_similarity count_nonzero cross det
diff dot dropout einsum expand_as feature_dropout fft_fft2 fft_ifft2 fft_irfft2 fft_rfft2 fill flatten
float_power fmod frac full_like glu group_norm hardshrink hardsigmoid hardswish heaviside hstack
huber_loss hypot im2col imag index_add index_fill inner instance_norm inverse isnan kron layer_norm lerp
lift_fresh_copy linalg_norm linalg_vector_norm linear log_sigmoid log_softmax logaddexp logical_and
logical_not logical_or logical_xor masked_fill matmul max_pool1d max_pool2d max_pool3d maximum meshgrid
minimum mish mm moveaxis movedim multiply mv nan_to_num narrow native_channel_shuffle norm ones_like
outer pad pixel_unshuffle prelu real reflection_pad2d relu6 repeat_interleave replication_pad1d reshape
reshape_as rms_norm roll rot90 rrelu rsub scaled_dot_product_attention selu silu sinc slice_scatter
smooth_l1_loss softmax softplus softshrink softsign sort special_expit split split_with_sizes square
squeeze stack std std_mean swapaxes swapdims t take take_along_dim tensor_split threshold tile to
transpose tril triu true_divide trunc type_as unbind unflatten unfold upsample_bicubic2d
upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
upsample_trilinear3d var var_mean vdot view_as vstack where xlogy zero zeros_like
"""
_EMPTY = frozenset(
    {"empty", "empty_like", "new_empty", "as_strided", "rand", "randn", "randperm", "empty_strided"}
)


@operation
def aten(
    *inputs: Tensor,
    operator: str,
    arguments: Sequence[Any] = (),
    keywords: Mapping[str, Any] | None = None,
    **parameters: Tensor,
) -> Result:
    """Return what an ATen operator (``mean``, or one overload of it, ``mean.dim``) makes of its arguments.

    In `arguments` and `keywords`, ``"$0"`` is the first input, ``"$p0"`` the parameter p0, ``"$0:int64"`` either in
    that type, ``"$0.2"`` the size of its axis 2, ``("*", "$0.2", 4)`` arithmetic with sizes, ``"torch.int64"`` a type.

    >>> aten(torch.ones(2, 3), operator="mean", arguments=("$0", (1,)))
    tensor([1., 1.])
    """
    tensors = _named(inputs, parameters)
    given = [meant(argument, tensors) for argument in arguments]
    result = pure_operator(operator)(*given, **{k: meant(v, tensors) for k, v in (keywords or {}).items()})
    return result if isinstance(result, Tensor) else one_or_all(result)


@operation
def subscript(*inputs: Tensor, items: Sequence[Any], **parameters: Tensor) -> Tensor:
    """Return ``input[items]``: an item is a number, None, "...", a tensor's name, or ("slice", start, stop, step).

    Names are those of `aten`; the first input is the one that is looked into.
    """
    return inputs[0][_subscripts(items, _named(inputs, parameters))]


@operation
def written(
    *inputs: Tensor, part: Any, kind: str, attributes: Mapping[str, Any], index: int = 0, **parameters: Tensor
) -> Tensor:
    """Return a copy of the first input in which what the operation `kind` shows of it is overwritten by `part`.

    What in-place arithmetic on a view does to the tensor under it, without doing it in place. `part` is a number or a
    tensor's name; `index` says which output of `kind` is meant where it has several.
    """
    tensors = _named(inputs, parameters)
    whole = inputs[0].clone(memory_format=torch.contiguous_format)
    value = meant(part, tensors)
    if kind == "subscript":
        whole[_subscripts(attributes["items"], tensors)] = value
    elif kind == "aten":
        shown: Any = OPERATIONS[kind](whole, *inputs[1:], **attributes, **parameters)
        (shown if isinstance(shown, Tensor) else shown[index]).copy_(value)
    else:
        raise InputError(f"{kind!r} shows no part of a tensor that could be written to")
    return _in_memory_of(inputs[0], whole)


@operation
def of_size(input: Tensor, *, shape: Sequence[int]) -> Tensor:
    """Return the input, which has to be of this shape but for the batch: a network that is another one at other sizes.

    Raises InputError for any other.
    """
    if tuple(input.shape[1:]) != tuple(shape):
        found, opened = dimensions(input.shape[1:]), dimensions(shape)
        raise InputError(
            f"the network was opened for {opened} and is another one for {found}: open it for that size"
        )
    return input


@cache
def pure_operator(name: str) -> Callable[..., Any]:
    """Return the ATen operator of this name; InputError for one that is not known to do nothing but arithmetic."""
    base, _, overload = name.partition(".")
    if torch.compiler.is_compiling():  # it was looked up before, when the shapes were
        packet = getattr(torch.ops.aten, base)
        known: Callable[..., Any] = getattr(packet, overload) if overload else packet
        return known
    packet = getattr(torch.ops.aten, base, None) if base.isidentifier() else None
    if packet is None or not _is_pure(base, packet) or (overload and overload not in packet.overloads()):
        raise InputError(f"{name!r} is not one of the pure operators of torch that convscope runs")
    function: Callable[..., Any] = getattr(packet, overload) if overload else packet
    if overload and function._schema.is_mutable:  # type: ignore[attr-defined]
        raise InputError(f"{name!r} writes into what it is given")
    return function


def _is_pure(base: str, packet: Any) -> bool:
    if base in _EMPTY or base.endswith("_"):
        return False
    overloads = [getattr(packet, name) for name in packet.overloads()]
    return base in _ALSO.split() or any(torch.Tag.core in overload.tags for overload in overloads)


def _in_memory_of(other: Tensor, tensor: Tensor) -> Tensor:
    """Return a tensor in the memory order another one is in."""
    last = torch.channels_last
    return (
        tensor.contiguous(memory_format=last)
        if other.dim() == 4 and other.is_contiguous(memory_format=last)
        else tensor
    )


def _named(inputs: Sequence[Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {str(index): tensor for index, tensor in enumerate(inputs)} | dict(parameters)


def meant(code: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return the argument that a code of `aten` stands for."""
    if isinstance(code, str):
        return _word(code, tensors)
    if isinstance(code, list | tuple):
        if code and isinstance(code[0], str) and code[0] in ARITHMETIC:
            terms = [meant(item, tensors) for item in code[1:]]
            if len(terms) != 2 or not all(isinstance(term, int) for term in terms):
                raise InputError(f"{code[0]!r} is arithmetic with two sizes, not with {terms}")
            return ARITHMETIC[code[0]](*terms)
        return [meant(item, tensors) for item in code]
    return code


def _word(code: str, tensors: Mapping[str, Tensor]) -> Any:
    if code.startswith("torch."):
        found = getattr(torch, code[6:], None)
        if not isinstance(found, torch.dtype | torch.memory_format):
            raise InputError(f"{code!r} is not a type of numbers")
        return found
    if not code.startswith("$"):
        return code
    name, _, axis = code[1:].partition(".")
    name, _, kind = name.partition(":")
    if name not in tensors:
        raise InputError(f"{code!r} names no tensor; there are {', '.join('$' + one for one in tensors)}")
    if axis:
        return tensors[name].shape[int(axis)]
    return tensors[name].to(_word(f"torch.{kind}", tensors)) if kind else tensors[name]


def _subscripts(items: Sequence[Any], tensors: Mapping[str, Tensor]) -> tuple[Any, ...]:
    found: list[Any] = []
    for item in items:
        if isinstance(item, list | tuple) and item and item[0] == "slice":
            found.append(slice(*(meant(end, tensors) for end in item[1:])))
        else:
            found.append(... if item == "..." else meant(item, tensors))
    return tuple(found)
