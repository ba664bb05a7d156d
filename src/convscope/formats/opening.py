"""`open_network`: a model in any form goes in, a Network comes out.

Three tables say who opens what: by the beginning of a name (``zoo:``), by a live object's package, by the kind of a
file (`kinds`), which its content tells. A further format is a line in one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from traceback import extract_tb
from typing import Any
from warnings import warn

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.argument_errors import arguments_in_words
from convscope.errors import (
    ConvscopeError,
    ConvscopeWarning,
    InputError,
    InputGuess,
    NetworkFileError,
    did_you_mean,
)
from convscope.files import COPIED_BYTES, FileState, broken_link, require_regular
from convscope.formats.caffe.means import read_mean
from convscope.formats.caffe.opening import find_caffe_files, open_caffe
from convscope.formats.folders import no_network_in
from convscope.formats.foreign import foreign_network, in_another_format
from convscope.formats.keras.live import KERAS, open_application, open_live_keras
from convscope.formats.keras.opening import open_keras
from convscope.formats.kinds import BY_SUFFIX, FileKind, kind_of_content, kind_of_name
from convscope.formats.labeling import with_labels
from convscope.formats.native import BUILTIN, open_builtin, open_native
from convscope.formats.network_parts import NetworkParts
from convscope.formats.onnx.opening import open_onnx
from convscope.formats.open_options import OpenKeywords, OpenOptions
from convscope.formats.pytorch.hub_folder import index_of, is_hub_folder
from convscope.formats.pytorch.libraries import RANDOM
from convscope.formats.pytorch.opening import (
    TIMM,
    TORCHVISION,
    open_checkpoint,
    open_hub_folder,
    open_live_module,
    open_named,
)
from convscope.formats.recognition import refuse_foreign, unknown_file
from convscope.formats.request import Request
from convscope.formats.tensorflow.graph_def import SAVED_MODELS
from convscope.formats.tensorflow.opening import open_tensorflow
from convscope.formats.zoo.fetching import ZOO, fetch
from convscope.network.engine.execution import best_device
from convscope.network.fixed_inputs import read_input, with_fixed_inputs
from convscope.network.graph import Graph
from convscope.network.gray_rows import with_gray_picture
from convscope.network.input_sidecar import find_sidecar, read_sidecar
from convscope.network.input_spec import InputSpec
from convscope.network.known_inputs import plain_spec, without_guessed_scale
from convscope.network.network import Network
from convscope.network.own_normalization import with_own_normalization
from convscope.network.parameters import Parameters
from convscope.network.transform import with_transform
from convscope.pictures.options import takes_options

Opener = Callable[[Request], NetworkParts]


@arguments_in_words
@takes_options(OpenOptions, OpenKeywords)
def open_network(source: str | Path | object, **options: Unpack[OpenKeywords]) -> Network:
    """Open a network from its file or its folder, with its weights, its labels and what it expects.

    `source` is

    - a file, or the folder that holds it: Caffe's ``.prototxt``, ``.caffemodel`` or ``.caffemodel.h5`` of any age,
      TensorFlow's ``.pb``, ``.pbtxt`` and SavedModels, Keras's ``.keras``, ``.h5`` or ``.json``, ``.onnx``, PyTorch's
      ``.pth``, ``.pt`` or ``.safetensors`` with their `architecture`, or convscope's own ``.convscope``;
    - a name: ``"builtin"``, the small network that comes with convscope, ``"zoo:vgg16"``, a classic that is downloaded
      once, ``"torchvision:NAME"``, ``"timm:NAME"`` or ``"keras:NAME"``, where those libraries are installed;
    - a live model of PyTorch or Keras.

    What is not named (`weights`, `labels`, a mean file) is looked for beside it; labels found there that are not as
    many as the classes are left aside with a warning. Further keywords overrule single fields of the
    network's `InputSpec` (``channel_order="RGB"``, ``mean=(104, 117, 123)``); `input_shape` is for networks that do
    not say how big their input is, `rules` for Caffe networks whose layers depend on them:
    ``{"phase": "TRAIN", "level": 1, "stages": ["deploy"]}``. A file of PyTorch weights needs the `architecture` they
    are for: ``"torchvision:resnet18"``, ``"timm:NAME"``, or a module. `inputs` are values for the inputs beside the
    picture, by name: an array, a ``.npy`` file, a number for all of it, ``"zeros"``, or another picture. `transform`
    is a function from a Pillow image to the input, torchvision's for example, that does all the preprocessing.
    `device` is a device of torch's, or "auto": the graphics card where there is one, which a warning then says.

    >>> network = open_network("bvlc_googlenet/")
    >>> network.layers["conv1/7x7_s2"].shape
    (10, 64, 112, 112)

    Raises NetworkFileError, WeightsMismatch or UnsupportedLayer, each a line that says what to do. No code from
    the file is ever run.
    """
    names = {field.name for field in fields(OpenOptions)}
    known_options = OpenOptions(**{name: value for name, value in options.items() if name in names})  # type: ignore[arg-type]
    preprocessing = {name: value for name, value in options.items() if name not in names}
    fixed = {name: read_input(value) for name, value in (known_options.inputs or {}).items()}
    device = known_options.device
    if device == "auto" and (device := best_device()) != "cpu":
        warn(f"computed on {device}", ConvscopeWarning, stacklevel=2)
    request = Request(
        source,
        known_options.weights,
        known_options.input_shape,
        device,
        known_options.rules or {},
        known_options.architecture,
        inputs=fixed,
    )
    recorded = {
        name: getattr(known_options, name) for name in ("labels", "input_shape", "rules", "inputs")
    } | preprocessing
    if isinstance(known_options.architecture, str):
        recorded["architecture"] = known_options.architecture
    recorded_options = {name: value for name, value in recorded.items() if value is not None}
    with _in_words(request):
        parts = _with_inputs(_opener(request)(request), fixed)
        parts = replace(parts, origin=replace(parts.origin, options=recorded_options))
        parts = _with_sidecar(_normalized_once(_with_spec(parts)))
    parts = _prepared(parts, preprocessing)  # what a person says is not the file's fault
    with _in_words(request):
        network = _network(with_labels(parts, known_options.labels), request.device)
    for note in network.notes:
        warn(note, InputGuess, stacklevel=2)
    return network


def _with_inputs(parts: NetworkParts, fixed: Mapping[str, Tensor | float | str]) -> NetworkParts:
    """Return the parts with values for some inputs; what was said of the picture counts while it is the first."""
    if not fixed:
        return parts
    first = next(iter(parts.graph.inputs), None)
    graph = with_fixed_inputs(parts.graph, fixed)
    return replace(parts, graph=graph, input_spec=None if first in fixed else parts.input_spec)


def _with_spec(parts: NetworkParts) -> NetworkParts:
    """Return the parts with an input spec where they have none and the only input is one of maps."""
    if parts.input_spec is not None or len(parts.graph.inputs) != 1:
        return parts
    graph, shape = with_gray_picture(parts.graph), next(iter(parts.graph.inputs.values()))
    if graph is not None:
        warn(f"{graph.name} expects {shape}: a gray picture is its input", InputGuess, stacklevel=4)
        parts, shape = replace(parts, graph=graph), next(iter(graph.inputs.values()))
    return replace(parts, input_spec=plain_spec(shape, parts.graph.channels_last))


def _normalized_once(parts: NetworkParts) -> NetworkParts:
    """Return the parts for pictures as they are, where the network normalizes them itself."""
    if parts.input_spec is None:
        return parts
    return replace(parts, input_spec=with_own_normalization(parts.input_spec, parts.graph))


@contextmanager
def _in_words(request: Request) -> Iterator[None]:
    """Turn whatever a reader trips over in a file into one line that names it, and leave torch's random numbers alone.

    What a live object or a person's own architecture raises is theirs, and stays.
    """
    of_file = isinstance(request.source, str | Path) and request.exists
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    except ConvscopeError as error:
        files = (request.path, request.weights and Path(request.weights))
        if not of_file or any(file and file.name in str(error) for file in files):
            raise
        raise type(error)(f"{request.source}: {error}") from error
    except Warning:  # where a person has warnings raised
        raise
    except Exception as error:
        if not of_file or not isinstance(request.architecture, str | None):
            raise
        message = str(error).splitlines()[0] if str(error) else "no reason given"
        raise NetworkFileError(
            f"{request.source} cannot be opened, by an error inside convscope "
            f"({type(error).__name__}: {message}{_place(error)}). "
            "Either the file is damaged, or this is ours: please report this line, with the file"
        ) from error


def _place(error: Exception) -> str:
    """Return where in convscope an exception came from, for whoever mends it."""
    places = [frame for frame in extract_tb(error.__traceback__) if "convscope" in Path(frame.filename).parts]
    return f", {Path(places[-1].filename).name} line {places[-1].lineno}" if places else ""


def _caffe_folder(request: Request) -> NetworkParts:
    path, weights = find_caffe_files(request.path)
    return _open_file(replace(request, source=path, weights=request.weights or weights))


def _safetensors(request: Request) -> NetworkParts:
    native = request.architecture is None and index_of(request.path) is None
    return open_native(request) if native else open_checkpoint(request)


def _zoo(request: Request) -> NetworkParts:
    files = fetch(str(request.source).removeprefix(ZOO))
    parts = _open_file(replace(request, source=files.path, weights=request.weights or files.weights))
    parts = _prepared(parts, dict(files.classic.preprocessing))
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
    FileKind.ONNX: open_onnx,
    FileKind.CHECKPOINT: open_checkpoint,
    FileKind.SAFETENSORS: _safetensors,
    FileKind.SHARDS: open_checkpoint,
}


def _opener(request: Request) -> Opener:
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
    checkpoint = (
        Path(f"{request.weights}.index").expanduser().is_file()
    )  # whose name is that of several files
    if request.weights is not None and str(request.weights) != RANDOM and not checkpoint:
        require_regular(Path(request.weights).expanduser())
    require_regular(path)
    if (foreign := foreign_network(path)) is not None:
        raise foreign
    kind_by_content, kind_by_name = kind_of_content(path), kind_of_name(path)
    if kind_by_content is None:
        refuse_foreign(path)
    kind = kind_by_content or kind_by_name
    if kind is None:
        raise unknown_file(path, tuple(BY_SUFFIX))
    if BY_KIND[kind] is not (BY_KIND[kind_by_name] if kind_by_name else None):
        warn(
            f"{path} is {kind.value}, whatever its name says: opened as that", ConvscopeWarning, stacklevel=4
        )
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
    return f"there is no such file or folder.{close} {BUILTIN!r} is always there"


def _opener_of_object(source: object) -> Opener:
    packages = {kind.__module__.partition(".")[0] for kind in type(source).__mro__}
    for package, opener in BY_PACKAGE.items():
        if package in packages:
            return opener
    possible = ", ".join(("a path", *(f"a model of {package}" for package in BY_PACKAGE)))
    raise InputError(f"a network is opened from {possible}; found {type(source).__name__}")


def _opener_of_folder(folder: Path) -> Opener:
    """Tell a folder by what it holds; one with a single network in it is that network's."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if any(path.name in SAVED_MODELS for path in files):
        return open_tensorflow
    if is_hub_folder(folder):
        return open_hub_folder
    if (known := in_another_format(folder.name)) is not None:
        raise NetworkFileError(f"{folder} is {known}")
    networks = {path: kind for path in files if (kind := kind_of_name(path))}
    if (foreign := [path for path in networks if foreign_network(path)]) != []:
        networks = {
            path: kind for path, kind in networks.items() if path not in foreign and kind_of_content(path)
        }
    if any(BY_KIND[kind] is open_caffe for kind in networks.values()):
        return _caffe_folder
    if len(networks) > 1:
        raise NetworkFileError(
            f"{folder} holds several: {', '.join(path.name for path in networks)}. Name one"
        )
    if not networks:
        raise no_network_in(folder, files)
    (only,) = networks
    return lambda request: _open_file(replace(request, source=only))


