"""The weights of TorchScript archives and of exported programs (``.pt2``), without the program.

Both are zips that hold code beside the weights. The weights lie there as plain bytes, and what says where is read
without running anything: an exported program's is JSON, TorchScript's a pickle of which only names and tensors count.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convscope.errors import NetworkFileError
from convscope.files import parsed_json
from convscope.formats.pytorch.counted_pickle import CountedUnpickler
from convscope.zips import require_apart

_LARGEST_SOURCE = 16_000_000  # bytes: all of a program's code
_WORD = re.compile(r"\w+|\n")
_MOST_WORDS = 700_000  # as many as 30,000 operations have; parsed, each takes half a kilobyte and more
LARGEST_INDEX = 64_000_000  # bytes: what says where the weights are
_WEIGHTS = "data/weights/model_weights_config.json"
_CONSTANTS = "data/constants/model_constants_config.json"
# The numbers of torch.export's schema.
_EXPORTED_TYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    10: torch.complex64,
    11: torch.complex128,
    12: torch.bool,
    13: torch.bfloat16,
}
_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}


def program_weights(path: Path) -> dict[str, Tensor] | None:
    """Return the named tensors of a program; None for a zip that is none. NetworkFileError for a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = Archive.of(archive, path)
            if inside.has(_WEIGHTS):
                return exported_tensors(inside, constants=False)
            return _scripted(inside) if inside.has("constants.pkl") and inside.has("data.pkl") else None
    except pickle.UnpicklingError as error:
        raise NetworkFileError(f"{path}: {error}") from error
    except (OSError, NetworkFileError):
        raise
    except Exception as error:  # damage shows wherever it likes
        raise NetworkFileError(f"{path} is a damaged program: {error}") from error


