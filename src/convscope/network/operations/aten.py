"""Operations for what has no operation of its own: any pure operator of torch's ATen library, subscripts, writes.

ATen is the library of functions under torch; its operators are named and typed, so a call of one is plain data. Only
operators that read tensors and return new ones are taken: no file says anything here that is more than arithmetic.
"""

from __future__ import annotations

import math
import operator as arithmetic
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from convscope.errors import InputError
from convscope.network.operations.registry import OPERATIONS, Result, one_or_all, operation

ARITHMETIC: dict[str, Callable[..., int]] = {
    "+": arithmetic.add,
    "-": arithmetic.sub,
    "*": arithmetic.mul,
    "//": arithmetic.floordiv,
    "%": arithmetic.mod,
    "ceil": lambda a, b: -(-a // b),
    "max": max,
    "min": min,
    ">>": arithmetic.rshift,
    "&": arithmetic.and_,
    "|": arithmetic.or_,
    "^": arithmetic.xor,
    "gcd": math.gcd,
    "lcm": math.lcm,
    "isqrt": lambda a, _: math.isqrt(a),
}
# None of which is the quotient of two to the last bit.
_LOGARITHMS: Mapping[float, Callable[[float], float]] = {2: math.log2, 10: math.log10, math.e: math.log}
FRACTIONS: dict[str, Callable[..., Any]] = {
    "+": arithmetic.add,
    "-": arithmetic.sub,
    "*": arithmetic.mul,
    "//": arithmetic.floordiv,
    "%": arithmetic.mod,
    "/": arithmetic.truediv,
    "**": lambda base, exponent: float(base) ** float(exponent),
    "floor": lambda a, b: math.floor(a / b),
    "ceil": lambda a, b: math.ceil(a / b),
    "trunc": lambda a, b: math.trunc(a / b),
    "round": lambda number, digits: round(number, digits or None),
    "root": lambda number, _: math.sqrt(number),
    "log": lambda number, base: _LOGARITHMS[base](number) if base in _LOGARITHMS else math.log(number, base),
}
# Pure operators that torch does not count among its core ones.
_ALSO = """ _conj _convolution _neg_view _safe_softmax
_adaptive_avg_pool2d _log_softmax _softmax _to_copy _unsafe_index _unsafe_view
_upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d
_upsample_nearest_exact3d absolute adaptive_avg_pool2d adaptive_avg_pool3d
adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d addbmm addcdiv addcmul addmv addr
adjoint affine_grid_generator alias all aminmax angle arange arccos arccosh arcsin arcsinh arctan
arctan2 arctanh argsort atleast_1d atleast_2d atleast_3d avg_pool1d avg_pool3d baddbmm batch_norm
bilinear bincount bitwise_left_shift bitwise_right_shift block_diag bmm broadcast_tensors
broadcast_to bucketize cdist celu chain_matmul channel_shuffle cholesky chunk clamp clamp_max
clamp_min clip col2im column_stack complex concat concatenate conj conj_physical contiguous conv1d
conv2d conv3d conv_depthwise3d conv_transpose1d conv_transpose2d conv_transpose3d copy copysign
cosine_similarity count_nonzero cov cross cummax cummin cumprod deg2rad det detach diag diag_embed
diagflat diagonal_scatter diff digamma dist divide dot dropout dsplit dstack einsum embedding_bag
erfc erfinv exp2 expand_as fake_quantize_per_channel_affine fake_quantize_per_tensor_affine
feature_dropout fft_fft fft_fft2 fft_fftn fft_fftshift fft_hfft fft_ifft fft_ifft2 fft_ifftn
fft_ifftshift fft_ihfft fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn fill fix
flatten fliplr flipud float_power floor_divide fmax fmin fmod frac frexp frobenius_norm full
full_like gcd glu greater greater_equal grid_sampler grid_sampler_3d group_norm gru gru_cell
hardshrink hardsigmoid hardswish heaviside histc hsplit hstack huber_loss hypot i0 im2col imag
index_add index_copy index_fill index_reduce inner instance_norm inverse isclose isfinite isin isnan isneginf
isposinf istft kron kthvalue l1_loss layer_norm lcm ldexp lerp less less_equal lgamma
lift_fresh_copy linalg_cholesky linalg_cross linalg_det linalg_eigh linalg_eigvalsh linalg_inv
linalg_matmul linalg_matrix_exp linalg_matrix_norm linalg_matrix_power linalg_multi_dot linalg_norm
linalg_pinv linalg_qr linalg_slogdet linalg_solve linalg_svd linalg_svdvals linalg_vecdot
linalg_vector_norm linear linspace log_sigmoid log_softmax logaddexp logaddexp2 logcumsumexp logdet
logical_and logical_not logical_or logical_xor logit logspace logsumexp lstm lstm_cell masked_fill
matmul max_pool1d max_pool1d_with_indices max_pool2d max_pool3d max_unpool2d max_unpool3d maximum
median meshgrid minimum mish mm mode moveaxis movedim mse_loss msort multiply mv nan_to_num nanmean
nanmedian nanquantile nansum narrow native_channel_shuffle negative new_full new_ones new_zeros norm
not_equal nuclear_norm one_hot ones ones_like outer pad pairwise_distance pinverse pixel_shuffle
pixel_unshuffle polar positive prelu quantile rad2deg ravel real reflection_pad2d relu6 renorm
repeat_interleave replication_pad1d reshape reshape_as resolve_conj resolve_neg rms_norm rnn_relu
rnn_relu_cell rnn_tanh rnn_tanh_cell roll rot90 rrelu rsub scaled_dot_product_attention searchsorted
selu sgn signbit silu sinc slice_scatter smooth_l1_loss softmax softplus softshrink softsign sort
special_erf special_erfc special_exp2 special_expit special_gammaln special_i0 special_log1p
special_log_softmax special_logit special_logsumexp special_ndtr special_sinc special_softmax
special_xlogy split split_with_sizes square squeeze stack std std_mean stft subtract sum_to_size svd
swapaxes swapdims t take take_along_dim tensor_split tensordot threshold tile to trace transpose
tril triu true_divide trunc type_as unbind unflatten unfold unsafe_chunk unsafe_split
unsafe_split_with_sizes upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
upsample_nearest2d upsample_nearest3d upsample_trilinear3d vander var var_mean vdot view_as
view_as_complex view_as_real vsplit vstack where xlogy zero zeros zeros_like
bartlett_window blackman_window eye fft_fftfreq fft_rfftfreq hamming_window hann_window put
tril_indices triu_indices
"""
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
_FAKE_QUANTIZED = frozenset({"fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine"})
# What torch does not work out, or not soon, on the meta device: `pure_operator` gives what says their shapes there.
SHAPES_ONLY = _RECURRENT | _FAKE_QUANTIZED
# Those whose answer is what they read, elsewhere, some of it or several times.
_MOVES = """
alias atleast_2d atleast_3d broadcast_to cat channel_shuffle chunk clone concat contiguous detach diagonal
dsplit dstack expand expand_as flip fliplr flipud gather hsplit hstack index index_select
masked_select moveaxis movedim narrow native_channel_shuffle permute pixel_shuffle pixel_unshuffle
ravel repeat repeat_interleave reshape reshape_as roll rot90 select slice split split_with_sizes
squeeze stack swapaxes swapdims t take take_along_dim tensor_split tile transpose tril triu unbind
unfold unflatten unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze view vsplit vstack
"""
MOVES = frozenset(_MOVES.split())
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
    values = [meant(argument, tensors) for argument in arguments]
    named = {key: meant(value, tensors) for key, value in (keywords or {}).items()}
    if inputs and not any(isinstance(leaf, Tensor) for leaf in tree_leaves((values, named))):
        named["device"] = inputs[0].device  # `zeros` of an input's size stands where the input does
    result = pure_operator(operator)(*values, **named)
    return result if isinstance(result, Tensor) else one_or_all(result)


@operation(relevance="routed")
def subscript(*inputs: Tensor, items: Sequence[Any], of: str = "$0", **parameters: Tensor) -> Tensor:
    """Return ``of[items]``: an item is a number, None, "...", a tensor's name, or ("slice", start, stop, step).

    Names are those of `aten`. `of` is what is looked into: the first input, or a parameter (``"$p0"``) where a table
    is looked into with a computed index.
    """
    tensors = _named(inputs, parameters)
    table: Tensor = meant(of, tensors)
    return table[_subscripts(items, tensors)]


@operation
def view_scatter(
    *inputs: Tensor, part: Any, kind: str, attributes: Mapping[str, Any], index: int = 0, **parameters: Tensor
) -> Tensor:
    """Return a copy of the first input in which what the operation `kind` shows of it is overwritten by `part`.

    What in-place arithmetic on a view does to the tensor under it, without doing it in place; torch's `slice_scatter`
    and `select_scatter` are two cases of it. `part` is a number or a
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


@cache
def base_of(operation: str) -> str:
    """Return an ATen operator's name without its overload.

    >>> base_of("mean.dim")
    'mean'
    """
    return operation.partition(".")[0]


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
    if base in SHAPES_ONLY:
        return partial(_recurrent if base in _RECURRENT else _fake_quantized, packet)
    function: Callable[..., Any] = getattr(packet, overload) if overload else packet
    if overload and function._schema.is_mutable:  # type: ignore[attr-defined]
        raise InputError(f"{name!r} writes into what it is given")
    return function


@cache
def is_pointwise(name: str) -> bool:
    """Tell an ATen operator whose every number needs only the numbers at its place, as torch says of it.

    >>> is_pointwise("softplus"), is_pointwise("cumsum")
    (True, False)
    """
    packet = getattr(torch.ops.aten, base_of(name), None)
    return packet is not None and any(
        torch.Tag.pointwise in getattr(packet, one).tags for one in packet.overloads()
    )


def _recurrent(packet: Any, input: Tensor, states: Any, *others: Any) -> tuple[Tensor, ...]:
    """Run one of torch's recurrent layers; on the meta device only say its shapes, which torch finds step by step."""
    if not input.is_meta:
        outputs: tuple[Tensor, ...] = packet(input, states, *others)
        return outputs
    tensors = states if isinstance(states, list | tuple) else [states]
    directions = 2 if others[5] else 1
    output = input.new_empty(*input.shape[:-1], directions * tensors[0].shape[-1])
    return (output, *(state.new_empty(state.shape) for state in tensors))


def _fake_quantized(packet: Any, input: Tensor, *others: Any) -> Tensor:
    output: Tensor = torch.empty_like(input) if input.is_meta else packet(input, *others)
    return output


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
        if code and isinstance(code[0], str) and (code[0] in ARITHMETIC or code[0] in FRACTIONS):
            return worked_out(code[0], [meant(item, tensors) for item in code[1:]])
        return [meant(item, tensors) for item in code]
    return code


def worked_out(symbol: str, terms: Sequence[Any]) -> int | float:
    """Return what arithmetic with two sizes gives; of a fraction, or divided, it is a fraction.

    >>> worked_out("//", [7, 2]), worked_out("/", [7, 2])
    (3, 3.5)
    """
    if len(terms) != 2 or not all(isinstance(term, int | float) for term in terms):
        raise InputError(f"{symbol!r} is arithmetic with two sizes, not with {list(terms)}")
    exact = symbol in ARITHMETIC and all(isinstance(term, int) for term in terms)
    try:
        number: int | float = (ARITHMETIC if exact else FRACTIONS)[symbol](*terms)
    except (ArithmeticError, LookupError, ValueError) as error:  # by zero, say
        raise InputError(f"{symbol!r} of {list(terms)} is no arithmetic with two sizes") from error
    return number


def _word(code: str, tensors: Mapping[str, Tensor]) -> Any:
    if code.startswith("torch."):
        word = getattr(torch, code[6:], None)
        if not isinstance(word, torch.dtype | torch.memory_format):
            raise InputError(f"{code!r} is not a type of numbers")
        return word
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
    subscripts: list[Any] = []
    for item in items:
        if isinstance(item, list | tuple) and item and item[0] == "slice":
            subscripts.append(slice(*(meant(end, tensors) for end in item[1:])))
        else:
            subscripts.append(... if item == "..." else meant(item, tensors))
    return tuple(subscripts)
