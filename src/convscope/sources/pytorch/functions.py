"""Torch's functions that convscope has an operation of its own for: `torch.relu`, `F.relu` and `x.relu_()` are one.

Each takes the call's own arguments and returns a `Plan`, or None where the call is out of the ordinary; then it is
recorded as the ATen operator it is. What has an operation of its own can be fused, rewritten and exported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from convscope.sources.pytorch.sizes import Size


@dataclass(frozen=True)
class Plan:
    """The operation that does what a call does; `parameters` are role to tensor."""

    kind: str
    inputs: tuple[Tensor, ...]
    parameters: dict[str, Tensor] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


Translator = Callable[..., "Plan | None"]
FUNCTIONS: dict[str, Translator] = {}
Sizes = int | Sequence[int]
_OF_TWO = {"eltwise_sum": "add", "eltwise_product": "multiply"}
_OF_TWO |= {kind: kind for kind in ("add", "subtract", "multiply", "divide")}


def with_constant(plan: Plan, constant: Tensor) -> Plan | None:
    """Return the plan of arithmetic of two with one of them as a parameter; None for anything else."""
    others = tuple(leaf for leaf in plan.inputs if leaf is not constant)
    kind = _OF_TWO.get(plan.kind)
    if kind is None or len(others) != 1 or plan.attributes or not constant.is_floating_point():
        return None
    swapped = kind in ("subtract", "divide") and plan.inputs[0] is constant
    return Plan(kind, others, {"operand": constant}, {"swapped": True} if swapped else {})


def _translates(*names: str) -> Callable[[Translator], Translator]:
    def register(function: Translator) -> Translator:
        FUNCTIONS.update(dict.fromkeys(names, function))
        return function

    return register


def _given(**parameters: Tensor | None) -> dict[str, Tensor]:
    return {role: tensor for role, tensor in parameters.items() if tensor is not None}


def _plain(value: Any) -> Any:
    """Return sizes as plain numbers."""
    return tuple(int(item) for item in value) if isinstance(value, list | tuple) else int(value)


@_translates("relu")
def _relu(input: Tensor, inplace: bool = False) -> Plan:
    return Plan("relu", (input,))


@_translates("leaky_relu")
def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Plan:
    return Plan("relu", (input,), attributes={"negative_slope": negative_slope})


@_translates("relu6")
def _relu6(input: Tensor, inplace: bool = False) -> Plan:
    return Plan("clip", (input,), attributes={"minimum": 0.0, "maximum": 6.0})


@_translates("hardtanh")
def _hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Plan:
    return Plan("clip", (input,), attributes={"minimum": min_val, "maximum": max_val})


@_translates("clamp", "clip")
def _clip(input: Tensor, min: float | None = None, max: float | None = None) -> Plan | None:
    if not (isinstance(min, int | float) and isinstance(max, int | float)):
        return None
    return Plan("clip", (input,), attributes={"minimum": min, "maximum": max})


@_translates("elu")
def _elu(input: Tensor, alpha: float = 1.0, *others: Any, inplace: bool = False) -> Plan | None:
    return (
        None
        if any(other not in (False, 1) for other in others)
        else Plan("elu", (input,), attributes={"alpha": alpha})
    )


@_translates("prelu")
def _prelu(input: Tensor, weight: Tensor) -> Plan:
    return Plan("prelu", (input,), {"weight": weight})


def _of_each(kind: str) -> Translator:
    return lambda input, inplace=False: Plan(kind, (input,))


_EACH = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "silu": "swish",
    "abs": "absolute",
    "absolute": "absolute",
    "__abs__": "absolute",
}
_EACH |= {
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "mish": "mish",
    "selu": "selu",
    "softsign": "softsign",
}
FUNCTIONS |= {name: _of_each(kind) for name, kind in _EACH.items()}


@_translates("gelu")
def _gelu(input: Tensor, approximate: str = "none") -> Plan:
    return Plan("gelu", (input,), attributes={"approximate": approximate})


def _along(kind: str) -> Translator:
    def translate(
        input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> Plan | None:
        if dim is None or dtype not in (None, input.dtype):
            return None
        return Plan(kind, (input,), attributes={"axis": dim % input.dim()})

    return translate


FUNCTIONS |= {name: _along(name) for name in ("softmax", "log_softmax")}


@_translates("conv1d", "conv2d", "conv3d")
def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Plan | None:
    if input.dim() != weight.dim():  # a single picture
        return None
    around: Any = {"valid": 0, "same": "same"}[padding] if isinstance(padding, str) else _plain(padding)
    attributes = {"stride": _plain(stride), "padding": around, "dilation": _plain(dilation), "groups": groups}
    return Plan("convolution", (input,), _given(weight=weight, bias=bias), attributes)


@_translates("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _deconvolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Plan | None:
    if input.dim() != weight.dim():
        return None
    given = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    attributes = {name: _plain(value) for name, value in given.items()} | {"groups": groups}
    return Plan("deconvolution", (input,), _given(weight=weight, bias=bias), attributes)


@_translates("linear")
def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Plan | None:
    if input.dim() < 2 or weight.dim() != 2:
        return None
    attributes = {"axis": input.dim() - 1}
    return Plan("dense", (input,), _given(weight=weight, bias=bias), attributes)


@_translates("batch_norm")
def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Plan:
    statistics = {} if training else _given(mean=running_mean, variance=running_var)
    attributes: dict[str, Any] = {"epsilon": eps} | ({} if statistics else {"of_batch": True})
    return Plan("batch_norm", (input,), statistics | _given(weight=weight, bias=bias), attributes)


@_translates("native_batch_norm", "_native_batch_norm_legit_no_training")
def _native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    *others: Any,
) -> Plan | None:
    training, _, eps = others[:3] if isinstance(others[0], bool) else (False, *others[:2])
    return _batch_norm(input, running_mean, running_var, weight, bias, training, eps=eps)


@_translates("convolution", "_convolution")
def _any_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
    *others: Any,
) -> Plan | None:
    if transposed:
        return _deconvolution(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return _convolution(input, weight, bias, stride, padding, dilation, groups)


@_translates("layer_norm")
def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Plan:
    attributes = {"axis": -len(normalized_shape), "epsilon": eps}
    return Plan("layer_norm", (input,), _given(weight=weight, bias=bias), attributes)


@_translates("group_norm")
def _group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Plan:
    attributes = {"groups": int(num_groups), "epsilon": eps}
    return Plan("group_norm", (input,), _given(weight=weight, bias=bias), attributes)


@_translates("local_response_norm")
def _lrn(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Plan | None:
    if size % 2 == 0:  # torch lays an even window elsewhere
        return None
    attributes = {"size": size, "alpha": alpha, "beta": beta, "k": float(k)}
    return Plan("lrn_across_channels", (input,), attributes=attributes)


@_translates("max_pool2d")
def _max_pool(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Plan | None:
    if _plain(dilation) not in (1, (1, 1)):
        return None
    return None if return_indices else _pooling("max_pool", input, kernel_size, stride, padding, ceil_mode)


@_translates("avg_pool2d")
def _average_pool(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Plan | None:
    if divisor_override is not None:
        return None
    plan = _pooling("average_pool", input, kernel_size, stride, padding, ceil_mode)
    if plan is not None and not count_include_pad and plan.attributes["padding"] not in (0, (0, 0)):
        plan.attributes["count_padding"] = False
    return plan


def _pooling(
    kind: str, input: Tensor, kernel: Sizes, stride: Sizes | None, padding: Sizes, ceil: bool
) -> Plan | None:
    if input.dim() != 4 or ceil:  # rounded up, torch and Caffe differ in when a last window is empty
        return None
    given = {"kernel": kernel, "stride": kernel if stride in (None, []) else stride, "padding": padding}
    attributes = {name: _plain(value) for name, value in given.items()} | {"rounding": "floor"}
    return Plan(kind, (input,), attributes=attributes)


@_translates("adaptive_avg_pool2d", "adaptive_max_pool2d")
def _adaptive(
    input: Tensor, output_size: Sizes | None, return_indices: bool = False, *, maximum: bool = False
) -> Plan | None:
    if input.dim() != 4 or return_indices or output_size not in (1, (1, 1), [1, 1]):
        return None
    return Plan("global_max_pool" if maximum else "global_average_pool", (input,))


FUNCTIONS["adaptive_max_pool2d"] = lambda *args, **kwargs: _adaptive(*args, **kwargs, maximum=True)


def _summary(summary: str) -> Translator:
    def translate(input: Tensor, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Plan | None:
        given = (dim,) if isinstance(dim, int) else dim or ()
        axes = tuple(sorted(axis % input.dim() for axis in given))
        if not axes or dtype is not None or not input.is_floating_point():
            return None
        if summary == "mean" and input.dim() == 4 and axes == (2, 3) and keepdim:
            return Plan("global_average_pool", (input,))
        return Plan("reduce", (input,), attributes={"summary": summary, "axes": axes, "keep_axes": keepdim})

    return translate


FUNCTIONS |= {
    "mean": _summary("mean"),
    "sum": _summary("sum"),
    "amax": _summary("maximum"),
    "amin": _summary("minimum"),
}


@_translates("transpose", "swapaxes", "swapdims")
def _transpose(input: Tensor, dim0: int, dim1: int) -> Plan:
    order = list(range(input.dim()))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return Plan("permute", (input,), attributes={"order": tuple(order)})


@_translates("permute")
def _permute(input: Tensor, *dims: Any) -> Plan:
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], list | tuple) else dims
    return Plan("permute", (input,), attributes={"order": tuple(axis % input.dim() for axis in order)})


@_translates("unsqueeze")
def _unsqueeze(input: Tensor, dim: int) -> Plan:
    return Plan("unsqueeze", (input,), attributes={"axes": (dim,)})


@_translates("squeeze")
def _squeeze(input: Tensor, dim: int) -> Plan | None:
    return Plan("squeeze", (input,), attributes={"axes": (dim,)}) if input.shape[dim] == 1 else None


@_translates("matmul", "bmm", "mm")
def _matmul(input: Tensor, other: Tensor) -> Plan | None:
    return Plan("matmul", (input, other)) if input.dim() > 1 and other.dim() > 1 else None


@_translates("pad")
def _pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Plan | None:
    """Torch counts from the last axis on, before and behind; numbers below 0 cut off."""
    if mode not in ("constant", "reflect", "replicate") or any(isinstance(p, Size) or p < 0 for p in pad):
        return None
    before, behind = pad[0::2][::-1], pad[1::2][::-1]
    attributes = {"padding": (*before, *behind), "axis": input.dim() - len(before), "mode": mode}
    return Plan("pad", (input,), attributes=attributes | {"value": float(value or 0)})


@_translates("flatten")
def _flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Plan | None:
    if isinstance(start_dim, str) or input.dim() < 2:
        return None
    return Plan("flatten", (input,), attributes={"axis": start_dim, "end_axis": end_dim})


@_translates("view", "reshape")
def _reshape(input: Tensor, *shape: Any, sizes: Callable[[Tensor], Sequence[Size]]) -> Plan | None:
    """Sizes of the input itself are copied, one that is neither copied nor a number is what is left over."""
    wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape
    own = sizes(input)
    codes = []
    for at, size in enumerate(wanted):
        if not isinstance(size, int):
            return None
        copied = isinstance(size, Size) and at < len(own) and size.expression == own[at].expression
        codes.append(0 if copied else -1 if isinstance(size, Size) else size)
    if codes.count(-1) > 1 or 0 in wanted:
        return None
    if codes[:1] == [0] and codes[1:] == [-1] and input.dim() > 1:
        return Plan("flatten", (input,), attributes={"axis": 1})
    return Plan("reshape", (input,), attributes={"shape": tuple(codes)})


@_translates("cat", "concat", "concatenate")
def _concat(tensors: Sequence[Tensor], dim: int = 0) -> Plan | None:
    if any(tensor.numel() == 0 for tensor in tensors):
        return None
    return Plan("concat", tuple(tensors), attributes={"axis": dim % tensors[0].dim()})


@_translates("chunk")
def _chunk(input: Tensor, chunks: int, dim: int = 0) -> Plan | None:
    return _split(input, -(-input.shape[dim] // chunks), dim)


@_translates("split", "split_with_sizes")
def _split(input: Tensor, split_size_or_sections: Sizes, dim: int = 0) -> Plan | None:
    """Along the channels, whose number is the same whatever the size of the picture; other axes stay ATen's."""
    if dim != 1 or input.dim() < 3:
        return None
    size, wanted = input.shape[1], split_size_or_sections
    if isinstance(wanted, int):
        points = tuple(range(int(wanted), size, int(wanted)))
    else:
        points = tuple(sum(map(int, wanted[:count])) for count in range(1, len(wanted)))
    return Plan("slice", (input,), attributes={"axis": 1, "points": points}) if points else None


