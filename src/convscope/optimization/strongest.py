"""What a network's channels answer to real pictures: the yardstick beside every picture that was made for one.

Measured once over a folder, kept in a small file: for each layer a tensor (channels, 2, quantiles), float32, of the
quantiles `QUANTILES` over the pictures of each channel's mean (first) and maximum (second) over its positions. The
metadata say how many pictures there were, and have the hashes of the network and of the pictures' names and sizes. A
network finds it beside its weights as ``NAME.strongest.safetensors``, or in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from warnings import warn

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from convscope.address import Address
from convscope.cache import cache_folder, cache_key
from convscope.errors import ConvscopeWarning, NetworkFileError, PictureError
from convscope.files import written_whole
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.pictures.photograph import picture_endings

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
SUFFIX = ".strongest.safetensors"


@dataclass(frozen=True, eq=False)
class Strongest:
    """How strongly channels answered to real pictures; ``layers`` maps a layer to (channels, 2, quantiles)."""

    layers: Mapping[str, Tensor]
    pictures: int
    network_sha256: str = ""
    pictures_sha256: str = ""

    def of(self, address: Address) -> Tensor | None:
        """Return the quantiles of a channel's mean and maximum, (2, quantiles); None where it was not measured."""
        found = self.layers.get(address.layer)
        if found is None or address.channel is None or int(address.channel) >= len(found):
            return None
        return found[int(address.channel)]

    def save(self, path: Path) -> Path:
        """Write the file, whole or not at all."""
        hashes = {"network_sha256": self.network_sha256, "pictures_sha256": self.pictures_sha256}
        metadata = {"pictures": str(self.pictures), **hashes}
        with written_whole(path) as partial:
            save_file({name: value.contiguous() for name, value in self.layers.items()}, partial, metadata)
        return path

    @classmethod
    def open(cls, path: Path) -> Strongest:
        """Read the file that `save` wrote."""
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                layers = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            hashes = (metadata.get(name, "") for name in ("network_sha256", "pictures_sha256"))
            return cls(layers, int(metadata["pictures"]), *hashes)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise NetworkFileError(f"{path} does not hold strongest activations: {error}") from error


def measure_strongest(
    network: Network,
    pictures: Sequence[Path],
    layers: Sequence[str] = (),
    *,
    batch: int = 8,
    progress: Callable[[int], None] | None = None,
) -> Strongest:
    """Return what the channels of the layers (all, by default) answer to pictures, each as the network expects it.

    ``progress`` is told how many pictures are done. A file that cannot be read is named in a warning and left out;
    PictureError if that leaves none.
    """
    names = tuple(layers) or tuple(name for name in network.layers if name not in network.graph.inputs)
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    read = 0
    for start in range(0, len(pictures), batch):
        inputs = _inputs(network, pictures[start : start + batch])
        read += len(inputs)
        for name, found in _answers(network, inputs, names) if inputs else ():
            rows[name].append(found)
        if progress:
            progress(min(start + batch, len(pictures)))
    if not read:
        raise PictureError(f"none of the {len(pictures)} pictures can be read")
    levels = torch.tensor(QUANTILES)
    layers_found = {
        name: torch.cat(found).float().quantile(levels, dim=0).movedim(0, -1)
        for name, found in rows.items()
        if found
    }
    return Strongest(layers_found, read, network.identity, pictures_hash(pictures))


def _inputs(network: Network, paths: Sequence[Path]) -> list[Tensor]:
    """Return the pictures that can be read as the network expects them, and warn of the others."""
    one = network.picture_spec.replace(crops=1)
    return [found for path in paths if (found := _read(one, path)) is not None]


def _read(spec: InputSpec, path: Path) -> Tensor | None:
    try:
        return spec.to_tensor(path)
    except PictureError as error:
        warn(f"{error}: it is left out", ConvscopeWarning, stacklevel=5)
        return None


def _answers(
    network: Network, inputs: Sequence[Tensor], names: Sequence[str]
) -> Iterator[tuple[str, Tensor]]:
    """Yield each layer's (pictures, channels, 2): the mean and the maximum over its positions."""
    with torch.no_grad():
        values = network.activations(torch.cat(list(inputs)).to(network.device), *names)
    for name, value in values.items():
        if value.dim() >= 2 and len(value) == len(inputs):
            flat = network.channels_first(name, value).flatten(2) if value.dim() > 2 else value[:, :, None]
            yield name, torch.stack([flat.mean(2), flat.amax(2)], dim=2).cpu()


def pictures_hash(pictures: Sequence[Path]) -> str:
    """Return the hash of the pictures' names and sizes: enough to see that they were measured before."""
    facts = [(path.name, path.stat().st_size) for path in pictures]
    return sha256(repr(facts).encode()).hexdigest()


def pictures_in(folder: str | Path) -> list[Path]:
    """Return the pictures of a folder and the folders in it, by name."""
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in picture_endings())
    if not found:
        raise PictureError(f"there is no picture in {folder} ({', '.join(picture_endings())})")
    return found


def find_strongest(network: Network) -> Strongest | None:
    """Return what was measured for this network: the file beside its weights, or the last measured in the cache."""
    files = network.origin.files
    if not files:
        return None
    beside = [path.with_name(path.name.split(".")[0] + SUFFIX) for path in files]
    if (kept := _kept_at(network)).is_file():
        try:
            return Strongest.open(kept)
        except NetworkFileError:
            kept.unlink(missing_ok=True)  # damaged: it is measured again
    for path in beside:
        if path.is_file():
            found = Strongest.open(path)
            if found.network_sha256 in ("", network.identity):
                return found
    return None


def keep_strongest(network: Network, found: Strongest) -> None:
    """Keep a measurement in the cache, for a network that came from files."""
    if network.origin.files:
        found.save(_kept_at(network))


def _kept_at(network: Network) -> Path:
    return cache_folder("strongest") / f"{cache_key(network.identity)}{SUFFIX}"
