"""Who opens what: by the beginning of a name (``zoo:``), by a live object's package, by the kind of a file.

A further format is a line in one of the three tables; of what kind a file is, its content tells (`kinds`). A format is
imported when something of it is opened: all five take longer than most networks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from convscope.errors import InputError, NetworkFileError, did_you_mean, warn
from convscope.files import broken_link, is_there, require_regular, user_path
from convscope.formats.expectations import with_preprocessing
from convscope.formats.folders import no_network_in
from convscope.formats.foreign import foreign_network, in_another_format
from convscope.formats.keras import KERAS
from convscope.formats.kinds import BY_SUFFIX, SAVED_MODELS, USUAL, FileKind, kind_of_content, kind_of_name
from convscope.formats.native import BUILTIN, open_builtin, open_native
from convscope.formats.network_parts import NetworkParts
from convscope.formats.pytorch.hub_folder import index_of, is_hub_folder, only_list_in
from convscope.formats.pytorch.libraries import RANDOM, TIMM, TORCHVISION
from convscope.formats.recognition import refuse_foreign, unknown_file
from convscope.formats.request import Request
from convscope.formats.zoo.fetching import ZOO, fetch

Opener = Callable[[Request], NetworkParts]
_OF_A_LIBRARY = re.compile(r"[A-Za-z_]+\d\w*")  # resnet18, inception_v3
_OF_A_HUB = re.compile(r"(hf[:-])?[\w-]+/[\w.-]+")  # microsoft/resnet-50


def _of(module: str, name: str) -> Opener:
    """Return an opener whose module is imported when it opens something."""

    def opener(request: Request) -> NetworkParts:
        parts: NetworkParts = getattr(import_module(f"convscope.formats.{module}"), name)(request)
        return parts

    return opener


open_caffe = _of("caffe.opening", "open_caffe")
open_checkpoint, open_hub_folder, open_live_module, open_named = (
    _of("pytorch.opening", name)
    for name in ("open_checkpoint", "open_hub_folder", "open_live_module", "open_named")
)
open_keras, open_application, open_live_keras = (
    _of("keras.opening", "open_keras"),
    _of("keras.live", "open_application"),
    _of("keras.live", "open_live_keras"),
)
open_onnx, open_tensorflow = _of("onnx.opening", "open_onnx"), _of("tensorflow.opening", "open_tensorflow")


def _caffe_folder(request: Request) -> NetworkParts:
    from convscope.formats.caffe.opening import find_caffe_files

    path, weights = find_caffe_files(request.path)
    return _open_file(replace(request, source=path, weights=request.weights or weights))


def _safetensors(request: Request) -> NetworkParts:
    native = request.architecture is None and index_of(request.path) is None
    return open_native(request) if native else open_checkpoint(request)


def _zoo(request: Request) -> NetworkParts:
    files = fetch(str(request.source).removeprefix(ZOO))
    parts = _open_file(replace(request, source=files.path, weights=request.weights or files.weights))
    parts = with_preprocessing(parts, dict(files.classic.preprocessing))
    return replace(parts, origin=replace(parts.origin, source=str(request.source)))


BY_PREFIX: Mapping[str, Opener] = {
    BUILTIN: open_builtin,
    ZOO: _zoo,
    TORCHVISION: open_named,
    TIMM: open_named,
    KERAS: open_application,
}
BY_PACKAGE: Mapping[str, Opener] = {"keras": open_live_keras, "torch": open_live_module}
"""The package that a live object's class, or one it is made from, comes from; the first that fits opens it."""
BY_KIND: Mapping[FileKind, Opener] = {
    **dict.fromkeys((FileKind.CAFFE_TEXT, FileKind.CAFFE_WEIGHTS, FileKind.CAFFE_HDF5), open_caffe),
    **dict.fromkeys((FileKind.KERAS_ZIP, FileKind.KERAS_HDF5, FileKind.KERAS_JSON), open_keras),
    **dict.fromkeys((FileKind.TENSORFLOW, FileKind.TENSORFLOW_TEXT, FileKind.SAVED_MODEL), open_tensorflow),
    FileKind.META_GRAPH: open_tensorflow,
    FileKind.ONNX: open_onnx,
    FileKind.CHECKPOINT: open_checkpoint,
    FileKind.SAFETENSORS: _safetensors,
    FileKind.SHARDS: open_checkpoint,
}


