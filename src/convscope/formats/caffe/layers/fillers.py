"""How a parameter is filled when there is no weight file (Caffe's filler.hpp).

Caffe fills with zeros where a net asks for nothing, and a network of zeros shows nothing; here such weights are
filled as He et al. (2015) do, and the biases stay 0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import NetworkFileError, did_you_mean
from convscope.formats.caffe.message import Message

WEIGHTS = {"type": "msra"}
ZEROS = {"type": "constant", "value": 0.0}
ONES = {"type": "constant", "value": 1.0}

Values = NDArray[np.float32]


def filler_of(parameters: Message, field: str, default: dict[str, Any]) -> Message:
    """Return the filler a layer asks for, or the default one."""
    if not parameters.has(field):
        return Message("FillerParameter", **default)
    filler: Message = getattr(parameters, field)
    return filler


def is_known(filler: Message) -> bool:
    """Whether it is one of Caffe's fillers; forks have others."""
    return filler.type in _FILLERS


def fill(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    """Return numbers of the filler's distribution; the same generator state gives the same numbers.

    >>> fill(Message("FillerParameter", value=0.5), (2,), np.random.default_rng(0))
    array([0.5, 0.5], dtype=float32)
    """
    if filler.type not in _FILLERS:
        hint = did_you_mean(filler.type, _FILLERS)
        kinds = ", ".join(_FILLERS)
        raise NetworkFileError(f"there is no filler {filler.type!r}; there are {kinds}.{hint}")
    if 0 in shape:
        return np.zeros(shape, np.float32)
    return _FILLERS[filler.type](filler, shape, generator)


def _constant(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    return np.full(shape, filler.value, np.float32)


def _uniform(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    return _between(filler.min, filler.max, shape, generator)


def _gaussian(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    values = _normal(filler.mean, filler.std, shape, generator)
    if filler.sparse >= 0:
        values *= generator.random(shape, np.float32) < filler.sparse / shape[0]
    return values


def _positive_unitball(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    values = _between(0, 1, shape, generator)
    values /= values.sum(axis=tuple(range(1, len(shape))), keepdims=True)
    return values


def _xavier(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    reach = sqrt(3 / _fan(filler, shape))
    return _between(-reach, reach, shape, generator)


def _msra(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    return _normal(0, sqrt(2 / _fan(filler, shape)), shape, generator)


def _normal(mean: float, deviation: float, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    values: Values = generator.standard_normal(shape, np.float32)
    values *= np.float32(deviation)
    values += np.float32(mean)
    return values


def _between(low: float, high: float, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    values: Values = generator.random(shape, np.float32)
    values *= np.float32(high - low)
    values += np.float32(low)
    return values


def _bilinear(filler: Message, shape: tuple[int, ...], generator: np.random.Generator) -> Values:
    """Fill every plane with the kernel that makes a deconvolution a bilinear enlargement."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise NetworkFileError(f"the bilinear filler needs square 4-d weights, these are {shape}")
    half = ceil(shape[3] / 2)
    center = (2 * half - 1 - half % 2) / (2 * half)
    ramp = 1 - np.abs(np.arange(shape[3]) / half - center)
    return np.tile(np.outer(ramp, ramp).astype(np.float32), (*shape[:2], 1, 1))


def _fan(filler: Message, shape: tuple[int, ...]) -> float:
    """Return how many numbers a filter reads, how many filters read a number, or their mean."""
    rows, columns = (*shape, 1, 1)[:2]
    fan_in, fan_out = prod(shape) / rows, prod(shape) / columns
    by_norm = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}
    return by_norm[filler.variance_norm]


_FILLERS: dict[str, Callable[[Message, tuple[int, ...], np.random.Generator], Values]] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}
