"""What `torch.save` wrote, or `pickle` alone, read without the power to run anything.

A pickle names classes and functions and calls them. Here only those that build tensors, arrays and plain containers are
what they say; every other name is a `Placeholder`, which takes whatever it is given and does nothing. So a checkpoint
whose weights lie beside an ``argparse.Namespace``, a NumPy number or a whole module gives its weights all the same.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.formats.pytorch.counted_pickle import CountedUnpickler
from convscope.formats.pytorch.programs import is_zip

# What builds tensors out of numbers that lie in the file, and reads nothing else.
_BUILDERS = (
    *("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state"),
    *("_rebuild_qtensor", "_rebuild_sparse_tensor"),
)

_MAGIC = 0x1950A86A20F9469CFC6C  # the first thing in PyTorch's files before 1.6
_LETTERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")


class Placeholder:
    """Stands for an object of somebody's own code: what was said of it is kept, nothing is done."""

    name = "an object"
    state: Any = None
    dump_patches = False  # asked of a module saved before 2020

    def __new__(cls, *args: Any, **kwargs: Any) -> Placeholder:
        """Take anything."""
        return super().__new__(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Placeholder:
        """Be called, and give nothing else."""
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items()[key] = value

    def append(self, item: Any) -> None:
        """Take an element of what was a list, and forget it."""

    def extend(self, items: Any) -> None:
        """Take elements of what was a list, and forget them."""

    def items(self) -> dict[Any, Any]:
        """Return what was put in, where it was a dictionary of somebody's own."""
        held: dict[Any, Any] = self.__dict__.setdefault("held", {})
        return held


@cache
def placeholder(module: str, name: str) -> type[Placeholder]:
    """Return the class that stands for ``module.name``."""
    return type("Placeholder", (Placeholder,), {"name": f"{module}.{name}"})


def read_pickle(path: Path) -> Any:
    """Return what `torch.save` wrote into a file, or `pickle` alone: tensors, plain containers, placeholders.

    Large archives stay on the disk until a tensor's numbers are read. Raises whatever the damage brings about.
    """
    zipped = is_zip(path)
    if zipped:
        _require_plain(path)
    else:
        with path.open("rb") as file:
            first = _Unpickler(file, encoding="bytes").load()
        if first != _MAGIC:  # a pickle and nothing else, as Detectron's are
            return first
    with warnings.catch_warnings():  # of a placeholder whose source is not that of the class it stands for
        warnings.simplefilter("ignore", torch.serialization.SourceChangeWarning)
        return torch.load(
            path, map_location="cpu", pickle_module=_INERT, weights_only=False, mmap=zipped or None
        )


class QuantizedModule(Exception):
    """A pickled module of whole numbers: its weights are packed for one kind of processor."""


class Array(Placeholder):
    """An array of NumPy's: its numbers are those that lie in the file."""

    name = "numpy.ndarray"

    def tensor(self) -> Tensor | None:
        """Return its numbers, without a copy; None where they are no plain ones, or not as many as it claims."""
        match self.state:
            case (_, tuple() as shape, DataType() as kind, bool() as columns_first, bytes() as held) if held:
                if not all(isinstance(size, int) and size >= 0 for size in shape):
                    return None
                if (letters := kind.letters()) is None or prod(shape) * np.dtype(letters).itemsize != len(
                    held
                ):
                    return None
                array = np.frombuffer(held, letters).reshape(shape, order="F" if columns_first else "C")
                with warnings.catch_warnings():  # nobody writes into weights
                    warnings.simplefilter("ignore", UserWarning)
                    return torch.from_numpy(array)
        return None


class DataType(Placeholder):
    """A type of NumPy's numbers."""

    name = "numpy.dtype"

    def __init__(self, letters: Any = "", *_: Any) -> None:
        self.given = letters

    def letters(self) -> str | None:
        """Return the type in NumPy's letters: ``f4`` has 32 bits; None where it is of no plain numbers."""
        letters = self.given.decode("latin1") if isinstance(self.given, bytes) else self.given
        order = self.state[1] if isinstance(self.state, tuple) and len(self.state) > 1 else "<"
        return letters if letters in _LETTERS and order in ("<", "|", b"<", b"|") else None


class OldParameter(Placeholder):
    """A parameter as PyTorch pickled it before 0.4, of a whole module: its tensor, then what gradients need."""

    name = "torch.nn.parameter.Parameter"

    def __init__(self, data: Any = None, *_: Any) -> None:
        self.data = data


def weights_in(content: Any) -> dict[str, Tensor]:
    """Return the named tensors of a mapping or of a whole module's placeholder; none of anything else."""
    if isinstance(content, Placeholder):
        return dict(_of_module(content)) or _tensors(content.items())
    return _tensors(content) if isinstance(content, dict) else {}


def _tensors(content: dict[Any, Any]) -> dict[str, Tensor]:
    """Return what has numbers, by name; arrays where a mapping is made of them, not where one lies beside tensors."""
    content = {key: _bare(item) for key, item in content.items()}
    counts = [sum(isinstance(item, kind) for item in content.values()) for kind in (Tensor, Array)]
    arrays = not counts[0] and 2 * counts[1] > len(content)
    tensors = {
        name_of(key): item.tensor() if arrays and isinstance(item, Array) else item
        for key, item in content.items()
    }
    return {name: value for name, value in tensors.items() if isinstance(value, Tensor)}


def name_of(key: Any) -> str:
    """Return a key as text; those that Python 2 wrote are bytes."""
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _of_module(module: Placeholder, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers that a pickled ``nn.Module`` keeps, by their dotted names."""
    state = module.state if isinstance(module.state, dict) else {}
    if module.name.startswith("torch.") and ".quantized." in module.name:
        raise QuantizedModule(f"{prefix.rstrip('.')!r} is {module.name}")
    for kept in ("_parameters", "_buffers"):
        for name, value in _plain(state.get(kept)).items():
            if isinstance(tensor := _bare(value), Tensor):
                yield f"{prefix}{name}", tensor
    for name, inner in _plain(state.get("_modules")).items():
        if isinstance(inner, Placeholder) and depth < 100:  # a module may be made to hold itself
            yield from _of_module(inner, f"{prefix}{name}.", depth + 1)


def _bare(value: Any) -> Any:
    return value.data if isinstance(value, OldParameter) else value


def _plain(held: Any) -> dict[Any, Any]:
    return held if isinstance(held, dict) else {}


class _Unpickler(CountedUnpickler):
    def __init__(self, file: Any, **options: Any) -> None:
        super().__init__(file, **options)
        at, end = file.tell(), file.seek(0, io.SEEK_END)
        file.seek(at)
        self.copied_bytes = 2 * (end - at)
        """How much may still be copied: a tensor's numbers are text first, and a file inside the file then."""

    def copies(self, made: Any) -> bool:
        """Whether this is no placeholder, which keeps what it is given as it is, nor what counts bytes itself."""
        return not (
            isinstance(made, Placeholder)
            or (isinstance(made, type) and issubclass(made, Placeholder))
            or getattr(made, "__self__", None) is self
        )

    def encode(self, text: Any, *_: Any) -> bytes:
        """Return text as bytes, which is how pickles that Python 2 reads too keep them."""
        self.spend(text)
        return text.encode("latin1") if isinstance(text, str) else b""

    def inner_file(self, content: Any) -> Any:
        """Return a tensor's numbers, which `pickle` alone keeps as a file of PyTorch's inside its own."""
        self.spend(content)
        if not isinstance(content, bytes) or content.startswith(b"PK"):
            raise pickle.UnpicklingError("a tensor's numbers are no file of PyTorch's")
        return torch.load(io.BytesIO(content), map_location="cpu", pickle_module=_INERT, weights_only=False)

    def spend(self, content: Any) -> None:
        """Count bytes that are copied; UnpicklingError where they are more than the file has."""
        self.copied_bytes -= len(content) if isinstance(content, str | bytes) else 0
        if self.copied_bytes < 0:
            raise pickle.UnpicklingError("it copies more than the file holds")

    def find_class(self, module: str, name: str) -> Any:
        """Return what builds tensors and containers, and a placeholder for any other name."""
        if module == "torch._utils" and name in _BUILDERS:
            return getattr(torch._utils, name)
        if module == "torch._tensor" and name == "_rebuild_from_type_v2":
            return _without_type
        if module == "torch.storage" and name == "_load_from_bytes":
            return self.inner_file
        if (module, name) == ("_codecs", "encode"):
            return self.encode
        if module == "torch":
            member = getattr(torch, name, None)
            if isinstance(member, torch.dtype | torch.qscheme) or member in (torch.Size, torch.device):
                return member
        return _CONTAINERS.get((module, name)) or placeholder(module, name)


def _without_type(build: Callable[..., Any], kind: Any, args: tuple[Any, ...], state: Any) -> Any:
    """Return a tensor of somebody's own class as a plain one."""
    return build(*args) if getattr(build, "__name__", "") in _BUILDERS else None


def _array(*_: Any) -> Array:
    return Array()


def _dictionary(*_: Any) -> dict[Any, Any]:
    return {}


_CONTAINERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): _dictionary,
    ("collections", "Counter"): _dictionary,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _array for core in ("core", "_core")},
    ("numpy", "ndarray"): Array,
    ("torch.nn.parameter", "Parameter"): OldParameter,
    ("torch.autograd.variable", "Variable"): OldParameter,
    ("numpy", "dtype"): DataType,
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (set, list, dict)},
}


def _load(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


# What `torch.load` asks of the module pickle.
_INERT: Any = SimpleNamespace(__name__="convscope", Unpickler=_Unpickler, load=_load)


def _require_plain(path: Path) -> None:
    """Raise ValueError for an archive that grows when it is read: PyTorch never packs what it writes."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    packed = next((info.filename for info in members if info.compress_type != zipfile.ZIP_STORED), None)
    if packed or sum(info.file_size for info in members) > path.stat().st_size:
        raise ValueError(f"{packed or 'its contents'} would be larger than the file when unpacked")
