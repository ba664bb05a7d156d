"""Fourier transforms: what waves a signal is made of. A complex number is two real ones along the last axis."""

from __future__ import annotations

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