@_translates("add")
def _add(input: Any, other: Any, alpha: float = 1) -> Plan | None:
    if _alike(input, other):
        coefficients = {} if alpha == 1 else {"coefficients": (1.0, float(alpha))}
        return Plan("eltwise_sum", (input, other), attributes=coefficients)
    return _arithmetic("add", input, other) if alpha == 1 else None


@_translates("sub", "subtract")
def _subtract(input: Any, other: Any, alpha: float = 1) -> Plan | None:
    return _arithmetic("subtract", input, other) if alpha == 1 else None


@_translates("rsub")
def _subtract_from(input: Any, other: Any, alpha: float = 1) -> Plan | None:
    return _arithmetic("subtract", other, input) if alpha == 1 else None


@_translates("mul", "multiply")
def _multiply(input: Any, other: Any) -> Plan | None:
    return (
        Plan("eltwise_product", (input, other))
        if _alike(input, other)
        else _arithmetic("multiply", input, other)
    )


@_translates("div", "divide", "true_divide")
def _divide(input: Any, other: Any, rounding_mode: str | None = None) -> Plan | None:
    return None if rounding_mode else _arithmetic("divide", input, other)


def _alike(left: Any, right: Any) -> bool:
    tensors = isinstance(left, Tensor) and isinstance(right, Tensor)
    return tensors and left.shape == right.shape and left.dtype == right.dtype and left.dim() > 0


def _arithmetic(kind: str, left: Any, right: Any) -> Plan | None:
    """Two values that stretch to each other, or one and a number."""
    tensors = tuple(each for each in (left, right) if isinstance(each, Tensor))
    numbers = [each for each in (left, right) if type(each) in (int, float)]
    if len(tensors) + len(numbers) != 2 or not all(tensor.is_floating_point() for tensor in tensors):
        return None
    attributes: dict[str, Any] = {"number": float(numbers[0])} if numbers else {}
    if numbers and isinstance(right, Tensor) and kind in ("subtract", "divide"):
        attributes["swapped"] = True
    return Plan(kind, tensors, attributes=attributes)
