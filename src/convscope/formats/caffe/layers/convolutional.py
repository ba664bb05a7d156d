"""Layers that look through windows: convolution, pooling, local response normalization."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from convscope.errors import UnsupportedLayer
from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import Shape, incomplete, weight_and_bias, wrong
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan
from convscope.network.operations.checks import per_axis

Sizes = int | tuple[int, ...]

LARGEST = 2**31 - 1  # what Caffe keeps sizes in, and torch too


@register_layer("Convolution")
@register_layer("Deconvolution")
def _convolution(layer: Message) -> OperationPlan:
    parameters = layer.convolution_param
    require_outputs(layer, parameters)
    if not parameters.group or parameters.num_output % parameters.group:
        raise wrong(layer, f"{parameters.num_output} outputs cannot be cut into {parameters.group} groups")
    if len(layer.bottom) != len(layer.top):
        more = len(layer.bottom) > len(layer.top)  # a fork, which moves the filters by what it reads
        says = incomplete if more else wrong
        raise says(layer, f"{len(layer.bottom)} bottoms need as many tops, found {len(layer.top)}")
    _refuse_films(layer, parameters)
    window = _window(layer, parameters)
    transposed = str(layer.type).lower().startswith("deconv")  # a fork's kind of it too
    filters = partial(_filters, kernel=window.pop("kernel"), parameters=parameters, transposed=transposed)
    return OperationPlan(
        "deconvolution" if transposed else "convolution",
        parameters=weight_and_bias(parameters, filters),
        attributes={**window, "groups": parameters.group, "axis": parameters.axis},
    )


@register_layer("Im2col")
def _im2col(layer: Message) -> OperationPlan:
    return OperationPlan(
        "im2col", attributes={**_window(layer, layer.convolution_param), "axis": layer.convolution_param.axis}
    )


@register_layer("Pooling")
def _pooling(layer: Message) -> OperationPlan:
    parameters = layer.pooling_param
    if parameters.pool == "STOCHASTIC":
        raise UnsupportedLayer(
            f"layer {layer.name!r}: stochastic pooling is not there on a processor, in Caffe too"
        )
    _refuse_films(layer, parameters)
    if any(parameters.has(name) for name in _FOR_EACH_AXIS):
        return _pooling_along_axes(layer, parameters)
    own_numbers = parameters.pool in ("AVE_EXC_PAD", "AVE_TF")  # a fork's: padding does not count
    with_mask = len(layer.top) > 1
    if with_mask and parameters.pool != "MAX":
        raise wrong(layer, "only maximum pooling has a second top, the mask")
    kind = ("max_pool" if parameters.pool == "MAX" else "average_pool") + ("_with_mask" if with_mask else "")
    if parameters.global_pooling:
        if _pair(layer, parameters, "pad") != (0, 0) or _pair(layer, parameters, "stride") != (1, 1):
            raise wrong(layer, "global pooling takes no pad and no stride")
        return OperationPlan(f"global_{kind}")
    floor = not parameters.ceil_mode  # a fork's word for it
    attributes: dict[str, Any] = {
        "kernel": _pair(layer, parameters, "kernel", "kernel_size"),
        "stride": _pair(layer, parameters, "stride"),
        "padding": _sides(layer, parameters) or _pair(layer, parameters, "pad"),
        "rounding": "floor" if floor else parameters.round_mode.lower(),
    }
    if own_numbers:
        attributes["count_padding"] = False
    for what in ("kernel", "stride"):
        if not 1 <= min(attributes[what]) <= max(attributes[what]) <= LARGEST:
            raise wrong(layer, f"{what} must be at least 1 and at most {LARGEST:,}, found {attributes[what]}")
    if attributes["padding"] != "same" and any(
        p >= k for p, k in zip(attributes["padding"], attributes["kernel"] * 2, strict=False)
    ):
        raise wrong(layer, f"pad {attributes['padding']} must be less than kernel {attributes['kernel']}")
    return OperationPlan(kind, attributes=attributes)


_FOR_EACH_AXIS = ("further_kernel_size", "kernel_size_3d", "dilation")
"""What forks' pooling says an axis: Greentea's of any number, Intel's of films. Both are rounded up and clipped."""


def _pooling_along_axes(layer: Message, parameters: Message) -> OperationPlan:
    """Windows along all axes behind the channels; an average counts the padding, up to where that ends."""
    if parameters.global_pooling or len(layer.top) > 1 or parameters.pool not in ("MAX", "AVE"):
        raise incomplete(layer, "with sizes for each axis only MAX and AVE of one top are known to convscope")
    attributes: dict[str, Any] = {
        "kernel": _for_each_axis(layer, parameters, "kernel", "kernel_size"),
        "stride": _for_each_axis(layer, parameters, "stride", "stride"),
        "padding": _for_each_axis(layer, parameters, "pad", "pad"),
        "dilation": _listed(parameters.dilation) or 1,
        "rounding": "ceil",
    }
    counted = {"summary": "mean", "count_padding": True} if parameters.pool == "AVE" else {}
    if counted and attributes["dilation"] != 1:
        raise incomplete(layer, "an average of numbers that lie apart is not known to convscope")
    return OperationPlan("pool_along_axes", attributes=attributes | counted)


def _for_each_axis(layer: Message, parameters: Message, name: str, field: str) -> Sizes:
    if parameters.has(f"{field}_3d"):
        return _listed(getattr(parameters, f"{field}_3d"))
    if further := list(getattr(parameters, f"further_{field}")):
        return _listed([getattr(parameters, field), *further])
    down, across = _pair(layer, parameters, name, field)
    return down if down == across else (down, across)


