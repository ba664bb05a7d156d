"""Weights out of PyTorch's files: ``.pth``, ``.pt``, ``.ckpt``, ``.pt2``, ``.safetensors``. No code in one is run.

Such a file holds named tensors and no network, so whoever opens it says which network they are for.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from warnings import warn

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from convscope.errors import ConvscopeWarning, NetworkFileError, WeightsMismatch, did_you_mean
from convscope.formats.pytorch.programs import program_weights
from convscope.formats.recognition import HEAD, identify
from convscope.network.operations.checks import dimensions

CHECKPOINT_SUFFIXES = (".pth", ".pt", ".pth.tar", ".ckpt", ".bin", ".pt2")
State = dict[str, Tensor]

# Under which key a training checkpoint keeps the weights; the smoothed ones first, which are those to use.
_KEPT_UNDER = (
    *("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model_state", "model", "net"),
    *("network", "weights", "params", "params_ema", "ema"),
)
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.")


def read_weights(path: Path) -> State:
    """Return the named tensors of a file, in the file's order; NetworkFileError says what else it holds.

    >>> read_weights(Path("resnet18.pth"))["conv1.weight"].shape
    torch.Size([64, 3, 7, 7])
    """
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except SafetensorError as error:
        raise NetworkFileError(f"{path} is not a safetensors file: {error}") from error
    except OSError as error:
        raise NetworkFileError(f"{path} cannot be read: {error.strerror or error}") from error
    state = _unwrapped(content, path)
    for name, tensor in state.items():
        held = tensor.untyped_storage().nbytes()
        if tensor.numel() * tensor.element_size() > held:
            raise NetworkFileError(
                f"{path}: {name!r} claims {dimensions(tensor.shape)} numbers, and the file holds {held:,} bytes of it"
            )
    return state


def _unpickled(path: Path) -> Any:
    """Read a file that `torch.save` wrote, without the power to run anything; its tensors stay in the file."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if zipfile.is_zipfile(path):
        if (program := program_weights(path)) is not None:
            return program
    elif (found := identify(head)) != "a Python pickle":
        raise NetworkFileError(
            f"{path} holds no weights that PyTorch saved: it is {found if head else 'empty'}"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path) or None)
    except pickle.UnpicklingError as error:
        raise NetworkFileError(
            f"{path} holds a whole Python object, {_code_named(str(error))}and convscope runs no code from a file. "
            "In the program that made it, save its weights alone: torch.save(model.state_dict(), 'weights.pth')"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise NetworkFileError(f"{path} is damaged, or no file of PyTorch's: {said}") from error


def _code_named(message: str) -> str:
    """Return what code a refused pickle asks for, as torch says it."""
    words = message.replace("`", " ").split()
    return f"made by {words[words.index('GLOBAL') + 1]}, " if "GLOBAL" in words[:-1] else ""


def _unwrapped(content: Any, path: Path) -> State:
    """Return the weights of what a file holds, out of the training checkpoint they may stand in."""
    if not isinstance(content, Mapping):
        raise NetworkFileError(f"{path} holds a {type(content).__name__} and no named weights")
    inner = next((key for key in _KEPT_UNDER if isinstance(content.get(key), Mapping)), None)
    if inner is not None and _tensors(content[inner]):
        left = ", ".join(str(key) for key in content if key != inner)
        note = f"{path.name} is a training checkpoint: its {inner!r} are the weights"
        warn(f"{note}, left aside: {left}" if left else note, ConvscopeWarning, stacklevel=2)
        content = content[inner]
    state = _tensors(content)
    if not state:
        raise NetworkFileError(
            f"{path} holds no weights: {', '.join(map(str, list(content)[:8])) or 'nothing'}"
        )
    return state


def _tensors(content: Mapping[Any, Any]) -> State:
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def with_weights(build: Callable[[int | None], nn.Module], state: State, path: Path) -> nn.Module:
    """Return a module with these weights; `build` makes it, for its usual number of classes or for another.

    Raises WeightsMismatch, naming a parameter and both shapes, where they do not fit.
    """
    module = build(None)
    wanted = module.state_dict()
    state = _without_wrapper(state, wanted)
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


def _without_wrapper(state: State, wanted: Mapping[str, Tensor]) -> State:
    """Take off what training in parallel or inside another module puts before every name."""
    for prefix in _WRAPPERS:
        if any(name.startswith(prefix) for name in state) and not any(
            name.startswith(prefix) for name in wanted
        ):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


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
            f"{path.name}: {len(left)} tensors have no place in {architecture} and are left out, {left[0]!r} first",
            ConvscopeWarning,
            stacklevel=2,
        )
