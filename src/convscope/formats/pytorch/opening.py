"""From PyTorch's many forms to a Network: live modules, networks by name, weights with a named architecture."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import InputError, NetworkFileError, UnsupportedLayer
from convscope.files import user_path
from convscope.formats.folders import DISTRIBUTED
from convscope.formats.given_shapes import given_shapes
from convscope.formats.network_parts import NetworkParts
from convscope.formats.pytorch.building import argument_names, build_graph, input_names, plain_arguments
from convscope.formats.pytorch.checkpoints import CheckpointFile, read_checkpoint, with_weights
from convscope.formats.pytorch.exported import ExportedProgram, read_exported
from convscope.formats.pytorch.hub_folder import index_of, read_hub_folder, transformers_architecture
from convscope.formats.pytorch.libraries import (
    ASK_FOR_ARCHITECTURE,
    RANDOM,
    TIMM,
    TORCHVISION,
    Architecture,
    find_architecture,
    load_pretrained,
    timm_spec,
)
from convscope.formats.pytorch.scripted import ScriptProgram, program_of, read_scripted
from convscope.formats.pytorch.whole_modules import rebuilt
from convscope.formats.request import Request
from convscope.network.graph import Graph
from convscope.network.input_spec import GUESS, InputSpec
from convscope.network.labels import imagenet_labels
from convscope.network.origin import Origin
from convscope.network.parameters import Shape

__all__ = ["TIMM", "TORCHVISION", "open_checkpoint", "open_hub_folder", "open_live_module", "open_named"]

# The sizes networks were published for, tried in this order where nothing says which it is.
_SIDES = (224, 32, 28, 64, 96, 128, 227, 256, 299, 384)
_WRAPPERS = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel", "AveragedModel")
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def open_live_module(request: Request) -> NetworkParts:
    """Open a module of the running program, a TorchScript module or an exported program included."""
    request.refuse("weights", "rules", "architecture", because="a live module has its own")
    module: Any = request.source
    if hasattr(module, "exported_program") or type(module).__name__ == "ExportedProgram":
        module = module.module()
    module = unwrapped(module)
    if not isinstance(module, nn.Module):
        raise InputError(f"a live network is a torch.nn.Module; found {type(module).__name__}")
    name, spec = type(module).__name__, _own_spec(module)
    if isinstance(module, torch.jit.ScriptModule) and (program := program_of(module)):
        try:
            parts = _parts_of(program, request, name, spec)
            if not parts.graph.cut:
                return parts
        except UnsupportedLayer as error:
            with suppress(InputError):  # made for one kind of processor, it runs no other way either
                return _parts_of(module, request, name, spec)
            raise error
    return _parts_of(module, request, name, spec)


def unwrapped(module: Any) -> Any:
    """Return the network inside what compiles it, runs it in parallel or averages its weights.

    `torch.compile` keeps it as ``_orig_mod``; DataParallel, DistributedDataParallel and AveragedModel as ``module``.
    """
    inner = getattr(module, "_orig_mod", None)
    if inner is None and type(module).__name__ in _WRAPPERS:
        inner = module.module
    return module if inner is None else unwrapped(inner)


def open_named(request: Request) -> NetworkParts:
    """Open a network of torchvision or timm: with its published weights, those of a file, or random ones."""
    request.refuse("rules", "architecture", because=f"{request.source} is one")
    architecture = find_architecture(str(request.source))
    files: tuple[Path, ...] = ()
    if request.weights is None:
        module = load_pretrained(architecture)
    elif request.weights == RANDOM:
        torch.manual_seed(0)
        module = architecture.build(None)
    else:
        files = (user_path(request.weights),)
        module = with_weights(architecture.build, read_checkpoint(files[0]))
    return _parts_of(module, request, architecture.name, architecture.spec, files)


def open_hub_folder(request: Request) -> NetworkParts:
    """Open a folder of the Hugging Face hub: as the network of timm that it names, or as `architecture` says."""
    request.refuse("weights", "rules", because="its weights are in it")
    folder = read_hub_folder(request.path)
    choice = request.architecture or folder.architecture
    architecture = transformers_architecture(folder) if choice is None else _architecture(choice)
    if architecture is None:
        made_by = f"transformers' {folder.transformers_class}" if folder.transformers_class else "a network"
        raise NetworkFileError(
            f"{request.path} holds the weights of {made_by}: pip install transformers, in Python open the module that "
            f"was trained, or export it to ONNX. {ASK_FOR_ARCHITECTURE}"
        )
    if choice is None and architecture.pretrained is not None:
        module = architecture.pretrained()
    else:
        module = with_weights(architecture.build, read_checkpoint(folder.weights))
    spec = folder.spec or architecture.spec or _own_spec(module)
    parts = _parts_of(module, request, architecture.name, spec, (folder.weights,))
    return replace(parts, label_lists=(*([folder.labels] if folder.labels else []), *parts.label_lists))


def open_checkpoint(request: Request) -> NetworkParts:
    """Open a file of weights as the network that `architecture` names, or that it is or makes."""
    request.refuse("weights", "rules", because="it is a file of weights itself")
    path = request.path
    if request.architecture is None and (program := read_exported(path) or read_scripted(path)):
        return _parts_of(program, request, path.stem, None, (path,))
    if index := index_of(path):
        raise NetworkFileError(
            f"{path} is one part of a network's weights: open {index}, which lists them all"
        )
    if path.name == ".metadata" or path.suffix == ".distcp":
        raise NetworkFileError(f"{path} is part of {DISTRIBUTED}")
    checkpoint = read_checkpoint(path)
    if request.architecture is None:
        if whole := _saved_whole(checkpoint):
            return _parts_of(whole, request, path.stem, None, (path,))
        raise NetworkFileError(f"{path} holds {_in_words(checkpoint)} and no network. {ASK_FOR_ARCHITECTURE}")
    architecture = _architecture(request.architecture)
    module = with_weights(architecture.build, checkpoint)
    return _parts_of(module, request, architecture.name, architecture.spec or _own_spec(module), (path,))


def _saved_whole(checkpoint: CheckpointFile) -> nn.Module | None:
    """Return the likeliest of a file's modules that are made of torch's own layers alone; None where none is."""
    for key in checkpoint.states:
        if (module := rebuilt(checkpoint.modules.get(key))) is not None:
            checkpoint.tell(key)
            return module.eval()
    return None


def _in_words(checkpoint: CheckpointFile) -> str:
    """Return what weights a file holds, in a few words; of a module that was saved whole, its class."""
    states, classes = checkpoint.states, checkpoint.classes
    if len(states) > 1:
        each = ", ".join(
            f"{key!r}: {len(state)} tensors{f' of a {classes[key]}' if key in classes else ''}"
            for key, state in states.items()
        )
        return f"the weights of several networks ({each})"
    ((key, state),) = states.items()
    tensors = f"{len(state)} tensors: {', '.join(list(state)[:3])} ..."
    if key in classes:
        return f"the weights of a {classes[key]}, saved whole without its code ({tensors}),"
    return f"weights ({tensors})"


def _architecture(given: Any) -> Architecture:
    if isinstance(given, str):
        return find_architecture(given)
    if isinstance(given, nn.Module):
        return Architecture(type(given).__name__, lambda classes: copy.deepcopy(given))
    if callable(given):
        return Architecture(getattr(given, "__name__", "network"), lambda classes: given())
    raise InputError(f"an architecture is a name, a module or what makes one; found {type(given).__name__}")


def _parts_of(
    module: nn.Module, request: Request, name: str, spec: InputSpec | None, files: tuple[Path, ...] = ()
) -> NetworkParts:
    """Return a module's network for the input that was asked for, else the one it says it takes, else a guess."""
    shape: Any = request.input_shape or (None if spec is None else (1, spec.channels, *spec.size))
    graph = _graph(module, _shapes_beside(module, request, shape), name)
    picture_first = sorted(graph.inputs.items(), key=lambda item: item[0] in request.inputs)
    graph = replace(graph, inputs=dict(picture_first))
    source = request.source if isinstance(request.source, str | Path) else name
    origin = Origin(str(source), None if request.weights is None else str(request.weights), files)
    fitted = _fitted(spec, picture_first[0][1]) if len(graph.inputs) == 1 + len(request.inputs) else None
    if fitted is not None and shape is None and not isinstance(module, ExportedProgram):
        fitted = fitted.with_guessed_size()
    return NetworkParts(graph, origin, fitted, label_lists=(imagenet_labels(),))


