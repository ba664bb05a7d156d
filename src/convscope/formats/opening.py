"""`open_network`: a model in any form goes in, a Network comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Unpack

from convscope.argument_errors import arguments_in_words
from convscope.errors import ConvscopeError, InputGuess, NetworkFileError, warn
from convscope.files import COPIED_BYTES, FileState
from convscope.formats.expectations import (
    size_instead_of_a_guess,
    with_inputs,
    with_preprocessing,
    with_sidecar,
    with_spec,
    without_second_normalization,
)
from convscope.formats.given_shapes import require_shapes
from convscope.formats.labeling import with_labels
from convscope.formats.network_parts import NetworkParts
from convscope.formats.open_options import OpenKeywords, OpenOptions
from convscope.formats.openers import opener_of
from convscope.formats.request import Request
from convscope.network.engine.execution import best_device
from convscope.network.fixed_inputs import read_input
from convscope.network.graph import Graph
from convscope.network.network import Network
from convscope.network.parameters import Parameters
from convscope.pictures.options import takes_options


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
    not say how big their input is, or the shape of each input by its name, `rules` for Caffe networks whose layers
    depend on them: ``{"phase": "TRAIN", "level": 1, "stages": ["deploy"]}``. A file of PyTorch weights needs the
    `architecture` they are for: ``"torchvision:resnet18"``, ``"timm:NAME"``, or a module. `inputs` are values for the
    inputs beside the picture, by name: an array, a ``.npy`` file, a number for all of it, ``"zeros"``, or another
    picture. `transform` is a function from a Pillow image to the input, torchvision's for example, that does all the
    preprocessing.
    `device` is a device of torch's, or "auto": the graphics card where there is one, which a warning then says.

    >>> network = convscope.open_network("builtin")
    >>> network.layers["conv1"].shape
    (1, 48, 40, 40)

    Raises NetworkFileError, WeightsMismatch or UnsupportedLayer, each a line that says what to do. No code from
    the file is ever run.
    """
    names = {field.name for field in fields(OpenOptions)}
    known_options = OpenOptions(**{name: value for name, value in options.items() if name in names})  # type: ignore[arg-type]
    preprocessing = {name: value for name, value in options.items() if name not in names}
    fixed = {name: read_input(value) for name, value in (known_options.inputs or {}).items()}
    require_shapes(known_options.input_shape)
    if isinstance(source, (str, Path)) and not str(source).strip():
        raise NetworkFileError(
            "a network's name is empty: give a file, a folder (. is this one) or a name; builtin is always there"
        )
    device = known_options.device
    if device == "auto" and (device := best_device()) != "cpu":
        warn(f"computed on {device}")
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

    read = _read(request, fixed, recorded_options)
    parts = with_preprocessing(read, preprocessing)  # what a person says is not the file's fault
    if shape := size_instead_of_a_guess(read, parts):
        read = _read(replace(request, input_shape=shape), fixed, recorded_options)
        parts = with_preprocessing(read, preprocessing)
    with _in_words(request):
        network = _network(with_labels(parts, known_options.labels), request.device)
    for note in network.notes:
        warn(note, InputGuess)
    return network


def _read(
    request: Request, fixed: Mapping[str, Tensor | float | str], options: Mapping[str, Any]
) -> NetworkParts:
    """Return what a format's opener, the network itself and a file beside it say; `options` are for its recipe."""
    with _in_words(request):
        parts = with_inputs(opener_of(request)(request), fixed)
        parts = replace(parts, origin=replace(parts.origin, options=options))
        return with_sidecar(without_second_normalization(with_spec(parts)))


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
