"""Fourier transforms: what waves a signal is made of. A complex number is two real ones along the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import axis_index, dimensions
from convscope.network.operations.registry import operation


@operation(sees="map")
def fourier_transform(
    input: Tensor, *, axis: int, length: int | None = None, inverse: bool = False, onesided: bool = False
) -> Tensor:
    """Return the discrete Fourier transform along an axis of what has 1 (real) or 2 (complex) numbers along the last.

    The signal is cut off or filled up with zeros to `length`. With `onesided` only the half that real signals need is
    returned, and for the inverse it is what is given: the signal is real again.
    """
    parts = input.shape[-1] if input.dim() > 1 else 0
    at = axis_index(axis, input)
    if parts not in (1, 2) or at == input.dim() - 1 or (onesided and inverse != (parts == 2)):
        raise InputError(f"{dimensions(input.shape)} is no signal along axis {axis} to transform so")
    signal = torch.complex(*input.unbind(-1)) if parts == 2 else input.squeeze(-1)
    if onesided and inverse:
        real: Tensor = torch.fft.irfft(signal, length, at)
        return real.unsqueeze(-1)
    transform = torch.fft.rfft if onesided else torch.fft.ifft if inverse else torch.fft.fft
    return torch.view_as_real(transform(signal, length, at).resolve_conj())


@operation(sees="map")
def transform_waves(
    input: Tensor,
    *,
    transform: Literal["fft", "ifft", "rfft", "irfft"],
    axes: int = 1,
    lengths: Sequence[int] | None = None,
) -> Tensor:
    """Return one of torch.fft's transforms along the last `axes` axes of numbers, each cut off or filled to its length.

    Complex numbers have a further axis of 2 behind these; "rfft" takes real numbers, "irfft" returns them.
    """
    real = transform == "rfft"
    if input.dim() < axes + (not real) or (not real and input.shape[-1] != 2):
        raise InputError(
            f"{dimensions(input.shape)} has no {axes} axes of signals to transform by {transform}"
        )
    signal = input if real else torch.complex(*input.unbind(-1))
    function = getattr(torch.fft, f"{transform}n")
    result: Tensor = function(signal, None if lengths is None else tuple(lengths), tuple(range(-axes, 0)))
    return result if transform == "irfft" else torch.view_as_real(result.resolve_conj())


@operation
def complex_part(
    input: Tensor, *, part: Literal["real", "imaginary", "size", "angle", "conjugate"]
) -> Tensor:
    """Return a part of complex numbers, which are pairs along the last axis; the conjugate is a pair again."""
    if input.dim() == 0 or input.shape[-1] != 2:
        raise InputError(
            f"{dimensions(input.shape)} has no pairs along its last axis: these are no complex numbers"
        )
    real, imaginary = input.unbind(-1)
    match part:
        case "real":
            return real
        case "imaginary":
            return imaginary
        case "size":
            return torch.hypot(real, imaginary)
        case "angle":
            return torch.atan2(imaginary, real)
        case "conjugate":
            return torch.stack([real, -imaginary], -1)