def _shapes_beside(module: nn.Module, request: Request, shape: Any) -> Any:
    """Return the shape of every input where all but the picture's are given; else what is known."""
    names = input_names(module)
    others = {key: getattr(value, "shape", (1,)) for key, value in request.inputs.items() if key in names}
    if len(names) < 2 or isinstance(shape, Mapping) or len(others) != len(names) - 1:
        return shape
    return {key: others.get(key, shape or (1, 3, 224, 224)) for key in names}


def _graph(module: nn.Module, shape: Any, name: str) -> Graph:
    names = input_names(module)
    if shape is None and isinstance(module, ExportedProgram):
        shape = module.inputs
    if isinstance(shape, Mapping):
        return build_graph(module, given_shapes(shape, argument_names(module)), name)
    if plain := plain_arguments(module):
        first, kind = next(iter(plain.items()))
        raise InputError(
            f"{name}: its forward() takes {first!r} of type {kind}, which is no tensor: put the value it is to have "
            "into a module around it, whose forward() takes tensors alone, and save or open that"
        )
    if len(names) > 1:
        raise InputError(
            f"{name} takes {len(names)} inputs; give the shape of each: "
            f"input_shape={{{', '.join(f'{key!r}: (1, 3, 224, 224)' for key in names)}}}"
        )
    if shape is not None:
        return build_graph(module, {names[0]: tuple(shape)}, name)
    guesses = _guesses(module)
    graph = next(
        (
            candidate
            for candidate in (_graph_or_none(module, {names[0]: guess}, name) for guess in guesses)
            if candidate
        ),
        None,
    )
    return graph or build_graph(module, {names[0]: guesses[0]}, name)  # which says what is wrong


