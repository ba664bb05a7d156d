"""Layers whose numbers are kept otherwise than they compute: in few bits (`model.quantize`), or beside a LoRA update.

A file has further variables of them, from which the layer's own kernel is worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.errors import UnsupportedLayer
from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.variable import Variable

Numbers = NDArray[Any]
INT8, INT4, FLOAT8 = "int8", "int4", "float8"
LARGEST_FLOAT8 = 448.0
_AFTER_KERNEL_AND_BIAS = {
    INT8: ("kernel_scale",),
    INT4: ("kernel_scale",),
    FLOAT8: (
        *("inputs_amax_history", "kernel_scale", "kernel_amax_history"),
        *("outputs_grad_scale", "outputs_grad_amax_history"),
    ),
}
_OF_BLOCKS = ("kernel_zero", "g_idx")
_UPDATE = ("lora_kernel_a", "lora_kernel_b")


class WeightSource(Protocol):
    """Numbers that can be loaded: a dataset of a file, or a variable of a live model."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Their shape, in Keras's order of axes."""

    def load(self) -> NDArray[np.float32]:
        """Return them."""


@dataclass(frozen=True)
class Unread:
    """Numbers of a layer of which a file has more than are read: what they are for, nobody can tell."""

    shape: tuple[int, ...]

    def load(self) -> NDArray[np.float32]:
        """Never return them."""
        raise UnsupportedLayer("numbers that are not read")


@dataclass(frozen=True)
class Computed:
    """Numbers that are worked out of several others when they are asked for."""

    shape: tuple[int, ...]
    sources: tuple[WeightSource, ...]
    function: Callable[..., Numbers]

    def load(self) -> NDArray[np.float32]:
        """Return them."""
        return np.asarray(self.function(*(source.load() for source in self.sources)), np.float32)


def mode_of(layer: KerasLayer) -> str:
    """Return in what few bits a layer keeps its numbers, "" where it does not."""
    mode = _inner_config(layer, "dtype").get("mode")
    return mode.partition("/")[0] if isinstance(mode, str) else ""


def rounds_inputs(layer: KerasLayer) -> bool:
    """Whether a layer of whole numbers rounds what it reads, too: not where its configuration says of weights alone."""
    config = _inner_config(layer, "quantization_config")
    if "activation_quantizer" in config:
        return config["activation_quantizer"] is not None
    return mode_of(layer) == INT8 or _block_size(layer) is None


def require_readable(layer: KerasLayer) -> None:
    """Raise UnsupportedLayer for a layer whose bits are not read here."""
    if not is_readable(layer):
        raise UnsupportedLayer(
            f"layer {layer.name!r}, a {layer.class_name}, keeps its numbers as {mode_of(layer)}, which convscope reads "
            f"of a Dense as {', '.join(_AFTER_KERNEL_AND_BIAS)}: save the model before model.quantize(), or with "
            "model.export()"
        )


def is_readable(layer: KerasLayer) -> bool:
    """Whether what a layer has learned is read here."""
    mode = mode_of(layer)
    return not mode or (layer.class_name == "Dense" and mode in _AFTER_KERNEL_AND_BIAS)


def stored_variables(layer: KerasLayer, own: Sequence[Variable], flat: bool) -> Sequence[Variable]:
    """Return what a file has of a layer with these variables of its `own`, in order.

    In a `flat` list, of Keras's older files and of live models, those that are trained come first, and an update is
    beside its kernel; the newer files have it inside.
    """
    mode, more = mode_of(layer), list[Variable]()
    if mode and is_readable(layer):
        blocks = _OF_BLOCKS if mode == INT4 and _block_size(layer) else ()
        names = (*_AFTER_KERNEL_AND_BIAS[mode], *blocks)
        more = [Variable(name, is_trained=mode == FLOAT8) for name in names]
    elif flat and layer.config.get("lora_rank") and own and own[0].name == "kernel":
        more = [Variable(name) for name in _UPDATE]
    if not more:
        return own
    kernel = replace(own[0], is_trained=mode == FLOAT8)
    variables = [kernel, *own[1:], *more]
    return sorted(variables, key=lambda one: not one.is_trained) if flat else variables


def restored(
    layer: KerasLayer, own: Sequence[Variable], stored: Sequence[Variable], sources: Sequence[WeightSource]
) -> Sequence[WeightSource]:
    """Return the sources of a layer's own variables, out of those that a file has for the `stored` ones."""
    if len(stored) == len(own) or len(sources) != len(stored):
        return sources
    found = {variable.name: source for variable, source in zip(stored, sources, strict=True)}
    kernel, names, shape = found["kernel"], ["kernel", "kernel_scale"], found["kernel"].shape
    function: Callable[..., Numbers] = np.divide
    match mode_of(layer):
        case "":
            factor = float(layer.config.get("lora_alpha") or 1) / float(layer.config["lora_rank"])
            names, function = ["kernel", *_UPDATE], partial(_updated, factor)
        case "int4":
            units = int(layer.config["units"])
            shape = (kernel.shape[0], units)
            if len(kernel.shape) != 2 or kernel.shape[1] != (units + 1) // 2:
                raise UnsupportedLayer(
                    f"layer {layer.name!r} packs numbers of four bits along its inputs, as Keras did before 3.13: save "
                    "it with a newer one"
                )
            names = ["kernel", *(name for name in ("kernel_scale", *_OF_BLOCKS) if name in found)]
            function = partial(_of_four_bits, units)
        case "float8":
            function = rounded_to_float8
            if "bias" in found:
                found["bias"] = Computed(found["bias"].shape, (found["bias"],), _rounded_bias)
    found["kernel"] = Computed(shape, tuple(found[name] for name in names), function)
    return [found[variable.name] for variable in own]


def _block_size(layer: KerasLayer) -> int | None:
    """Return how many inputs share a scale; None where all of a unit do."""
    size = _inner_config(layer, "quantization_config").get("block_size")
    return size if isinstance(size, int) and size > 0 else None


def _inner_config(layer: KerasLayer, name: str) -> Mapping[str, Any]:
    """Return the settings of an object that a layer's configuration holds; none where it holds no such."""
    stated = layer.config.get(name)
    config = stated.get("config") if isinstance(stated, Mapping) else None
    return config if isinstance(config, Mapping) else {}


def _updated(factor: float, kernel: Numbers, first: Numbers, second: Numbers) -> Numbers:
    return np.asarray(kernel + factor * (first @ second))


def _of_four_bits(
    units: int, packed: Numbers, scale: Numbers, zero: Numbers | None = None, group: Numbers | None = None
) -> Numbers:
    """Return numbers of which a byte has two, the first in its lower half."""
    whole = packed.astype(np.int64) & 0xFF
    halves = np.stack([whole & 0xF, whole >> 4], -1).reshape(len(packed), -1)[:, :units]
    codes = np.where(halves > 7, halves - 16, halves).astype(np.float32)
    if zero is None or group is None:
        return np.asarray(codes / scale)
    at = group.astype(np.int64)
    return np.asarray((codes - zero[at]) * scale[at])


def rounded_to_float8(numbers: Numbers, scale: Numbers) -> Numbers:
    """Return numbers as those of eight bits that are nearest, four of them after the point, in these steps."""
    places = torch.from_numpy(np.asarray(numbers / scale, np.float32)).clamp(-LARGEST_FLOAT8, LARGEST_FLOAT8)
    return np.asarray(places.to(torch.float8_e4m3fn).float().numpy() * scale)


def _rounded_bias(bias: Numbers) -> Numbers:
    return np.asarray(torch.from_numpy(np.asarray(bias, np.float32)).bfloat16().float().numpy())