def is_zip(path: Path) -> bool:
    """Whether a file is a zip; NetworkFileError for one whose end says what no zip's does."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile as error:
        raise NetworkFileError(f"{path} is a damaged zip: {error}") from error


class Archive:
    """The members of a program's zip, each as long as the file says at most."""

    def __init__(self, archive: zipfile.ZipFile, root: str, path: Path) -> None:
        self.archive, self.root, self.path = archive, root, path
        self.storages: dict[str, bytearray] = {}

    @classmethod
    def of(cls, archive: zipfile.ZipFile, path: Path) -> Archive:
        """Return the members below the one folder that all lie in; BadZipFile where they overlap, to hold more so."""
        require_apart(archive)
        names = archive.namelist()
        return cls(archive, names[0].partition("/")[0] if names else "", path)

    def names(self, beginning: str) -> list[str]:
        """Return the members whose name begins so."""
        inside = (name.removeprefix(f"{self.root}/") for name in self.archive.namelist())
        return [name for name in inside if name.startswith(beginning)]

    def has(self, name: str) -> bool:
        """Whether there is a member of this name."""
        return f"{self.root}/{name}" in self.archive.NameToInfo

    def read(self, name: str, most: int | None = None) -> bytes:
        """Return a member's bytes; ValueError where it claims more than the file holds, or than `most`."""
        info = self.archive.getinfo(f"{self.root}/{name}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > self.path.stat().st_size:
            raise ValueError(f"{name} is packed, which PyTorch never does")
        if most is not None and info.file_size > most:
            raise ValueError(f"{name} has {info.file_size:,} bytes")
        return self.archive.read(info)

    def texts(self, beginning: str, ending: str) -> dict[str, str]:
        """Return the members that are text, which PyTorch packs; ValueError where they are more than any source is."""
        names = [name for name in self.names(beginning) if name.endswith(ending)]
        size = sum(self.archive.getinfo(f"{self.root}/{name}").file_size for name in names)
        if size > _LARGEST_SOURCE:
            raise ValueError(f"its sources would have {size:,} bytes")
        texts = {name: self.archive.read(f"{self.root}/{name}").decode() for name in names}
        words = sum(1 for text in texts.values() for _ in _WORD.finditer(text))
        if words > _MOST_WORDS:
            raise ValueError(f"its sources have {words:,} words and lines, more than any network's")
        return texts

    def tensor(self, name: str, kind: torch.dtype, place: tuple[int, Sequence[int], Sequence[int]]) -> Tensor:
        """Return numbers of a member: from an offset, of a shape, with strides, all inside of what is there."""
        offset, shape, strides = place
        if name not in self.storages:
            self.storages[name] = bytearray(self.read(name))
        content = self.storages[name]
        capacity = len(content) // kind.itemsize
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        count = prod(list(shape))
        if min((offset, *shape, *strides), default=0) < 0 or count > capacity or (count and last >= capacity):
            raise ValueError(f"{name} holds {capacity:,} numbers, and {tuple(shape)} are claimed")
        if not count:
            return torch.zeros(*shape, dtype=kind)
        return torch.frombuffer(content, dtype=kind).as_strided(shape, strides, offset)


def exported_tensors(archive: Archive, constants: bool = True) -> dict[str, Tensor]:
    """Return the named weights of an exported program, and its constants where they are asked for."""
    tensors: dict[str, Tensor] = {}
    for kind, index in (("weights", _WEIGHTS), ("constants", _CONSTANTS)):
        if archive.has(index) and (constants or kind == "weights"):
            config = parsed_json(archive.read(index, LARGEST_INDEX))["config"]
            tensors |= {name: _exported_tensor(archive, kind, name, entry) for name, entry in config.items()}
    return tensors


def scalar_type(number: int) -> torch.dtype:
    """Return the type of numbers that torch.export's schema calls by a number."""
    return _EXPORTED_TYPES[number]


def _exported_tensor(archive: Archive, kind: str, name: str, found: Mapping[str, Any]) -> Tensor:
    if found["use_pickle"]:
        raise ValueError(f"{name!r} is a pickled object, not plain numbers")
    meta = found["tensor_meta"]
    shape, strides = ([int(size["as_int"]) for size in meta[key]] for key in ("sizes", "strides"))
    place = (int(meta["storage_offset"]["as_int"]), shape, strides)
    return archive.tensor(f"data/{kind}/{found['path_name']}", _EXPORTED_TYPES[meta["dtype"]], place)


class ScriptObject:
    """Stands in for any module of a TorchScript program: it keeps its attributes, and does nothing."""

    type_name = ""


@cache
def _script_class(module: str, name: str) -> type[ScriptObject]:
    return type(name, (ScriptObject,), {"type_name": f"{module}.{name}"})


class _Reader(CountedUnpickler):
    """Reads TorchScript's ``data.pkl``: modules become stand-ins, tensors their numbers, nothing is called."""

    def __init__(self, archive: Archive, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}.pkl", LARGEST_INDEX)))
        self.archive, self.folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return _script_class(module, name)
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name.startswith("build_") and name.endswith("list"):
            return list
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return _without_tag
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_qtensor"):
            raise NetworkFileError(
                f"{self.archive.path} holds a quantized network: convscope opens the weights it was quantized from, or "
                "its ONNX export"
            )
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and convscope runs no code from a file")

    def persistent_load(self, reference: Any) -> tuple[str, torch.dtype]:
        _, kind, key, *_ = reference
        if not isinstance(kind, torch.dtype) or not str(key).isalnum():
            raise pickle.UnpicklingError(f"it refers to {reference!r}, which is no storage")
        return f"{self.folder}/{key}", kind

    def _tensor(
        self, storage: tuple[str, torch.dtype], offset: int, shape: Any, strides: Any, *_: Any
    ) -> Tensor:
        name, kind = storage
        return self.archive.tensor(name, kind, (int(offset), list(shape), list(strides)))


def _without_tag(value: Any, type_in_words: str) -> Any:
    """Return what a script keeps with its type beside it, an empty list or the numbers of an LSTM say."""
    return value


def read_script(archive: Archive, folder: str = "data") -> Any:
    """Return what a TorchScript archive keeps: its module ("data"), or its tuple of constants ("constants")."""
    return _Reader(archive, folder).load()


def _scripted(archive: Archive) -> dict[str, Tensor]:
    return dict(_named(read_script(archive)))


def _named(module: object, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield a stand-in's tensors by their dotted names."""
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, ScriptObject):
            yield from _named(value, f"{prefix}{name}.")
