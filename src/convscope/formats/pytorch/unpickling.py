"""What `torch.save` wrote, read without the power to run anything.

A pickle names classes and functions and calls them. Here only those that build tensors and plain containers are what
they say; every other name is a `Placeholder`, which takes whatever it is given and does nothing. So a checkpoint whose
weights lie beside an ``argparse.Namespace``, a NumPy number or a whole module gives its weights all the same.
"""

from __future__ import annotations

import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from convscope.formats.pytorch.counted_pickle import CountedUnpickler

# What builds tensors out of numbers that lie in the file, and reads nothing else.
_BUILDERS = (
    *("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state"),
    *("_rebuild_qtensor", "_rebuild_sparse_tensor"),
)


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
    """Return what `torch.save` wrote into a file: tensors, plain containers, placeholders.

    Large archives stay on the disk until a tensor's numbers are read. Raises whatever the damage brings about.
    """
    zipped = zipfile.is_zipfile(path)
    if zipped:
        _require_plain(path)
    with warnings.catch_warnings():  # of a placeholder whose source is not that of the class it stands for
        warnings.simplefilter("ignore", torch.serialization.SourceChangeWarning)
        return torch.load(
            path, map_location="cpu", pickle_module=_INERT, weights_only=False, mmap=zipped or None
        )


def weights_in(content: Any) -> dict[str, Tensor]:
    """Return the named tensors of a mapping or of a whole module's placeholder; none of anything else."""
    if isinstance(content, Placeholder):
        return dict(_of_module(content)) or _tensors(content.items())
    return _tensors(content) if isinstance(content, dict) else {}


def _tensors(content: dict[Any, Any]) -> dict[str, Tensor]:
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _of_module(module: Placeholder, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers that a pickled ``nn.Module`` keeps, by their dotted names."""
    state = module.state if isinstance(module.state, dict) else {}
    for kept in ("_parameters", "_buffers"):
        for name, value in _plain(state.get(kept)).items():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value
    for name, inner in _plain(state.get("_modules")).items():
        if isinstance(inner, Placeholder) and depth < 100:  # a module may be made to hold itself
            yield from _of_module(inner, f"{prefix}{name}.", depth + 1)


def _plain(held: Any) -> dict[Any, Any]:
    return held if isinstance(held, dict) else {}


class _Unpickler(CountedUnpickler):
    def copies(self, made: Any) -> bool:
        """Whether this is no placeholder, which keeps what it is given as it is."""
        return not (
            isinstance(made, Placeholder) or (isinstance(made, type) and issubclass(made, Placeholder))
        )

    def find_class(self, module: str, name: str) -> Any:
        """Return what builds tensors and containers, and a placeholder for any other name."""
        if module == "torch._utils" and name in _BUILDERS:
            return getattr(torch._utils, name)
        if module == "torch._tensor" and name == "_rebuild_from_type_v2":
            return _without_type
        if module == "torch":
            found = getattr(torch, name, None)
            if isinstance(found, torch.dtype | torch.qscheme) or found in (torch.Size, torch.device):
                return found
        return _CONTAINERS.get((module, name)) or placeholder(module, name)


def _without_type(build: Callable[..., Any], kind: Any, args: tuple[Any, ...], state: Any) -> Any:
    """Return a tensor of somebody's own class as a plain one."""
    return build(*args) if getattr(build, "__name__", "") in _BUILDERS else None


def _dictionary(*_: Any) -> dict[Any, Any]:
    return {}


_CONTAINERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): _dictionary,
    ("collections", "Counter"): _dictionary,
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