def _with_sidecar(parts: NetworkParts) -> NetworkParts:
    """Overrule how a picture becomes the input by what a file beside the network says of it."""
    path = Path(parts.origin.source)
    if parts.input_spec is None or not path.exists() or (file := find_sidecar(path)) is None:
        return parts
    spec = read_sidecar(file, parts.input_spec, read_mean)
    return replace(parts, input_spec=spec, origin=parts.origin.with_file(file))


def _prepared(parts: NetworkParts, preprocessing: Mapping[str, Any]) -> NetworkParts:
    """Overrule how a picture becomes the input, field by field."""
    if not preprocessing:
        return parts
    if parts.input_spec is None:
        raise InputError(
            f"{parts.graph.name or parts.origin.source} expects no picture, so there is nothing to prepare for it: "
            f"{sorted(preprocessing)}"
        )
    if "transform" in preprocessing:
        others = {name: value for name, value in preprocessing.items() if name != "transform"}
        spec = with_transform(parts.input_spec, preprocessing["transform"])
        return _prepared(replace(parts, input_spec=spec), others)
    mean = preprocessing.get("mean")
    if not isinstance(mean, str | Path):
        return replace(parts, input_spec=without_guessed_scale(_changed(parts.input_spec, preprocessing)))
    file = Path(mean).expanduser()
    others = {name: value for name, value in preprocessing.items() if name != "mean"}
    spec = _changed(parts.input_spec, others).with_mean(read_mean(file), because=f"mean file {file.name}")
    return replace(parts, input_spec=spec, origin=parts.origin.with_file(file))


def _changed(spec: InputSpec, changes: Mapping[str, Any]) -> InputSpec:
    """Change fields; pictures that are resized to less than the network's size are resized to more as well."""
    resized = spec.resize_size
    if resized is None or "resize_size" in changes or resized >= np.max(changes.get("size", 0)):
        return spec.replace(**changes)
    return spec.of_size(**changes)


def _network(parts: NetworkParts, device: str | torch.device) -> Network:
    return Network(
        _guarded(parts), input_spec=parts.input_spec, labels=parts.labels, origin=parts.origin, device=device
    )


def _guarded(parts: NetworkParts) -> Graph:
    """Return the graph; parameters that stay in large files are read only as long as those are what they were."""
    files = [FileState.of(file) for file in parts.origin.files if file.is_file()]
    large = [file for file in files if file.size > COPIED_BYTES]
    if not large:
        return parts.graph
    parameters = parts.graph.parameters

    def load(name: str) -> torch.Tensor:
        for file in large:
            file.require_unchanged()
        return parameters.fresh(name)

    return replace(parts.graph, parameters=Parameters(parameters.shapes, load))