def _graph_or_none(module: nn.Module, inputs: Mapping[str, Shape], name: str) -> Graph | None:
    try:
        return build_graph(module, inputs, name)
    except InputError:
        return None


def _guesses(module: nn.Module) -> Sequence[Shape]:
    """Return the input shapes a module may have been made for, told by its first layer; the likeliest first."""
    for part in module.modules():
        kind, count = _first_reads(part)
        if kind == "Conv2d":
            # The filters of a saved program tell how many channels a group has, not how many groups there are.
            channels = (1, 3) if count == 1 and isinstance(part, ScriptProgram) else (count,)
            return [(1, number, side, side) for number in channels for side in _SIDES]
        if kind == "Linear":
            side = round(count**0.5)
            return [(1, count), *([(1, 1, side, side)] if side * side == count else [])]
    return [(1, 3, side, side) for side in _SIDES]


def _first_reads(part: nn.Module) -> tuple[str, int]:
    """Return the kind of a layer, and how many channels or numbers it reads, of those that tell; else nothing."""
    if isinstance(part, nn.Conv2d):
        return "Conv2d", part.in_channels
    if isinstance(part, nn.Linear):
        return "Linear", part.in_features
    weight = getattr(part, "weight", None) if isinstance(part, ScriptProgram) else None
    if isinstance(weight, Tensor) and weight.dim() > 1:
        return type(part).__name__, weight.shape[1]  # a saved program's parts are called as they were before
    return "", 0


def _own_spec(module: nn.Module) -> InputSpec | None:
    """Return what a module says itself that it expects, as timm's do."""
    config = getattr(module, "pretrained_cfg", None)
    return timm_spec(config) if isinstance(config, dict) and "mean" in config else None


def _fitted(spec: InputSpec | None, shape: Shape) -> InputSpec | None:
    """Return what the input expects: as its library says, at the graph's own size; a guess where nothing says it."""
    if len(shape) != 4 or shape[1] not in (1, 3):
        return None
    size = (shape[2], shape[3])
    if spec is not None and spec.channels == shape[1]:
        if spec.size == size:
            return spec
        return spec.of_size(size, because="input shape")
    gray, large = shape[1] == 1, min(size) >= 64
    fields: dict[str, Any] = {
        "channel_order": "GRAY" if gray else "RGB",
        "mean": () if gray else _MEAN,
        "input_scale": 1.0 if gray else tuple(1 / value for value in _DEVIATION),
        "resize": "shorter_side" if large else "direct",
        "resize_size": round(max(size) * 256 / 224) if large else None,
    }
    provenance = {"size": "input shape", "layout": "format"} | dict.fromkeys(
        [*fields, "raw_scale", "crops"], GUESS
    )
    return InputSpec(size, provenance=provenance, **fields)