def opener_of(request: Request) -> Opener:
    """Tell from a source who opens it; InputError or NetworkFileError, with what is possible, where nobody does."""
    source = request.source
    if not isinstance(source, str | Path):
        return _opener_of_object(source)
    for prefix, opener in BY_PREFIX.items():
        if source == prefix or (prefix.endswith(":") and str(source).startswith(prefix)):
            return opener
    if not request.exists:
        raise NetworkFileError(f"{source}: {_missing(request)}")
    return _opener_of_folder(request.path) if request.path.is_dir() else _open_file


def _open_file(request: Request) -> NetworkParts:
    """Open a file as what it is by its content; by its name where the content does not tell."""
    path = request.path
    checkpoint = is_there(user_path(f"{request.weights}.index"))  # whose name is that of several files
    if request.weights is not None and str(request.weights) != RANDOM and not checkpoint:
        require_regular(user_path(request.weights))
    require_regular(path)
    if (foreign := foreign_network(path)) is not None:
        raise foreign
    kind_by_content, kind_by_name = kind_of_content(path), kind_of_name(path)
    if kind_by_content is None:
        refuse_foreign(path)
    kind = kind_by_content or kind_by_name
    if kind is None:
        raise unknown_file(path, tuple(BY_SUFFIX))
    names = (kind_by_name, USUAL.get(path.suffix.lower()))
    if BY_KIND[kind] not in [BY_KIND[name] for name in names if name is not None]:
        warn(f"{path} is {kind.value}, whatever its name says: opened as that")
    return BY_KIND[kind](replace(request, kind=kind))


def _missing(request: Request) -> str:
    """Return what to say where there is nothing of the name: what is close, and what is always there."""
    source = str(request.source)
    if "://" in source:
        return "convscope opens files: download it first"
    if broken := broken_link(request.path):
        return f"it {broken}"
    folder = request.path.parent
    beside = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    close = did_you_mean(request.path.name, [*beside, *(prefix for prefix in BY_PREFIX)])
    if not close and _OF_A_LIBRARY.fullmatch(source):
        close = f" A network's name has its library before it: torchvision:{source}, timm:{source} or keras:{source}."
    elif not folder.is_dir() and _OF_A_HUB.fullmatch(source) and kind_of_name(request.path) is None:
        close = " Nothing is downloaded from a hub: give the folder of config.json and weights, or a module (Python)."
    return f"there is no such file or folder.{close} {BUILTIN!r} is always there"


def _opener_of_object(source: object) -> Opener:
    packages = {kind.__module__.partition(".")[0] for kind in type(source).__mro__}
    for package, opener in BY_PACKAGE.items():
        if package in packages:
            return opener
    possible = ", ".join(("a path", *(f"a model of {package}" for package in BY_PACKAGE)))
    raise InputError(f"a network is opened from {possible}; found {_in_words(source)}")


def _in_words(source: object) -> str:
    """Return what an object is that is no network, and what to do about the two that are nearly one."""
    if isinstance(source, type):
        return f"the class {source.__name__}: give one of it, {source.__name__}()"
    if isinstance(source, Mapping) and source and all(hasattr(value, "shape") for value in source.values()):
        return "weights alone (a state_dict): load them into a module, and open that"
    return type(source).__name__


def _opener_of_folder(folder: Path) -> Opener:
    """Tell a folder by what it holds; one with a single network in it is that network's."""
    files = sorted(path for path in folder.iterdir() if path.name[0] != "." and path.is_file())
    if any(path.name in SAVED_MODELS for path in files):
        return open_tensorflow
    if is_hub_folder(folder):
        return open_hub_folder
    if (known := in_another_format(folder.name)) is not None:
        raise NetworkFileError(f"{folder} is {known}")
    networks = {path: kind for path in files if (kind := kind_of_name(path)) and not _is_other_json(path)}
    if (foreign := [path for path in networks if foreign_network(path)]) != []:
        networks = {
            path: kind for path, kind in networks.items() if path not in foreign and kind_of_content(path)
        }
    if any(BY_KIND[kind] is open_caffe for kind in networks.values()):
        return _caffe_folder
    if len(networks) > 1 and (index := only_list_in([*networks])) is not None:
        return lambda request: _open_file(replace(request, source=index))
    if len(networks) > 1:
        raise NetworkFileError(
            f"{folder} holds several: {', '.join(path.name for path in networks)}. Name one"
        )
    if not networks:
        raise no_network_in(folder, files)
    (only,) = networks
    return lambda request: _open_file(replace(request, source=only))


def _is_other_json(path: Path) -> bool:
    """Whether a file is JSON by its name, and describes no network: labels, settings, what convscope itself wrote."""
    return kind_of_name(path) is FileKind.KERAS_JSON and not (foreign_network(path) or kind_of_content(path))
