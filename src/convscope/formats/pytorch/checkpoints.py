"""Weights out of PyTorch's files: ``.pth``, ``.pt``, ``.ckpt``, ``.pt2``, ``.safetensors``. No code in one is run.

Such a file holds named tensors and no network, so whoever opens it says which network they are for.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from convscope.errors import NetworkFileError, WeightsMismatch, did_you_mean, warn
from convscope.files import require_text_name
from convscope.formats.packed_weights import QUANTIZED, require_unpacked
from convscope.formats.pytorch.hub_folder import files_of
from convscope.formats.pytorch.programs import is_zip, program_weights
from convscope.formats.pytorch.unpickling import (
    Placeholder,
    QuantizedModule,
    name_of,
    read_pickle,
    weights_in,
)
from convscope.formats.pytorch.whole_modules import module_inside
from convscope.formats.recognition import HEAD, PICKLE, identify
from convscope.network.operations.checks import dimensions

State = dict[str, Tensor]

# Under which key a training checkpoint keeps the weights; the smoothed ones first, which are those to use.
_KEPT_UNDER = (
    *("state_dict_ema", "model_ema", "ema", "params_ema", "ema_state_dict", "state_dict", "model_state_dict"),
    *("model_state", "model", "net", "network", "module", "weights", "params", "generator", "student"),
)
_NEVER = (
    *("optimizer", "optimizers", "optimizer_states", "optim", "opt", "scheduler", "lr_scheduler"),
    *("lr_schedulers", "scaler", "callbacks", "loops"),
)
_OPTIMIZERS = {"state", "param_groups"}  # what `optimizer.state_dict()` has
# Modules that training puts around others; what is inside is `module` of them.
_AROUND = frozenset(
    {"_orig_mod", "_fsdp_wrapped_module", "_fpw_module", "_checkpoint_wrapped_module", "module"}
)
_DEPTH = 4
_LONGEST_CLASS = 100  # letters: a stranger may call a class anything
_PLACES = 64  # a list that holds a network has a few places
_SAVE_WEIGHTS = (
    "In the program that made it, save its weights alone: torch.save(model.state_dict(), 'weights.pth')"
)
_PACKAGE = ".data/extern_modules"  # in every torch.package


@dataclass(frozen=True)
class CheckpointFile:
    """What is in a file: everything that may be a network's weights, by where it stands, the likeliest first.

    A state's key is "" for the whole file, else dotted (``"ema.model"``); `entries` are the keys at the top, and
    `classes` those whose modules were saved whole, by the state's key: ``"my_model.Net"``; `modules` those modules.
    """

    path: Path
    states: Mapping[str, State]
    entries: tuple[str, ...]
    classes: Mapping[str, str]
    modules: Mapping[str, Placeholder] = field(default_factory=dict)

    def tell(self, key: str) -> None:
        """Note which weights are taken and what is left."""
        left = [name for name in self.entries if name != key.partition(".")[0]]
        left += [name for name in self.states if "." in name and name != key]
        note = f"{self.path.name} is a training checkpoint: its {key!r} are the weights"
        if key:
            warn(f"{note}, left aside: {', '.join(left)}" if left else note)


def read_checkpoint(path: Path) -> CheckpointFile:
    """Return the weights in a file; NetworkFileError, with what it holds, where there are none.

    >>> read_checkpoint(Path("resnet18.pth")).states[""]["conv1.weight"].shape
    torch.Size([64, 3, 7, 7])
    """
    try:
        content = _content(path)
    except SafetensorError as error:
        raise NetworkFileError(f"{path} is not a safetensors file: {error}") from error
    except OSError as error:
        raise NetworkFileError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        candidates = list(_states(content))
    except QuantizedModule as error:
        raise NetworkFileError(f"{path} holds a quantized network ({error}): {QUANTIZED}") from error
    states = {key: state for key, state, _ in candidates}
    if not states:
        raise NetworkFileError(f"{path} {_what_else(content)}")
    for state in states.values():
        _require_numbers(state, path)
    entries = tuple(_inside(content)) if "" not in states else ()
    modules = {key: module for key, _, module in candidates if isinstance(module, Placeholder)}
    classes = {key: module_inside(module).name[:_LONGEST_CLASS] for key, module in modules.items()}
    return CheckpointFile(
        path, dict(sorted(states.items(), key=lambda item: _rank(item[0]))), entries, classes, modules
    )


def _content(path: Path) -> Any:
    """Return what a file holds; of a list of shards the tensors of all of them."""
    files = files_of(path)
    if files != [path]:
        return {name: tensor for file in files for name, tensor in _content(file).items()}
    if not _is_safetensors(path):
        return _unpickled(path)
    require_text_name(path, "safetensors")
    return load_file(path)


def _what_else(content: Any) -> str:
    """Say what a file without weights holds, and whose code it was made by."""
    if isinstance(content, Placeholder):
        name = content.name[:_LONGEST_CLASS]
        return f"holds no weights but a {name}, and convscope runs no code from a file. {_SAVE_WEIGHTS}"
    entries = _inside(content)
    if entries.keys() >= _OPTIMIZERS:
        return "holds what an optimizer remembers and no weights: the network's are in another file beside it"
    if not isinstance(content, Mapping):
        count = sum(isinstance(item, Tensor) for item in entries.values())
        tensors = f" with {count} tensors" if count else ""
        return f"holds a {type(content).__name__}{tensors} and no named weights"
    keys = ", ".join(list(entries)[:8]) or "nothing"
    code = next((item.name for item in entries.values() if isinstance(item, Placeholder)), None)
    library = (
        ""
        if code is None
        else (f" (made by {code}, and convscope runs no code from a file). {_SAVE_WEIGHTS}")
    )
    return f"holds no weights: {keys}{library}"


def _inside(content: Any) -> dict[str, Any]:
    """Return what is in a mapping by its keys, in a list by its places; nothing for anything else."""
    if isinstance(content, list | tuple):
        return {str(place): item for place, item in enumerate(content[:_PLACES])}
    if isinstance(content, Placeholder):  # an object: what it was filled with, and what it has as attributes
        attributes = content.state if isinstance(content.state, dict) else {}
        content = {**content.items(), **attributes}
    entries = content
    return {name_of(key): item for key, item in entries.items()} if isinstance(entries, Mapping) else {}


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as those do: the length of a JSON object, and its brace."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{" or path.suffix == ".safetensors"


def _states(
    content: Any, key: str = "", depth: int = 0, seen: set[int] | None = None
) -> Iterator[tuple[str, State, Any]]:
    """Yield what may be weights, and what they are in: a mapping with tensors, a whole module, those in a mapping.

    What a file has in several places is looked at in the first.
    """
    seen = set() if seen is None else seen
    if isinstance(content, Tensor) or depth > _DEPTH or id(content) in seen:
        return
    seen.add(id(content))
    if isinstance(content, Mapping) and content.keys() >= _OPTIMIZERS:
        return
    if state := weights_in(content):
        yield key, state, content
        return
    for name, item in _inside(content).items():
        if name not in _NEVER:
            yield from _states(item, f"{key}.{name}" if key else name, depth + 1, seen)


def _rank(key: str) -> int:
    """Return how likely the place of some weights is to be that of the network's: 0 is likeliest."""
    if not key:
        return -1
    return min(
        (_KEPT_UNDER.index(word) for word in key.split(".") if word in _KEPT_UNDER), default=len(_KEPT_UNDER)
    )


