"""Crops that find their place by themselves: FCN's of 2015, and those of HED, CRF-RNN and RCF after it.

Their Caffe goes back from both bottoms to what both come from, and keeps the part of the first that lies over the
second (Long, Shelhamer and Darrell, *Fully convolutional networks*, 2015). Caffe 1.0's `Crop` takes an offset, 0 where
none is given. Here the place is found in the description, and written down as that offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

from convscope.formats.caffe.message import Message

Place: TypeAlias = tuple[Fraction, Fraction]
"""(scale, shift) along an axis: position i of one map lies at ``scale * i + shift`` of the other."""
Places: TypeAlias = tuple[Place, Place]  # down and across

POSITIONS_STAY = frozenset(
    [
        "AbsVal",
        "BatchNorm",
        "Bias",
        "BNLL",
        "Dropout",
        "Eltwise",
        "ELU",
        "Exp",
        "Log",
        "LRN",
        "MVN",
        "Power",
        "PReLU",
        "ReLU",
        "Scale",
        "Sigmoid",
        "Split",
        "TanH",
        "Threshold",
    ]
)
"""Layers that work position by position, as pycaffe's `coord_map` lists them."""
_BY_THEMSELVES = ("AutoCrop", "CROP")  # RCF's, and the second generation's, which only those forks had
_SAME: Place = (Fraction(1), Fraction(0))


def with_aligned_crops(net: Message) -> tuple[Message, str]:
    """Return the net with an offset in each crop that finds its place by itself, and what to know of the others."""
    wanting = [layer for layer in net.layer if layer.type in (*_BY_THEMSELVES, "Crop")]
    if not any(layer.type in _BY_THEMSELVES or not layer.has("crop_param") for layer in wanting):
        return net, ""
    net, elsewhere = net.copy(), []
    for index, layer in enumerate(net.layer):
        by_itself = layer.type in _BY_THEMSELVES
        plain = layer.type == "Crop" and not layer.has("crop_param")
        if len(layer.bottom) != 2 or not (by_itself or plain):
            continue
        offset = _offset(net.layer[:index], *layer.bottom)
        if by_itself:
            layer.type = "AutoCrop" if offset is None else "Crop"
            if offset is not None:
                layer.ensure("crop_param").offset = list(offset)
        elif offset and any(offset):
            elsewhere.append(f"{layer.top[0]!r} {offset[0]} down and {offset[1]} across")
    return net, _note(elsewhere)


def _note(elsewhere: list[str]) -> str:
    if not elsewhere:
        return ""
    return (
        "crops without an offset begin in the upper left corner, as in Caffe 1.0; that of FCN and HED, which looks for "
        f"the place, would have them elsewhere: {', '.join(elsewhere)}. If the network is theirs, write it as the "
        "layer's crop_param { offset: DOWN offset: ACROSS }"
    )


def _offset(layers: list[Message], first: str, second: str) -> tuple[int, int] | None:
    """Return where the first of two blobs lies over the second; None where that cannot be told, or is not within it."""
    ways = dict(_way(layers, first))
    for blob, places in _way(layers, second):
        if blob in ways:
            offsets = []
            for (scale, shift), (own_scale, own_shift) in zip(places, ways[blob], strict=True):
                offset = scale * own_shift / own_scale - shift
                if scale != own_scale or offset < 0 or offset.denominator != 1:
                    return None
                offsets.append(int(offset))
            return offsets[0], offsets[1]
    return None


def _way(layers: list[Message], blob: str) -> Iterator[tuple[str, Places]]:
    """Yield a blob and those it is made from, by the first bottoms, each with where its positions lie in the blob."""
    makers: dict[str, Message] = {}
    for layer in layers:
        for top in layer.top:
            makers.setdefault(top, layer)  # what is changed in place keeps its positions
    places: Places = (_SAME, _SAME)
    yield blob, places
    while (maker := makers.get(blob)) and maker.bottom and (steps := _steps(maker)):
        blob = maker.bottom[0]
        (down, across), (step_down, step_across) = places, steps
        places = _through(down, step_down), _through(across, step_across)
        yield blob, places


def _through(place: Place, step: Place) -> Place:
    return place[0] * step[0], place[0] * step[1] + place[1]


def _steps(layer: Message) -> Places | None:
    """Return where a layer puts the positions it reads; None where nothing is where it was."""
    if layer.type in POSITIONS_STAY:
        return _SAME, _SAME
    if layer.type == "Crop":
        offsets = [*layer.crop_param.offset] or [0]
        if layer.crop_param.axis != 2:
            return None
        return (Fraction(1), Fraction(-offsets[0])), (Fraction(1), Fraction(-offsets[-1]))
    if layer.type not in ("Convolution", "Deconvolution", "Im2col", "Pooling"):
        return None
    settings = layer.pooling_param if layer.type == "Pooling" else layer.convolution_param
    if layer.type == "Pooling" and settings.global_pooling:
        return None
    if any(settings.has(name) for name in ("pad_type", "pad_t", "pad_l")):  # a fork's own for each side
        return None
    return _step(layer, settings, 0), _step(layer, settings, 1)


def _step(layer: Message, settings: Message, axis: int) -> Place:
    kernel, stride, pad = (
        _setting(settings, names, axis, default)
        for names, default in ((("kernel", "kernel_size"), 1), (("stride",) * 2, 1), (("pad",) * 2, 0))
    )
    dilation = 1 if layer.type == "Pooling" else _setting(settings, ("", "dilation"), axis, 1)
    middle = Fraction((kernel - 1) * dilation, 2) - pad
    if layer.type == "Deconvolution":
        return Fraction(stride), middle
    return Fraction(1, stride), -middle / stride


def _setting(settings: Message, names: tuple[str, str], axis: int, default: int) -> int:
    """Return a number that is given for each axis (``kernel_h``), or for all or each of them (``kernel_size``)."""
    own, shared = f"{names[0]}_{'hw'[axis]}", names[1]
    if names[0] and settings.has(own):
        return int(getattr(settings, own))
    value = getattr(settings, shared)
    values = value if isinstance(value, list) else [value]
    return int(values[min(axis, len(values) - 1)]) if values and settings.has(shared) else default