@register_layer("SPP")
def _spp(layer: Message) -> OperationPlan:
    parameters = layer.spp_param
    if parameters.pool == "STOCHASTIC":
        raise UnsupportedLayer(
            f"layer {layer.name!r}: stochastic pooling is not there on a processor, in Caffe too"
        )
    if not parameters.pyramid_height:
        raise wrong(layer, "pyramid_height must be at least 1")
    pool = {"MAX": "max", "AVE": "average"}[parameters.pool]
    return OperationPlan("spp", attributes={"pyramid_height": parameters.pyramid_height, "pool": pool})


@register_layer("LRN")
def _lrn(layer: Message) -> OperationPlan:
    parameters = layer.lrn_param
    if parameters.local_size % 2 == 0:
        raise wrong(layer, f"local_size must be odd, found {parameters.local_size}")
    attributes = {"size": parameters.local_size, "alpha": parameters.alpha, "beta": parameters.beta}
    if parameters.norm_region == "WITHIN_CHANNEL":
        return OperationPlan("lrn_within_channel", attributes=attributes)
    return OperationPlan("lrn_across_channels", attributes={**attributes, "k": parameters.k})


def require_outputs(layer: Message, parameters: Message) -> None:
    """Refuse a layer without outputs; one whose number is only missing, as in a template, is cut."""
    if not parameters.has("num_output"):
        raise incomplete(
            layer, "num_output is missing. If this is a template, give it: how many outputs it has"
        )
    if not parameters.num_output:
        raise wrong(layer, "num_output must be at least 1")


def _refuse_films(layer: Message, parameters: Message) -> None:
    """Cut a layer for pictures that has a size along a film, which it does not look at in any Caffe we know."""
    for name in ("kernel_depth", "temporal_stride", "temporal_pad"):
        if parameters.has(name):
            raise incomplete(layer, f"{name} is one of Convolution3D's and Pooling3D's settings")


def _filters(inputs: Sequence[Shape], *, kernel: Sizes, parameters: Message, transposed: bool) -> Shape:
    shape, count = inputs[0], parameters.num_output
    axis = parameters.axis % len(shape)
    kernels = per_axis(kernel, len(shape) - axis - 1, "kernel_size")
    reads, writes = (count, shape[axis]) if transposed else (shape[axis], count)
    return writes, reads // parameters.group, *kernels


def _window(layer: Message, parameters: Message) -> dict[str, Any]:
    window: dict[str, Any] = {
        "kernel": _sizes(layer, parameters, "kernel", "kernel_size"),
        "stride": _sizes(layer, parameters, "stride", default=1),
        "padding": _sides(layer, parameters) or _sizes(layer, parameters, "pad", default=0),
        "dilation": _listed(parameters.dilation) or 1,
    }
    for what, size in window.items():
        if size == "same":
            continue
        least, most = (size, size) if isinstance(size, int) else (min(size), max(size))
        if most > LARGEST:
            raise wrong(layer, f"{what} must be at most {LARGEST:,}, found {size}")
        if least < 1 and what != "padding":
            raise wrong(layer, f"{what} must be at least 1, found {size}")
    return window


def _sides(layer: Message, parameters: Message) -> tuple[int, ...] | Literal["same"] | None:
    """Return a fork's own padding of each side, (top, left, bottom, right), or TensorFlow's; None where it has none."""
    sides = parameters.pad_t, parameters.pad_l, parameters.pad_b, parameters.pad_r
    if parameters.pad_type not in (0, 1):
        raise incomplete(layer, f"pad_type must be 0 or 1, found {parameters.pad_type}")
    if not (any(sides) or parameters.pad_type):
        return None
    if any(parameters.has(name) for name in ("pad", "pad_h", "pad_w")) or (
        any(sides) and parameters.pad_type
    ):
        raise incomplete(layer, "give pad, pad_type, or the four sides pad_l, pad_t, pad_r, pad_b")
    return "same" if parameters.pad_type else sides


def _sizes(
    layer: Message, parameters: Message, name: str, field: str = "", default: int | None = None
) -> Sizes:
    """Return a size that is given for all axes, for each, or as _h and _w."""
    field = field or name
    separate = parameters.has(f"{name}_h") or parameters.has(f"{name}_w")
    if separate and parameters.has(field):
        raise wrong(layer, f"{field} is given, and so is {name}_h or {name}_w: one of the two is enough")
    if separate:
        return getattr(parameters, f"{name}_h") or 0, getattr(parameters, f"{name}_w") or 0
    sizes = _listed(getattr(parameters, field))
    if sizes == ():
        if default is None:
            raise wrong(layer, f"{field} is missing")
        return default
    return sizes


def _listed(values: Sequence[int]) -> Sizes:
    return int(values[0]) if len(values) == 1 else tuple(int(value) for value in values)


def _pair(layer: Message, parameters: Message, name: str, field: str = "") -> tuple[int, int]:
    """Return a pooling size as (vertical, horizontal)."""
    field = field or name
    has_sides = parameters.has(f"{name}_h"), parameters.has(f"{name}_w")
    if any(has_sides) and (parameters.has(field) or not all(has_sides)):
        raise wrong(layer, f"give {field}, or both {name}_h and {name}_w")
    if all(has_sides):
        return getattr(parameters, f"{name}_h"), getattr(parameters, f"{name}_w")
    size = getattr(parameters, field)
    if size is None:
        raise wrong(layer, f"{field} is missing")
    return size, size