def _require_numbers(state: State, path: Path) -> None:
    """Raise NetworkFileError for a tensor that claims more numbers than the file has for it, or holds packed ones."""
    require_unpacked(state, path)
    size = sum(file.stat().st_size for file in files_of(path))
    for name, tensor in state.items():
        if tensor.is_quantized or name.endswith(".zero_point"):
            raise NetworkFileError(
                f"{path} holds a quantized network ({name!r} is {str(tensor.dtype).removeprefix('torch.')}): "
                f"{QUANTIZED}"
            )
        if tensor.is_sparse:
            continue
        capacity = tensor.untyped_storage().nbytes()
        if tensor.numel() * tensor.element_size() > capacity or capacity > size:
            raise NetworkFileError(
                f"{path}: {name!r} claims {dimensions(tensor.shape)} numbers, "
                f"and the file holds {min(capacity, size):,} bytes of it"
            )


def _unpickled(path: Path) -> Any:
    """Read a file that `torch.save` wrote, without the power to run anything; its tensors stay in the file."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if is_zip(path):
        if (program := program_weights(path)) is not None:
            return program
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith(_PACKAGE) for name in archive.namelist()):
                raise NetworkFileError(
                    f"{path} is a torch.package, a network with its code, and convscope runs no code from a file. "
                    f"{_SAVE_WEIGHTS}"
                )
    elif (type_name := identify(head)) != PICKLE:
        raise NetworkFileError(
            f"{path} holds no weights that PyTorch saved: it is {type_name if head else 'empty'}"
        )
    if is_zip(path):
        require_text_name(path, "PyTorch")
    try:
        return read_pickle(path)
    except OSError:
        raise
    except Exception as error:  # damage shows wherever it likes
        message = (str(error) or type(error).__name__).splitlines()[0]
        raise NetworkFileError(f"{path} is damaged, or no file of PyTorch's: {message}") from error


def with_weights(build: Callable[[int | None], nn.Module], checkpoint: CheckpointFile) -> nn.Module:
    """Return a module with those weights of a checkpoint that fit it best.

    `build` makes the module, for its usual number of classes or for another. Raises WeightsMismatch, naming a parameter
    and both shapes, where none fit.
    """
    module, path = build(None), checkpoint.path
    wanted = module.state_dict()
    fitted = {key: _without_prefix(state, wanted, path) for key, state in checkpoint.states.items()}
    key, state = max(
        fitted.items(), key=lambda item: len(wanted.keys() & item[1].keys())
    )  # the first of equals
    checkpoint.tell(key)
    other = {
        len(state[name])
        for name in wanted.keys() & state.keys()
        if wanted[name].shape[1:] == state[name].shape[1:] and wanted[name].shape[:1] != state[name].shape[:1]
    }
    if len(other) == 1:  # the last layer was taught other classes
        module = build(other.pop())
        wanted = module.state_dict()
    _require_fit(state, wanted, path, type(module).__name__)
    module.load_state_dict({name: state[name] for name in wanted if name in state}, strict=False)
    return module


def _without_prefix(state: State, wanted: Mapping[str, Tensor], path: Path) -> State:
    """Take off, or put on, what training in parallel or inside another module puts before every name.

    Where several parts of the file fit (``student.``, ``teacher.``) the first is taken, and the others are named.
    """
    state = _unwrapped(state, wanted)
    prefixes = _prefixes(state, wanted)
    if not prefixes:
        outside = _prefixes(wanted, state)
        return {outside[0] + name: tensor for name, tensor in state.items()} if outside else state
    prefix, *others = prefixes
    if others:
        names = ", ".join(repr(other.rstrip(".")) for other in others)
        note = f"{path.name}: the weights under {prefix.rstrip('.')!r} are taken; those under {names} fit as well"
        warn(note)
    inside = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return inside | {name: tensor for name, tensor in state.items() if not name.startswith(prefix)}


def _unwrapped(state: State, wanted: Mapping[str, Tensor]) -> State:
    """Take out of every name what compiling and training in parallel put into it: ``layer1._orig_mod.0.weight``."""
    own = {part for name in wanted for part in name.split(".")}
    names = {name: ".".join(part for part in name.split(".") if part not in _AROUND - own) for name in state}
    if len(set(names.values())) < len(names):
        return state
    return {names[name]: tensor for name, tensor in state.items()}


def _prefixes(long: Mapping[str, Tensor], short: Mapping[str, Tensor]) -> list[str]:
    """Return what stands before the names of `short` in `long`, for most of them; several where they tie, or none."""
    counts: Counter[str] = Counter()
    for name, tensor in short.items():
        counts.update(
            other[: -len(name)]
            for other, candidate in long.items()
            if (other == name or other.endswith(f".{name}")) and candidate.shape[1:] == tensor.shape[1:]
        )
    most = max(counts.values(), default=0)
    if 2 * most <= len(short):  # names that are alike by chance
        return []
    best = [prefix for prefix, count in counts.items() if count == most]
    return [""] if "" in best else best


def _require_fit(state: State, wanted: Mapping[str, Tensor], path: Path, architecture: str) -> None:
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    if missing:
        count = f"{len(missing)} of {len(wanted)} parameters"
        raise WeightsMismatch(
            f"{path} does not fit {architecture}: {count} are not in it, {missing[0]!r} first."
            f"{did_you_mean(missing[0], state)} It holds {', '.join(list(state)[:3])} ..."
        )
    for name in wanted.keys() & state.keys():
        if wanted[name].shape != state[name].shape:
            raise WeightsMismatch(
                f"{path} does not fit {architecture}: {name!r} is {dimensions(state[name].shape)} in the file and "
                f"{dimensions(wanted[name].shape)} in the network"
            )
    if left := [name for name in state if name not in wanted]:
        warn(
            f"{path.name}: {len(left)} tensors have no place in {architecture} and are left out, {left[0]!r} first"
        )
