"""What a network's channels answer to real pictures: the yardstick beside every picture that was made for one.

The little of `Measurements` that verdicts need, in a small file that can be shipped: for each layer a tensor
(channels, 2, quantiles), float32, of the quantiles `QUANTILES` over the pictures of each channel's mean (first) and
maximum (second) over its positions. The metadata say how many pictures there were, and have the hashes of the network
and of the pictures' names and sizes. A network finds it beside its weights as ``NAME.strongest.safetensors``, or in the
cache.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from convscope.address import Address
from convscope.cache import cache_folder, cache_key, keep, remove
from convscope.errors import NetworkFileError
from convscope.files import saved
from convscope.measuring.measurements import Measurements
from convscope.network.network import Network

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
SUFFIX = ".strongest.safetensors"


@dataclass(frozen=True, eq=False)
class Strongest:
    """How strongly channels answered to real pictures; ``layers`` maps a layer to (channels, 2, quantiles)."""

    layers: Mapping[str, Tensor]
    pictures: int
    network_sha256: str = ""
    pictures_sha256: str = ""

    @cached_property
    def sha256(self) -> str:
        """The hash of the numbers: a verdict beside them is none beside others."""
        digest = sha256(repr((self.pictures, self.network_sha256, self.pictures_sha256)).encode())
        for name, quantiles in sorted(self.layers.items()):
            digest.update(repr((name, tuple(quantiles.shape))).encode() + quantiles.numpy().tobytes())
        return digest.hexdigest()

    def of(self, address: Address) -> Tensor | None:
        """Return the quantiles of a channel's mean and maximum, (2, quantiles); None where it was not measured."""
        quantiles = self.layers.get(address.layer)
        if quantiles is None or address.channel is None or int(address.channel) >= len(quantiles):
            return None
        return quantiles[int(address.channel)]

    def save(self, path: Path) -> Path:
        """Write the file, whole or not at all; PictureError where the disk takes no more."""
        with saved(path, SafetensorError) as partial:
            self.write(partial)
        return path

    def write(self, path: Path) -> None:
        """Write the file as it is, in place."""
        hashes = {"network_sha256": self.network_sha256, "pictures_sha256": self.pictures_sha256}
        metadata = {"pictures": str(self.pictures), **hashes}
        save_file({name: value.contiguous() for name, value in self.layers.items()}, path, metadata)

    @classmethod
    def open(cls, path: Path) -> Strongest:
        """Read the file that `save` wrote."""
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                layers = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            if any(one.dim() != 3 or one.shape[1:] != (2, len(QUANTILES)) for one in layers.values()):
                raise ValueError("its layers have no means and maxima of channels")
            hashes = (metadata.get(name, "") for name in ("network_sha256", "pictures_sha256"))
            return cls(layers, int(metadata["pictures"]), *hashes)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise NetworkFileError(f"{path} does not hold strongest activations: {error}") from error


def strongest_of(measurements: Measurements) -> Strongest:
    """Return the quantiles of everything that was measured."""
    layers = {
        name: torch.stack([_quantiles(measurements.values(name, by)) for by in ("mean", "max")], dim=1)
        for name in measurements.layers
    }
    manifest = measurements.manifest
    return Strongest(layers, len(measurements.pictures), manifest.network_sha256, manifest.pictures_sha256)


def _quantiles(values: NDArray[np.float32]) -> Tensor:
    """Return (channels, quantiles) of (pictures, channels)."""
    return torch.from_numpy(np.quantile(values, QUANTILES, axis=0).T.astype(np.float32))


def find_strongest(network: Network) -> Strongest | None:
    """Return what was measured for this network: the file beside its weights, or the last measured in the cache."""
    files = network.origin.files
    if not files:
        return None
    beside = [path.with_name(path.name.split(".")[0] + SUFFIX) for path in files]
    if os.path.lexists(file := _kept_at(network)):
        with suppress(NetworkFileError):
            if (strongest := Strongest.open(file)).network_sha256 == network.identity:
                return strongest
        remove(file)  # damaged, or another network's: it is measured again
    for path in beside:
        if os.path.isfile(path):  # noqa: PTH113 (false for a name that is too long; Path raises)
            strongest = Strongest.open(path)
            if strongest.network_sha256 in ("", network.identity):
                return strongest
    return None


def keep_strongest(network: Network, strongest: Strongest) -> None:
    """Keep a measurement in the cache, for a network that came from files."""
    if network.origin.files:
        keep(_kept_at(network), strongest.write)


def _kept_at(network: Network) -> Path:
    return cache_folder("strongest") / f"{cache_key(network.identity)}{SUFFIX}"
